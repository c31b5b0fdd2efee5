//! The durable queue that everything asynchronous stands on: asynchronous invocations, queues of users,
//! notifications, destinations and the event bus.
//!
//! The contract, whichever engine stands behind it: what was answered is on the disk; a message is handed out at least
//! once, until it is settled; a receipt settles only the hand-out that it came with; messages of one group are handed
//! out in the order in which they came, and none while an earlier one of the group is out. Everything that waits is on
//! the disk, so waiting costs no memory.
//!
//! Words: a message is *enqueued*, *received* (from then on it is out, unseen by others until its hold ends), and
//! *settled*: it is done, it returns to the queue, or it moves to another.

mod name;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::id::MessageId;
use crate::port::Pending;
use crate::time::Timestamp;

pub use name::{Purpose, QueueName};

/// How long a deduplication key is remembered (SQS Developer Guide, "Message deduplication ID": 5 minutes).
pub const DEDUPLICATION_SPAN: Duration = Duration::from_secs(5 * 60);
/// How long a message may be unseen, counted from when it was received (SQS API reference: 12 hours).
pub const HOLD_MAX: Duration = Duration::from_secs(12 * 3600);
/// Content of one message. SQS takes 1 MiB of body and attributes; the rest is for how they are kept.
pub const CONTENT_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;
/// Messages in one call.
pub const BATCH_MAX: usize = 10_000;
/// Finished messages whose outcome can still be looked up, the newest.
pub const OUTCOMES_MAX: u64 = 100_000;

/// A message that is to be enqueued.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Names it; the caller sees to it that no two have the same.
    pub id: MessageId,
    /// What it says. At most [`CONTENT_BYTES_MAX`].
    pub content: Bytes,
    /// How long nobody sees it at first.
    pub delay: Duration,
    /// Messages of one group keep their order.
    pub group: Option<String>,
    /// A message is not enqueued when one with the same key came into this queue within [`DEDUPLICATION_SPAN`].
    pub deduplication: Option<String>,
    /// Whether what became of it can be looked up by its id.
    pub traceable: bool,
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, content, delay, .. } = self;
        write!(f, "NewMessage({id}, {} bytes, after {delay:?})", content.len())
    }
}

/// A message that is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id; of a duplicate, that of the message that came first.
    pub id: MessageId,
    /// Grows with every message of every queue; of a duplicate, that of the message that came first.
    pub sequence: u64,
}

/// How long a received message stays unseen by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// For this long, whatever becomes of the server.
    For(Duration),
    /// Until it is settled, or the server that received it is gone.
    WhileServing,
}

/// What is wanted of a queue.
#[derive(Clone)]
pub struct Receive {
    /// How many messages at most.
    pub count_max: usize,
    /// Whether no more than one of each group is wanted, by somebody who would not keep the order of several.
    pub one_of_a_group: bool,
    /// How long to wait for a first one.
    pub wait_max: Duration,
    /// By what they are handed out.
    pub how: Arc<dyn HandingOut>,
}

/// Says by what messages of a queue are handed out. It is asked at the moment when they are, by the thread that does so: who
/// waits for long gets them by what holds then.
pub trait HandingOut: Send + Sync {
    /// What holds now; nothing if nothing is to be handed out any more, as when the queue is gone: then who waits is told
    /// at once that there is nothing.
    fn now(&self) -> Option<HandOut>;
}

/// By what messages are handed out.
#[derive(Debug, Clone)]
pub struct HandOut {
    /// How long those received stay unseen.
    pub hold: Hold,
    /// Where those go that were received too often.
    pub dead_letter: Option<DeadLetter>,
    /// Messages older than this are gone.
    pub age_max: Option<Duration>,
    /// Nothing is handed out beyond this many that are out already.
    pub out_max: Option<u64>,
}

impl HandOut {
    /// With nothing but a hold.
    #[must_use]
    pub fn held(hold: Hold) -> Self {
        Self { hold, dead_letter: None, age_max: None, out_max: None }
    }
}

/// The same at any time.
impl HandingOut for HandOut {
    fn now(&self) -> Option<HandOut> {
        Some(self.clone())
    }
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue.
    pub queue: QueueName,
    /// A message that was received this often is not handed out again.
    pub receives_max: u32,
}

/// A message that was handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Names the message.
    pub id: MessageId,
    /// Settles this hand-out.
    pub receipt: Receipt,
    /// What it says.
    pub content: Bytes,
    /// What the last one who returned it has noted.
    pub note: Option<Bytes>,
    /// Its group.
    pub group: Option<String>,
    /// When it was enqueued.
    pub sent: Timestamp,
    /// How long ago that was, by a clock that nobody sets.
    pub age: Duration,
    /// When it was handed out for the first time.
    pub first_received: Timestamp,
    /// Where it was before it was moved here, if it is still the same message.
    pub source: Option<QueueName>,
    /// How often it has been handed out, this time included, and of a dead letter also before it was one.
    pub received: u32,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, receipt, content, .. } = self;
        write!(f, "Received({id}, {receipt:?}, {} bytes)", content.len())
    }
}

/// One hand-out of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The message's place among all.
    pub sequence: u64,
    /// How often it has been handed out by its queue, this time included.
    pub receives: u32,
}

/// What is to become of a message that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// It is done and gone.
    Done {
        /// What is told to whoever asks for a traceable message.
        outcome: Option<Bytes>,
    },
    /// It stays unseen for this long from now, then it can be received again: sooner than its hold said (for another
    /// attempt) or later (more time is needed).
    Return {
        /// From now. At most [`HOLD_MAX`] from when it was received.
        after: Duration,
        /// Kept with the message, in place of an earlier note.
        note: Option<Bytes>,
    },
    /// It is back in line as if it had not been handed out, because nobody has tried it.
    Untake,
    /// It goes to the end of another queue with its content. Of a group, it counts as sent there just now; another keeps
    /// the time at which it was sent.
    Move {
        /// The queue.
        to: QueueName,
        /// If given, it is another message there: it has this id, counts as sent just now, and came from nowhere else.
        renewed: Option<MessageId>,
    },
}

/// What came of settling one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// As asked.
    Done,
    /// It has been handed out again since, or its hold was over and it must be in order.
    Stale,
    /// The message is gone.
    Gone,
    /// Its hold is over, so there is nothing to prolong.
    NotOut,
    /// It would stay unseen for longer than [`HOLD_MAX`].
    TooLong,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Can be received now.
    pub waiting: u64,
    /// Received and not settled.
    pub out: u64,
    /// Not to be seen yet.
    pub delayed: u64,
    /// When the oldest of all was sent.
    pub oldest: Option<Timestamp>,
}

/// What is known of a traceable message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// It waits, or it is out.
    Held {
        /// The queue that it is in.
        queue: QueueName,
        /// How often it has been handed out.
        receives: u32,
        /// Whether it is out now.
        is_out: bool,
        /// What the last one who returned it has noted.
        note: Option<Bytes>,
        /// When it was sent.
        sent: Timestamp,
    },
    /// It is done.
    Finished {
        /// As settled.
        outcome: Bytes,
        /// When.
        at: Timestamp,
    },
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The disk refused; nothing of the call was done, and the message says why.
    #[error("the queue cannot write: {0}")]
    Disk(String),
    /// The server stops.
    #[error("the queue is closed")]
    Closed,
    /// A message is larger than [`CONTENT_BYTES_MAX`], or more of them than [`BATCH_MAX`] came at once.
    #[error("{0}")]
    TooLarge(String),
    /// As many callers wait for messages of this queue as may.
    #[error("too many wait for messages of the queue {0}")]
    TooManyWaiting(QueueName),
}

/// The durable queue. Implemented by `store`.
///
/// Queues need no declaration: one is there as soon as a message is, and costs nothing when it is empty.
pub trait Queue: Send + Sync {
    /// Puts messages at the end of a queue, all or none; answered when they are on the disk.
    ///
    /// # Errors
    /// [`QueueError`]; then none of them is there.
    fn enqueue<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<NewMessage>,
    ) -> Pending<'a, Result<Vec<Enqueued>, QueueError>>;

    /// Hands out what can be received, oldest first; waits for a first message if there is none. No messages is no
    /// error. Dropping the future hands nothing out, or returns what was.
    ///
    /// # Errors
    /// [`QueueError`].
    fn receive<'a>(
        &'a self,
        queue: &'a QueueName,
        wanted: Receive,
    ) -> Pending<'a, Result<Vec<Received>, QueueError>>;

    /// Settles messages that are out, each for itself; answered when that is on the disk.
    ///
    /// # Errors
    /// [`QueueError`]; then none is settled.
    fn settle<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<(Receipt, Settle)>,
    ) -> Pending<'a, Result<Vec<Settled>, QueueError>>;

    /// Removes every message that was sent before; all of them, those that are out too, if no time is given.
    ///
    /// # Errors
    /// [`QueueError`]; then some may be gone.
    fn purge<'a>(
        &'a self,
        queue: &'a QueueName,
        sent_before: Option<Timestamp>,
    ) -> Pending<'a, Result<u64, QueueError>>;

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// [`QueueError`].
    fn counts<'a>(&'a self, queue: &'a QueueName) -> Pending<'a, Result<Counts, QueueError>>;

    /// The queues that hold messages and whose names begin with `prefix`, by name, each with how many it holds.
    ///
    /// # Errors
    /// [`QueueError`].
    fn queues<'a>(&'a self, prefix: &'a str) -> Pending<'a, Result<Vec<(QueueName, u64)>, QueueError>>;

    /// What is known of a traceable message.
    ///
    /// # Errors
    /// [`QueueError`].
    fn trace(&self, id: MessageId) -> Pending<'_, Result<Option<Trace>, QueueError>>;
}
