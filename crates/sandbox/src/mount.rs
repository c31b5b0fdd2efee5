//! Mounts as values: a detached mount is a descriptor until it is attached somewhere.
//!
//! Only the kernel's descriptor-based mount interface is used. A detached mount can be prepared by one
//! process, checked, passed over a socket and attached by another; closing its descriptor undoes it. So
//! no mount of this crate is ever visible outside the sandbox it was made for, and none can be left over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::error::Step;

/// What every bind inside a sandbox gets: never written, never a way to privilege or devices.
pub(crate) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// A detached copy of the mounts at `path` below `directory` (the empty path: `directory` itself).
pub(crate) fn clone_tree(directory: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    Ok(open_tree(directory, path, CLONE | OpenTreeFlags::AT_RECURSIVE)?)
}

/// A detached copy of one mount, from `directory` down, without the mounts below it.
pub(crate) fn clone_one(directory: impl AsFd) -> io::Result<OwnedFd> {
    Ok(open_tree(directory, "", CLONE)?)
}

/// A detached, read-only copy of the mounts at `path` below `directory`.
pub(crate) fn clone_tree_read_only(directory: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let mount = clone_tree(directory, path)?;
    crate::sys::mount_set_attributes(mount.as_fd(), READ_ONLY, true)?;
    Ok(mount)
}

/// A new, detached filesystem with the given options; one without a value is a flag.
pub(crate) fn new_filesystem(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).step(|| format!("open filesystem {kind}"))?;
    for (name, value) in options {
        let set = if value.is_empty() {
            fsconfig_set_flag(&context, *name)
        } else {
            fsconfig_set_string(&context, *name, *value)
        };
        set.step(|| format!("set {name}={value} on {kind}"))?;
    }
    fsconfig_create(&context).step(|| format!("create {kind}"))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step(|| format!("mount {kind}"))
}

/// A detached tmpfs of `size_bytes`, open to everybody.
pub(crate) fn shared_tmpfs(size_bytes: u64) -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    new_filesystem("tmpfs", &[("size", &size_bytes.to_string()), ("mode", "1777")], attributes)
}

/// Attaches a detached mount at `path` below `directory`.
pub(crate) fn attach(mount: BorrowedFd<'_>, directory: impl AsFd, path: &Path) -> io::Result<()> {
    Ok(move_mount(mount, "", directory, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Attaches a detached mount exactly on what `place` refers to.
pub(crate) fn attach_on(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", place, "", flags)?)
}

/// Whether a mount shows a directory rather than a file.
pub(crate) fn is_directory(mount: BorrowedFd<'_>) -> io::Result<bool> {
    let status = rustix::fs::fstat(mount)?;
    Ok(rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir())
}

/// Makes `path` and its parents below `root` unless they exist; the last part as an empty file if asked.
///
/// `root` is a tree that only this crate has written to, so no link in it is hostile.
pub(crate) fn make_target(root: impl AsFd, path: &Path, directory: bool) -> io::Result<()> {
    let parents = if directory { Some(path) } else { path.parent() };
    let parents: Vec<&Path> = parents.into_iter().flat_map(Path::ancestors).collect();
    for part in parents.into_iter().rev().filter(|part| !part.as_os_str().is_empty()) {
        if !exists(&root, part) {
            rustix::fs::mkdirat(&root, part, Mode::from_raw_mode(0o755))?;
        }
    }
    if !directory && !exists(&root, path) {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&root, path, flags, Mode::from_raw_mode(0o444))?;
    }
    Ok(())
}

/// Whether `path` below `root` leads to anything.
pub(crate) fn exists(root: impl AsFd, path: &Path) -> bool {
    rustix::fs::statat(root, path, AtFlags::empty()).is_ok()
}

/// Binds the host's file or directory `source` at `target` below `root`; silently nothing when the host
/// has no such path.
pub(crate) fn bind_host(root: impl AsFd, source: &str, target: &str, attributes: u64) -> io::Result<()> {
    let mount = match clone_tree(CWD, Path::new(source)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.step(|| format!("open {source}"))?,
    };
    let work = || -> io::Result<()> {
        if attributes != 0 {
            crate::sys::mount_set_attributes(mount.as_fd(), attributes, true)?;
        }
        make_target(&root, Path::new(target), is_directory(mount.as_fd())?)?;
        attach(mount.as_fd(), &root, Path::new(target))
    };
    work().step(|| format!("bind {source}"))
}
