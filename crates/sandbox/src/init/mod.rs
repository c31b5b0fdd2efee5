//! Process 1 of a sandbox, from its first instruction to its last.
//!
//! It is a fork of the keeper that never executes another program. Three phases, each a function:
//! *prepare* makes everything that does not depend on who will live here; *specialise* adds the mounts of
//! one specification and gives up every privilege; *serve* starts and reaps processes for the server.
//! After *specialise* the channel to the keeper belongs to the server. When the other end closes, process
//! 1 exits and the kernel ends everything in the sandbox. It waits in one place and holds no lock.

mod privileges;
mod serve;

use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::error::Step;
use crate::message::{FromBlank, Specialise};
use crate::rootfs::{self, Identity};
use crate::seccomp::Filters;
use crate::{cgroup, mount, sys, wire};
pub(crate) use privileges::{HostUser, map_ids};

/// Everything that process 1 is told by being forked.
pub(crate) struct Plan<'a> {
    /// The channel: the keeper's until `Ready` was sent, then the server's.
    pub(crate) control: OwnedFd,
    /// Version 1 cgroups to move into.
    pub(crate) attach: Vec<OwnedFd>,
    pub(crate) listeners: &'a [SocketAddrV4],
    pub(crate) identity: Identity,
    pub(crate) host_user: HostUser,
    /// The host user who is root in images, where they have users of their own.
    pub(crate) image_root: Option<u32>,
    pub(crate) filters: &'a Filters,
}

/// Longest wait for the peer to take a message.
const SEND_TIMEOUT_MS: i64 = 10_000;

/// Runs all three phases. Returns when the sandbox is to end.
pub(crate) fn run(plan: &Plan<'_>) {
    let outcome = prepare(plan).and_then(|root| {
        let Some(packet) = next(&plan.control)? else { return Ok(false) };
        let order = Specialise::decode(&packet.bytes)?;
        specialise(plan, &root, &order, packet.fds)?;
        Ok(true)
    });
    let message = match outcome {
        Ok(true) => FromBlank::Ready,
        Ok(false) => return,
        Err(error) => FromBlank::Failed { reason: error.to_string() },
    };
    let sent = wire::send_waiting(&plan.control, &message.encode(), &[], SEND_TIMEOUT_MS);
    if message == FromBlank::Ready && sent.is_ok() {
        serve::serve(&plan.control);
    }
}

/// Namespaces, network and root. Returns the root's mount, still writable.
fn prepare(plan: &Plan<'_>) -> io::Result<OwnedFd> {
    let mut keep = vec![plan.control.as_raw_fd()];
    keep.extend(plan.attach.iter().map(AsRawFd::as_raw_fd));
    sys::close_all_but(&keep);
    sys::silence_stdio(false).step(|| "open /dev/null".into())?;
    sys::prctl(libc::PR_SET_PDEATHSIG, u64::from(libc::SIGKILL.cast_unsigned()))?;
    rustix::thread::set_name(c"sandbox-init")?;
    // Before the cgroup namespace is made, so that the sandbox sees its own group as the top.
    cgroup::attach_self(&plan.attach).step(|| "enter the cgroups".into())?;
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    sys::unshare(namespaces).step(|| "make namespaces".into())?;
    rustix::system::sethostname(b"localhost").step(|| "set the host name".into())?;
    sys::loopback_up().step(|| "bring up loopback".into())?;
    let listeners = plan.listeners.iter().map(listen).collect::<io::Result<Vec<_>>>()?;
    let root = rootfs::build(&plan.identity)?;
    privileges::prepare(plan.filters)?;
    let fds: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    wire::send_waiting(&plan.control, &FromBlank::Prepared.encode(), &fds, SEND_TIMEOUT_MS)?;
    Ok(root)
}

fn listen(address: &SocketAddrV4) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).step(|| format!("listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits for the next message. `None`: the other end has closed.
fn next(control: &OwnedFd) -> io::Result<Option<wire::Packet>> {
    const LONG_MS: i64 = 3_600_000;
    loop {
        match wire::receive_waiting(control, LONG_MS) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            other => return other,
        }
    }
}

/// The mounts of one specification, then the point of no return.
fn specialise(plan: &Plan<'_>, root: &OwnedFd, order: &Specialise, mounts: Vec<OwnedFd>) -> io::Result<()> {
    let mut mounts = mounts.into_iter();
    let image = if order.image { mounts.next() } else { None };
    if order.image && image.is_none() || order.targets.len() != mounts.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "mounts and targets differ in number"));
    }
    let mounts = order.targets.iter().zip(mounts);
    // Only in an image there is anything of theirs to show.
    let image_root = plan.image_root.filter(|_| order.image);
    match image {
        None => {
            for (target, source) in mounts {
                attach_generic(root, relative(target), &source)
                    .step(|| format!("mount {}", target.display()))?;
            }
            rootfs::seal(root).step(|| "seal the root".into())?;
        }
        Some(image) => {
            rootfs::cover(root, &image)?;
            for (target, source) in mounts {
                rootfs::attach_in_image(&image, relative(target), &source)
                    .step(|| format!("mount {}", target.display()))?;
            }
            rootfs::enter(&image)?;
        }
    }
    sys::limit(libc::RLIMIT_NOFILE, order.open_files_max).step(|| "limit open files".into())?;
    sys::limit(libc::RLIMIT_CORE, 0).step(|| "limit core files".into())?;
    privileges::give_up(&plan.host_user, &plan.identity, image_root, plan.filters)
}

fn relative(target: &Path) -> &Path {
    target.strip_prefix("/").unwrap_or(target)
}

fn attach_generic(root: &OwnedFd, relative: &Path, source: &OwnedFd) -> io::Result<()> {
    mount::make_target(root, relative, mount::is_directory(source.as_fd())?)?;
    mount::attach(source.as_fd(), root, relative)
}
