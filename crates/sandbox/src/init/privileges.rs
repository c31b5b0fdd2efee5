//! How process 1 of a sandbox gives up everything it was forked with.
//!
//! The order matters and is the whole content of this file. Every namespace but the user namespace was
//! made with the keeper's privileges and belongs to the keeper's user namespace; only then does the
//! process become its own host user and make a user namespace, so that nothing it could ever gain in
//! there has power over its mounts, network or processes. After [`give_up`] there is no way back.

use std::fs;
use std::io;

use crate::error::Step;
use crate::rootfs::Identity;
use crate::seccomp::Filters;
use crate::sys;

/// Whom the sandbox's processes are on the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostUser {
    /// A host user of its own; `None` keeps the keeper's, which has no other.
    pub(crate) own: Option<u32>,
    /// Whether the kernel lets an unprivileged user make a user namespace.
    pub(crate) namespace: bool,
}

/// The part that can be done ahead: what is left needs only the calls that the first filters allow.
pub(super) fn prepare(filters: &Filters) -> io::Result<()> {
    sys::drop_bounding_set().step(|| "empty the bounding set".into())?;
    filters.install_first().step(|| "install the system call filters".into())
}

/// From all privileges to none.
pub(crate) fn give_up(host: &HostUser, inside: &Identity, filters: &Filters) -> io::Result<()> {
    if let Some(id) = host.own {
        sys::become_user(id, id).step(|| format!("become user {id}"))?;
    }
    if host.namespace {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        sys::unshare(libc::CLONE_NEWUSER).step(|| "make a user namespace".into())?;
        // Changing credentials made the process undumpable, and with it its files in /proc root's.
        sys::prctl(libc::PR_SET_DUMPABLE, 1)?;
        map_ids((inside.uid, uid), (inside.gid, gid))?;
        // A new user namespace comes with a full bounding set.
        sys::drop_bounding_set().step(|| "empty the bounding set".into())?;
    }
    sys::clear_capabilities().step(|| "drop capabilities".into())?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    // What processes inside may not do to process 1: trace it, read its memory or its environment.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    // Changing credentials disarmed it.
    sys::prctl(libc::PR_SET_PDEATHSIG, u64::from(libc::SIGKILL.cast_unsigned()))?;
    filters.install_last().step(|| "install the last system call filter".into())
}

/// Maps one user and one group, `(inside, outside)` each, in the user namespace just made.
pub(crate) fn map_ids(user: (u32, u32), group: (u32, u32)) -> io::Result<()> {
    for (file, content) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{} {} 1", user.0, user.1)),
        ("gid_map", format!("{} {} 1", group.0, group.1)),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, content).step(|| format!("write {path}"))?;
    }
    Ok(())
}
