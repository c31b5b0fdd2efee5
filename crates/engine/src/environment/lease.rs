//! The open lease: one invocation bound to one environment, from assignment until its last log line. It knows
//! what has been answered and billed so far; the environment decides when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::error::ServiceError;
use model::fault::Fault;
use model::lease::{LeaseOutcome, Phases, StartReason};
use model::port::{FunctionFailure, Invocation, Outcome};
use model::time::Timestamp;
use tokio::sync::oneshot;

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
    Reported(Bytes),
    Fault(Fault),
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
    pub billed_ms: u64,
    /// Most memory in use by the time of the answer.
    pub peak_memory_bytes: u64,
    reply: Option<Reply>,
    /// Given back when the lease closes.
    _permit: Permit,
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
            billed_ms: 0,
            peak_memory_bytes: 0,
            reply: Some(reply),
            invocation: Arc::new(invocation),
            _permit: permit,
        }
    }

    /// Turns back into an assignment when the environment cannot take it after all.
    pub(crate) fn into_assignment(self) -> Option<Assignment> {
        Some(Assignment {
            invocation: Arc::try_unwrap(self.invocation).ok()?,
            reply: self.reply?,
            permit: self._permit,
            reason: self.reason,
            waited: self.phases.waited,
            entered: self.entered,
        })
    }

    /// How it ended, for the ledger.
    pub(crate) fn outcome(&self) -> LeaseOutcome {
        match &self.answer {
            Some(Answer::Success(_)) => LeaseOutcome::Success,
            Some(Answer::Reported(_)) => LeaseOutcome::FunctionError,
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
            Some(Answer::Fault(_)) | None => 0,
        }
    }

    /// Sends the answer to the caller, once. A caller that went away is no error.
    pub(crate) fn send_reply(&mut self, tail: Option<Vec<u8>>) {
        let (Some(reply), Some(answer)) = (self.reply.take(), &self.answer) else { return };
        let result = match answer {
            Answer::Success(payload) => Ok(payload.clone()),
            Answer::Reported(payload) | Answer::Fault(Fault::Reported { payload, .. }) => {
                Err(FunctionFailure::Reported { payload: payload.clone() })
            }
            Answer::Fault(fault) => Err(FunctionFailure::Fault(fault.clone())),
        };
        let outcome = Outcome { result, tail, reason: self.reason, phases: self.phases };
        let _ = reply.send(Ok(outcome));
    }
}
