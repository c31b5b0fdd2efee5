//! Asynchronous invocations: an event that a function is to have, accepted now and run later; how it is tried again,
//! and when it is given up.
//!
//! Source: Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation": a function
//! that fails is tried again after one minute, then after two; an invocation that could not run because of throttling
//! or a fault of the system returns to the queue for up to six hours, the pauses growing from one second to five
//! minutes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::arn::FunctionId;
use crate::error::ServiceError;
use crate::function::Function;
use crate::id::RequestId;
use crate::name::{Qualifier, TenantId};
use crate::port::Pending;
use crate::time::Timestamp;

/// Further attempts where the function does not say how many.
pub const RETRIES_DEFAULT: u32 = 2;
/// `source` of the record that a bus is told.
pub const SOURCE: &str = "lambda";
/// Age at which an event is given up where the function does not say: six hours.
pub const AGE_MAX_DEFAULT: Duration = Duration::from_secs(6 * 3600);
/// The pause before the first further attempt of a function that failed; before the second it is twice as long.
pub const RETRY_PAUSE: Duration = Duration::from_secs(60);
/// The first pause after an attempt that could not run.
const THROTTLE_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// An event on its way to a function.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// The id of the request that brought it; the same for each attempt.
    pub request: RequestId,
    /// For whom.
    pub function: FunctionId,
    /// Which version or alias; resolved anew for each attempt.
    pub qualifier: Option<Qualifier>,
    /// The event itself.
    pub payload: Bytes,
    /// JSON of the client context.
    pub client_context: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
    /// Only for functions that isolate tenants.
    pub tenant: Option<TenantId>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({} for {}, {} bytes)", self.request, self.function.name, self.payload.len())
    }
}

/// How asynchronous invocations of a function are to be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSettings {
    /// Further attempts after one that failed.
    pub retries_max: u32,
    /// Age at which an event is given up.
    pub age_max: Duration,
    /// ARN of what is told of successes.
    pub on_success: Option<String>,
    /// ARN of what is told of failures.
    pub on_failure: Option<String>,
    /// ARN of the queue or topic that gets events that were given up.
    pub dead_letter: Option<String>,
    /// The execution role, which has to be allowed to tell all of these.
    pub role: Option<String>,
    /// Whether the function may invoke itself in a circle.
    pub may_recur: bool,
    /// Whether its reserved concurrency is zero. Its events are then given up at once, for their destination or dead-letter
    /// queue (Lambda Developer Guide, "Configuring reserved concurrency").
    pub is_shut: bool,
}

/// What has become of an event so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// How often the function ran and failed.
    pub failed: u32,
    /// How often it could not run, since it last did.
    pub held_back: u32,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The function answered.
    Succeeded,
    /// The function failed.
    Failed,
    /// It could not run: no concurrency, or a fault of ours.
    HeldBack,
}

/// Why an event is at its end. The words are those of the invocation record ("Destinations for asynchronous
/// invocation").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The function answered.
    Success,
    /// The last attempt failed.
    RetriesExhausted,
    /// It became too old.
    EventAgeExceeded,
    /// The function may not run at all.
    ZeroReservedConcurrency,
    /// It went round in a circle.
    RecursiveLoop,
    /// The function is gone, or what it has to run is.
    FunctionGone,
}

impl Condition {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::RetriesExhausted,
        Self::EventAgeExceeded,
        Self::ZeroReservedConcurrency,
        Self::RecursiveLoop,
        Self::FunctionGone,
    ];

    /// `detail-type` of the record that a bus is told.
    #[must_use]
    pub fn detail_type(self) -> String {
        let outcome = if self == Self::Success { "Success" } else { "Failure" };
        format!("Lambda Function Invocation Result - {outcome}")
    }

    /// The condition of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == word)
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveLoop => "RecursiveInvocation",
            Self::FunctionGone => "FunctionNotFound",
        }
    }
}

/// What is next for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again.
    Again {
        /// After this long.
        after: Duration,
        /// What has become of it so far.
        attempts: Attempts,
    },
    /// It is at its end.
    End(Condition, Attempts),
}

impl EventSettings {
    /// Whether an event has become too old to be tried.
    #[must_use]
    pub fn is_over(&self, age: Duration) -> bool {
        age >= self.age_max
    }

    /// What follows from an attempt at an event of this age. `pause` is the one before the first further attempt after
    /// a failure.
    #[must_use]
    pub fn next(&self, age: Duration, attempts: Attempts, attempt: Attempt, pause: Duration) -> Next {
        let (attempts, after) = match attempt {
            Attempt::Succeeded => return Next::End(Condition::Success, attempts),
            Attempt::Failed => {
                let failed = attempts.failed.saturating_add(1);
                let attempts = Attempts { failed, held_back: 0 };
                if failed > self.retries_max {
                    return Next::End(Condition::RetriesExhausted, attempts);
                }
                (attempts, pause.saturating_mul(1 << (failed - 1).min(8)))
            }
            Attempt::HeldBack => {
                let held_back = attempts.held_back.saturating_add(1);
                let pause = THROTTLE_PAUSE_MIN.saturating_mul(1 << (held_back - 1).min(16));
                (Attempts { held_back, ..attempts }, pause.min(THROTTLE_PAUSE_MAX))
            }
        };
        // What would be too old by then is not worth waiting for.
        match after >= self.age_max.saturating_sub(age) {
            true => Next::End(Condition::EventAgeExceeded, attempts),
            false => Next::Again { after, attempts },
        }
    }
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// For whom.
    pub function: String,
    /// `queued`, `running`, or a [`Condition`].
    pub status: &'static str,
    /// How often the function ran and failed.
    pub failed: u32,
    /// When this became so; of an event that waits, when it was accepted.
    pub at: Timestamp,
}

/// Takes events for functions and sees to it that they have them. Implemented by `triggers`.
pub trait Events: Send + Sync {
    /// Takes an event; when this returns it is on the disk and will be run.
    ///
    /// # Errors
    /// `Internal` if it cannot be kept, `Unavailable` if the server stops.
    fn accept(&self, event: Event) -> Pending<'_, Result<(), ServiceError>>;

    /// What has become of an event; nothing if none is known by this id, or no more.
    ///
    /// # Errors
    /// `Internal` if it cannot be looked up, `Unavailable` if the server stops.
    fn fate(&self, request: RequestId) -> Pending<'_, Result<Option<Fate>, ServiceError>>;
}

/// Finds what an event is to run. Implemented by `control`.
pub trait Directory: Send + Sync {
    /// The version that is to run now.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` while there is nothing that could run.
    fn resolve(
        &self,
        function: &FunctionId,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError>;

    /// How its asynchronous invocations are handled: as set for the version or alias, else Lambda's way.
    fn event_settings(&self, function: &FunctionId, qualifier: Option<&Qualifier>) -> EventSettings;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: EventSettings = EventSettings {
        retries_max: 2,
        age_max: Duration::from_secs(3_600),
        on_success: None,
        on_failure: None,
        dead_letter: None,
        role: None,
        may_recur: false,
        is_shut: false,
    };

    fn next(age_s: u64, attempts: Attempts, attempt: Attempt) -> Next {
        SETTINGS.next(Duration::from_secs(age_s), attempts, attempt, RETRY_PAUSE)
    }

    #[test]
    fn a_function_that_fails_is_tried_twice_more() {
        let tried = |failed| Attempts { failed, held_back: 0 };
        let again =
            |seconds, failed| Next::Again { after: Duration::from_secs(seconds), attempts: tried(failed) };
        assert_eq!(next(0, tried(0), Attempt::Failed), again(60, 1));
        assert_eq!(next(60, tried(1), Attempt::Failed), again(120, 2));
        assert_eq!(next(180, tried(2), Attempt::Failed), Next::End(Condition::RetriesExhausted, tried(3)));
        assert_eq!(next(180, tried(2), Attempt::Succeeded), Next::End(Condition::Success, tried(2)));
    }

    #[test]
    fn what_cannot_run_is_held_back_for_longer_and_longer_until_it_is_too_old() {
        let (mut age_s, mut attempts, mut pauses) = (0, Attempts::default(), Vec::new());
        let last = loop {
            match next(age_s, attempts, Attempt::HeldBack) {
                Next::Again { after, attempts: tried } => {
                    pauses.push(after.as_secs());
                    attempts = tried;
                    age_s += after.as_secs();
                }
                Next::End(condition, _) => break condition,
            }
        };
        assert_eq!(last, Condition::EventAgeExceeded);
        assert_eq!(&pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(age_s < 3_600 && age_s > 3_000, "{age_s}");
        assert!(SETTINGS.is_over(SETTINGS.age_max));
        assert!(!SETTINGS.is_over(Duration::from_secs(3_599)));
        let failed = Attempts { failed: 1, held_back: 7 };
        let after = Duration::from_secs(120);
        let attempts = Attempts { failed: 2, held_back: 0 };
        assert_eq!(next(0, failed, Attempt::Failed), Next::Again { after, attempts });
    }
}
