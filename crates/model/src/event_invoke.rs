//! How asynchronous invocations of a function, or of one version or alias of it, are tried again and where they end.
//!
//! Source: Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation" and "Capturing
//! records of Lambda asynchronous invocations".

use crate::arn::FunctionId;
use crate::name::Qualifier;
use crate::time::Timestamp;

/// The configuration of one qualifier. What is absent is Lambda's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInvokeConfig {
    /// The function.
    pub function: FunctionId,
    /// The version or alias.
    pub qualifier: Qualifier,
    /// Further attempts after one that failed: 0 to 2.
    pub retries_max: Option<u32>,
    /// How old an event may become before it is given up: 60 to 21,600 seconds.
    pub event_age_max_s: Option<u32>,
    /// ARN of what is told of successes.
    pub on_success: Option<String>,
    /// ARN of what is told of failures.
    pub on_failure: Option<String>,
    /// When it was last set.
    pub last_modified: Timestamp,
}
