//! Several directories shown as one, read-only, by the kernel's overlay filesystem.
//!
//! The directories are given as descriptors, so that whoever opened them decides what they are. What hides a lower
//! file is marked as an unprivileged program can mark it: a character device 0:0, or the attribute
//! `user.overlay.opaque`. Marks that would lead to other files (redirections, split metadata) are not followed:
//! the layers may be hostile. Nothing is ever written through such a mount.

use std::fmt::Write;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::error::Step;
use crate::mount;

/// Whatever the kernel was built to do by default.
const OPTIONS: [(&str, &str); 3] = [("userxattr", ""), ("redirect_dir", "nofollow"), ("metacopy", "off")];
/// What `mount` takes as options: one page, with its final zero.
const OPTIONS_BYTES_MAX: usize = 4095;

/// A detached mount of `directories`, the first on top; at least two.
///
/// They must lie on attached mounts of this mount namespace, or the kernel refuses them. `name` in `place` is a
/// directory of the same namespace that older kernels need for a moment.
pub(crate) fn merge(
    directories: &[BorrowedFd<'_>],
    place: BorrowedFd<'_>,
    name: &str,
) -> io::Result<OwnedFd> {
    let merged = match merge_one_by_one(directories) {
        // Kernels before 6.7 take all directories in one string, and that only from `mount`.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => merge_at(directories, place, name),
        other => other,
    };
    merged.step(|| format!("merge {} directories", directories.len()))
}

fn merge_one_by_one(directories: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for directory in directories {
        fsconfig_set_string(&context, "lowerdir+", path_of(*directory))?;
    }
    for (name, value) in OPTIONS {
        match value {
            "" => fsconfig_set_flag(&context, name)?,
            value => fsconfig_set_string(&context, name, value)?,
        }
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn merge_at(directories: &[BorrowedFd<'_>], place: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let mut options = String::from("lowerdir=");
    let paths: Vec<String> = directories.iter().map(|directory| path_of(*directory)).collect();
    options.push_str(&paths.join(":"));
    for (name, value) in OPTIONS {
        let equals = if value.is_empty() { "" } else { "=" };
        // Writing to a string cannot fail.
        let _ = write!(options, ",{name}{equals}{value}");
    }
    if options.len() > OPTIONS_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many directories for this kernel"));
    }
    let options = std::ffi::CString::new(options)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    let mount_point = format!("{}/{name}", path_of(place));
    rustix::mount::mount("overlay", mount_point.as_str(), "overlay", flags, options.as_c_str())?;
    let merged = mount::clone_tree(place, Path::new(name));
    rustix::mount::unmount(mount_point.as_str(), UnmountFlags::DETACH)?;
    merged
}

/// How the kernel finds an open directory by name.
fn path_of(directory: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", directory.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use rustix::fs::{CWD, Mode, OFlags};

    use super::*;
    use crate::sys;

    #[test]
    fn both_ways_give_the_same() {
        if !rustix::process::geteuid().is_root() {
            return; // whole sandboxes are tested without root as well
        }
        // Of this thread alone.
        sys::unshare(libc::CLONE_NEWNS).unwrap();
        let private =
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let layers: Vec<OwnedFd> = (0..128)
            .map(|number| {
                let layer = dir.path().join(format!("a-rather-long-name-{number}"));
                fs::create_dir(&layer).unwrap();
                fs::write(layer.join("all"), number.to_string()).unwrap();
                fs::write(layer.join(number.to_string()), "").unwrap();
                rustix::fs::open(&layer, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
            })
            .collect();
        let layers: Vec<_> = layers.iter().map(AsFd::as_fd).collect();
        fs::create_dir(dir.path().join("place")).unwrap();
        let place = rustix::fs::openat(CWD, dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        let check = |merged: OwnedFd| {
            let path = path_of(merged.as_fd());
            assert_eq!(fs::read_dir(&path).unwrap().count(), 129);
            assert_eq!(fs::read_to_string(format!("{path}/all")).unwrap(), "0");
            let written = fs::write(format!("{path}/all"), "").unwrap_err();
            assert_eq!(written.kind(), io::ErrorKind::ReadOnlyFilesystem);
            let status = rustix::fs::fstatvfs(&merged).unwrap().f_flag;
            let expected = rustix::fs::StatVfsMountFlags::NOSUID | rustix::fs::StatVfsMountFlags::NODEV;
            assert!(status.contains(expected), "{status:?}");
        };
        check(merge_at(&layers, place.as_fd(), "place").unwrap());
        check(merge(&layers, place.as_fd(), "place").unwrap());
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        assert!(!mounts.contains(&*dir.path().to_string_lossy()), "{mounts}");
    }
}
