//! Asynchronous invocations: events are put into one durable queue per function, each a line of [`crate::lines`].
//!
//! So functions do not wait for each other: one that is slow or fails fills its own line alone, and of the server's
//! concurrency it takes at most the share of [`Settings::share`]. Functions without events cost nothing.
//!
//! Invariants: what was accepted is on the disk; an event leaves its queue only after it was run to its end and what
//! its destination is told has been handed over, so a crash in between runs or tells it once more and never less.

mod ending;
mod record;
mod run;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use model::arn::{FunctionId, Scope};
use model::delivery::Deliveries;
use model::error::ServiceError;
use model::event::{Condition, Directory, Event, Events, Fate};
use model::id::{AccountId, Region, RequestId};
use model::name::FunctionName;
use model::port::{Clock, Invoke, Pending};
use model::queue::{NewMessage, Purpose, Queue, QueueError, QueueName, Trace};

use self::run::Runner;
use self::stored::{End, decode_attempts, encode};
use crate::lines::Lines;

/// What this part is made of.
pub struct Parts {
    /// Keeps events.
    pub queue: Arc<dyn Queue>,
    /// Finds functions.
    pub directory: Arc<dyn Directory>,
    /// Runs them.
    pub invoke: Arc<dyn Invoke>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Tells destinations.
    pub deliveries: Arc<dyn Deliveries>,
}

/// How events are run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Events of one function that run at once, at most.
    pub share: usize,
    /// The pause before the first further attempt of a function that failed.
    pub retry_pause: Duration,
}

/// Runs events. Clones share everything.
#[derive(Clone)]
pub struct Asynchronous(Arc<Inner>);

struct Inner {
    parts: Parts,
    settings: Settings,
    lines: Lines,
}

impl Asynchronous {
    /// Runs nothing yet but what it is given.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let lines = Lines::new(Arc::clone(&parts.queue));
        Self(Arc::new(Inner { parts, settings, lines }))
    }

    /// Begins with the events that have waited since before the server started.
    ///
    /// # Errors
    /// [`QueueError`] if the queue cannot be read.
    pub async fn start(&self) -> Result<(), QueueError> {
        for queue in self.0.lines.left(Purpose::Asynchronous).await? {
            self.serve(queue);
        }
        Ok(())
    }

    /// Takes no more events from the queue. What runs is let end by whoever runs it.
    pub fn stop(&self) {
        self.0.lines.stop();
    }

    fn serve(&self, queue: QueueName) {
        self.0.lines.serve(queue, |queue| Runner::new(self.clone(), queue));
    }

    async fn keep(&self, event: Event) -> Result<(), QueueError> {
        let queue = queue_of(&event.function);
        let message = NewMessage {
            id: event.request.into(),
            content: encode(&event),
            delay: Duration::ZERO,
            group: None,
            deduplication: None,
            traceable: true,
        };
        self.0.parts.queue.enqueue(&queue, vec![message]).await?;
        self.serve(queue);
        Ok(())
    }

    async fn look_up(&self, request: RequestId) -> Result<Option<Fate>, QueueError> {
        let trace = self.0.parts.queue.trace(request.into()).await?;
        Ok(trace.and_then(|trace| match trace {
            Trace::Held { queue, is_out, note, sent, .. } => Some(Fate {
                function: function_of(&queue)?.arn().to_string(),
                status: if is_out { "running" } else { "queued" },
                failed: decode_attempts(note.as_ref()).failed,
                at: sent,
            }),
            Trace::Finished { outcome, at } => {
                let End { function, condition, failed } = End::decode(&outcome)?;
                let status = Condition::parse(&condition)?.as_str();
                Some(Fate { function, status, failed, at })
            }
        }))
    }
}

impl Events for Asynchronous {
    fn accept(&self, event: Event) -> Pending<'_, Result<(), ServiceError>> {
        // In a task of its own: a caller who hangs up must not leave an event on the disk that nobody looks for.
        let (owner, request) = (self.clone(), event.request);
        let kept = tokio::spawn(async move { owner.keep(event).await });
        Box::pin(async move {
            match kept.await {
                Ok(kept) => {
                    kept.map_err(|error| told(&error, "The event could not be stored; it will not be run."))
                }
                Err(error) => {
                    tracing::error!(%request, %error, "an event could not be kept");
                    Err(ServiceError::Internal("The event could not be kept.".to_owned()))
                }
            }
        })
    }

    fn fate(&self, request: RequestId) -> Pending<'_, Result<Option<Fate>, ServiceError>> {
        Box::pin(async move {
            let found = self.look_up(request).await;
            found.map_err(|error| told(&error, "What became of the event could not be read."))
        })
    }
}

/// What a caller is told when the queue refuses; the log has the cause, which may show something of the disk.
fn told(error: &QueueError, failed: &str) -> ServiceError {
    match error {
        QueueError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "the queue of events refuses");
            ServiceError::Internal(failed.to_owned())
        }
    }
}

fn queue_of(function: &FunctionId) -> QueueName {
    Purpose::Asynchronous
        .queue(&function.scope, function.name.as_str())
        .expect("names of functions are short and printable")
}

fn function_of(queue: &QueueName) -> Option<FunctionId> {
    let mut parts = queue.as_str().strip_prefix(&Purpose::Asynchronous.prefix())?.split('/');
    let scope =
        Scope { account: AccountId::parse(parts.next()?).ok()?, region: Region::parse(parts.next()?).ok()? };
    let name = FunctionName::parse(parts.next()?).ok()?;
    parts.next().is_none().then_some(FunctionId { scope, name })
}
