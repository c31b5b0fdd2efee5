//! The line between those who log and the one thread that writes. Bounded in bytes; who finds it full goes on at
//! once, and the events are counted as dropped for their group until the writer can say so in the log.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::log::{LogEvent, LogGroup};
use model::time::Timestamp;
use tokio::sync::oneshot;

/// Groups whose dropped events are counted apart; those of further groups only enter the total.
const DROPPED_GROUPS_MAX: usize = 1_024;
/// What an event takes in memory beside its message.
const EVENT_OVERHEAD_BYTES: usize = size_of::<LogEvent>() + 32;
/// How long the writer lets events gather before it writes: waking it for each would cost every invocation more
/// than the writing itself.
const GATHER: Duration = Duration::from_millis(10);
/// How long a reader waits for the writer before it reads what is there.
const WRITTEN_WAIT_MAX: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    /// Rung for the writer.
    bell: Condvar,
    /// Rung by the writer.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batches: Vec<Batch>,
    bytes: usize,
    dropped: HashMap<Arc<LogGroup>, Dropped>,
    dropped_total: u64,
    /// Batches ever accepted, and ever dealt with.
    accepted: u64,
    done: u64,
    /// Readers who wait for what is queued; while there are any, nothing gathers.
    readers: usize,
    stopping: bool,
}

/// Events of one group, appended together, or something else that is done to the group in its turn.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) group: Arc<LogGroup>,
    pub(super) events: Vec<LogEvent>,
    pub(super) order: Option<Order>,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) what: What,
    /// Told how it ended.
    pub(super) done: oneshot::Sender<io::Result<()>>,
}

/// What is done besides appending and forgetting.
#[derive(Debug)]
pub(super) enum What {
    /// Write the events to the disk itself, taken in at this time.
    Sync(Timestamp),
    /// Delete a stream.
    EndStream(String, Timestamp),
    /// Delete the group.
    Delete,
    /// Remove files in which nothing is younger.
    Expire(Timestamp),
}

/// Events of one group that were dropped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropped {
    pub(super) events: u64,
    /// Time of the last of them.
    pub(super) at: Timestamp,
}

/// What the writer took; empty if it only waited.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batches: Vec<Batch>,
    pub(super) dropped: HashMap<Arc<LogGroup>, Dropped>,
    /// Nothing will come after this.
    pub(super) last: bool,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default(), bell: Condvar::new(), written: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues events, or drops and counts them. Never waits for the disk.
    pub(super) fn push(&self, group: &Arc<LogGroup>, events: Vec<LogEvent>) {
        let Some(newest) = events.last().map(|event| event.at) else { return };
        let cost: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
        let mut state = self.lock();
        if state.stopping || state.bytes + cost > self.bytes_max {
            return state.count_dropped(group, Dropped { events: events.len() as u64, at: newest });
        }
        state.bytes += cost;
        state.accepted += 1;
        let half = self.bytes_max / 2;
        let due = state.batches.is_empty() || (state.bytes >= half && state.bytes - cost < half);
        state.batches.push(Batch { group: Arc::clone(group), events, order: None });
        drop(state);
        if due {
            self.bell.notify_one();
        }
    }

    /// Queues what somebody waits for, unless there is no room for it.
    pub(super) fn order(&self, batch: Batch) -> Result<(), Batch> {
        let cost: usize = batch.events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
        let mut state = self.lock();
        if state.stopping || (cost > 0 && state.bytes + cost > self.bytes_max) {
            return Err(batch);
        }
        state.bytes += cost;
        state.accepted += 1;
        state.batches.push(batch);
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Counts events that the writer could not write. They are reported with the group's next events.
    pub(super) fn count_dropped(&self, group: &Arc<LogGroup>, dropped: Dropped) {
        self.lock().count_dropped(group, dropped);
    }

    /// Everything that is queued; waits for something, at most for `wait` if that is given.
    pub(super) fn take(&self, wait: Option<Duration>) -> Taken {
        let idle = |state: &mut State| state.batches.is_empty() && !state.stopping;
        let state = match wait {
            None => self.bell.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                let waited = self.bell.wait_timeout_while(self.lock(), wait, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if state.batches.is_empty() {
            return Taken { last: state.stopping, ..Taken::default() };
        }
        let leisure =
            |state: &mut State| !state.stopping && state.readers == 0 && state.bytes < self.bytes_max / 2;
        let gathered = self.bell.wait_timeout_while(state, GATHER, leisure);
        let mut state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        state.bytes = 0;
        Taken {
            batches: std::mem::take(&mut state.batches),
            dropped: std::mem::take(&mut state.dropped),
            last: false,
        }
    }

    /// The writer has dealt with so many batches.
    pub(super) fn done(&self, batches: usize) {
        self.lock().done += batches as u64;
        self.written.notify_all();
    }

    /// Waits until all that is queued by now has been dealt with, within reason.
    pub(super) fn wait_until_written(&self) {
        let mut state = self.lock();
        let target = state.accepted;
        state.readers += 1;
        self.bell.notify_all();
        let waited = self.written.wait_timeout_while(state, WRITTEN_WAIT_MAX, |state| state.done < target);
        waited.unwrap_or_else(PoisonError::into_inner).0.readers -= 1;
    }

    pub(super) fn events_dropped(&self) -> u64 {
        self.lock().dropped_total
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.bell.notify_all();
    }
}

impl State {
    fn count_dropped(&mut self, group: &Arc<LogGroup>, dropped: Dropped) {
        self.dropped_total += dropped.events;
        if let Some(sum) = self.dropped.get_mut(group) {
            sum.events += dropped.events;
            sum.at = dropped.at;
        } else if self.dropped.len() < DROPPED_GROUPS_MAX {
            self.dropped.insert(Arc::clone(group), dropped);
        }
    }
}
