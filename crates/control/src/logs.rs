//! The logs that functions left, by function: what the store keeps by group.
//!
//! Logs outlive their function, as at AWS; so the logs of a name that is gone are still found in the group that
//! Lambda would have used.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::log::{LogEvent, LogGroup};
use model::name::FunctionReference;
use model::time::Timestamp;
pub use store::logs::{Followed, Follower};
use store::logs::{LogError, LogFiles};

use crate::function::Functions;

/// Most events that one request reads.
pub const EVENTS_MAX: usize = 10_000;

/// Reads and follows logs. Clones share them.
#[derive(Clone)]
pub struct FunctionLogs {
    functions: Functions,
    files: Arc<LogFiles>,
}

impl FunctionLogs {
    /// Logs of these functions, kept in `files`.
    #[must_use]
    pub fn new(functions: Functions, files: Arc<LogFiles>) -> Self {
        Self { functions, files }
    }

    /// The newest events since a time, oldest first, at most `limit` and [`EVENTS_MAX`] of them.
    ///
    /// # Errors
    /// `ResourceNotFound` when there is neither such a function nor a log of one.
    pub async fn read(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<LogEvent>, ServiceError> {
        let found = self.functions.get(caller, reference, None);
        let group = match &found {
            Ok(function) => group(caller, function.log_group()),
            Err(_) => group(caller, format!("/aws/lambda/{}", reference.name)),
        };
        let events = self.files.read(&group, since, limit.min(EVENTS_MAX)).await.map_err(|e| failed(&e))?;
        match found {
            Err(error) if events.is_empty() => Err(error),
            _ => Ok(events),
        }
    }

    /// As [`FunctionLogs::read`], and everything from there on.
    ///
    /// # Errors
    /// `ResourceNotFound`; `Unavailable` when too many callers follow logs already.
    pub async fn follow(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<LogEvent>, Follower), ServiceError> {
        let function = self.functions.get(caller, reference, None)?;
        let group = group(caller, function.log_group());
        self.files.follow_from(&group, since, limit.min(EVENTS_MAX)).await.map_err(|error| failed(&error))
    }
}

fn group(caller: &Scope, name: String) -> LogGroup {
    LogGroup { scope: caller.clone(), name }
}

fn failed(error: &LogError) -> ServiceError {
    match error {
        LogError::TooManyFollowers | LogError::Stopping | LogError::Full => {
            ServiceError::Unavailable(error.to_string())
        }
        LogError::Io { .. } => {
            tracing::error!(%error, "cannot read logs");
            ServiceError::Internal("The logs could not be read; the server's log says why.".to_owned())
        }
    }
}
