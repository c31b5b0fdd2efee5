//! Reads tar files: POSIX ustar and pax, and GNU's long names and sparse files.
//!
//! Every length in a tar is a claim: names, extension records and maps of sparse files are bounded before memory
//! is spent on them. A tar that ends within an entry is an error; one that ends without its closing zeros is not.

mod header;
mod sparse;

use std::io::{self, Read};

use super::UnpackError;
use header::{BLOCK, Block, Extensions};

/// Longest path or link: `PATH_MAX` of Linux.
const PATH_BYTES_MAX: u64 = 4_096;
/// Largest pax extension header of one entry. Extended attributes are at most 64 KB in all on Linux.
const PAX_BYTES_MAX: u64 = 1024 * 1024;
/// Extension headers in a row before the entry that they belong to.
const EXTENSIONS_MAX: usize = 16;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of an entry that came before.
    Hardlink,
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
}

/// One entry, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as the tar has it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-user-id and its kin.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change: seconds since the epoch and nanoseconds.
    pub modified: (i64, u32),
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Size of the content, holes included.
    pub size: u64,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the stored parts of a sparse file belong: offset and length; `None` if all of it is stored.
    pub parts: Option<Vec<(u64, u64)>>,
}

/// A tar that is being read.
pub struct Archive<R> {
    reader: R,
    /// Stored bytes of the current entry that were not read yet.
    left: u64,
    /// Zeros that fill its last block.
    padding: u64,
    /// Extensions for all entries that follow.
    global: Extensions,
}

impl<R: Read> Archive<R> {
    /// Reads a tar from its beginning.
    pub fn new(reader: R) -> Self {
        Self { reader, left: 0, padding: 0, global: Extensions::default() }
    }

    /// The next entry; what was not read of the last one is skipped. `None` at the end of the tar.
    ///
    /// # Errors
    /// [`UnpackError::Format`], [`UnpackError::Illegal`] or [`UnpackError::Read`].
    pub fn next_entry(&mut self) -> Result<Option<Entry>, UnpackError> {
        self.skip_rest()?;
        let mut extensions = self.global.clone();
        for _ in 0..EXTENSIONS_MAX {
            let Some(block) = self.block()? else { return Ok(None) };
            let size = block.size()?;
            match block.kind() {
                b'L' => extensions.path = Some(self.text(size, PATH_BYTES_MAX, "a path is too long")?),
                b'K' => extensions.link = Some(self.text(size, PATH_BYTES_MAX, "a link is too long")?),
                b'x' => {
                    let bytes = self.record(size, PAX_BYTES_MAX, "a pax header is too large")?;
                    extensions.read_pax(&bytes)?;
                }
                b'g' => {
                    let bytes = self.record(size, PAX_BYTES_MAX, "a pax header is too large")?;
                    self.global.read_pax(&bytes)?;
                    extensions = self.global.clone();
                }
                _ => return self.entry(&block, extensions).map(Some),
            }
        }
        Err(UnpackError::Format("too many extension headers in a row"))
    }

    /// The next stored bytes of the current entry; 0 at its end.
    ///
    /// # Errors
    /// [`UnpackError::Read`], also when the tar ends too early.
    pub fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = loop {
            match self.reader.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(UnpackError::Read)?,
            }
        };
        if count == 0 {
            return Err(UnpackError::Format("it ends within an entry"));
        }
        self.left -= count as u64;
        Ok(count)
    }

    fn entry(&mut self, block: &Block, extensions: Extensions) -> Result<Entry, UnpackError> {
        let stored = extensions.size.map_or_else(|| block.size(), Ok)?;
        let (kind, path) = block.kind_and_path(&extensions)?;
        let mut entry = Entry {
            kind,
            mode: block.mode()?,
            uid: extensions.uid.map_or_else(|| block.uid(), Ok)?,
            gid: extensions.gid.map_or_else(|| block.gid(), Ok)?,
            modified: extensions.modified.map_or_else(|| block.modified(), Ok)?,
            link: extensions.link.clone().unwrap_or_else(|| block.link()),
            size: if kind == Kind::File { stored } else { 0 },
            xattrs: Vec::new(),
            parts: None,
            path,
        };
        if [&entry.path, &entry.link].iter().any(|path| path.len() as u64 > PATH_BYTES_MAX) {
            return Err(UnpackError::illegal(&entry.path, "its path or link is too long"));
        }
        // Links and directories have no content, though some writers put the linked file's size there.
        let stored = if matches!(block.kind(), b'1' | b'2' | b'3' | b'4' | b'5' | b'6') { 0 } else { stored };
        self.left = stored;
        self.padding = stored.next_multiple_of(BLOCK as u64) - stored;
        let map = if block.is_gnu_sparse() {
            Some(self.read_gnu_map(block)?)
        } else {
            self.read_pax_map(&extensions)?
        };
        if let Some((parts, size)) = map {
            sparse::check(&parts, size, self.left)
                .map_err(|reason| UnpackError::illegal(&entry.path, reason))?;
            entry.size = size;
            entry.parts = Some(parts);
        }
        entry.xattrs = extensions.xattrs;
        Ok(entry)
    }

    /// The next header, or `None` at the end.
    fn block(&mut self) -> Result<Option<Block>, UnpackError> {
        let mut bytes = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(UnpackError::Format("it ends within a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
        if bytes == [0; BLOCK] {
            return Ok(None);
        }
        Block::checked(bytes).map(Some)
    }

    /// The content of an extension header.
    fn record(&mut self, size: u64, limit: u64, reason: &'static str) -> Result<Vec<u8>, UnpackError> {
        if size > limit {
            return Err(UnpackError::Format(reason));
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| UnpackError::Format(reason))?];
        self.fill(&mut bytes)?;
        self.skip_rest()?;
        Ok(bytes)
    }

    fn text(&mut self, size: u64, limit: u64, reason: &'static str) -> Result<Vec<u8>, UnpackError> {
        // GNU's long names end with a zero that the size counts.
        let mut bytes = self.record(size, limit + 1, reason)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), UnpackError> {
        while !buffer.is_empty() {
            match self.read_content(buffer)? {
                0 => return Err(UnpackError::Format("an entry is shorter than it must be")),
                count => buffer = &mut buffer[count..],
            }
        }
        Ok(())
    }

    fn skip_rest(&mut self) -> Result<(), UnpackError> {
        self.left += std::mem::take(&mut self.padding);
        let mut scratch = [0; 16 * 1024];
        while self.read_content(&mut scratch)? > 0 {}
        Ok(())
    }
}
