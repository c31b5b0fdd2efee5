//! Lines: durable queues of one kind, of which each that holds messages has one task.
//!
//! So lines do not wait for each other, and an empty one costs nothing. What is done with a message is its [`Line`]'s
//! matter; this module sees to it that no message waits without a task, from the start of the server on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::port::Pending;
use model::queue::{Counts, HandOut, Hold, Purpose, Queue, QueueError, QueueName, Receive, Received, Settle};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// How long a line's task waits for messages before it looks whether there are any.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait after the queue could not be read or written.
pub(crate) const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Places that are received for at once.
const BATCH_MAX: usize = 100;

/// What is done with the messages of one queue.
pub(crate) trait Line: Send + Sync + 'static {
    /// Waits until there is a place for a message; takes it, and others if they are free.
    fn places(&self) -> Pending<'_, OwnedSemaphorePermit>;

    /// Does what one message says, and settles it; gives the place back when done.
    fn run(self: Arc<Self>, message: Received, place: OwnedSemaphorePermit) -> Pending<'static, ()>;
}

/// All lines of one kind. Clones share everything.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Inner>);

struct Inner {
    queue: Arc<dyn Queue>,
    /// Queues that have a task.
    served: Mutex<HashSet<QueueName>>,
    stopping: watch::Sender<bool>,
}

impl Lines {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self(Arc::new(Inner { queue, served: Mutex::default(), stopping: watch::Sender::new(false) }))
    }

    /// The queue that they stand in.
    pub(crate) fn queue(&self) -> &Arc<dyn Queue> {
        &self.0.queue
    }

    /// The queues for a purpose that have held messages since before the server started.
    pub(crate) async fn left(&self, purpose: Purpose) -> Result<Vec<QueueName>, QueueError> {
        let left = self.0.queue.queues(&purpose.prefix()).await?;
        Ok(left.into_iter().map(|(queue, _)| queue).collect())
    }

    /// Receives no more. What runs is let end by whoever runs it.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Sees to it that a queue with messages has a task.
    pub(crate) fn serve<L: Line>(&self, name: QueueName, line: impl FnOnce(QueueName) -> L) {
        let is_new = self.0.served.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        if is_new {
            let (lines, line) = (self.clone(), Arc::new(line(name.clone())));
            tokio::spawn(async move { lines.run(name, line).await });
        }
    }

    /// Runs the messages of one queue until there are none.
    async fn run(self, name: QueueName, line: Arc<impl Line>) {
        let mut stopping = self.0.stopping.subscribe();
        loop {
            let next = tokio::select! {
                next = self.next(&name, &line) => next,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match next {
                Ok(0) if self.has_left(&name).await => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(queue = %name, %error, "messages cannot be read; trying again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Receives messages as there is place for them, and lets them run; how many.
    async fn next(&self, name: &QueueName, line: &Arc<impl Line>) -> Result<usize, QueueError> {
        let mut places = line.places().await;
        let wanted = Receive {
            count_max: places.num_permits().min(BATCH_MAX),
            // They run side by side.
            one_of_a_group: true,
            wait_max: PATIENCE,
            how: Arc::new(HandOut::held(Hold::WhileServing)),
        };
        let received = self.0.queue.receive(name, wanted).await?;
        let count = received.len();
        // There are no more messages than places; those that are left are given back.
        for message in received {
            let Some(place) = places.split(1) else { break };
            tokio::spawn(Arc::clone(line).run(message, place));
        }
        Ok(count)
    }

    /// Ends the task of a queue that is empty. A message that comes at this moment finds either the task still there and
    /// is seen by it, or finds it gone and starts another.
    async fn has_left(&self, name: &QueueName) -> bool {
        let served = || self.0.served.lock().unwrap_or_else(PoisonError::into_inner);
        let holds_some = |counts: Counts| counts.waiting + counts.out + counts.delayed > 0;
        if self.0.queue.counts(name).await.map_or(true, holds_some) {
            return false;
        }
        served().remove(name);
        if self.0.queue.counts(name).await.map_or(true, holds_some) {
            // Whoever put it there may have been faster.
            return !served().insert(name.clone());
        }
        true
    }

    /// Settles a message, however long the disk refuses.
    pub(crate) async fn settle(&self, name: &QueueName, message: &Received, settle: Settle) {
        loop {
            match self.0.queue.settle(name, vec![(message.receipt, settle.clone())]).await {
                Ok(_) | Err(QueueError::Closed) => return,
                Err(error) => {
                    tracing::warn!(queue = %name, %error, "a message cannot be settled; trying again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
