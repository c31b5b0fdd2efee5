//! The thread that writes logs: takes all that is queued, writes it group by group, delivers it to followers.
//! Keeps the files of recently written groups open, a bounded number of them, and closes idle ones; with none
//! open it sleeps until something comes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::log::{LogEvent, LogGroup};

use super::group::{GroupFiles, dir_of};
use super::queue::{Batch, Dropped, Taken};
use super::{OWN_STREAM, Shared, line};

/// How long a file stays open without being written.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 * 1024;

struct Writer<'a> {
    shared: &'a Shared,
    open: HashMap<Arc<LogGroup>, Open>,
    buffer: Vec<u8>,
    /// The last write failed and this was said.
    failing: bool,
}

struct Open {
    files: GroupFiles,
    used: Instant,
}

/// Writes until the queue is stopped and empty.
pub(super) fn run(shared: &Shared) {
    let mut writer = Writer { shared, open: HashMap::new(), buffer: Vec::new(), failing: false };
    loop {
        let wait = (!writer.open.is_empty()).then_some(IDLE_MAX);
        let Taken { batches, dropped, last } = shared.queue.take(wait);
        let count = batches.len();
        for (group, events) in by_group(batches) {
            let lost = writer.write(&group, events);
            writer.settle(&group, lost);
        }
        for (group, dropped) in dropped {
            let told = writer.write(&group, vec![notice(dropped)]);
            // A notice that could not be written stays owed in full.
            writer.settle(&group, told.map(|_| dropped));
        }
        shared.queue.done(count);
        if last {
            return;
        }
        writer.close_idle();
    }
}

/// Joins the events of each group in the order in which they came.
fn by_group(batches: Vec<Batch>) -> HashMap<Arc<LogGroup>, Vec<LogEvent>> {
    let mut groups: HashMap<Arc<LogGroup>, Vec<LogEvent>> = HashMap::new();
    for Batch { group, mut events } in batches {
        groups.entry(group).or_default().append(&mut events);
    }
    groups
}

/// The line by which a group learns that events are missing.
fn notice(dropped: Dropped) -> LogEvent {
    let message = format!(
        "[dormouse] {} log events of this group were dropped: they came faster than the disk took them",
        dropped.events
    );
    LogEvent { stream: OWN_STREAM.into(), at: dropped.at, message }
}

impl Writer<'_> {
    /// Writes and delivers; says what could not be written.
    fn write(&mut self, group: &Arc<LogGroup>, events: Vec<LogEvent>) -> Option<Dropped> {
        let shared = self.shared;
        shared.followers.publish(group, events, |events| self.write_events(group, events))
    }

    fn write_events(&mut self, group: &Arc<LogGroup>, events: &[LogEvent]) -> Option<Dropped> {
        let chunk_bytes = usize::try_from(self.shared.bounds.file_bytes_max).unwrap_or(WRITE_BYTES);
        let chunk_bytes = chunk_bytes.min(WRITE_BYTES);
        let mut lost: Option<Dropped> = None;
        let mut encoded = 0;
        self.buffer.clear();
        for (index, event) in events.iter().enumerate() {
            line::encode(event, &mut self.buffer);
            encoded += 1;
            if self.buffer.len() < chunk_bytes && index + 1 < events.len() {
                continue;
            }
            if let Err(error) = self.write_buffer(group) {
                self.say_failing(group, &error);
                lost = Some(Dropped { events: lost.map_or(0, |lost| lost.events) + encoded, at: event.at });
            }
            encoded = 0;
            self.buffer.clear();
        }
        self.buffer.shrink_to(WRITE_BYTES);
        lost
    }

    fn write_buffer(&mut self, group: &Arc<LogGroup>) -> io::Result<()> {
        if !self.open.contains_key(group) {
            self.close_oldest();
            let files = GroupFiles::open(dir_of(&self.shared.dir, group), self.shared.bounds)?;
            self.open.insert(Arc::clone(group), Open { files, used: Instant::now() });
        }
        let Some(open) = self.open.get_mut(group) else { return Ok(()) };
        open.used = Instant::now();
        open.files.append(&self.buffer)
    }

    /// Owes the group a notice of what it lost.
    fn settle(&mut self, group: &Arc<LogGroup>, lost: Option<Dropped>) {
        match lost {
            Some(lost) => self.shared.queue.count_dropped(group, lost),
            None => self.failing = false,
        }
    }

    fn say_failing(&mut self, group: &LogGroup, error: &io::Error) {
        if !self.failing {
            tracing::error!(group = group.name, %error, "logs cannot be written; events are dropped meanwhile");
            self.failing = true;
        }
    }

    /// Makes room for one more open group.
    fn close_oldest(&mut self) {
        while self.open.len() >= self.shared.bounds.open_groups_max.max(1) {
            let oldest =
                self.open.iter().min_by_key(|(_, open)| open.used).map(|(group, _)| Arc::clone(group));
            match oldest {
                Some(oldest) => self.open.remove(&oldest),
                None => return,
            };
        }
    }

    fn close_idle(&mut self) {
        self.open.retain(|_, open| open.used.elapsed() < IDLE_MAX);
    }
}
