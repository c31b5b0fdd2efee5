//! The archive format that the kernel unpacks into its first file system: `newc` cpio.
//!
//! Each entry is a header of `070701` and thirteen eight-digit hexadecimal numbers, the name with a closing
//! zero, and the content, both padded to four bytes. Parents must come before what they hold, and a path is
//! written once, which `Archive` sees to. The format is described in the kernel's documentation under
//! "initramfs buffer format".

use std::collections::BTreeSet;

use anyhow::{Context, Result};

/// File type bits as `stat` knows them.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive in the making. Paths are absolute; everything belongs to root.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    written: BTreeSet<String>,
}

impl Archive {
    /// Adds a folder and the folders above it.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        self.parents(path)?;
        self.entry(path, DIRECTORY | 0o755, b"")
    }

    /// Adds a file, and the folders above it.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        self.parents(path)?;
        self.entry(path, REGULAR | permissions, content)
    }

    /// Adds a symbolic link, and the folders above it.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.parents(path)?;
        self.entry(path, SYMLINK | 0o777, target.as_bytes())
    }

    /// Whether something has been added at this path.
    pub fn contains(&self, path: &str) -> bool {
        self.written.contains(path)
    }

    /// The finished archive.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.record("TRAILER!!!", 0, b"")?;
        Ok(self.bytes)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        let inner = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
        for at in inner {
            self.entry(&path[..at], DIRECTORY | 0o755, b"")?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        if !self.written.insert(path.to_owned()) {
            return Ok(());
        }
        self.record(path.trim_start_matches('/'), mode, content)
    }

    fn record(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        let size =
            u32::try_from(content.len()).with_context(|| format!("{name} is too large for the archive"))?;
        let name_size = u32::try_from(name.len() + 1).context("a name is too long for the archive")?;
        let inode = u32::try_from(self.written.len()).context("too many files for the archive")?;
        // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name size, checksum
        let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in an archive, read back by the format's own rules.
    fn names(bytes: &[u8]) -> Vec<String> {
        let field = |at: usize, index: usize| {
            let start = at + 6 + 8 * index;
            usize::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16).unwrap()
        };
        let (mut at, mut found) = (0, Vec::new());
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (size, name_size) = (field(at, 6), field(at, 11));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            found.push(String::from_utf8(name.to_vec()).unwrap());
            at = ((at + 110 + name_size).next_multiple_of(4) + size).next_multiple_of(4);
        }
        found
    }

    #[test]
    fn parents_come_first_and_once() {
        let mut archive = Archive::default();
        archive.file("/usr/bin/a", 0o755, b"hello").unwrap();
        archive.file("/usr/bin/bc", 0o755, b"").unwrap();
        archive.symlink("/bin", "usr/bin").unwrap();
        archive.file("/usr/bin/a", 0o755, b"again").unwrap();
        assert!(archive.contains("/usr/bin"));
        let names = names(&archive.finish().unwrap());
        assert_eq!(names, ["usr", "usr/bin", "usr/bin/a", "usr/bin/bc", "bin", "TRAILER!!!"]);
    }
}
