//! Reading a group from its end backwards, so that the newest events cost the same however long the log is.
//!
//! Reads files only, beside a writer that may append to the newest and drop the oldest meanwhile: a file that is
//! gone is skipped, and so is a line that is not whole. Memory is bounded by one file and one answer.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use model::log::LogEvent;
use model::time::Timestamp;

use super::group::{End, file_path, files_of};
use super::{LogError, READ_BYTES_MAX, line};

/// The newest events not older than `since`, oldest first, from what lies before `end`.
pub(super) fn newest(
    dir: &Path,
    since: Timestamp,
    limit: usize,
    end: Option<End>,
) -> Result<Vec<LogEvent>, LogError> {
    let failed = |source| LogError::Io { operation: "read", path: dir.to_owned(), source };
    let mut found: Vec<LogEvent> = Vec::new();
    let mut deleted: HashSet<String> = HashSet::new();
    let mut room_bytes = READ_BYTES_MAX;
    for (number, len) in files_of(dir).map_err(failed)?.into_iter().rev() {
        let len = match end {
            Some(end) if number > end.number => continue,
            Some(end) if number == end.number => end.len,
            _ => len,
        };
        let bytes = read_start(&file_path(dir, number), len).map_err(failed)?;
        let (mut any, mut any_young) = (false, false);
        for line in bytes.rsplit(|byte| *byte == b'\n') {
            if found.len() >= limit {
                break;
            }
            let Some(line) = line::decode(line) else { continue };
            if line.m.is_none() {
                deleted.insert(line.s.into_owned());
                continue;
            }
            any = true;
            if deleted.contains(&*line.s) {
                continue;
            }
            let Some(event) = line.event(found.last()) else { continue };
            if event.at < since {
                continue;
            }
            any_young = true;
            let Some(room) = room_bytes.checked_sub(event.message.len()) else {
                found.reverse();
                return Ok(found);
            };
            room_bytes = room;
            found.push(event);
        }
        // Times are nearly in order: behind a whole file of older events there are only older ones.
        if found.len() >= limit || (any && !any_young) {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// The first `len` bytes of a file; nothing if it has been dropped meanwhile.
pub(super) fn read_start(path: &Path, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(len).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}
