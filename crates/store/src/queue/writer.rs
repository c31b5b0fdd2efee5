//! The thread that owns the queue's file.
//!
//! It takes whatever has come since the last sync, applies it in one transaction, hands out to those who wait what they
//! can have, syncs once, and answers everybody. So a message that comes while somebody waits for it is enqueued and
//! received with one sync. Invariant: nobody is answered before the transaction is durable; if it fails, everybody who
//! had a part in it is told, and nothing of it is there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::queue::{QueueError, QueueName, Receipt, Received};
use model::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;

use super::call::{Call, Command};
use super::clock::SteadyClock;
use super::line::{Lines, Waiter};
use super::tables::{HandedOut, Tables};

/// Calls that one sync carries at most.
pub(super) const BATCH_MAX: usize = 1_024;
/// After how long without calls the file gives back what it does not use.
const IDLE: Duration = Duration::from_secs(2);
/// Pages that the file gives back at a time; as many may lie unused.
const SPARE_PAGES: u32 = 1_024;
/// When those who wait are looked at again after the disk refused.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What was handed out to callers who are gone.
pub(super) type Untaken = Arc<Mutex<Vec<(QueueName, Vec<Receipt>)>>>;

/// Those who were handed something, for as long as it is not durable.
type Served = Vec<(QueueName, Waiter, Vec<Received>)>;

/// The thread's own state.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) clock: SteadyClock,
    pub(super) lines: Lines,
    pub(super) untaken: Untaken,
    /// Where most callers wait, if that is known.
    pub(super) callers: Option<Handle>,
    /// Whether something was removed since the file was last tidied.
    pub(super) is_untidy: bool,
    /// Whether the disk refused the last turn.
    pub(super) has_failed: bool,
}

impl Writer {
    /// Works until all senders are gone, or `Stop` was read and the channel is empty.
    pub(super) fn run(mut self, runtime: &Runtime, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut stopped = Vec::new();
        loop {
            let limit = self.wait_max();
            let count = runtime.block_on(async {
                let count = commands.recv_many(&mut batch, BATCH_MAX);
                match limit {
                    Some(limit) => tokio::time::timeout(limit, count).await.ok(),
                    None => Some(count.await),
                }
            });
            match count {
                Some(0) => break,
                None if self.is_untidy && limit == Some(IDLE) => self.tidy(),
                _ => {}
            }
            let mut calls = Vec::new();
            for command in batch.drain(..) {
                match command {
                    Command::Call(call) => calls.push(call),
                    Command::Receive { queue, waiter } => self.lines.join(queue, waiter),
                    Command::Nudge => {}
                    Command::Stop { stopped: answer } => {
                        commands.close();
                        stopped.push(answer);
                    }
                }
            }
            self.turn(calls);
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(path = %self.path.display(), %error, "could not close the queue; nothing is lost");
        }
        for answer in stopped {
            // Whoever asked may be gone.
            let _ = answer.send(());
        }
    }

    fn wait_max(&self) -> Option<Duration> {
        if !self.untaken.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Some(if self.has_failed { AFTER_FAILURE } else { Duration::ZERO });
        }
        let wake = self.lines.next_wake().map(|at| at.since(self.clock.now()));
        let tidy = self.is_untidy.then_some(IDLE);
        wake.into_iter().chain(tidy).min()
    }

    /// One transaction for all that came.
    fn turn(&mut self, mut calls: Vec<Box<dyn Call>>) {
        let (now, mut served) = (self.clock.now(), Vec::new());
        let stirred = self.lines.due(now);
        let failed = self.transact(now, &mut calls, stirred, &mut served).err().map(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the queue could not be written");
            self.lines.wake_all_at(now.after(AFTER_FAILURE));
            QueueError::Disk(error.to_string())
        });
        self.has_failed = failed.is_some();
        self.answer(calls, failed.clone());
        for (queue, Waiter { answer, .. }, messages) in served {
            let result = failed.clone().map_or(Ok(messages), Err);
            if let Err(Ok(messages)) = answer.send(result)
                && !messages.is_empty()
            {
                let receipts = messages.iter().map(|message| message.receipt).collect();
                self.untaken.lock().unwrap_or_else(PoisonError::into_inner).push((queue, receipts));
            }
        }
        self.lines.dismiss_impatient();
    }

    /// Tells callers what came of their calls. Whoever is woken from another thread costs a system call; so the thread that
    /// most of them wait on is woken once and tells all.
    fn answer(&self, calls: Vec<Box<dyn Call>>, failed: Option<QueueError>) {
        let several = calls.len() > 1;
        let tell = move || calls.into_iter().for_each(|call| call.answer(failed.as_ref()));
        match &self.callers {
            Some(callers) if several => drop(callers.spawn(async move { tell() })),
            _ => tell(),
        }
    }

    fn transact(
        &mut self,
        now: Timestamp,
        calls: &mut [Box<dyn Call>],
        stirred: Vec<QueueName>,
        served: &mut Served,
    ) -> rusqlite::Result<()> {
        let untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if calls.is_empty() && stirred.is_empty() && untaken.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tables = Tables::new(&transaction, now);
        for (queue, receipts) in &untaken {
            tables.untake(queue, receipts)?;
        }
        for call in calls {
            call.run(&tables)?;
        }
        stirred.into_iter().for_each(|queue| tables.stir(&queue));
        while let Some(queue) = tables.next_stirred() {
            serve(&tables, &mut self.lines, &queue, served)?;
        }
        self.is_untidy |= tables.finish()?;
        transaction.commit()?;
        // Only now are they back; what was left in the meantime stands behind them.
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner).drain(..untaken.len());
        Ok(())
    }

    /// Gives unused pages back to the file system, some at a time.
    fn tidy(&mut self) {
        let done = self
            .connection
            .pragma_query_value(None, "freelist_count", |row| row.get::<_, u32>(0))
            .and_then(|spare| match spare > SPARE_PAGES {
                true => self
                    .connection
                    .execute_batch(&format!("PRAGMA incremental_vacuum({SPARE_PAGES})"))
                    .map(|()| true),
                false => Ok(false),
            });
        // A disk that refuses now is asked again after the next removal.
        self.is_untidy = done.unwrap_or(false);
    }
}

/// Hands out to those who wait for messages of a queue, first come first served.
fn serve(
    tables: &Tables<'_>,
    lines: &mut Lines,
    queue: &QueueName,
    served: &mut Served,
) -> rusqlite::Result<()> {
    while let Some(waiter) = lines.next(queue) {
        let HandedOut { messages, is_cut, is_over } = match tables.receive(queue, &waiter.pick) {
            Ok(handed_out) => handed_out,
            Err(error) => {
                served.push((queue.clone(), waiter, Vec::new()));
                return Err(error);
            }
        };
        if is_over {
            served.push((queue.clone(), waiter, messages));
            continue;
        }
        let is_empty = messages.is_empty();
        match is_empty {
            true => lines.put_back(queue, waiter),
            false => served.push((queue.clone(), waiter, messages)),
        }
        if is_cut {
            lines.wake_at_once(queue.clone());
            break;
        }
        if is_empty {
            if let Some(at) = tables.next_due(queue)? {
                lines.wake_at(at, queue.clone());
            }
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::queue::QueueName;

    use super::*;

    #[test]
    fn what_nobody_took_is_not_forgotten_when_the_disk_refuses() {
        let left = (QueueName::parse("q").expect("a name"), vec![Receipt { sequence: 1, receives: 1 }]);
        let mut writer = Writer {
            path: PathBuf::new(),
            // Without tables every turn fails.
            connection: Connection::open_in_memory().expect("a connection"),
            clock: SteadyClock::start(),
            lines: Lines::default(),
            untaken: Arc::new(Mutex::new(vec![left.clone()])),
            callers: None,
            is_untidy: false,
            has_failed: false,
        };
        writer.turn(Vec::new());
        assert_eq!(*writer.untaken.lock().expect("not poisoned"), [left]);
        assert_eq!(writer.wait_max(), Some(AFTER_FAILURE), "it is tried again, not at once");
        writer.connection.execute_batch(&super::super::tables::STEPS.concat()).expect("tables");
        writer.turn(Vec::new());
        assert!(writer.untaken.lock().expect("not poisoned").is_empty());
    }
}
