//! How process 1 of a sandbox gives up everything it was forked with.
//!
//! The order matters and is the whole content of this file. Every namespace but the user namespace was
//! made with the keeper's privileges and belongs to the keeper's user namespace; only then does the
//! process become its own host user and make a user namespace, so that nothing it could ever gain in
//! there has power over its mounts, network or processes. After [`give_up`] there is no way back.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use crate::config::IMAGE_IDS;
use crate::error::Step;
use crate::rootfs::Identity;
use crate::seccomp::Filters;
use crate::spec::ExitStatus;
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

/// From all privileges to none. `images`: the host user who is root in the image that this sandbox starts from, when
/// the image has users of its own.
pub(crate) fn give_up(
    host: &HostUser,
    inside: &Identity,
    images: Option<u32>,
    filters: &Filters,
) -> io::Result<()> {
    // Only a privileged process can map more than one user, and soon this one is none.
    let mapper = match (images, host.own) {
        (Some(base), Some(own)) if host.namespace => Some(Mapper::fork(base, own, inside)?),
        _ => None,
    };
    if let Some(id) = host.own {
        sys::become_user(id, id).step(|| format!("become user {id}"))?;
    }
    if host.namespace {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        sys::unshare(libc::CLONE_NEWUSER).step(|| "make a user namespace".into())?;
        // Changing credentials made the process undumpable, and with it its files in /proc root's.
        sys::prctl(libc::PR_SET_DUMPABLE, 1)?;
        match mapper {
            Some(mapper) => mapper.map()?,
            None => map_ids((inside.uid, uid), (inside.gid, gid))?,
        }
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
    write_file("/proc/self/setgroups", "deny")?;
    write_file("/proc/self/uid_map", &format!("{} {} 1", user.0, user.1))?;
    write_file("/proc/self/gid_map", &format!("{} {} 1", group.0, group.1))
}

fn write_file(path: &str, content: &str) -> io::Result<()> {
    fs::write(path, content).step(|| format!("write {path}"))
}

/// A child of process 1 that stays privileged long enough to map an image's users.
///
/// Nobody in the sandbox ever is one of these users; they are mapped so that files show whose they are.
struct Mapper {
    pid: i32,
    /// Closed when there is a namespace to map.
    begin: OwnedFd,
}

impl Mapper {
    /// Users and groups 0 to 65,535 will be the host's from `base` on, but for the one inside, who is `own`.
    fn fork(base: u32, own: u32, inside: &Identity) -> io::Result<Mapper> {
        let (begun, begin) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (users, groups) = (image_map(base, inside.uid, own), image_map(base, inside.gid, own));
        match sys::fork().step(|| "fork to map users".into())? {
            Some(pid) => Ok(Mapper { pid, begin }),
            None => {
                drop(begin);
                // Nothing is ever written: the end of the pipe is the sign, also when process 1 has failed.
                let _ = rustix::io::read(&begun, &mut [0]);
                let mapped = write_file("/proc/1/setgroups", "deny")
                    .and_then(|()| write_file("/proc/1/uid_map", &users))
                    .and_then(|()| write_file("/proc/1/gid_map", &groups));
                sys::exit_now(mapped.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO)))
            }
        }
    }

    /// Has the calling process's user namespace mapped.
    fn map(self) -> io::Result<()> {
        drop(self.begin);
        let ended = sys::reap(true).filter(|reaped| reaped.pid == self.pid).map(|reaped| reaped.status);
        match ended {
            Some(ExitStatus::Exited(0)) => Ok(()),
            other => Err(io::Error::other(format!("map the users of images: {other:?}"))),
        }
    }
}

/// The lines of a map in which `inside` is `own`, and every other id is the image's.
fn image_map(base: u32, inside: u32, own: u32) -> String {
    let mut lines = format!("{inside} {own} 1\n");
    let below = inside.min(IMAGE_IDS);
    if below > 0 {
        lines.push_str(&format!("0 {base} {below}\n"));
    }
    if inside + 1 < IMAGE_IDS {
        lines.push_str(&format!("{} {} {}\n", inside + 1, base + inside + 1, IMAGE_IDS - inside - 1));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_all_users_but_the_one_inside() {
        let base = 1_000_000;
        assert_eq!(image_map(base, 993, 7), "993 7 1\n0 1000000 993\n994 1000994 64542\n");
        assert_eq!(image_map(base, 0, 7), "0 7 1\n1 1000001 65535\n");
        assert_eq!(image_map(base, 65_535, 7), "65535 7 1\n0 1000000 65535\n");
        assert_eq!(image_map(base, 70_000, 7), "70000 7 1\n0 1000000 65536\n");
    }
}
