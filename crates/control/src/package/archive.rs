//! Reads a zip archive that lies whole in memory, trusting nothing in it.
//!
//! There is one reading of an archive here, and it is a strict one: the end record must close the file, the
//! directory must lie right before it, each entry's two headers must agree, and sizes and checksums are compared
//! with the bytes that really come out. Archives on which two programs could disagree are refused, because code
//! that was checked must be the code that runs.
//!
//! Source: PKWARE APPNOTE 6.3.10, sections 4.3 (records), 4.4 (fields) and 4.5.3 (ZIP64).
//! Knows nothing of paths or the file system; see [`super::tree`].

use std::io::{self, Read, Write};

use flate2::read::DeflateDecoder;
use model::limits;

const END_SIGNATURE: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const END64_BYTES: usize = 56;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;
const LOCATOR64_BYTES: usize = 20;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const CENTRAL_BYTES: usize = 46;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;
const EXTRA_ZIP64: u16 = 1;
const FLAG_ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// "Made by" codes whose upper attribute half is a Unix mode: Unix and macOS.
const UNIX_HOSTS: [u8; 2] = [3, 19];
const CHUNK_BYTES: usize = 64 * 1024;

/// Why bytes are not an archive that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No end record, or one that does not fit the file.
    #[error("it is not a zip archive, or it was cut off")]
    NoEnd,
    /// The directory does not lie where the end record says.
    #[error("its directory is damaged")]
    Directory,
    /// More entries than a package may have.
    #[error("it has more than {} entries", limits::ZIP_ENTRIES_MAX)]
    TooManyEntries,
    /// It spans several files.
    #[error("archives in several parts are not supported")]
    MultiPart,
    /// The two headers of an entry differ, or its content lies outside the file.
    #[error("the entry {name:?} is damaged")]
    Entry {
        /// The entry, as far as it can be read.
        name: String,
    },
    /// The entry is encrypted.
    #[error("the entry {name:?} is encrypted")]
    Encrypted {
        /// The entry.
        name: String,
    },
    /// The entry is compressed in a way that we do not read.
    #[error("the entry {name:?} uses compression method {method}; only stored and deflated entries are read")]
    Method {
        /// The entry.
        name: String,
        /// Its method.
        method: u16,
    },
    /// The content does not have the size or checksum that its header states.
    #[error("the content of the entry {name:?} is damaged")]
    Content {
        /// The entry.
        name: String,
    },
    /// The content of all entries together is larger than a package may be.
    #[error("unzipped it is larger than {} bytes", limits::UNZIPPED_BYTES_MAX)]
    TooLarge,
    /// The content could not be written where it was to go.
    #[error("cannot write the content of the entry {name:?}")]
    Write {
        /// The entry.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
}

/// An archive whose directory has been read.
pub struct Archive<'a> {
    entries: Vec<Entry<'a>>,
}

/// One entry of the directory, its local header already compared.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The name as it stands, not necessarily UTF-8.
    pub name: &'a [u8],
    /// Type and permission bits, where the archive was made on a system that has them.
    pub unix_mode: Option<u32>,
    /// Size once unzipped, as stated; [`Archive::copy`] holds the content to it.
    pub size_bytes: u64,
    method: u16,
    checksum: u32,
    compressed: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Reads the directory and compares it with the header of each entry.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let directory = find_directory(bytes)?;
        if directory.entries > limits::ZIP_ENTRIES_MAX as u64 {
            return Err(ArchiveError::TooManyEntries);
        }
        let mut entries = Vec::new();
        let mut rest = directory.bytes;
        for _ in 0..directory.entries {
            let (entry, after) = parse_entry(bytes, rest)?;
            entries.push(entry);
            rest = after;
        }
        if rest.is_empty() { Ok(Self { entries }) } else { Err(ArchiveError::Directory) }
    }

    /// The entries, in the order of the directory.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

impl Entry<'_> {
    /// The name for messages.
    pub fn label(&self) -> String {
        label(self.name)
    }

    /// Writes the content to `to`, taking each byte from `budget_bytes`; the stated size is never trusted.
    pub fn copy(&self, budget_bytes: &mut u64, to: &mut dyn Write) -> Result<(), ArchiveError> {
        match self.method {
            STORED => self.copy_from(self.compressed, budget_bytes, to),
            _ => self.copy_from(DeflateDecoder::new(self.compressed), budget_bytes, to),
        }
    }

    fn copy_from(
        &self,
        mut from: impl Read,
        budget_bytes: &mut u64,
        to: &mut dyn Write,
    ) -> Result<(), ArchiveError> {
        let damaged = || ArchiveError::Content { name: self.label() };
        let mut checksum = crc32fast::Hasher::new();
        let mut chunk = [0; CHUNK_BYTES];
        let mut size_bytes = 0_u64;
        loop {
            let count = from.read(&mut chunk).map_err(|_| damaged())?;
            if count == 0 {
                break;
            }
            size_bytes += count as u64;
            *budget_bytes = budget_bytes.checked_sub(count as u64).ok_or(ArchiveError::TooLarge)?;
            if size_bytes > self.size_bytes {
                return Err(damaged());
            }
            checksum.update(&chunk[..count]);
            to.write_all(&chunk[..count])
                .map_err(|source| ArchiveError::Write { name: self.label(), source })?;
        }
        if size_bytes == self.size_bytes && checksum.finalize() == self.checksum {
            Ok(())
        } else {
            Err(damaged())
        }
    }
}

struct Directory<'a> {
    bytes: &'a [u8],
    entries: u64,
}

/// Finds the directory through the end record, which must be the last thing in the file.
fn find_directory(bytes: &[u8]) -> Result<Directory<'_>, ArchiveError> {
    let end_at = find_end(bytes)?;
    let end = &bytes[end_at..];
    let (disk, directory_disk) = (u16_at(end, 4), u16_at(end, 6));
    let (entries_here, entries) = (u16_at(end, 8), u16_at(end, 10));
    let (size, start) = (u32_at(end, 12), u32_at(end, 16));
    let wants_64 = entries == u16::MAX || size == u32::MAX || start == u32::MAX;
    if wants_64 && let Some(directory) = find_directory_64(bytes, end_at)? {
        return Ok(directory);
    }
    if (disk, directory_disk) != (0, 0) || entries_here != entries {
        return Err(ArchiveError::MultiPart);
    }
    directory_between(bytes, u64::from(start), u64::from(size), end_at, u64::from(entries))
}

fn find_end(bytes: &[u8]) -> Result<usize, ArchiveError> {
    let last = bytes.len().checked_sub(END_BYTES).ok_or(ArchiveError::NoEnd)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last)
        .rev()
        .find(|at| {
            let end = &bytes[*at..];
            u32_at(end, 0) == END_SIGNATURE && usize::from(u16_at(end, 20)) == end.len() - END_BYTES
        })
        .ok_or(ArchiveError::NoEnd)
}

/// The ZIP64 end record, if its locator lies before the ordinary one.
fn find_directory_64(bytes: &[u8], end_at: usize) -> Result<Option<Directory<'_>>, ArchiveError> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR64_BYTES) else { return Ok(None) };
    let locator = &bytes[locator_at..end_at];
    if u32_at(locator, 0) != LOCATOR64_SIGNATURE {
        return Ok(None);
    }
    if u32_at(locator, 4) != 0 || u32_at(locator, 16) > 1 {
        return Err(ArchiveError::MultiPart);
    }
    let record_at = usize::try_from(u64_at(locator, 8)).map_err(|_| ArchiveError::Directory)?;
    // A record with an extensible part is legal but has never been seen; the strict form keeps one reading.
    if record_at.checked_add(END64_BYTES) != Some(locator_at)
        || u32_at(&bytes[record_at..], 0) != END64_SIGNATURE
    {
        return Err(ArchiveError::Directory);
    }
    let record = &bytes[record_at..locator_at];
    let (entries_here, entries) = (u64_at(record, 24), u64_at(record, 32));
    if u32_at(record, 16) != 0 || u32_at(record, 20) != 0 || entries_here != entries {
        return Err(ArchiveError::MultiPart);
    }
    directory_between(bytes, u64_at(record, 48), u64_at(record, 40), record_at, entries).map(Some)
}

fn directory_between(
    bytes: &[u8],
    start: u64,
    size: u64,
    end: usize,
    entries: u64,
) -> Result<Directory<'_>, ArchiveError> {
    let start = usize::try_from(start).map_err(|_| ArchiveError::Directory)?;
    let size = usize::try_from(size).map_err(|_| ArchiveError::Directory)?;
    if start.checked_add(size) != Some(end) {
        return Err(ArchiveError::Directory);
    }
    Ok(Directory { bytes: &bytes[start..end], entries })
}

/// Reads the entry at the start of `directory` and gives what follows it.
fn parse_entry<'a>(bytes: &'a [u8], directory: &'a [u8]) -> Result<(Entry<'a>, &'a [u8]), ArchiveError> {
    if directory.len() < CENTRAL_BYTES || u32_at(directory, 0) != CENTRAL_SIGNATURE {
        return Err(ArchiveError::Directory);
    }
    let (header, rest) = directory.split_at(CENTRAL_BYTES);
    let (name, rest) = split(rest, u16_at(header, 28)).ok_or(ArchiveError::Directory)?;
    let (extra, rest) = split(rest, u16_at(header, 30)).ok_or(ArchiveError::Directory)?;
    let (_comment, rest) = split(rest, u16_at(header, 32)).ok_or(ArchiveError::Directory)?;
    let damaged = || ArchiveError::Entry { name: label(name) };
    if u16_at(header, 8) & FLAG_ENCRYPTED != 0 {
        return Err(ArchiveError::Encrypted { name: label(name) });
    }
    let method = u16_at(header, 10);
    if !matches!(method, STORED | DEFLATED) {
        return Err(ArchiveError::Method { name: label(name), method });
    }
    let sizes = Sizes::read(header, extra).ok_or_else(damaged)?;
    let compressed = content_of(bytes, name, &sizes).ok_or_else(damaged)?;
    let unix_mode = UNIX_HOSTS.contains(&header[5]).then(|| u32_at(header, 38) >> 16);
    let checksum = u32_at(header, 16);
    Ok((Entry { name, unix_mode, size_bytes: sizes.size, method, checksum, compressed }, rest))
}

/// The three numbers of a directory entry that may stand in the ZIP64 extra field instead.
struct Sizes {
    size: u64,
    compressed: u64,
    header_at: u64,
}

impl Sizes {
    fn read(header: &[u8], extra: &[u8]) -> Option<Self> {
        if u16_at(header, 34) != 0 {
            return None;
        }
        let mut wide = extra_field(extra, EXTRA_ZIP64)?;
        let mut widened = |narrow: u32| {
            if narrow != u32::MAX {
                return Some(u64::from(narrow));
            }
            let (value, rest) = wide.split_at_checked(8)?;
            wide = rest;
            Some(u64_at(value, 0))
        };
        let size = widened(u32_at(header, 24))?;
        let compressed = widened(u32_at(header, 20))?;
        let header_at = widened(u32_at(header, 42))?;
        Some(Self { size, compressed, header_at })
    }
}

/// The body of the extra field with this id, empty if there is none; `None` if the fields are malformed.
///
/// Padding shorter than a field header is accepted at the end, since alignment tools leave it there.
fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (body, rest) = split(&extra[4..], u16_at(extra, 2))?;
        if u16_at(extra, 0) == id {
            return Some(body);
        }
        extra = rest;
    }
    Some(&[])
}

/// The compressed bytes of an entry whose local header carries the same name.
fn content_of<'a>(bytes: &'a [u8], name: &[u8], sizes: &Sizes) -> Option<&'a [u8]> {
    let local = bytes.get(usize::try_from(sizes.header_at).ok()?..)?;
    if local.len() < LOCAL_BYTES || u32_at(local, 0) != LOCAL_SIGNATURE {
        return None;
    }
    let (local_name, rest) = split(&local[LOCAL_BYTES..], u16_at(local, 26))?;
    let (_extra, rest) = split(rest, u16_at(local, 28))?;
    if local_name != name {
        return None;
    }
    rest.get(..usize::try_from(sizes.compressed).ok()?)
}

fn split(bytes: &[u8], at: u16) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::from(at))
}

/// A name for messages: readable, and never longer than a line.
fn label(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(120)]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
