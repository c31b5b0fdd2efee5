//! The few disk operations by which a whole file comes to be or goes, as a trait: real here, failing or
//! forgetting in tests. Blobs and secrets are written through it; records, ledger and logs have formats that
//! grow in place and bring their own recovery.
//!
//! Invariant of [`publish`]: under its final name a file is whole and durable, or it is not there.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes, names and removes whole files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory (mode 0700); one that is there is left as it is. Not durable before its parent is
    /// synced with [`Disk::sync_dir`].
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file (mode 0600) that must not exist and writes its content. Not durable before
    /// [`Disk::sync_file`].
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Moves a file within one file system, replacing what has that name. Not durable before
    /// [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Writes `bytes` to `path` so that no reader and no crash ever sees a part of them: first under the name
/// `temporary`, which must lie on the same file system, then renamed.
///
/// # Errors
/// The step that failed. `path` is then absent, or as it was, or whole but perhaps not yet durable.
pub(crate) fn publish(disk: &dyn Disk, temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = disk
        .create(temporary, bytes)
        .and_then(|()| disk.sync_file(temporary))
        .and_then(|()| disk.rename(temporary, path));
    if let Err(error) = written {
        // What cannot be removed now is removed when the store is next opened.
        let _ = disk.remove(temporary);
        return Err(error);
    }
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Creates a directory of mode 0700 and its missing parents; one that is there is left as it is.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
