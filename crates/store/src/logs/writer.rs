//! The thread that writes logs: takes all that is queued, writes it group by group, delivers it to followers.
//! Keeps the files of recently written groups open, a bounded number of them, and closes idle ones; with none
//! open it sleeps until something comes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::log::{LogEvent, LogGroup};

use super::group::{GroupFiles, dir_of, expire, remove};
use super::queue::{Batch, Dropped, Order, Taken, What};
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
        writer.carry_out(batches);
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

/// The line by which a group learns that events are missing.
fn notice(dropped: Dropped) -> LogEvent {
    let message = format!(
        "[dormouse] {} log events of this group were dropped: they came faster than the disk took them",
        dropped.events
    );
    LogEvent { stream: OWN_STREAM.into(), at: dropped.at, message }
}

impl Writer<'_> {
    /// Joins the events of each group in the order in which they came, up to what somebody waits for.
    fn carry_out(&mut self, batches: Vec<Batch>) {
        let mut groups: HashMap<Arc<LogGroup>, Vec<LogEvent>> = HashMap::new();
        for Batch { group, mut events, order } in batches {
            let Some(Order { what, done }) = order else {
                groups.entry(group).or_default().append(&mut events);
                continue;
            };
            self.append_all(&mut groups);
            // Who does not wait any more is not told.
            let _ = done.send(self.obey(&group, events, what));
        }
        self.append_all(&mut groups);
    }

    fn append_all(&mut self, groups: &mut HashMap<Arc<LogGroup>, Vec<LogEvent>>) {
        for (group, events) in groups.drain() {
            let lost = self.write(&group, events);
            self.settle(&group, lost);
        }
    }

    fn obey(&mut self, group: &Arc<LogGroup>, events: Vec<LogEvent>, what: What) -> io::Result<()> {
        let shared = self.shared;
        match what {
            What::Sync(taken) => shared.followers.publish(group, events, |events| {
                // Never split: what is refused is not there.
                self.buffer.clear();
                events.iter().for_each(|event| line::encode(event, Some(taken), &mut self.buffer));
                self.write_durably(group)
            }),
            What::EndStream(stream, at) => {
                self.buffer.clear();
                line::encode_end(&stream, at, &mut self.buffer);
                self.write_durably(group)
            }
            What::Delete => {
                self.open.remove(group);
                remove(&dir_of(&shared.dir, group))
            }
            What::Expire(before) => {
                self.open.remove(group);
                expire(&dir_of(&shared.dir, group), before)
            }
        }
    }

    fn write_durably(&mut self, group: &Arc<LogGroup>) -> io::Result<()> {
        let written = self.write_buffer(group).and_then(|()| match self.open.get(group) {
            Some(open) => open.files.sync(),
            None => Ok(()),
        });
        self.buffer.clear();
        self.buffer.shrink_to(WRITE_BYTES);
        if let Err(error) = &written {
            self.say_failing(group, error);
        }
        written
    }

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
            line::encode(event, None, &mut self.buffer);
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
            let files = GroupFiles::open(dir_of(&self.shared.dir, group), group, self.shared.bounds)?;
            self.open.insert(Arc::clone(group), Open { files, used: Instant::now() });
        }
        let Some(open) = self.open.get_mut(group) else { return Ok(()) };
        open.used = Instant::now();
        let written = open.files.append(&self.buffer);
        self.shared.bells.ring(group);
        written
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
