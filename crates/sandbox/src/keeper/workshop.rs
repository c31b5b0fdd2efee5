//! Where the keeper prepares merged mounts: a small tmpfs that nobody else sees.
//!
//! It holds the topmost layer of every image, its *skeleton*: real directories and files where the sandbox needs its
//! own. An image may have anything in the place of `/proc`, `/etc/hosts` or a mount's target: a link, a device,
//! nothing. A layer above all of its layers settles that before anybody resolves a path in it. Equal skeletons are
//! made once; when there are too many, a new tmpfs begins, and the old one ends with the last sandbox that uses it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountAttrFlags, UnmountFlags};

use crate::error::Step;
use crate::{mount, overlay, rootfs};

/// The directory below the work directory that the tmpfs covers, in the keeper's own mounts only.
const PLACE: &str = "workshop";
/// Where older kernels mount what is being merged.
const MERGE: &str = "merge";
/// Different sets of targets kept at once; one function has one, or two while it is being updated.
const SKELETONS_MAX: usize = 64;
/// Room for that many: a page for each small file.
const SIZE: &str = "4m";
const INODES: &str = "16384";

/// Directories that every sandbox has, with their modes.
const DIRECTORIES: [(&str, u32); 5] =
    [("dev", 0o755), ("etc", 0o755), ("proc", 0o755), ("sys", 0o755), ("tmp", 0o1777)];
/// Files that every sandbox has, with their content.
const FILES: [(&str, &str); 3] =
    [("etc/hosts", rootfs::HOSTS), ("etc/hostname", rootfs::HOSTNAME), ("etc/resolv.conf", "")];

/// Where something will be mounted, and whether that is a directory.
pub(super) type Target = (PathBuf, bool);

/// See the module.
pub(super) struct Workshop {
    /// What the tmpfs covers.
    place: OwnedFd,
    tmpfs: OwnedFd,
    /// Whom skeletons belong to: the image's root, where it has a host user of its own.
    owner: Option<u32>,
    skeletons: HashMap<Vec<Target>, OwnedFd>,
    /// Names skeletons in the tmpfs.
    next: u64,
}

impl Workshop {
    /// In the calling process's own mount namespace.
    pub(super) fn open(work_dir: &Path, owner: Option<u32>) -> io::Result<Workshop> {
        let path = work_dir.join(PLACE);
        let work = || -> io::Result<Workshop> {
            fs::create_dir_all(&path)?;
            // Held, because the directory around it may come to belong to somebody who would lead us elsewhere.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let place = rustix::fs::open(&path, flags, Mode::empty())?;
            let tmpfs = cover(&place)?;
            Ok(Workshop { place, tmpfs, owner, skeletons: HashMap::new(), next: 0 })
        };
        work().step(|| format!("cover {}", path.display()))
    }

    /// A detached mount that shows `directories` as one, the first on top.
    pub(super) fn merge(&self, directories: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
        overlay::merge(directories, self.tmpfs.as_fd(), MERGE)
    }

    /// A detached mount of an image's layers, the first on top, with the skeleton for `targets` above them.
    pub(super) fn merge_image(&mut self, targets: &[Target], layers: &[OwnedFd]) -> io::Result<OwnedFd> {
        if !self.skeletons.contains_key(targets) {
            if self.skeletons.len() >= SKELETONS_MAX {
                self.begin_anew()?;
            }
            match self.make_skeleton(targets).step(|| "make the sandbox's own part of an image".into()) {
                Ok(made) => drop(self.skeletons.insert(targets.to_vec(), made)),
                Err(error) => {
                    // What was made of it takes room.
                    self.begin_anew()?;
                    return Err(error);
                }
            }
        }
        let skeleton = [self.skeletons[targets].as_fd()];
        let directories: Vec<_> = skeleton.into_iter().chain(layers.iter().map(AsFd::as_fd)).collect();
        self.merge(&directories)
    }

    fn make_skeleton(&mut self, targets: &[Target]) -> io::Result<OwnedFd> {
        let name = self.next.to_string();
        self.next += 1;
        rustix::fs::mkdirat(&self.tmpfs, &name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::openat(&self.tmpfs, &name, flags, Mode::empty())?;
        for (path, mode) in DIRECTORIES {
            rustix::fs::mkdirat(&top, path, Mode::from_raw_mode(mode))?;
            // Whatever the umask.
            rustix::fs::chmodat(&top, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        for (path, content) in FILES {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&top, path, flags, Mode::from_raw_mode(0o644))?;
            io::Write::write_all(&mut File::from(file), content.as_bytes())?;
        }
        for (target, is_directory) in targets {
            mount::make_target(&top, relative(target), *is_directory)
                .step(|| format!("make {}", target.display()))?;
        }
        if let Some(owner) = self.owner {
            own(&top, targets, owner)?;
        }
        Ok(top)
    }

    /// Lets go of all skeletons.
    fn begin_anew(&mut self) -> io::Result<()> {
        self.skeletons.clear();
        let old = format!("/proc/self/fd/{}", self.tmpfs.as_raw_fd());
        rustix::mount::unmount(old, UnmountFlags::DETACH).step(|| "leave the old workshop".into())?;
        self.tmpfs = cover(&self.place)?;
        Ok(())
    }
}

/// A new tmpfs on top of `place`: a layer must lie on an attached mount.
fn cover(place: &OwnedFd) -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("size", SIZE), ("nr_inodes", INODES), ("mode", "755")];
    let tmpfs = mount::new_filesystem("tmpfs", &options, attributes)?;
    rustix::fs::mkdirat(&tmpfs, MERGE, Mode::from_raw_mode(0o700))?;
    mount::attach_on(tmpfs.as_fd(), place.as_fd())?;
    Ok(tmpfs)
}

/// Gives a skeleton to `owner`.
fn own(top: &OwnedFd, targets: &[Target], owner: u32) -> io::Result<()> {
    let of_targets = targets.iter().flat_map(|(target, _)| relative(target).ancestors());
    let of_all = DIRECTORIES.map(|(path, _)| path).into_iter().chain(FILES.map(|(path, _)| path));
    for path in of_all.map(Path::new).chain(of_targets).chain([Path::new("")]) {
        let (user, group) = (Uid::from_raw(owner), Gid::from_raw(owner));
        rustix::fs::chownat(top, path, Some(user), Some(group), AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}

fn relative(target: &Path) -> &Path {
    target.strip_prefix("/").unwrap_or(target)
}
