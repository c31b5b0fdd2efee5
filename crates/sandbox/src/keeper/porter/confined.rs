//! The life of a porter, from the fork to its report.
//!
//! It gives up everything but one directory, which becomes its root, and one stream. Its namespaces belong to the
//! keeper's user namespace, and it enters the images' one last, so that what it may do there (give files away, pass
//! over their modes) has power over nothing else. It starts no program and no thread, and memory, time and file sizes
//! are limited. What it says is taken as text.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::MountPropagationFlags;
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};
use seccompiler::BpfProgram;

use crate::error::Step;
use crate::{mount, rootfs, sys};

/// Address space: the largest windows of compressed archives, and an index of a million entries.
const MEMORY_BYTES: u64 = 1 << 30;
/// Computing time of one tree.
const CPU_SECONDS: u64 = 1800;
/// Longest file: no image is larger.
const FILE_BYTES: u64 = 10 << 30;
const OPEN_FILES: u64 = 256;
/// Longest report.
pub(super) const REPORT_BYTES_MAX: usize = 2048;

/// What it may do with the files of its own users.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID);

/// Everything that a porter is told by being forked.
pub(super) struct Confinement<'a> {
    /// A detached mount of the tree.
    pub(super) tree: OwnedFd,
    pub(super) stream: Option<OwnedFd>,
    /// Where its report goes.
    pub(super) said: OwnedFd,
    pub(super) namespace: Option<&'a OwnedFd>,
    pub(super) filter: &'a BpfProgram,
}

impl Confinement<'_> {
    /// Does `work` in the confinement and ends the process.
    pub(super) fn run(self, work: impl FnOnce(Option<OwnedFd>, BorrowedFd<'_>) -> io::Result<String>) -> ! {
        let mut keep = vec![self.tree.as_raw_fd(), self.said.as_raw_fd()];
        keep.extend(self.stream.iter().chain(self.namespace).map(AsRawFd::as_raw_fd));
        sys::close_all_but(&keep);
        let Confinement { tree, stream, said, namespace, filter } = self;
        // Unwinding must not reach the frames of the keeper that this process was forked from.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let directory = confine(tree, namespace, filter).step(|| "confine a porter".into())?;
            work(stream, directory.as_fd())
        }));
        let (kind, text) = match ended {
            Ok(Ok(report)) => (DONE, report),
            Ok(Err(error)) => (FAILED, error.to_string()),
            Err(_) => (FAILED, "the porter panicked".into()),
        };
        let text = &text.as_bytes()[..text.len().min(REPORT_BYTES_MAX)];
        // If nobody hears it, nobody waits for it.
        let _ = rustix::io::write(&said, &[&[kind], text].concat());
        sys::exit_now(0)
    }
}

const FAILED: u8 = 0;
const DONE: u8 = 1;

/// What an ended porter said: its report, or why it failed.
pub(super) fn read_report(report: &OwnedFd) -> Result<String, String> {
    let mut buffer = [0; REPORT_BYTES_MAX + 1];
    let length = rustix::io::read(report, &mut buffer).unwrap_or(0);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match buffer[..length].split_first() {
        Some((&DONE, report)) => Ok(text(report)),
        Some((_, reason)) => Err(text(reason)),
        None => Err("the porter was killed: it took too much memory or time, or was given up".into()),
    }
}

/// Gives up everything; returns the tree's top as this process sees it.
fn confine(tree: OwnedFd, namespace: Option<&OwnedFd>, filter: &BpfProgram) -> io::Result<OwnedFd> {
    sys::silence_stdio(false)?;
    sys::prctl(libc::PR_SET_PDEATHSIG, u64::from(libc::SIGKILL.cast_unsigned()))?;
    rustix::thread::set_name(c"dormouse-porter")?;
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    sys::unshare(namespaces).step(|| "make namespaces".into())?;
    let directory = make_root(tree)?;
    for (resource, value) in [
        (libc::RLIMIT_AS, MEMORY_BYTES),
        (libc::RLIMIT_CPU, CPU_SECONDS),
        (libc::RLIMIT_FSIZE, FILE_BYTES),
        (libc::RLIMIT_NOFILE, OPEN_FILES),
        (libc::RLIMIT_CORE, 0),
    ] {
        sys::limit(resource, value)?;
    }
    if let Some(namespace) = namespace {
        let kind = Some(LinkNameSpaceType::User);
        rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
            .step(|| "enter the user namespace of images".into())?;
        sys::become_user(0, 0).step(|| "become root of images".into())?;
    }
    sys::drop_bounding_set()?;
    rustix::thread::clear_ambient_capability_set()?;
    let sets = CapabilitySets {
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).step(|| "keep few capabilities".into())?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    // Changing credentials disarmed it.
    sys::prctl(libc::PR_SET_PDEATHSIG, u64::from(libc::SIGKILL.cast_unsigned()))?;
    seccompiler::apply_filter(filter).map_err(io::Error::other)?;
    Ok(directory)
}

/// Makes the tree the root directory. No descriptor of it stays that would lead up to where it came from.
fn make_root(tree: OwnedFd) -> io::Result<OwnedFd> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).step(|| "make mounts private".into())?;
    let harmless = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    sys::mount_set_attributes(tree.as_fd(), harmless, false)?;
    mount::attach(tree.as_fd(), CWD, Path::new("/")).step(|| "attach the tree".into())?;
    rootfs::enter(&tree)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/", flags, Mode::empty())?)
}
