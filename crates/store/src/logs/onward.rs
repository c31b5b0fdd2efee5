//! Reading a group onward, in the order in which it was written, for whoever hands its events on; and the bell that wakes
//! them.
//!
//! Reads files only, beside the writer. Only whole lines are given, so a mark always lies between two lines. What was
//! dropped meanwhile is passed over, and that is told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::log::{LogGroup, Mark};
use model::time::Timestamp;
use tokio::sync::Notify;

use super::group::{file_path, files_of};
use super::line;
use super::search::{Found, Place};

/// What stands behind a mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Onward {
    /// Events, in the order in which they were written.
    pub events: Vec<Found>,
    /// Behind them.
    pub mark: Mark,
    /// There may be more.
    pub more: bool,
    /// Whole files were dropped that had not been read.
    pub missed: bool,
}

/// The events behind `from`, out of about `bytes` of one file.
pub(super) fn onward(dir: &Path, from: Mark, bytes: u64) -> io::Result<Onward> {
    let files = files_of(dir)?;
    let (Some((first, _)), Some((newest, _))) = (files.first(), files.last()) else {
        return Ok(Onward { mark: from, ..Onward::default() });
    };
    // A mark beyond the end is of what is gone: it was never on the disk itself, or is of a group that was deleted.
    let from = match files.last() {
        Some((newest, _)) if from.file > *newest => Mark::default(),
        Some((newest, len)) if from.file == *newest => Mark { offset: from.offset.min(*len), ..from },
        _ => from,
    };
    let missed = from.file > 0 && from.file + 1 < *first;
    for (number, len) in &files {
        let start = if *number == from.file { from.offset } else { 0 };
        if *number < from.file || start >= *len {
            continue;
        }
        let lines = whole_lines(&file_path(dir, *number), start, *len, bytes)?;
        if lines.is_empty() {
            continue;
        }
        let mark = Mark { file: *number, offset: start + lines.len() as u64 };
        let more = mark.offset < *len || number < newest;
        return Ok(Onward { events: events(&lines, *number, start), mark, more, missed });
    }
    Ok(Onward { mark: from, missed, ..Onward::default() })
}

/// The lines that begin at `start`, at least one if there is a whole one.
fn whole_lines(path: &Path, start: u64, len: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(start))?;
    let mut lines = Vec::new();
    loop {
        let read = (&mut file).take(bytes.min(len - start)).read_to_end(&mut lines)?;
        if let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') {
            lines.truncate(end + 1);
            return Ok(lines);
        }
        if read == 0 || lines.len() as u64 >= len - start {
            // A part of a line, which is being written or was torn by a crash.
            return Ok(Vec::new());
        }
    }
}

fn events(lines: &[u8], file: u64, start: u64) -> Vec<Found> {
    let mut events: Vec<Found> = Vec::new();
    let mut offset = start;
    for text in lines.split_inclusive(|byte| *byte == b'\n') {
        let began = offset;
        offset += text.len() as u64;
        let Some(line) = line::decode(text) else { continue };
        let place = Place { at: line.t, file, offset: began };
        let taken = Timestamp::from_millis(line.i.unwrap_or(line.t));
        let event = line.event(events.last().map(|found| &found.event));
        events.extend(event.map(|event| Found { place, event, taken }));
    }
    events
}

/// Who is woken when a group is written to.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<HashMap<LogGroup, Vec<Weak<Notify>>>>);

impl Bells {
    /// A bell that rings until it is dropped.
    pub(super) fn hang(&self, group: &LogGroup) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hung = bells.entry(group.clone()).or_default();
        hung.retain(|bell| bell.strong_count() > 0);
        hung.push(Arc::downgrade(&bell));
        bell
    }

    pub(super) fn ring(&self, group: &LogGroup) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(hung) = bells.get_mut(group) else { return };
        hung.retain(|bell| bell.upgrade().inspect(|bell| bell.notify_one()).is_some());
        if hung.is_empty() {
            bells.remove(group);
        }
    }
}
