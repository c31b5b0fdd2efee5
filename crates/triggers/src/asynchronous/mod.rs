//! Asynchronous invocations: events are put into one durable queue per function, and each function that has events has
//! one task that runs them.
//!
//! So functions do not wait for each other: one that is slow or fails fills its own line alone, and of the server's
//! concurrency it takes at most the share of [`Settings::share`]. Functions without events cost nothing.
//!
//! Invariants: what was accepted is on the disk; an event leaves its queue only after it was run to its end and its
//! destination has been told, so a crash in between runs or tells it once more and never less.

mod pace;
mod record;
mod run;
mod stored;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::event::{Condition, Directory, Event, Events, Fate};
use model::id::{AccountId, Region, RequestId};
use model::name::FunctionName;
use model::port::{Clock, Entropy, Invoke, Pending};
use model::queue::{Hold, NewMessage, Queue, QueueError, QueueName, Receive, Trace};
use tokio::sync::watch;

use self::run::Runner;
use self::stored::{End, decode_attempts, encode};

/// The first part of the names of these queues.
const PREFIX: &str = "async/";
/// How long a function's task waits for events before it looks whether there are any.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait after the queue could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

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
    /// For ids of events that destinations get.
    pub entropy: Arc<dyn Entropy>,
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
    /// Functions that have a task.
    served: Mutex<HashSet<FunctionId>>,
    stopping: watch::Sender<bool>,
}

impl Asynchronous {
    /// Runs nothing yet but what it is given.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let stopping = watch::Sender::new(false);
        Self(Arc::new(Inner { parts, settings, served: Mutex::default(), stopping }))
    }

    /// Begins with the events that have waited since before the server started.
    ///
    /// # Errors
    /// [`QueueError`] if the queue cannot be read.
    pub async fn start(&self) -> Result<(), QueueError> {
        for queue in self.0.parts.queue.queues(PREFIX).await? {
            match function_of(&queue) {
                Some(function) => self.serve(function),
                None => {
                    tracing::warn!(%queue, "the name of a queue of events says no function; it is left alone")
                }
            }
        }
        Ok(())
    }

    /// Takes no more events from the queue. What runs is let end by whoever runs it.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Sees to it that a function with events has a task.
    fn serve(&self, function: FunctionId) {
        let is_new = self.0.served.lock().unwrap_or_else(PoisonError::into_inner).insert(function.clone());
        if is_new {
            let served = self.clone();
            tokio::spawn(async move { served.run_events_of(function).await });
        }
    }

    /// Runs the events of one function until there are none.
    async fn run_events_of(self, function: FunctionId) {
        let queue = queue_of(&function);
        let runner = Arc::new(Runner::new(self.clone(), queue.clone()));
        let mut stopping = self.0.stopping.subscribe();
        loop {
            let next = tokio::select! {
                next = self.next(&queue, &runner) => next,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match next {
                Ok(0) if self.has_left(&function, &queue).await => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%queue, %error, "events cannot be read; trying again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Receives events as there is place for them, and lets them run; how many.
    async fn next(&self, queue: &QueueName, runner: &Arc<Runner>) -> Result<usize, QueueError> {
        let mut places = runner.pace.places().await;
        let wanted = Receive {
            count_max: places.num_permits(),
            wait_max: PATIENCE,
            hold: Hold::WhileServing,
            dead_letter: None,
            age_max: None,
            out_max: None,
        };
        let received = self.0.parts.queue.receive(queue, wanted).await?;
        let count = received.len();
        // There are no more messages than places; those that are left are given back.
        for message in received {
            let Some(place) = places.split(1) else { break };
            let runner = Arc::clone(runner);
            tokio::spawn(async move { runner.run(message, place).await });
        }
        Ok(count)
    }

    /// Ends the task of a function that has no events. One that comes at this moment finds either the task still there
    /// and is seen by it, or finds it gone and starts another.
    async fn has_left(&self, function: &FunctionId, queue: &QueueName) -> bool {
        let served = || self.0.served.lock().unwrap_or_else(PoisonError::into_inner);
        let holds_some = |counts: model::queue::Counts| counts.waiting + counts.out + counts.delayed > 0;
        if self.0.parts.queue.counts(queue).await.map_or(true, holds_some) {
            return false;
        }
        served().remove(function);
        if self.0.parts.queue.counts(queue).await.map_or(true, holds_some) {
            // Whoever put it there may have been faster.
            return !served().insert(function.clone());
        }
        true
    }

    async fn keep(&self, event: Event) -> Result<(), QueueError> {
        let function = event.function.clone();
        let message = NewMessage {
            id: event.request.into(),
            content: encode(&event),
            delay: Duration::ZERO,
            group: None,
            deduplication: None,
            traceable: true,
        };
        self.0.parts.queue.enqueue(&queue_of(&function), vec![message]).await?;
        self.serve(function);
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
    let FunctionId { scope: Scope { account, region }, name } = function;
    QueueName::parse(&format!("{PREFIX}{account}/{region}/{name}"))
        .expect("names of functions are short and printable")
}

fn function_of(queue: &QueueName) -> Option<FunctionId> {
    let mut parts = queue.as_str().strip_prefix(PREFIX)?.split('/');
    let scope =
        Scope { account: AccountId::parse(parts.next()?).ok()?, region: Region::parse(parts.next()?).ok()? };
    let name = FunctionName::parse(parts.next()?).ok()?;
    parts.next().is_none().then_some(FunctionId { scope, name })
}
