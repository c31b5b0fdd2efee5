//! The files of one group: `LOGS/<account>/<region>/<group>/<number>.log`, where the group's name is escaped as
//! in a URL and long names are cut and told apart by their SHA-256. Only the newest file is written; when all
//! together would exceed their bound, the oldest goes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::log::LogGroup;
use model::time::Timestamp;

use super::LogBounds;
use crate::blobs::digest_of;
use crate::disk::create_private_dir;

/// Longest escaped name that is taken as it is; file systems allow 255.
const NAME_LENGTH_MAX: usize = 200;

/// A place in a group: everything before it was written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct End {
    /// The newest file, or 0 if there is none.
    pub(super) number: u64,
    /// Its length.
    pub(super) len: u64,
}

/// A group that is being written.
#[derive(Debug)]
pub(super) struct GroupFiles {
    dir: PathBuf,
    bounds: LogBounds,
    file: File,
    end: End,
    /// A part of a line may stand at the end of `file`.
    torn: bool,
    /// Older files with their lengths, oldest first.
    older: VecDeque<(u64, u64)>,
    /// That `file` is there is on the disk.
    synced_dir: Cell<bool>,
}

impl GroupFiles {
    /// Opens the newest file for appending, or makes the first.
    pub(super) fn open(dir: PathBuf, group: &LogGroup, bounds: LogBounds) -> io::Result<Self> {
        create_private_dir(&dir)?;
        say_name(&dir, group)?;
        let mut older: VecDeque<_> = files_of(&dir)?.into();
        let number = older.pop_back().map_or(1, |(number, _)| number);
        let file = append_to(&file_path(&dir, number))?;
        let len = file.metadata()?.len();
        let torn = len > 0 && {
            let mut last = [0];
            File::open(file_path(&dir, number))?.read_exact_at(&mut last, len - 1)?;
            last != *b"\n"
        };
        Ok(Self { dir, bounds, file, end: End { number, len }, torn, older, synced_dir: Cell::new(false) })
    }

    /// Appends whole lines and drops the oldest file if the group grew too large.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.end.len > 0 && self.end.len + lines.len() as u64 > self.bounds.file_bytes_max {
            self.begin_file()?;
        }
        self.make_room(lines.len() as u64)?;
        let lead: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = self.file.write_all(lead).and_then(|()| self.file.write_all(lines));
        match &written {
            Ok(()) => {
                self.end.len += (lead.len() + lines.len()) as u64;
                self.torn = false;
            }
            Err(_) => self.torn = self.torn || self.file.set_len(self.end.len).is_err(),
        }
        written
    }

    /// Brings what was appended to the disk itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.synced_dir.replace(true) {
            // The folder, and those in which it may be new: group, region, account.
            for dir in self.dir.ancestors().take(4) {
                File::open(dir)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        self.file = append_to(&file_path(&self.dir, self.end.number + 1))?;
        self.synced_dir.set(false);
        self.older.push_back((self.end.number, self.end.len));
        self.end = End { number: self.end.number + 1, len: 0 };
        self.torn = false;
        Ok(())
    }

    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let mut total: u64 = self.end.len + bytes + self.older.iter().map(|(_, len)| len).sum::<u64>();
        while total > self.bounds.group_bytes_max
            && let Some((number, len)) = self.older.front().copied()
        {
            match fs::remove_file(file_path(&self.dir, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.older.pop_front();
            total -= len;
        }
        Ok(())
    }
}

/// The folder of a group.
pub(super) fn dir_of(logs: &Path, group: &LogGroup) -> PathBuf {
    let mut dir = logs.join(group.scope.account.as_str());
    dir.push(group.scope.region.as_str());
    dir.push(escape(&group.name));
    dir
}

/// The file that says a group's name where its folder's name is cut.
const NAME_FILE: &str = "name";
/// How far events may lie ahead of the time at which they were written.
const AHEAD_MAX: Duration = Duration::from_secs(2 * 3600);

fn say_name(dir: &Path, group: &LogGroup) -> io::Result<()> {
    let is_cut = dir.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'~'));
    let path = dir.join(NAME_FILE);
    if !is_cut || fs::read_to_string(&path).is_ok_and(|name| name == group.name) {
        return Ok(());
    }
    // Before any event, and also where a crash has left a part of it.
    let mut file = File::create(path)?;
    file.write_all(group.name.as_bytes())?;
    file.sync_all()
}

/// A group's name by its folder.
pub(super) fn name_of(dir: &Path) -> Option<String> {
    let escaped = dir.file_name()?.to_str()?;
    if escaped.contains('~') {
        return fs::read_to_string(dir.join(NAME_FILE)).ok();
    }
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { digit(rest.next())? * 16 + digit(rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// Deletes a group's folder, on the disk when this returns.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match dir.parent().map(File::open) {
        Some(Ok(parent)) => parent.sync_all(),
        _ => Ok(()),
    }
}

/// Removes files in which no event is younger.
pub(super) fn expire(dir: &Path, before: Timestamp) -> io::Result<()> {
    let files = files_of(dir)?;
    let newest = files.last().map_or(0, |(number, _)| *number);
    for (number, len) in files {
        let path = file_path(dir, number);
        if newest_possible(&path)? >= before || (number == newest && len == 0) {
            continue;
        }
        if number == newest {
            // Numbers never begin again: places in a group stay in their order.
            append_to(&file_path(dir, number + 1))?;
        }
        fs::remove_file(path)?;
    }
    Ok(())
}

/// A time after which no event of a file lies.
pub(super) fn newest_possible(path: &Path) -> io::Result<Timestamp> {
    let written = match fs::metadata(path) {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Timestamp::from_millis(i64::MIN)),
        Err(error) => return Err(error),
    };
    Ok(timestamp(written).after(AHEAD_MAX))
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Where a group ends now.
pub(super) fn end_of(dir: &Path) -> io::Result<End> {
    let newest = files_of(dir)?.pop();
    Ok(newest.map_or(End::default(), |(number, len)| End { number, len }))
}

/// All files of a group with their lengths, oldest first; none if the group does not exist.
pub(super) fn files_of(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|n| n.parse().ok());
        if let Some(number) = number {
            match entry.metadata() {
                Ok(metadata) => files.push((number, metadata.len())),
                // Dropped since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

pub(super) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// A file name for any text: letters, digits, hyphens, underscores and inner dots stand for themselves, every
/// other byte is `%` and two digits. A tilde occurs only before the digest of a long name.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 8);
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            b'.' if index > 0 => escaped.push('.'),
            // Writing to a string cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    if escaped.len() > NAME_LENGTH_MAX {
        let digest = digest_of(name.as_bytes()).to_string();
        escaped.truncate(NAME_LENGTH_MAX - 33);
        escaped.push('~');
        escaped.push_str(&digest[..32]);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_folder_name_of_its_own() {
        assert_eq!(escape("/aws/lambda/hello"), "%2Faws%2Flambda%2Fhello");
        assert_eq!(escape(".."), "%2E.");
        assert_eq!(escape("a.b_c-D#~é"), "a.b_c-D%23%7E%C3%A9");
        let (one, other) = (escape(&"/".repeat(512)), escape(&"/".repeat(511)));
        assert_eq!((one.len(), other.len()), (NAME_LENGTH_MAX, NAME_LENGTH_MAX));
        assert_ne!(one, other);
    }
}
