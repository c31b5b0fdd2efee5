//! Where porters may work: directories beneath those fixed at start, found without following a link out of them.
//!
//! Only a tree's own top is made, given away and removed here, by the keeper; everything below it is the porters'.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Uid};

use crate::config::IMAGE_IDS;
use crate::error::Step;
use crate::keeper::sources::Sources;

/// The allowed directories.
pub(super) struct Places {
    directories: Sources,
    /// The host id of an image's root, where trees belong to users of their own.
    base: Option<u32>,
}

/// A tree, by its parent and its name there.
pub(super) struct Place {
    parent: OwnedFd,
    name: OsString,
    pub(super) directory: OwnedFd,
}

impl Places {
    pub(super) fn open(directories: &[PathBuf], base: Option<u32>) -> io::Result<Places> {
        Ok(Places { directories: Sources::open(directories, &[])?, base })
    }

    /// An empty directory, made unless it is there, that belongs to the image's root.
    pub(super) fn make(&self, target: &Path) -> io::Result<Place> {
        let (parent, name) = self.parent(target)?;
        let work = || -> io::Result<OwnedFd> {
            match rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755)) {
                Err(rustix::io::Errno::EXIST) => {}
                other => other?,
            }
            let directory = open_directory(&parent, &name)?;
            let mut entries = Dir::read_from(&directory)?;
            if entries.by_ref().flatten().any(|entry| !matches!(entry.file_name().to_bytes(), b"." | b"..")) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o755))?;
            if let Some(base) = self.base {
                rustix::fs::fchown(&directory, Some(Uid::from_raw(base)), Some(Gid::from_raw(base)))?;
            }
            Ok(directory)
        };
        let directory = work().step(|| format!("make {}", target.display()))?;
        Ok(Place { parent, name, directory })
    }

    /// A tree that was unpacked here; `None` when there is nothing of that name.
    pub(super) fn find(&self, target: &Path) -> io::Result<Option<Place>> {
        let (parent, name) = self.parent(target)?;
        let directory = match open_directory(&parent, &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.step(|| format!("open {}", target.display()))?,
        };
        let owner = rustix::fs::fstat(&directory)?.st_uid;
        let ours = match self.base {
            Some(base) => (base..base + IMAGE_IDS).contains(&owner),
            None => owner == rustix::process::geteuid().as_raw(),
        };
        if !ours {
            let reason = format!("{} belongs to user {owner}, not to an image", target.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        Ok(Some(Place { parent, name, directory }))
    }

    fn parent(&self, target: &Path) -> io::Result<(OwnedFd, OsString)> {
        let parts = target.parent().zip(target.file_name());
        let (parent, name) = parts.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok((self.directories.open_readable(parent, OFlags::DIRECTORY)?, name.to_owned()))
    }
}

impl Place {
    /// Removes the tree's top, which must be empty.
    pub(super) fn remove(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }
}

fn open_directory(parent: &OwnedFd, name: &OsString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}
