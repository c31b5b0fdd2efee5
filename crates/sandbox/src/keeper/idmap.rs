//! User namespaces as maps of ids, without a process in them.
//!
//! Such a namespace belongs to a process, so one is started for the moment that it takes to fill in the maps and to
//! open the namespace. One kind serves shared directories, in which the user of a sandbox acts as the directory's
//! owner: exactly one user and one group are translated, so files of others can be read where their modes allow it,
//! never changed. The other kind maps the range of ids that files of images belong to.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::Step;
use crate::sys::{self, Forked};

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Lets `user`, who is user and group of one sandbox, act as `owner` in the detached mount `mount`.
pub(super) fn translate(mount: &OwnedFd, owner: Owner, user: u32) -> io::Result<()> {
    let maps = [format!("{} {user} 1", owner.uid), format!("{} {user} 1", owner.gid)];
    let namespace = namespace(maps).step(|| "make a user namespace".into())?;
    sys::mount_map_ids(mount.as_fd(), namespace.as_fd())
        .step(|| "translate owners (the file system may not support it)".into())
}

/// A user namespace whose users and groups 0 to `count` are the host's from `base` on.
pub(super) fn range(base: u32, count: u32) -> io::Result<OwnedFd> {
    let map = format!("0 {base} {count}");
    namespace([map.clone(), map])
}

/// A user namespace with these maps of users and groups.
fn namespace([users, groups]: [String; 2]) -> io::Result<OwnedFd> {
    match sys::clone_process(libc::CLONE_NEWUSER, None)? {
        Forked::Child => {
            // Killed in a moment; at the latest with the keeper.
            drop(sys::prctl(libc::PR_SET_PDEATHSIG, u64::from(libc::SIGKILL.cast_unsigned())));
            sys::pause_ms(LIFETIME_MAX_MS);
            sys::exit_now(0)
        }
        Forked::Parent { pid, pidfd } => {
            let work = || -> io::Result<OwnedFd> {
                fs::write(format!("/proc/{pid}/uid_map"), users)?;
                fs::write(format!("/proc/{pid}/gid_map"), groups)?;
                Ok(File::open(format!("/proc/{pid}/ns/user"))?.into())
            };
            let opened = work();
            drop(sys::signal_pidfd(pidfd.as_fd(), libc::SIGKILL));
            sys::wait_readable(&pidfd, LIFETIME_MAX_MS);
            sys::reap_one(pid);
            opened
        }
    }
}

/// Longest life of the process, and longest wait for its end.
const LIFETIME_MAX_MS: i64 = 5_000;
