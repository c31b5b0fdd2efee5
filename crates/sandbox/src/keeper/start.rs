//! What the keeper does once, before it says that it is ready.
//!
//! It separates itself from the server's terminal, signals and mounts; as an ordinary user it first makes
//! a user namespace, inside which all the rest works as it does for root. Then it finds out by trying
//! what this host allows. The order is: namespaces, leftovers, sources, probes, aides.

use std::io;
use std::path::Path;

use rustix::mount::MountPropagationFlags;

use super::aide::Aide;
use super::disk;
use super::mounts::Mounts;
use super::nursery::{Nursery, user_of};
use super::porter::Porters;
use super::sources::Sources;
use super::turn::Turn;
use super::workshop::Workshop;
use crate::cgroup::Layout;
use crate::config::{IMAGE_IDS, KeeperConfig, Weakness};
use crate::error::Step;
use crate::init::map_ids;
use crate::seccomp::Filters;
use crate::spec::SandboxSpec;
use crate::sys::{self, Forked};

/// The keeper's fixed knowledge.
pub(super) struct Host<'a> {
    pub(super) config: &'a KeeperConfig,
    pub(super) layout: Layout,
    sources: Sources,
    workshop: Workshop,
    pub(super) porters: Option<Porters>,
    pub(super) disk: Aide,
    pub(super) nursery: Aide,
    own_users: bool,
    user_namespaces: bool,
    /// Whether `/tmp` is on disk rather than in memory.
    on_disk: bool,
}

/// Prepares the calling process to be the keeper.
pub(super) fn prepare<'a>(config: &'a KeeperConfig, turn: &Turn) -> io::Result<Host<'a>> {
    check(config)?;
    detach_from_server()?;
    let own_users = rustix::process::geteuid().is_root();
    let layout = Layout::prepare(&config.instance);
    enter_namespaces(own_users)?;
    layout.sweep();
    let sources = Sources::open(&config.allowed_sources, &config.writable_sources)?;
    let workshop = Workshop::open(&config.work_dir, image_root(config, own_users))?;
    let filters = Filters::compile().step(|| "compile the system call filter".into())?;
    let user_namespaces = can_make_user_namespace(own_users.then_some(config.uid_base + 1))?;
    let porters = config.porter.as_ref().map(|porter| Porters::prepare(porter, own_users)).transpose()?;
    let (disk, on_disk) = disk::fork(turn, &config.work_dir)?;
    let nursery =
        Nursery { config, layout: &layout, filters: &filters, own_users, user_namespaces }.fork(turn)?;
    Ok(Host {
        config,
        layout,
        sources,
        workshop,
        porters,
        disk,
        nursery,
        own_users,
        user_namespaces,
        on_disk,
    })
}

impl Host<'_> {
    /// Opens what a specification shows of this host.
    pub(super) fn open_mounts(&mut self, spec: &SandboxSpec) -> io::Result<Mounts> {
        Mounts::open(spec, &self.sources, &mut self.workshop, self.own_users)
    }

    /// The host user and group of the sandbox in a slot, where it has one of its own.
    pub(super) fn user_of(&self, slot: u32) -> Option<u32> {
        self.own_users.then(|| user_of(self.config, slot))
    }

    pub(super) fn weaknesses(&self) -> Vec<Weakness> {
        let mut weaknesses = self.layout.weaknesses();
        let others = [
            (self.own_users, Weakness::SharedUser),
            (self.user_namespaces, Weakness::NoUserNamespace),
            (self.on_disk, Weakness::TmpInMemory),
            (self.own_users || self.porters.is_none(), Weakness::ImageOwnersLost),
        ];
        weaknesses.extend(others.iter().filter(|(fine, _)| !fine).map(|(_, weakness)| *weakness));
        weaknesses
    }
}

/// Bounds on what the server's owner may configure.
fn check(config: &KeeperConfig) -> io::Result<()> {
    const SANDBOXES_MAX: usize = 100_000;
    const LISTENERS_MAX: usize = 16;
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let slots = config.sandboxes_max.saturating_add(config.blanks);
    if config.sandboxes_max == 0 || slots > SANDBOXES_MAX {
        return wrong("sandboxes_max and blanks together must be 1 to 100000");
    }
    let last = u32::try_from(slots).ok().and_then(|slots| config.uid_base.checked_add(slots + 1));
    if config.uid_base < 1000 || last.is_none_or(|last| last > i32::MAX.cast_unsigned()) {
        return wrong("uid_base must leave room for all sandboxes between 1000 and 2147483647");
    }
    if let (Some(porter), Some(last)) = (&config.porter, last) {
        let images = porter.image_uid_base..=porter.image_uid_base.saturating_add(IMAGE_IDS - 1);
        // Nothing on the host may belong to an image's root or to any of its users.
        if *images.start() < IMAGE_IDS || (config.uid_base <= *images.end() && *images.start() <= last) {
            return wrong(
                "image_uid_base must be at least 65536 and its 65536 users apart from those of uid_base",
            );
        }
    }
    if config.listeners.len() > LISTENERS_MAX
        || config.listeners.iter().any(|address| !address.ip().is_loopback())
    {
        return wrong("listeners must be at most 16 loopback addresses");
    }
    Ok(())
}

/// The host user who is root in images, where they have users of their own.
pub(super) fn image_root(config: &KeeperConfig, own_users: bool) -> Option<u32> {
    config.porter.as_ref().filter(|_| own_users).map(|porter| porter.image_uid_base)
}

/// No terminal, no signals from it, and standard streams that cannot block.
fn detach_from_server() -> io::Result<()> {
    sys::silence_stdio(true).step(|| "open /dev/null".into())?;
    // A session of its own, so that neither Ctrl-C nor Ctrl-Z at the server's terminal arrives here; the
    // server decides when to end, and its death shows on the socket. (A parent-death signal would come
    // too early: sandboxes are still to be removed then.)
    let _ = rustix::process::setsid();
    sys::set_signals(
        &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE, libc::SIGQUIT],
        libc::SIG_IGN,
    );
    // Whoever started the server may have ignored it, and then no child could be waited for.
    sys::set_signals(&[libc::SIGCHLD], libc::SIG_DFL);
    // Directories made inside sandboxes must be open to their users, whatever the server's own habit.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::thread::set_name(c"dormouse-keeper")?;
    rustix::process::chdir("/")?;
    raise_open_files();
    Ok(())
}

/// Some ten descriptors belong to each sandbox in the making.
fn raise_open_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Without it, many sandboxes at once fail with a clear error; few still work.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

/// A mount namespace of its own; for an ordinary user inside a user namespace that allows it.
fn enter_namespaces(is_root: bool) -> io::Result<()> {
    if is_root {
        sys::unshare(libc::CLONE_NEWNS)
            .step(|| "make a mount namespace (is CAP_SYS_ADMIN missing?)".into())?;
    } else {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).step(|| {
            "make a user namespace (as root, allow it with the sysctl user.max_user_namespaces)".into()
        })?;
        map_ids((uid, uid), (gid, gid))?;
    }
    // What is mounted on the host later is seen here; what is mounted here is never seen there.
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change(Path::new("/"), downstream).step(|| "separate the mounts".into())
}

/// Tries in a child what process 1 of every sandbox will do.
fn can_make_user_namespace(as_user: Option<u32>) -> io::Result<bool> {
    match sys::clone_process(0, None).step(|| "fork a probe".into())? {
        Forked::Child => {
            let attempt = || -> io::Result<()> {
                if let Some(user) = as_user {
                    sys::become_user(user, user)?;
                }
                sys::unshare(libc::CLONE_NEWUSER)
            };
            sys::exit_now(i32::from(attempt().is_err()))
        }
        Forked::Parent { .. } => {
            // The only child so far.
            let reaped = sys::reap(true);
            Ok(reaped.is_some_and(|reaped| reaped.status == crate::spec::ExitStatus::Exited(0)))
        }
    }
}
