//! The lease: the right to run one invocation in one environment, with an end in time; the unit of metering.
//! One finished lease is one row of the ledger.

use std::time::Duration;

use crate::arn::FunctionId;
use crate::function::Architecture;
use crate::id::{EnvironmentId, RequestId};
use crate::name::{TenantId, Version};
use crate::time::Timestamp;

/// One finished lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The invocation.
    pub request: RequestId,
    /// Who is billed, and for what.
    pub function: FunctionId,
    /// The version that ran.
    pub version: Version,
    /// For whom, where the function isolates tenants.
    pub tenant: Option<TenantId>,
    /// Where it ran.
    pub environment: EnvironmentId,
    /// When it began.
    pub started: Timestamp,
    /// Instruction set, which sets the price.
    pub architecture: Architecture,
    /// Memory, which sets the price.
    pub memory_mb: u32,
    /// Billed duration in milliseconds, rounded up.
    pub billed_ms: u64,
    /// Init phase that came before, if this lease is the first of its environment.
    pub init: Option<Duration>,
    /// Most memory in use so far in the environment.
    pub peak_memory_bytes: u64,
    /// Size of the event.
    pub bytes_in: u64,
    /// Size of the answer.
    pub bytes_out: u64,
    /// Why it was warm, cold or queued.
    pub reason: StartReason,
    /// How it ended.
    pub outcome: LeaseOutcome,
}

/// Why an invocation started as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartReason {
    /// An idle environment took it at once.
    Warm,
    /// A new environment was made for it.
    Cold,
    /// It waited until a busy environment became free.
    Queued,
}

impl StartReason {
    /// A word for logs and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Queued => "queued",
        }
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The function answered.
    Success,
    /// The function reported an error.
    FunctionError,
    /// It ran out of time.
    TimedOut,
    /// It ended otherwise.
    Fault,
}

impl LeaseOutcome {
    /// A word for the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::FunctionError => "function-error",
            Self::TimedOut => "timed-out",
            Self::Fault => "fault",
        }
    }
}

/// How long each phase of one invocation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Waiting for an environment, its making included.
    pub waited: Duration,
    /// Making the sandbox; zero when warm.
    pub sandbox: Duration,
    /// Init phase of the environment; zero when warm.
    pub init: Duration,
    /// The handler's run.
    pub run: Duration,
}
