//! The durable queue in one SQLite file, written by one thread.
//!
//! [`QueueFile`] stands behind [`model::queue::Queue`]: it hands calls to the [`writer`] and waits. Everything that waits
//! lies in the file; memory holds the page cache, the calls under way and those who wait for messages, each bounded.
//! The unit of what is lost in a crash is what was not answered.
//!
//! What was measured for this shape stands in the design: SQLite with group commit, content apart from what moves.

mod call;
mod clock;
mod line;
mod tables;
mod writer;

use std::path::Path;
use std::sync::{Arc, PoisonError};

use model::id::MessageId;
use model::port::Pending;
use model::queue::{
    BATCH_MAX, CONTENT_BYTES_MAX, Counts, Enqueued, NewMessage, Queue, QueueError, QueueName, Receipt,
    Receive, Received, Settle, Settled, Trace,
};
use model::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::call::{Command, call};
use self::clock::SteadyClock;
use self::line::{Lines, Waiter};
use self::tables::{STEPS, Tables};
use self::writer::{Untaken, Writer};
use crate::records::RecordError;
use crate::sqlite;

/// Calls that wait for the disk; further callers wait for a place.
const CALLS_MAX: usize = writer::BATCH_MAX;
/// Content that waits for the disk, all callers together.
const CONTENT_IN_FLIGHT_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Messages that one transaction removes, so that purging delays nobody for long.
const PURGED_AT_ONCE: usize = 2_000;
/// Statements that are kept ready: all there are.
const STATEMENTS: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct QueueFile {
    commands: mpsc::Sender<Command>,
    content: Semaphore,
    untaken: Untaken,
}

impl QueueFile {
    /// Opens or creates the file, gives back what a server that is gone had out, and starts the writer.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        let clock = SteadyClock::start();
        let connection = connect(path, clock)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| sqlite::io(path, "start the timer of", source))?;
        let (commands, queued) = mpsc::channel(CALLS_MAX);
        let untaken = Untaken::default();
        let writer = Writer {
            path: path.to_owned(),
            connection,
            clock,
            lines: Lines::default(),
            untaken: Arc::clone(&untaken),
            callers: Handle::try_current().ok(),
            is_untidy: true,
            has_failed: false,
        };
        std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || writer.run(&runtime, queued))
            .map_err(|source| sqlite::io(path, "start the writer of", source))?;
        Ok(Self { commands, content: Semaphore::new(CONTENT_IN_FLIGHT_BYTES_MAX as usize), untaken })
    }

    /// Carries out what is queued, then closes the file. Later calls answer [`QueueError::Closed`].
    pub(crate) async fn close(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.commands.send(Command::Stop { stopped }).await.is_ok() {
            // An error means that the writer is gone already, which is all that is wanted.
            let _ = wait.await;
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnMut(&Tables<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (command, result) = call(work);
        self.commands.send(command).await.map_err(|_| QueueError::Closed)?;
        result.await.unwrap_or(Err(QueueError::Closed))
    }

    async fn wait_for(&self, queue: &QueueName, wanted: Receive) -> Result<Vec<Received>, QueueError> {
        let wait_max = wanted.wait_max;
        let (answer, result) = oneshot::channel();
        let command = Command::Receive { queue: queue.clone(), waiter: Waiter { pick: wanted, answer } };
        self.commands.send(command).await.map_err(|_| QueueError::Closed)?;
        let mut delivery = Delivery { queue, result, owner: self };
        if wait_max.is_zero() {
            return (&mut delivery.result).await.unwrap_or(Err(QueueError::Closed));
        }
        match tokio::time::timeout(wait_max, &mut delivery.result).await {
            Ok(received) => received.unwrap_or(Err(QueueError::Closed)),
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// Messages on their way to a caller, who may stop waiting at any time.
struct Delivery<'a> {
    queue: &'a QueueName,
    result: oneshot::Receiver<Result<Vec<Received>, QueueError>>,
    owner: &'a QueueFile,
}

impl Drop for Delivery<'_> {
    /// What was handed out and not looked at returns to the queue.
    fn drop(&mut self) {
        self.result.close();
        if let Ok(Ok(messages)) = self.result.try_recv() {
            let receipts: Vec<Receipt> = messages.iter().map(|message| message.receipt).collect();
            let untaken = (self.queue.clone(), receipts);
            self.owner.untaken.lock().unwrap_or_else(PoisonError::into_inner).push(untaken);
            // A writer with a full channel is awake anyway.
            let _ = self.owner.commands.try_send(Command::Nudge);
        }
    }
}

impl Queue for QueueFile {
    fn enqueue<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<NewMessage>,
    ) -> Pending<'a, Result<Vec<Enqueued>, QueueError>> {
        Box::pin(async move {
            let bytes = check(&messages)?;
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(CONTENT_IN_FLIGHT_BYTES_MAX);
            let _held = self.content.acquire_many(bytes).await.map_err(|_| QueueError::Closed)?;
            let queue = queue.clone();
            self.call(move |tables| tables.enqueue(&queue, &messages)).await
        })
    }

    fn receive<'a>(
        &'a self,
        queue: &'a QueueName,
        wanted: Receive,
    ) -> Pending<'a, Result<Vec<Received>, QueueError>> {
        Box::pin(self.wait_for(queue, wanted))
    }

    fn settle<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<(Receipt, Settle)>,
    ) -> Pending<'a, Result<Vec<Settled>, QueueError>> {
        let queue = queue.clone();
        Box::pin(self.call(move |tables| tables.settle(&queue, &messages)))
    }

    fn purge<'a>(
        &'a self,
        queue: &'a QueueName,
        sent_before: Option<Timestamp>,
    ) -> Pending<'a, Result<u64, QueueError>> {
        Box::pin(async move {
            let mut purged = 0;
            loop {
                let queue = queue.clone();
                let some = self.call(move |tables| tables.purge(&queue, sent_before, PURGED_AT_ONCE)).await?;
                purged += some as u64;
                if some < PURGED_AT_ONCE {
                    return Ok(purged);
                }
            }
        })
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Pending<'a, Result<Counts, QueueError>> {
        let queue = queue.clone();
        Box::pin(self.call(move |tables| tables.counts(&queue)))
    }

    fn queues<'a>(&'a self, prefix: &'a str) -> Pending<'a, Result<Vec<(QueueName, u64)>, QueueError>> {
        let prefix = prefix.to_owned();
        Box::pin(self.call(move |tables| tables.queues(&prefix)))
    }

    fn trace(&self, id: MessageId) -> Pending<'_, Result<Option<Trace>, QueueError>> {
        Box::pin(self.call(move |tables| tables.trace(id)))
    }
}

/// The bytes of all messages, if they may be enqueued.
fn check(messages: &[NewMessage]) -> Result<usize, QueueError> {
    if messages.len() > BATCH_MAX {
        return Err(QueueError::TooLarge(format!(
            "{} messages are more than {BATCH_MAX} at once",
            messages.len()
        )));
    }
    let mut bytes = 0;
    for NewMessage { id, content, .. } in messages {
        if content.len() > CONTENT_BYTES_MAX {
            let size = content.len();
            return Err(QueueError::TooLarge(format!(
                "the message {id} of {size} bytes is larger than {CONTENT_BYTES_MAX}"
            )));
        }
        bytes += content.len();
    }
    Ok(bytes)
}

fn connect(path: &Path, clock: SteadyClock) -> Result<Connection, RecordError> {
    // Pages that change often are copied out of the log once for 16 MB of it.
    let prepare = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cache_size = -16384;
        PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4096;";
    let mut connection = sqlite::connect(path, prepare, STEPS)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let recovered = recover(&mut connection, clock.now());
    let back = recovered.map_err(|source| sqlite::io(path, "recover", source))?;
    if back > 0 {
        tracing::info!(path = %path.display(), back, "messages that were out when the server ended are back");
    }
    Ok(connection)
}

fn recover(connection: &mut Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let back = Tables::new(&transaction, now).recover()?;
    transaction.commit()?;
    Ok(back)
}
