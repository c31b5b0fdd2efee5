//! What waits for one subscriber: bounded in events and bytes, in order, cut into batches that are due when one of
//! three limits is reached or a flush asks for them.
//!
//! Pushing never waits. A subscriber that falls behind loses the newest events; when it has caught up, a
//! `platform.logsDropped` stands in the gap and says how many and how much. Delivery is `subscriber`'s business.
//! Source: AWS Lambda Developer Guide, "Configuring memory usage and buffering".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::port::Clock;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::events::{LogsDropped, Record};
use super::request::Buffering;

/// How many full batches may wait while one is being delivered: enough for a burst that is written in one go.
const BACKLOG_BATCHES: usize = 4;
/// AWS's words.
const DROPPED_REASON: &str =
    "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

/// Events on their way to one subscriber.
pub(super) struct Queue {
    limits: Buffering,
    /// Whether the subscriber is told what it lost: only those that take the platform's events are.
    tells_drops: bool,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// A batch may be due, or be due at another time.
    changed: Notify,
    /// A flush was asked for; ends a pause before another attempt.
    hurry: Notify,
    /// How many events have been delivered or given up, counted in the order of acceptance.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Events ever accepted.
    accepted: u64,
    /// Events up to this number are due now.
    due_to: u64,
    dropped_records: u64,
    dropped_bytes: u64,
}

struct Waiting {
    event: Bytes,
    since: Instant,
}

/// Events that are delivered together.
pub(super) struct Batch {
    pub events: Vec<Bytes>,
    /// The number of its last event.
    last: u64,
}

/// Resolves when what was asked for has been delivered or given up.
pub(super) struct Flushed {
    settled: watch::Receiver<u64>,
    mark: u64,
}

impl Flushed {
    pub(super) async fn wait(mut self) {
        // An error says that the subscriber is gone, and with it what it had not taken.
        let _ = self.settled.wait_for(|settled| *settled >= self.mark).await;
    }
}

impl Queue {
    pub(super) fn new(limits: Buffering, tells_drops: bool, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            tells_drops,
            clock,
            state: Mutex::default(),
            changed: Notify::new(),
            hurry: Notify::new(),
            settled: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event, or drops it if there is no room.
    pub(super) fn push(&self, event: Bytes) {
        let mut state = self.lock();
        if state.is_full(self.limits) {
            state.dropped_records += 1;
            state.dropped_bytes += event.len() as u64;
            return;
        }
        let was_due = state.is_due(self.limits);
        let was_empty = state.waiting.is_empty();
        if let Some(note) = self.drop_note(&mut state) {
            state.accept(note);
        }
        state.accept(event);
        if was_empty || (!was_due && state.is_due(self.limits)) {
            self.changed.notify_one();
        }
    }

    /// Counts a batch as lost that its subscriber refused to take.
    pub(super) fn lose(&self, batch: &Batch) {
        let mut state = self.lock();
        state.dropped_records += batch.events.len() as u64;
        state.dropped_bytes += batch.events.iter().map(|event| event.len() as u64).sum::<u64>();
    }

    /// Makes all that waits due, at once.
    pub(super) fn flush(&self) -> Flushed {
        let mut state = self.lock();
        state.due_to = state.accepted;
        let mark = state.accepted;
        drop(state);
        self.changed.notify_one();
        self.hurry.notify_one();
        Flushed { settled: self.settled.subscribe(), mark }
    }

    /// The next batch, when it is due. May be dropped while it waits.
    pub(super) async fn next(&self) -> Batch {
        loop {
            let due_at = {
                let mut state = self.lock();
                let due_at = state.waiting.front().map(|oldest| oldest.since + self.limits.timeout);
                if state.is_due(self.limits) || due_at.is_some_and(|due| due <= Instant::now()) {
                    return self.take(&mut state);
                }
                due_at
            };
            match due_at {
                None => self.changed.notified().await,
                Some(due) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    fn take(&self, state: &mut State) -> Batch {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < self.limits.items_max
            && let Some(next) = state.waiting.front()
            && (events.is_empty() || bytes + next.event.len() <= self.limits.bytes_max)
        {
            bytes += next.event.len();
            events.extend(state.waiting.pop_front().map(|next| next.event));
        }
        state.waiting_bytes -= bytes;
        let last = state.accepted - state.waiting.len() as u64;
        if state.waiting.is_empty() {
            events.extend(self.drop_note(state));
        }
        Batch { events, last }
    }

    /// A batch was delivered or given up.
    pub(super) fn settle(&self, batch: &Batch) {
        self.settled.send_replace(batch.last);
    }

    /// Waits before another attempt, until a flush at most.
    pub(super) async fn pause(&self, span: Duration) {
        tokio::select! {
            () = self.hurry.notified() => {}
            () = tokio::time::sleep(span) => {}
        }
    }

    /// The event about what has been dropped since the last one.
    fn drop_note(&self, state: &mut State) -> Option<Bytes> {
        let dropped_records = std::mem::take(&mut state.dropped_records);
        let dropped_bytes = std::mem::take(&mut state.dropped_bytes);
        if dropped_records == 0 || !self.tells_drops {
            return None;
        }
        let note = LogsDropped { reason: DROPPED_REASON, dropped_records, dropped_bytes };
        Some(super::event(self.clock.now(), note.kind(), &note.json().to_string()))
    }
}

impl State {
    fn is_full(&self, limits: Buffering) -> bool {
        self.waiting.len() >= BACKLOG_BATCHES * limits.items_max
            || self.waiting_bytes >= BACKLOG_BATCHES * limits.bytes_max
    }

    /// Whether a batch is due now for another reason than its age.
    fn is_due(&self, limits: Buffering) -> bool {
        let taken = self.accepted - self.waiting.len() as u64;
        self.waiting.len() >= limits.items_max
            || self.waiting_bytes >= limits.bytes_max
            || (taken < self.due_to && !self.waiting.is_empty())
    }

    fn accept(&mut self, event: Bytes) {
        self.accepted += 1;
        self.waiting_bytes += event.len();
        self.waiting.push_back(Waiting { event, since: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;

    const LIMITS: Buffering = Buffering { items_max: 3, bytes_max: 100, timeout: Duration::from_secs(3600) };

    struct Zero;

    impl Clock for Zero {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
    }

    fn queue() -> Queue {
        Queue::new(LIMITS, true, Arc::new(Zero))
    }

    fn push(queue: &Queue, lengths: &[usize]) {
        lengths.iter().for_each(|length| queue.push(Bytes::from(vec![b'x'; *length])));
    }

    async fn soon<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), work).await.expect("it is due")
    }

    async fn lengths(queue: &Queue) -> Vec<usize> {
        let batch = soon(queue.next()).await;
        queue.settle(&batch);
        batch.events.iter().map(Bytes::len).collect()
    }

    #[tokio::test]
    async fn batches_keep_to_their_limits() {
        let queue = queue();
        push(&queue, &[1, 2, 3, 4]);
        assert_eq!(lengths(&queue).await, [1, 2, 3]);
        push(&queue, &[90, 10, 1]);
        assert_eq!(lengths(&queue).await, [4, 90]);
        push(&queue, &[200]);
        assert_eq!(lengths(&queue).await, [10, 1]);
        assert_eq!(lengths(&queue).await, [200]);
    }

    #[tokio::test]
    async fn a_flush_is_over_when_all_before_it_has_gone() {
        let queue = queue();
        push(&queue, &[1, 2, 3, 4]);
        let flushed = queue.flush();
        push(&queue, &[5]);
        assert_eq!(lengths(&queue).await, [1, 2, 3]);
        assert!(*flushed.settled.borrow() < flushed.mark);
        assert_eq!(lengths(&queue).await, [4, 5]);
        soon(flushed.wait()).await;
        soon(queue.flush().wait()).await;
    }

    #[tokio::test]
    async fn a_flush_ends_a_pause() {
        let queue = queue();
        let pause = soon(queue.pause(Duration::from_secs(3600)));
        tokio::join!(pause, async { drop(queue.flush()) });
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let queue = queue();
        push(&queue, &[99; 1_000]);
        assert_eq!(queue.lock().waiting.len(), 5, "full once four hundred bytes are reached");
        assert_eq!(queue.lock().dropped_records, 995);
    }
}
