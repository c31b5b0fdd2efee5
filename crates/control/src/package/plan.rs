//! What unpacking an archive would write, found out without writing anything.
//!
//! [`inspect`] inflates every entry once and throws the bytes away: only real sizes and checksums count. After
//! it, [`unpack`] cannot fail for a reason that lies in the archive.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use model::limits;

use super::archive::{Archive, ArchiveError, Entry};
use super::tree::{Kind, NameError, Tree};

const TYPE_MASK: u32 = 0o170_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;
const ANY_EXECUTE: u32 = 0o111;
/// Longest target of a symbolic link, as in the kernel.
const LINK_BYTES_MAX: u64 = 4_095;
/// The file that custom runtimes start; it is made executable whatever the archive says.
const BOOTSTRAP: &str = "bootstrap";

/// Why an archive is not a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive as such cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A name or link in it cannot be used.
    #[error("the entry {name:?} {error}")]
    Name {
        /// The entry.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// A device, pipe or socket.
    #[error("the entry {name:?} is neither a file, a directory nor a link")]
    Special {
        /// The entry.
        name: String,
    },
    /// A directory that has content.
    #[error("the directory {name:?} has content of its own")]
    DirectoryWithContent {
        /// The entry.
        name: String,
    },
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Unpacking failed on our side.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Checks everything about an archive; gives its size once unzipped.
pub fn inspect(zip: &[u8]) -> Result<u64, PackageError> {
    let archive = Archive::parse(zip)?;
    let targets = link_targets(&archive)?;
    tree_of(&archive, &targets)?;
    let mut budget_bytes = limits::UNZIPPED_BYTES_MAX;
    for entry in archive.entries() {
        entry.copy(&mut budget_bytes, &mut io::sink())?;
    }
    Ok(limits::UNZIPPED_BYTES_MAX - budget_bytes)
}

/// The size of an archive's files as its directory states it, which [`inspect`] found to be true before the archive
/// was kept.
pub fn stated_bytes(zip: &[u8]) -> Result<u64, PackageError> {
    Ok(Archive::parse(zip)?.entries().iter().map(|entry| entry.size_bytes).sum())
}

/// Writes the archive's files into `directory`, which must be empty and nobody else's.
///
/// Files are readable by everyone, since the function's user is not ours; directories, executables and
/// `bootstrap` can be entered and run.
pub fn unpack(zip: &[u8], directory: &Path) -> Result<(), PackageError> {
    let archive = Archive::parse(zip)?;
    let targets = link_targets(&archive)?;
    let tree = tree_of(&archive, &targets)?;
    let mut budget_bytes = limits::UNZIPPED_BYTES_MAX;
    let mut links = Vec::new();
    for (name, kind) in tree.walk() {
        let path = directory.join(&name);
        match kind {
            Kind::Directory { .. } => make_directory(&path)?,
            Kind::File { entry, executable } => {
                let mode = if executable || name == BOOTSTRAP { 0o755 } else { 0o644 };
                write_file(&archive.entries()[entry], &path, mode, &mut budget_bytes)?;
            }
            Kind::Link { target } => links.push((path, target)),
        }
    }
    // Last, so that nothing above can have been written through a link.
    for (path, target) in links {
        symlink(target, &path).map_err(|source| PackageError::Write { path, source })?;
    }
    Ok(())
}

/// The target of each link, by the index of its entry; empty for everything else.
fn link_targets(archive: &Archive<'_>) -> Result<Vec<String>, PackageError> {
    let target = |entry: &Entry<'_>| {
        if file_type(entry) != TYPE_LINK {
            return Ok(String::new());
        }
        let refuse = |error| PackageError::Name { name: entry.label(), error };
        if entry.size_bytes > LINK_BYTES_MAX {
            return Err(refuse(NameError::LinkEndless));
        }
        let mut target = Vec::new();
        entry.copy(&mut LINK_BYTES_MAX.clone(), &mut target)?;
        match String::from_utf8(target) {
            Ok(target) if !target.is_empty() && !target.contains('\0') => Ok(target),
            _ => Err(refuse(NameError::LinkEndless)),
        }
    };
    archive.entries().iter().map(target).collect()
}

fn tree_of<'a>(archive: &Archive<'a>, targets: &'a [String]) -> Result<Tree<'a>, PackageError> {
    let mut tree = Tree::new();
    for (index, entry) in archive.entries().iter().enumerate() {
        let refuse = |error| PackageError::Name { name: entry.label(), error };
        let name = std::str::from_utf8(entry.name).map_err(|_| refuse(NameError::NotUtf8))?;
        let kind = match file_type(entry) {
            TYPE_LINK => Kind::Link { target: &targets[index] },
            TYPE_DIRECTORY if entry.size_bytes > 0 => {
                return Err(PackageError::DirectoryWithContent { name: entry.label() });
            }
            TYPE_DIRECTORY => Kind::Directory { stated: true },
            TYPE_REGULAR => {
                let executable = entry.unix_mode.is_some_and(|mode| mode & ANY_EXECUTE != 0);
                Kind::File { entry: index, executable }
            }
            _ => return Err(PackageError::Special { name: entry.label() }),
        };
        tree.insert(name, kind).map_err(refuse)?;
    }
    tree.check_links().map_err(|(name, error)| PackageError::Name { name, error })?;
    if tree.walk().next().is_none() {
        return Err(PackageError::Empty);
    }
    Ok(tree)
}

/// The type bits of the entry's mode; where there are none, a name that ends in `/` is a directory.
fn file_type(entry: &Entry<'_>) -> u32 {
    match entry.unix_mode.map_or(0, |mode| mode & TYPE_MASK) {
        _ if entry.name.ends_with(b"/") => TYPE_DIRECTORY,
        0 => TYPE_REGULAR,
        stated => stated,
    }
}

pub(super) fn make_directory(path: &Path) -> Result<(), PackageError> {
    let made = fs::DirBuilder::new().mode(0o755).create(path).and_then(|()| set_mode(path, 0o755));
    made.map_err(|source| PackageError::Write { path: path.to_owned(), source })
}

fn write_file(entry: &Entry<'_>, path: &Path, mode: u32, budget_bytes: &mut u64) -> Result<(), PackageError> {
    let failed = |source| PackageError::Write { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    entry.copy(budget_bytes, &mut file)?;
    set_mode(path, mode).map_err(failed)
}

/// Sets the mode whatever the process's umask took away on creation.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests;
