//! The open lease: one invocation bound to one environment, from assignment until its last log line. It knows
//! what has been answered and billed so far, and how to reach the caller; the environment decides when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::error::ServiceError;
use model::fault::Fault;
use model::lease::{LeaseOutcome, Phases, StartReason};
use model::port::{FunctionFailure, Invocation, Outcome, Response, StreamEnd, StreamError};
use model::time::Timestamp;
use tokio::sync::oneshot;

use super::stream::{self, Sink};
use crate::concurrency::Permit;

/// Where the caller waits.
pub(crate) type Reply = oneshot::Sender<Result<Outcome, ServiceError>>;

/// An invocation on its way to an environment.
pub(crate) struct Assignment {
    pub invocation: Invocation,
    pub reply: Reply,
    pub permit: Permit,
    pub reason: StartReason,
    pub waited: Duration,
    /// When it came to the engine.
    pub entered: Instant,
}

/// How an invocation was answered.
pub(crate) enum Answer {
    Success(Bytes),
    /// A stream that has ended, and what the function said went wrong midway.
    Streamed {
        bytes: u64,
        error: Option<StreamError>,
    },
    Reported(Bytes),
    Fault(Fault),
}

/// How the caller is reached.
enum Caller {
    Waiting(Reply),
    /// It has the beginning; this tells it the end. Closing the other half stops whoever still writes.
    Streaming {
        end: oneshot::Sender<StreamEnd>,
        _cut: oneshot::Sender<()>,
    },
    Told,
}

/// When what happened within a run, for the platform's events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    /// The response began.
    pub responding: Option<Instant>,
    /// The response was complete.
    pub answered: Option<Instant>,
    /// The runtime asked for the next event.
    pub runtime_done: Option<Instant>,
}

/// An invocation in an environment.
pub(crate) struct OpenLease {
    pub invocation: Arc<Invocation>,
    pub reason: StartReason,
    entered: Instant,
    /// When the clock of the function timeout started.
    pub started: Instant,
    pub started_at: Timestamp,
    pub deadline: Instant,
    pub phases: Phases,
    /// Init phase that is billed with this lease: the first of an environment carries it.
    pub init: Option<Duration>,
    pub answer: Option<Answer>,
    pub marks: Marks,
    pub billed_ms: u64,
    /// Most memory in use by the time of the answer.
    pub peak_memory_bytes: u64,
    /// Whether it reached the runtime.
    pub delivered: bool,
    caller: Caller,
    /// Given back when the lease closes.
    permit: Permit,
}

impl OpenLease {
    pub(crate) fn open(assignment: Assignment, now: Instant, at: Timestamp) -> Self {
        let Assignment { invocation, reply, permit, reason, waited, entered } = assignment;
        let deadline = now + invocation.function.timeout();
        Self {
            reason,
            entered,
            started: now,
            started_at: at,
            deadline,
            phases: Phases { waited, ..Phases::default() },
            init: None,
            answer: None,
            marks: Marks::default(),
            billed_ms: 0,
            peak_memory_bytes: 0,
            delivered: false,
            caller: Caller::Waiting(reply),
            invocation: Arc::new(invocation),
            permit,
        }
    }

    /// Turns back into an assignment when the environment cannot take it after all.
    pub(crate) fn into_assignment(self) -> Option<Assignment> {
        let Caller::Waiting(reply) = self.caller else { return None };
        Some(Assignment {
            invocation: Arc::try_unwrap(self.invocation).ok()?,
            reply,
            permit: self.permit,
            reason: self.reason,
            waited: self.phases.waited,
            entered: self.entered,
        })
    }

    /// How it ended, for the ledger.
    pub(crate) fn outcome(&self) -> LeaseOutcome {
        match &self.answer {
            Some(Answer::Success(_) | Answer::Streamed { error: None, .. }) => LeaseOutcome::Success,
            Some(Answer::Reported(_) | Answer::Streamed { error: Some(_), .. }) => {
                LeaseOutcome::FunctionError
            }
            Some(Answer::Fault(Fault::TimedOut { .. } | Fault::InitTimedOut { .. })) => {
                LeaseOutcome::TimedOut
            }
            Some(Answer::Fault(_)) | None => LeaseOutcome::Fault,
        }
    }

    /// Size of the answer.
    pub(crate) fn bytes_out(&self) -> u64 {
        match &self.answer {
            Some(Answer::Success(payload) | Answer::Reported(payload)) => payload.len() as u64,
            Some(Answer::Streamed { bytes, .. }) => *bytes,
            Some(Answer::Fault(_)) | None => 0,
        }
    }

    /// Sends the beginning of a stream to the caller; what is put into the sink follows. `None` when the caller
    /// does not take streams, or has had its answer.
    pub(crate) fn begin_stream(&mut self, content_type: Option<String>) -> Option<Sink> {
        if !self.invocation.streaming || !matches!(self.caller, Caller::Waiting(_)) {
            return None;
        }
        let (sink, body, end, cut) = stream::pair();
        let reply = std::mem::replace(&mut self.caller, Caller::Streaming { end, _cut: cut });
        if let Caller::Waiting(reply) = reply {
            let response = Response::Stream { content_type, body: Box::new(body) };
            let _ = reply.send(Ok(self.as_outcome(Ok(response), None)));
        }
        Some(sink)
    }

    /// Whether the caller is being sent a stream.
    pub(crate) fn is_streaming(&self) -> bool {
        matches!(self.caller, Caller::Streaming { .. })
    }

    /// Tells the caller the answer, once. A caller that went away is no error.
    pub(crate) fn tell(&mut self, tail: Option<Vec<u8>>) {
        let Some(answer) = &self.answer else { return };
        match std::mem::replace(&mut self.caller, Caller::Told) {
            Caller::Told => {}
            Caller::Streaming { end, .. } => {
                let _ = end.send(StreamEnd { error: self.stream_error(), tail });
            }
            Caller::Waiting(reply) => {
                let result = match answer {
                    Answer::Success(payload) => Ok(Response::Whole(payload.clone())),
                    // A stream has a caller who was told its beginning; nothing is left to say.
                    Answer::Streamed { .. } => Ok(Response::Whole(Bytes::new())),
                    Answer::Reported(payload) | Answer::Fault(Fault::Reported { payload, .. }) => {
                        Err(FunctionFailure::Reported { payload: payload.clone() })
                    }
                    Answer::Fault(fault) => Err(FunctionFailure::Fault(fault.clone())),
                };
                let _ = reply.send(Ok(self.as_outcome(result, tail)));
            }
        }
    }

    fn as_outcome(&self, result: Result<Response, FunctionFailure>, tail: Option<Vec<u8>>) -> Outcome {
        Outcome { result, tail, reason: self.reason, phases: self.phases }
    }

    /// What is told at the end of a stream that did not end well.
    fn stream_error(&self) -> Option<StreamError> {
        match self.answer.as_ref()? {
            Answer::Success(_) => None,
            Answer::Streamed { error, .. } => error.clone(),
            Answer::Reported(payload) | Answer::Fault(Fault::Reported { payload, .. }) => Some(StreamError {
                code: "Unhandled".to_owned(),
                details: String::from_utf8_lossy(payload).into_owned(),
            }),
            Answer::Fault(fault) => Some(StreamError {
                code: fault.error_type().to_owned(),
                details: fault.message(self.invocation.request),
            }),
        }
    }
}
