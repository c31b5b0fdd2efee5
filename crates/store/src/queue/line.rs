//! Who waits for messages of which queue, and when to look again.
//!
//! In memory only: a waiting line is gone with the callers that stand in it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::queue::{QueueError, QueueName, Receive, Received};
use model::time::Timestamp;
use tokio::sync::oneshot;

/// Callers that wait for messages of one queue at most.
const WAITING_MAX: usize = 10_000;

/// Always over.
const AT_ONCE: Timestamp = Timestamp::from_millis(0);

/// A caller that wants messages.
pub(super) struct Waiter {
    pub(super) pick: Receive,
    pub(super) answer: oneshot::Sender<Result<Vec<Received>, QueueError>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Lines {
    lines: HashMap<QueueName, VecDeque<Waiter>>,
    /// When to look at a queue again, at most one time for each; in order of time, and by queue.
    wakes: BTreeSet<(Timestamp, QueueName)>,
    wake_of: HashMap<QueueName, Timestamp>,
    /// Queues that somebody has joined who does not wait.
    impatient: Vec<QueueName>,
}

impl Lines {
    /// Lets a caller stand in line, and looks at the queue at once. Those that went away meanwhile leave the line.
    pub(super) fn join(&mut self, queue: QueueName, waiter: Waiter) {
        let line = self.lines.entry(queue.clone()).or_default();
        line.retain(|waiter| !waiter.answer.is_closed());
        if line.len() >= WAITING_MAX {
            // A caller that went away needs no answer.
            let _ = waiter.answer.send(Err(QueueError::TooManyWaiting(queue)));
            return;
        }
        if waiter.pick.wait_max.is_zero() {
            self.impatient.push(queue.clone());
        }
        line.push_back(waiter);
        self.wake_at_once(queue);
    }

    /// Looks at a queue in the next turn; nobody in its line is dismissed before.
    pub(super) fn wake_at_once(&mut self, queue: QueueName) {
        self.wake_at(AT_ONCE, queue);
    }

    /// The next caller that is still there.
    pub(super) fn next(&mut self, queue: &QueueName) -> Option<Waiter> {
        let line = self.lines.get_mut(queue)?;
        while let Some(waiter) = line.pop_front() {
            if !waiter.answer.is_closed() {
                return Some(waiter);
            }
        }
        self.lines.remove(queue);
        None
    }

    /// Puts a caller back at the head of its line.
    pub(super) fn put_back(&mut self, queue: &QueueName, waiter: Waiter) {
        self.lines.entry(queue.clone()).or_default().push_front(waiter);
    }

    /// Tells those who do not wait that there is nothing.
    pub(super) fn dismiss_impatient(&mut self) {
        let impatient = std::mem::take(&mut self.impatient);
        for queue in impatient {
            if self.wake_of.get(&queue) == Some(&AT_ONCE) {
                self.impatient.push(queue);
                continue;
            }
            let Some(line) = self.lines.get_mut(&queue) else { continue };
            for waiter in std::mem::take(line) {
                if waiter.pick.wait_max.is_zero() {
                    // A caller that went away needs no answer.
                    let _ = waiter.answer.send(Ok(Vec::new()));
                } else {
                    line.push_back(waiter);
                }
            }
            if line.is_empty() {
                self.lines.remove(&queue);
            }
        }
    }

    /// Looks at a queue again at this time and not before.
    pub(super) fn wake_at(&mut self, at: Timestamp, queue: QueueName) {
        if let Some(before) = self.wake_of.insert(queue.clone(), at) {
            self.wakes.remove(&(before, queue.clone()));
        }
        self.wakes.insert((at, queue));
    }

    /// Looks at every queue with a line again at a time.
    pub(super) fn wake_all_at(&mut self, at: Timestamp) {
        let queues: Vec<QueueName> = self.lines.keys().cloned().collect();
        queues.into_iter().for_each(|queue| self.wake_at(at, queue));
    }

    /// When to look again.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The queues to look at now, each once.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<QueueName> {
        let mut due = Vec::new();
        while self.next_wake().is_some_and(|at| at <= now) {
            let Some((_, queue)) = self.wakes.pop_first() else { break };
            self.wake_of.remove(&queue);
            due.push(queue);
        }
        due
    }
}
