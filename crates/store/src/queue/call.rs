//! What callers ask of the thread that owns the file.
//!
//! A call is work on the tables and somebody who waits for its result; what the work is, the thread does not know.

use model::queue::{QueueError, QueueName};
use tokio::sync::oneshot;

use super::line::Waiter;
use super::tables::Tables;

/// One request.
pub(super) enum Command {
    /// Something to do within a transaction.
    Call(Box<dyn Call>),
    /// Wants messages.
    Receive { queue: QueueName, waiter: Waiter },
    /// Nothing but to look at what was left.
    Nudge,
    /// Carry out what is queued, then end.
    Stop { stopped: oneshot::Sender<()> },
}

/// Work on the tables and a caller who waits for what it comes to.
pub(super) trait Call: Send {
    /// Does the work; it counts once the transaction is durable.
    fn run(&mut self, tables: &Tables<'_>) -> rusqlite::Result<()>;
    /// Tells the caller what came of it.
    fn answer(self: Box<Self>, failed: Option<&QueueError>);
}

struct Job<T, F> {
    work: F,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, QueueError>>,
}

impl<T: Send, F: FnMut(&Tables<'_>) -> rusqlite::Result<T> + Send> Call for Job<T, F> {
    fn run(&mut self, tables: &Tables<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(tables)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<&QueueError>) {
        let result = match failed {
            Some(error) => Err(error.clone()),
            None => self.result.ok_or(QueueError::Closed),
        };
        // A caller that went away needs no answer.
        let _ = self.answer.send(result);
    }
}

/// A call that does `work`, and where its result comes.
pub(super) fn call<T: Send + 'static>(
    work: impl FnMut(&Tables<'_>) -> rusqlite::Result<T> + Send + 'static,
) -> (Command, oneshot::Receiver<Result<T, QueueError>>) {
    let (answer, result) = oneshot::channel();
    (Command::Call(Box::new(Job { work, result: None, answer })), result)
}
