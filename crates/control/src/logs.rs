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

/// Where the logs of a function stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The group, for whoever decides on who may read it.
    pub group: LogGroup,
    /// Why there is no such function, if there is none.
    missing: Option<ServiceError>,
}

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

    /// The group to which a function writes now, whoever else writes there. It is looked up once, so that what is read is
    /// what was asked about.
    #[must_use]
    pub fn find(&self, caller: &Scope, reference: &FunctionReference) -> Found {
        let scope = Scope { account: reference.account.unwrap_or(caller.account), ..caller.clone() };
        let default = || format!("/aws/lambda/{}", reference.name);
        let (name, missing) = match self.functions.get(caller, reference, None) {
            Ok(function) if scope == *caller => (function.log_group(), None),
            // Where a function of another account writes is not told, not even by a denial.
            Ok(_) => (default(), None),
            Err(error) => (default(), Some(error)),
        };
        Found { group: LogGroup { scope, name }, missing }
    }

    /// The newest events since a time, oldest first, at most `limit` and [`EVENTS_MAX`] of them.
    ///
    /// # Errors
    /// `ResourceNotFound` when there is neither such a function nor a log of one.
    pub async fn read(
        &self,
        found: Found,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<LogEvent>, ServiceError> {
        let Found { group, missing } = found;
        let events = self.files.read(&group, since, limit.min(EVENTS_MAX)).await.map_err(|e| failed(&e))?;
        match missing {
            Some(error) if events.is_empty() => Err(error),
            _ => Ok(events),
        }
    }

    /// As [`FunctionLogs::read`], and everything from there on.
    ///
    /// # Errors
    /// `ResourceNotFound`; `Unavailable` when too many callers follow logs already.
    pub async fn follow(
        &self,
        found: Found,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<LogEvent>, Follower), ServiceError> {
        let Found { group, missing } = found;
        match missing {
            Some(error) => Err(error),
            None => self
                .files
                .follow_from(&group, since, limit.min(EVENTS_MAX))
                .await
                .map_err(|error| failed(&error)),
        }
    }

    /// Whether there is still a function whose log is the one that was found for it.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` when it writes to another group now.
    pub fn still(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        followed: &LogGroup,
    ) -> Result<(), ServiceError> {
        let Found { group, missing } = self.find(caller, reference);
        match missing {
            Some(error) => Err(error),
            None if group == *followed => Ok(()),
            None => {
                let words = format!("Function {} writes to another log group now.", reference.name);
                Err(ServiceError::ResourceConflict(words))
            }
        }
    }
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
