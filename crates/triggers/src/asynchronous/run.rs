//! One attempt at one event, and what follows from it.
//!
//! The order at the end of an event: what its destination is to be told is handed over, then it is settled. What cannot
//! be handed over yet keeps the event where it is.

use std::sync::Arc;
use std::time::Duration;

use model::error::ServiceError;
use model::event::{Attempt, Attempts, Condition, Event, EventSettings, Next};
use model::fault::Fault;
use model::function::Function;
use model::lineage;
use model::port::{FunctionFailure, Invocation, Outcome, Pending, Response};
use model::queue::{QueueName, Received, Settle};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Asynchronous;
use super::ending::{Answer, Ending};

use super::stored::{End, decode, decode_attempts, encode_attempts};
use crate::lines::{AFTER_FAILURE, Line};
use crate::pace::Pace;

/// How long an event in a form that this version cannot read stays away.
const UNREADABLE_AFTER: Duration = Duration::from_secs(3_600);

/// An event that is being tried.
struct Tried {
    event: Event,
    settings: EventSettings,
    /// What became of it before.
    attempts: Attempts,
    /// How old it was when it was received.
    age: Duration,
    since: Instant,
}

impl Tried {
    fn age(&self) -> Duration {
        self.age + self.since.elapsed()
    }
}

/// Runs the events of one function.
pub(super) struct Runner {
    owner: Asynchronous,
    queue: QueueName,
    /// How many of them run at once.
    pace: Pace,
}

impl Runner {
    pub(super) fn new(owner: Asynchronous, queue: QueueName) -> Self {
        let pace = Pace::new(owner.0.settings.share);
        Self { owner, queue, pace }
    }

    /// Makes one attempt in a place of the pace, and settles the event accordingly.
    async fn take(&self, message: Received, place: OwnedSemaphorePermit) {
        let (settle, is_held_back) = match decode(&message.content) {
            Some(event) => self.attempt(self.tried(event, &message)).await,
            None => {
                tracing::error!(queue = %self.queue, id = %message.id, "an event has a form that is not known here");
                (Settle::Return { after: UNREADABLE_AFTER, note: None }, false)
            }
        };
        self.owner.0.lines.settle(&self.queue, &message, settle).await;
        match is_held_back {
            true => self.pace.held_back(place),
            false => self.pace.ran(place),
        }
    }

    fn tried(&self, event: Event, message: &Received) -> Tried {
        let directory = &self.owner.0.parts.directory;
        Tried {
            settings: directory.event_settings(&event.function, event.qualifier.as_ref()),
            event,
            attempts: decode_attempts(message.note.as_ref()),
            age: message.age,
            since: Instant::now(),
        }
    }

    /// What is to become of an event, and whether it could not run.
    async fn attempt(&self, tried: Tried) -> (Settle, bool) {
        let Tried { event, settings, .. } = &tried;
        let parts = &self.owner.0.parts;
        if settings.is_over(tried.age()) {
            return (self.end(&tried, Condition::EventAgeExceeded, tried.attempts, None).await, false);
        }
        if settings.is_shut {
            let condition = Condition::ZeroReservedConcurrency;
            return (self.end(&tried, condition, tried.attempts, None).await, false);
        }
        let function = match parts.directory.resolve(&event.function, event.qualifier.as_ref()) {
            Ok(function) => function,
            Err(ServiceError::ResourceNotFound(_)) => {
                let function = event.function.arn();
                tracing::warn!(%function, qualifier = ?event.qualifier, "an event is given up: what it names is gone");
                return (self.end(&tried, Condition::FunctionGone, tried.attempts, None).await, false);
            }
            Err(error) => return (self.held_back(&tried, &error).await, true),
        };
        let (trace, hops) = lineage::step(event.trace.as_deref().unwrap_or_default(), &event.function);
        if hops > lineage::HOPS_MAX && !settings.may_recur {
            tracing::warn!(function = %event.function.arn(), "an event went round in a circle and was stopped");
            return (self.end(&tried, Condition::RecursiveLoop, tried.attempts, None).await, false);
        }
        let version = function.version.to_string();
        match parts.invoke.invoke(invocation(event, function, trace)).await {
            // Its environment was ended under it, as by a server that stops: that is not the function's failure.
            Ok(Outcome { result: Err(FunctionFailure::Fault(Fault::Stopped)), .. }) => {
                let error = ServiceError::Unavailable("The execution environment was stopped.".to_owned());
                (self.held_back(&tried, &error).await, true)
            }
            Ok(outcome) => (self.ran(&tried, version, outcome).await, false),
            Err(error) => (self.held_back(&tried, &error).await, true),
        }
    }

    /// What follows when the function ran.
    async fn ran(&self, tried: &Tried, version: String, outcome: Outcome) -> Settle {
        let (attempt, payload) = match outcome.result {
            Ok(Response::Whole(payload)) => (Attempt::Succeeded, payload),
            // Nobody asked for a stream.
            Ok(Response::Stream { .. }) => (Attempt::Succeeded, bytes::Bytes::new()),
            Err(failure) => (Attempt::Failed, wire::failure::body(tried.event.request, failure)),
        };
        let answer = Answer { version, payload, has_failed: attempt == Attempt::Failed };
        self.follow(tried, attempt, Some(&answer)).await
    }

    /// What follows when it could not run.
    async fn held_back(&self, tried: &Tried, error: &ServiceError) -> Settle {
        tracing::debug!(function = %tried.event.function.arn(), %error, "an event is held back");
        self.follow(tried, Attempt::HeldBack, None).await
    }

    async fn follow(&self, tried: &Tried, attempt: Attempt, answer: Option<&Answer>) -> Settle {
        let pause = self.owner.0.settings.retry_pause;
        match tried.settings.next(tried.age(), tried.attempts, attempt, pause) {
            Next::Again { after, attempts } => {
                Settle::Return { after, note: Some(encode_attempts(attempts)) }
            }
            Next::End(condition, attempts) => self.end(tried, condition, attempts, answer).await,
        }
    }

    /// Tells the destination and the dead-letter queue, and what became of the event to whoever asks.
    async fn end(
        &self,
        tried: &Tried,
        condition: Condition,
        attempts: Attempts,
        answer: Option<&Answer>,
    ) -> Settle {
        let Tried { event, settings, .. } = tried;
        let end = Ending { event, settings, condition, attempts, answer };
        let deliveries = end.deliveries(self.owner.0.parts.clock.now());
        if !deliveries.is_empty()
            && let Err(error) = self.owner.0.parts.deliveries.hand_over(deliveries).await
        {
            tracing::warn!(request = %event.request, %error, "a destination cannot be told; trying again");
            return Settle::Return { after: AFTER_FAILURE, note: None };
        }
        let (function, failed) = (event.function.arn().to_string(), attempts.failed);
        let end = End { function, condition: condition.as_str().to_owned(), failed };
        Settle::Done { outcome: Some(end.encode()) }
    }
}

impl Line for Runner {
    fn places(&self) -> Pending<'_, OwnedSemaphorePermit> {
        Box::pin(self.pace.places())
    }

    fn run(self: Arc<Self>, message: Received, place: OwnedSemaphorePermit) -> Pending<'static, ()> {
        Box::pin(async move { self.take(message, place).await })
    }
}

fn invocation(event: &Event, function: Arc<Function>, trace: String) -> Invocation {
    let id = &function.id;
    let invoked_arn = match &event.qualifier {
        Some(qualifier) => id.qualified_arn(qualifier).to_string(),
        None => id.arn().to_string(),
    };
    Invocation {
        request: event.request,
        invoked_arn,
        function,
        payload: event.payload.clone(),
        client_context: event.client_context.clone(),
        cognito_identity: None,
        trace: Some(trace),
        tail: false,
        streaming: false,
        tenant: event.tenant.clone(),
    }
}
