//! Searching groups: which there are, which streams they have, and pages of events in the order of their times.
//!
//! Reads files only, newest first, as `read` does. A page costs one pass over the files that may have something of its
//! times; memory is bounded by one file, one page, and the streams that are told.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use model::arn::Scope;
use model::log::{LogEvent, LogGroup};
use model::time::Timestamp;

use super::group::{dir_of, file_path, files_of, name_of, newest_possible, timestamp};
use super::line::{self, Line};
use super::read::read_start;

/// A place among the events of a group: by time, then in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The event's time.
    pub at: i64,
    /// The file.
    pub file: u64,
    /// Where its line begins in the file.
    pub offset: u64,
}

impl Place {
    /// Before every event.
    pub const START: Self = Self { at: i64::MIN, file: 0, offset: 0 };

    /// Directly behind this event.
    #[must_use]
    pub fn next(self) -> Self {
        Self { offset: self.offset + 1, ..self }
    }
}

/// Which way a page is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest events from this place on.
    From(Place),
    /// The newest events before this place, or of all.
    Before(Option<Place>),
}

/// Says of a stream and a message whether it is wanted.
pub type Wanted = Box<dyn Fn(&str, &str) -> bool + Send>;

/// What is searched for.
pub struct Search {
    /// The times of events.
    pub times: RangeInclusive<i64>,
    /// Where the page lies.
    pub direction: Direction,
    /// Most events on the page.
    pub count_max: usize,
    /// Most bytes of messages on the page, unless one event alone has more.
    pub bytes_max: usize,
    /// Which events.
    pub wanted: Wanted,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("times", &self.times).field("direction", &self.direction).finish()
    }
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub event: LogEvent,
    /// When it was taken in.
    pub taken: Timestamp,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The events, oldest first: all that are wanted between the page's two ends.
    pub events: Vec<Found>,
    /// There were more than fit.
    pub more: bool,
}

/// A group that has files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSize {
    /// Its name.
    pub name: String,
    /// When its folder was made.
    pub created: Timestamp,
    /// The bytes of its files.
    pub bytes: u64,
}

/// What is known of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpan {
    /// When its first event was taken in.
    pub created: Timestamp,
    /// The earliest time of an event.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
    /// When its last event was taken in.
    pub taken: Timestamp,
    /// The bytes of messages.
    pub bytes: u64,
}

/// The groups of an account and a region that have files.
pub(super) fn groups(logs: &Path, scope: &Scope) -> io::Result<Vec<GroupSize>> {
    let dir = logs.join(scope.account.as_str()).join(scope.region.as_str());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(size_of_dir(&entry?.path())?);
    }
    Ok(found)
}

/// One of them.
pub(super) fn group(logs: &Path, group: &LogGroup) -> io::Result<Option<GroupSize>> {
    Ok(size_of_dir(&dir_of(logs, group))?.map(|size| GroupSize { name: group.name.clone(), ..size }))
}

fn size_of_dir(dir: &Path) -> io::Result<Option<GroupSize>> {
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A folder with a cut name whose full name was never written cannot be told; its next event does that.
    let name = name_of(dir).unwrap_or_default();
    let created = timestamp(metadata.created().or_else(|_| metadata.modified())?);
    let bytes = files_of(dir)?.iter().map(|(_, len)| len).sum();
    Ok(Some(GroupSize { name, created, bytes }))
}

/// The streams whose names are wanted.
pub(super) fn streams(
    dir: &Path,
    since: Timestamp,
    wanted: impl Fn(&str) -> bool,
) -> io::Result<BTreeMap<Arc<str>, StreamSpan>> {
    let mut streams: BTreeMap<Arc<str>, StreamSpan> = BTreeMap::new();
    each(dir, since.as_millis(), |_, line| {
        if line.t < since.as_millis() || !wanted(&line.s) {
            return;
        }
        let (at, taken) = (Timestamp::from_millis(line.t), Timestamp::from_millis(line.i.unwrap_or(line.t)));
        let bytes = line.m.map_or(0, |message| message.len() as u64);
        match streams.get_mut(&*line.s) {
            Some(span) => {
                span.created = span.created.min(taken);
                span.taken = span.taken.max(taken);
                span.first = span.first.min(at);
                span.last = span.last.max(at);
                span.bytes += bytes;
            }
            None => {
                let span = StreamSpan { created: taken, first: at, last: at, taken, bytes };
                streams.insert(Arc::from(&*line.s), span);
            }
        }
    })?;
    Ok(streams)
}

/// A page of events, oldest first.
pub(super) fn search(dir: &Path, search: &Search) -> io::Result<Page> {
    let mut page: BTreeMap<Place, Found> = BTreeMap::new();
    let mut bytes = 0;
    // Where the page was cut: nothing from there on may come in later, or what was cut would be passed over.
    let mut cut: Option<Place> = None;
    each(dir, *search.times.start(), |(file, offset), line| {
        let place = Place { at: line.t, file, offset };
        let is_there = match search.direction {
            Direction::From(from) => place >= from && cut.is_none_or(|cut| place < cut),
            Direction::Before(before) => {
                before.is_none_or(|before| place < before) && cut.is_none_or(|cut| place > cut)
            }
        };
        let message = line.m.as_deref().unwrap_or_default();
        if !is_there || !search.times.contains(&line.t) || !(search.wanted)(&line.s, message) {
            return;
        }
        bytes += message.len();
        let taken = Timestamp::from_millis(line.i.unwrap_or(line.t));
        let like = page.first_key_value().map(|(_, found)| &found.event);
        if let Some(event) = line.event(like) {
            page.insert(place, Found { place, event, taken });
        }
        while page.len() > search.count_max || (bytes > search.bytes_max && page.len() > 1) {
            let last = match search.direction {
                Direction::From(_) => page.pop_last(),
                Direction::Before(_) => page.pop_first(),
            };
            let Some((place, last)) = last else { break };
            cut = Some(place);
            bytes -= last.event.message.len();
        }
    })?;
    Ok(Page { events: page.into_values().collect(), more: cut.is_some() })
}

/// Gives every event that is not deleted, the last written first, leaving out files with nothing since a time.
fn each(dir: &Path, since: i64, mut take: impl FnMut((u64, u64), Line<'_>)) -> io::Result<()> {
    let mut deleted: HashSet<String> = HashSet::new();
    for (number, len) in files_of(dir)?.into_iter().rev() {
        let path = file_path(dir, number);
        if newest_possible(&path)?.as_millis() < since {
            // Later files were written later, but a file may lie between that was copied: look at all.
            continue;
        }
        let bytes = read_start(&path, len)?;
        let mut end = bytes.len();
        for text in bytes.rsplit(|byte| *byte == b'\n') {
            let offset = end - text.len();
            end = offset.saturating_sub(1);
            let Some(line) = line::decode(text) else { continue };
            if line.m.is_none() {
                deleted.insert(line.s.into_owned());
            } else if !deleted.contains(&*line.s) {
                take((number, offset as u64), line);
            }
        }
    }
    Ok(())
}
