//! Why a request of the runtime is refused, in the words that Lambda has for a runtime's states: `Started`, `Ready`,
//! `Running` and so on. An environment's own states are coarser and are not told inside.
//!
//! Source: the answers of the public runtime interface emulator; the guide documents their form only.

use model::lifecycle::State;

use super::Inner;

/// What a request would make of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeStep {
    /// It asks for an event.
    Ready,
    /// It answers.
    Response,
    /// It reports that an invocation failed.
    ErrorResponse,
    /// It reports that init failed.
    InitError,
}

impl RuntimeStep {
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Response => "InvocationResponse",
            Self::ErrorResponse => "InvocationErrorResponse",
            Self::InitError => "InitError",
        }
    }
}

/// Why the runtime's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuntimeRefusal {
    #[error("Invalid request ID")]
    InvalidRequestId,
    #[error(
        "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed",
        to = step.name()
    )]
    InvalidTransition { from: &'static str, step: RuntimeStep },
}

impl Inner {
    /// A refusal of what the runtime cannot do now.
    pub(super) fn refuse(&self, step: RuntimeStep) -> RuntimeRefusal {
        RuntimeRefusal::InvalidTransition { from: self.runtime_standing(), step }
    }

    fn runtime_standing(&self) -> &'static str {
        match self.state {
            State::Starting | State::Restarting if self.init.runtime_ready => "Ready",
            State::Starting | State::Restarting => "Started",
            State::Idle | State::Frozen => "Ready",
            State::Running if self.leases.iter().any(|lease| lease.is_streaming()) => "InvocationResponse",
            State::Running if self.all_answered() => "RuntimeResponseSentState",
            State::Running => "Running",
            State::Resetting | State::Reset | State::Closing | State::Gone => "InitError",
        }
    }
}
