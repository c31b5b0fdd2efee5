//! Writing the zip.
//!
//! The bytes depend only on names, contents, links and the executable bit. Every limit is asserted on what was
//! really read, because a file may have grown since it was listed.

use std::fs::File;
use std::io::{Cursor, Read as _, Write as _};

use model::limits::{UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Entry, EntryKind, PackageError};

/// A finished package.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    /// The zip.
    pub zip: Vec<u8>,
    /// Files and links in it.
    pub files: usize,
    /// Size of all files together.
    pub unzipped_bytes: u64,
    /// SHA-256 of the zip.
    pub sha256: [u8; 32],
}

/// Says how large the package is; its bytes are nobody's business.
impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package")
            .field("zip_bytes", &self.zip.len())
            .field("files", &self.files)
            .field("unzipped_bytes", &self.unzipped_bytes)
            .finish_non_exhaustive()
    }
}

/// Zips the entries in the order given, telling `progress` how many bytes of them have been read so far.
///
/// # Errors
/// [`PackageError`] when an entry cannot be read or the package grows beyond a limit.
pub fn pack(entries: &[Entry], progress: &mut dyn FnMut(u64)) -> Result<Package, PackageError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut read_bytes = 0;
    for entry in entries {
        let failed = |source| PackageError::Zip { name: entry.name.clone(), source };
        match &entry.kind {
            EntryKind::Link { target } => {
                writer.add_symlink(&entry.name, target, options(0o777)).map_err(failed)?;
            }
            EntryKind::File { executable } => {
                let content = read(entry, UNZIPPED_BYTES_MAX - read_bytes)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                writer.start_file(&entry.name, options(mode)).map_err(failed)?;
                writer.write_all(&content).map_err(|error| failed(error.into()))?;
                read_bytes += content.len() as u64;
            }
        }
        progress(read_bytes);
    }
    let finished =
        writer.finish().map_err(|source| PackageError::Zip { name: "the end".to_owned(), source })?;
    let zip = finished.into_inner();
    if zip.len() > ZIP_BYTES_MAX {
        return Err(PackageError::ZipTooLarge { bytes: zip.len() as u64 });
    }
    let sha256 = Sha256::digest(&zip).into();
    Ok(Package { zip, files: entries.len(), unzipped_bytes: read_bytes, sha256 })
}

/// The earliest time that a zip can say stands for all times.
fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(mode)
}

/// Reads a file of at most `room` bytes.
fn read(entry: &Entry, room: u64) -> Result<Vec<u8>, PackageError> {
    let failed = |source| PackageError::Read { path: entry.source.clone(), source };
    let mut content = Vec::with_capacity(usize::try_from(entry.size_bytes.min(room)).unwrap_or(0));
    File::open(&entry.source).map_err(failed)?.take(room + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > room {
        return Err(PackageError::UnzippedTooLarge { bytes: UNZIPPED_BYTES_MAX + 1 });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::entries;
    use super::*;

    fn packed(dir: &std::path::Path) -> Package {
        pack(&entries(dir, false).expect("listed"), &mut |_| ()).expect("packed")
    }

    fn sample() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("b.txt"), "two").expect("written");
        std::fs::write(dir.path().join("a.sh"), "one").expect("written");
        let executable = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(dir.path().join("a.sh"), executable).expect("set");
        symlink("b.txt", dir.path().join("c")).expect("linked");
        dir
    }

    #[test]
    fn names_contents_modes_and_links_survive() {
        let package = packed(sample().path());
        assert_eq!((package.files, package.unzipped_bytes), (3, 6));
        let mut archive = zip::ZipArchive::new(Cursor::new(package.zip)).expect("a zip");
        let mut seen = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).expect("an entry");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("readable");
            seen.push((file.name().to_owned(), file.unix_mode(), text));
        }
        let expect = [("a.sh", 0o100_755, "one"), ("b.txt", 0o100_644, "two"), ("c", 0o120_777, "b.txt")];
        assert_eq!(seen, expect.map(|(name, mode, text)| (name.to_owned(), Some(mode), text.to_owned())));
    }

    #[test]
    fn the_same_folder_gives_the_same_bytes() {
        let (first, second) = (sample(), sample());
        let touched = File::options().append(true).open(second.path().join("b.txt")).expect("opened");
        touched.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("touched");
        std::fs::set_permissions(second.path().join("b.txt"), std::fs::Permissions::from_mode(0o600))
            .expect("set");
        assert!(packed(first.path()) == packed(second.path()), "bytes differ");

        std::fs::write(second.path().join("b.txt"), "six").expect("written");
        assert_ne!(packed(first.path()).sha256, packed(second.path()).sha256);
    }

    #[test]
    fn a_file_that_grew_beyond_the_limit_is_refused() {
        let dir = sample();
        let listed = &entries(dir.path(), false).expect("listed")[1];
        assert!(matches!(read(listed, 2), Err(PackageError::UnzippedTooLarge { .. })));
        assert_eq!(read(listed, 3).expect("just fits"), b"two");
    }
}
