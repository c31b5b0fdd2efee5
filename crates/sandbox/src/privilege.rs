//! How the server itself gives up root, once the keeper has been forked.
//!
//! Order for the caller: [`enter_private_mounts`] so that an ordinary user can reach the data directory
//! wherever it lies, [`own_tree`] and [`as_user`] for what is done with its files, then
//! [`fork_keeper`](crate::fork_keeper) with paths beneath the returned one, then
//! [`drop_to`]. All before any other thread exists: credentials and namespaces belong to threads. A server
//! that was not started as root needs none of this.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use rustix::mount::{MountAttrFlags, MountPropagationFlags};

use crate::{mount, sys};

/// Where the private view is built; `/run` is there on every Linux and never on a slow disk.
const PRIVATE_DIR: &str = "/run/dormouse";

/// A step of giving up privileges failed. The process should not go on.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The private mount namespace could not be made.
    #[error("make a private mount namespace: {0}")]
    Namespace(#[source] io::Error),
    /// The data directory could not be shown in the private view.
    #[error("show {} at {PRIVATE_DIR}: {source}", path.display())]
    Show {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the data directory could not be given to the server's user.
    #[error("give {} to user {uid}: {source}", path.display())]
    Own {
        /// The file or directory.
        path: PathBuf,
        /// The server's user.
        uid: u32,
        /// Why.
        source: io::Error,
    },
    /// The user could not be changed, or a capability not dropped.
    #[error("become user {uid}: {source}")]
    Become {
        /// The server's user.
        uid: u32,
        /// Why.
        source: io::Error,
    },
}

/// Whether this process runs as root and so has something to give up.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives this process a mount namespace of its own in which `data_dir` can be reached by any user, and
/// returns its path there.
///
/// Only this one directory is shown: its parents (say, `/root`) stay closed. Nothing of this is visible
/// to other processes, and it ends with the last process that uses it.
pub fn enter_private_mounts(data_dir: &Path) -> Result<PathBuf, PrivilegeError> {
    let namespace = || -> io::Result<()> {
        sys::unshare(libc::CLONE_NEWNS)?;
        let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        Ok(rustix::mount::mount_change("/", downstream)?)
    };
    namespace().map_err(PrivilegeError::Namespace)?;
    let show = || -> io::Result<PathBuf> {
        // Opened first: the tmpfs below may cover it.
        let data = mount::clone_tree(CWD, data_dir)?;
        fs::create_dir_all(PRIVATE_DIR)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let cover = mount::new_filesystem("tmpfs", &[("size", "64k"), ("mode", "755")], attributes)?;
        mount::attach(std::os::fd::AsFd::as_fd(&cover), CWD, Path::new(PRIVATE_DIR))?;
        let target = Path::new(PRIVATE_DIR).join("data");
        fs::create_dir(&target)?;
        mount::attach(std::os::fd::AsFd::as_fd(&data), CWD, &target)?;
        Ok(target)
    };
    show().map_err(|source| PrivilegeError::Show { path: data_dir.to_owned(), source })
}

/// Gives a directory and everything beneath it to whom `owner` says: it is given the present user (or group) id and
/// returns the one that is right.
///
/// A directory that already has the right owner is taken as proof that its content does too, so the second
/// start costs one look at each entry of the top. Links are given, never followed.
pub fn own_tree(top: &Path, owner: impl Fn(u32) -> u32) -> Result<(), PrivilegeError> {
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path);
        let uid = metadata.as_ref().map_or(0, |metadata| owner(metadata.uid()));
        let failed = |source: io::Error| PrivilegeError::Own { path: path.clone(), uid, source };
        let metadata = metadata.map_err(failed)?;
        let gid = owner(metadata.gid());
        let owned = metadata.uid() == uid && metadata.gid() == gid;
        if metadata.is_dir() && (!owned || path == top) {
            for entry in fs::read_dir(&path).map_err(failed)? {
                pending.push(entry.map_err(failed)?.path());
            }
        }
        if !owned {
            let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::chownat(CWD, &path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed(error.into()))?;
        }
    }
    Ok(())
}

/// Makes the data directory private to its owner.
pub fn close_to_others(directory: &Path) -> Result<(), PrivilegeError> {
    rustix::fs::chmod(directory, Mode::from_raw_mode(0o700))
        .map_err(|error| PrivilegeError::Show { path: directory.to_owned(), source: error.into() })
}

/// Does something as another user and comes back as root: for work on files that this user could have led elsewhere.
///
/// Credentials belong to threads, so the work is done by a thread that ends with it; the process has one thread before
/// and after. A panic of the work goes on in the caller.
pub fn as_user<T: Send>(uid: u32, gid: u32, work: impl FnOnce() -> T + Send) -> Result<T, PrivilegeError> {
    let change = || -> rustix::io::Result<()> {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        // Gives up every effective capability, too.
        rustix::thread::set_thread_res_uid(user, user, user)
    };
    let as_other = || match change() {
        Ok(()) => Ok(work()),
        Err(error) => Err(PrivilegeError::Become { uid, source: error.into() }),
    };
    let done = std::thread::scope(|scope| scope.spawn(as_other).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Becomes `uid` and `gid` for good: no groups, no capabilities, no way to gain any, no core files, and
/// no tracing by other processes of the same user.
pub fn drop_to(uid: u32, gid: u32) -> Result<(), PrivilegeError> {
    let give_up = || -> io::Result<()> {
        sys::drop_bounding_set()?;
        sys::become_user(uid, gid)?;
        sys::clear_capabilities()?;
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
        sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
        sys::limit(libc::RLIMIT_CORE, 0)
    };
    give_up().map_err(|source| PrivilegeError::Become { uid, source })
}
