//! Unpacks one layer of an image into an empty directory, as overlayfs will want it.
//!
//! Plain and synchronous, with no globals and no threads: it runs as well in a confined process that is allowed
//! nothing but a descriptor to read from and a directory to write to. The layer is hostile until it is unpacked:
//! no path of it is ever resolved except beneath the target and without following any link (`tree`), every number
//! in it is bounded (`tar`), and what cannot be right is an error. What an error leaves in the target is the
//! caller's to remove.
//!
//! Whiteouts become character devices 0:0 and opaque directories get `user.overlay.opaque`, for overlayfs mounted
//! with `userxattr`. Device nodes in a layer are left out, as no function may open one.

pub mod archive;
mod compression;
mod error;
mod tree;

use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use model::id::Digest;
use sha2::{Digest as _, Sha256};

use archive::{Archive, Entry, Kind};
use tree::Tree;

use crate::oci::media_type::Compression;

pub use compression::Decoder;
pub use error::UnpackError;

/// What bounds a layer.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of all files. Lambda's limit for a whole image is 10 GB uncompressed, layers included.
    pub bytes_max: u64,
    /// Entries.
    pub entries_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes_max: 10 * 1024 * 1024 * 1024, entries_max: 1_000_000 }
    }
}

/// Who owns the unpacked files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Whom the layer says.
    Kept,
    /// The user who unpacked, because this one may not give files away. Set-user-id bits are then gone.
    Flattened,
}

/// A layer that was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries, whiteouts included.
    pub entries: u64,
    /// Device nodes that were left out.
    pub devices: u64,
    /// Who owns the files.
    pub ownership: Ownership,
}

/// Unpacks a layer in transport form and checks that its content has the digest that the image's configuration
/// gives (`diff_id`).
///
/// # Errors
/// See [`UnpackError`]; the target then holds a part of the layer.
pub fn unpack_layer(
    blob: impl Read,
    compression: Compression,
    diff_id: Digest,
    target: BorrowedFd<'_>,
    bounds: &Bounds,
) -> Result<Unpacked, UnpackError> {
    let mut reader = Digesting::new(blob, compression, bounds);
    let unpacked = unpack(&mut reader, target, bounds)?;
    // The digest covers what follows the last entry, too.
    reader.finish(diff_id).map(|()| unpacked)
}

/// Checks that a layer in transport form has this content, without unpacking it.
///
/// # Errors
/// [`UnpackError::WrongDigest`] if it does not, [`UnpackError::Read`] if it cannot be decompressed.
pub fn verify_layer(
    blob: impl Read,
    compression: Compression,
    diff_id: Digest,
    bounds: &Bounds,
) -> Result<(), UnpackError> {
    Digesting::new(blob, compression, bounds).finish(diff_id)
}

/// Unpacks a tar into the directory `target`, which is empty.
///
/// # Errors
/// See [`UnpackError`]; the target then holds a part of the tar.
pub fn unpack(reader: impl Read, target: BorrowedFd<'_>, bounds: &Bounds) -> Result<Unpacked, UnpackError> {
    let mut archive = Archive::new(reader);
    let mut tree = Tree::new(target);
    let mut unpacked = Unpacked { bytes: 0, entries: 0, devices: 0, ownership: Ownership::Kept };
    while let Some(entry) = archive.next_entry()? {
        unpacked.entries += 1;
        if unpacked.entries > bounds.entries_max {
            return Err(UnpackError::TooManyEntries { limit: bounds.entries_max });
        }
        unpacked.bytes = unpacked.bytes.saturating_add(entry.size);
        if unpacked.bytes > bounds.bytes_max {
            return Err(UnpackError::TooLarge { limit_bytes: bounds.bytes_max });
        }
        if matches!(entry.kind, Kind::Device) {
            unpacked.devices += 1;
            continue;
        }
        place(&mut tree, &mut archive, &entry)?;
    }
    unpacked.ownership = tree.finish()?;
    Ok(unpacked)
}

const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";

fn place<R: Read>(tree: &mut Tree<'_>, archive: &mut Archive<R>, entry: &Entry) -> Result<(), UnpackError> {
    let path = tree::RelativePath::parse(&entry.path)?;
    match path.name() {
        // The layer's root: it has attributes, and cannot be anything but a directory.
        None if matches!(entry.kind, Kind::Directory) => tree.root(entry),
        None => Err(UnpackError::illegal(&entry.path, "the root is not a directory")),
        Some(name) if name == WHITEOUT_OPAQUE => tree.opaque(&path),
        // Notes of another union file system, which mean nothing here (OCI Image Specification, "Layers").
        Some(name) if name.starts_with(WHITEOUT_META) => Ok(()),
        Some(name) if name.starts_with(WHITEOUT) => tree.whiteout(&path, &name[WHITEOUT.len()..]),
        Some(_) => match &entry.kind {
            Kind::File => tree.file(&path, entry, archive),
            Kind::Directory => tree.directory(&path, entry),
            Kind::Symlink => tree.symlink(&path, entry),
            Kind::Hardlink => tree.hardlink(&path, entry),
            Kind::Fifo => tree.fifo(&path, entry),
            Kind::Device => Ok(()),
        },
    }
}

/// Decompresses, computes the digest of what is read, and ends after so many bytes.
struct Digesting<R: Read> {
    inner: Decoder<R>,
    digest: Sha256,
    left: u64,
}

impl<R: Read> Digesting<R> {
    fn new(blob: R, compression: Compression, bounds: &Bounds) -> Self {
        // A tar has a header of at least 512 bytes for each entry, and one more for a long name.
        let left = bounds.bytes_max.saturating_add(bounds.entries_max.saturating_mul(2_048));
        Self { inner: Decoder::new(blob, compression), digest: Sha256::new(), left }
    }

    /// Reads to the end and compares.
    fn finish(mut self, expected: Digest) -> Result<(), UnpackError> {
        io::copy(&mut self, &mut io::sink()).map_err(UnpackError::Read)?;
        let found = Digest::from_bytes(self.digest.finalize().into());
        if found == expected { Ok(()) } else { Err(UnpackError::WrongDigest { expected, found }) }
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "the layer unpacks to more than its contents can be")
        })?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}
