//! Log events as CloudWatch Logs has them: a group per function, a stream per environment, a time and a message.
//!
//! Only their shape: where lines are cut, kept and dropped is decided by who writes and who stores them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arn::{ResourceArn, Scope};
use crate::time::Timestamp;

/// Where events go: a group within a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogGroup {
    /// Account and region.
    pub scope: Scope,
    /// Such as `/aws/lambda/hello`.
    pub name: String,
}

impl LogGroup {
    /// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { scope: Scope { account, region }, name } = self;
        format!("arn:aws:logs:{region}:{account}:log-group:{name}")
    }

    /// `GROUP:log-stream:STREAM`. That of no stream is what most rights on the group itself are asked for on, so that it is
    /// met by policies for `GROUP:*` and `GROUP:log-stream:*`, and not by those for `GROUP`.
    #[must_use]
    pub fn stream_arn(&self, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.arn())
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Such as `2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef`.
    pub stream: Arc<str>,
    /// When the line was received.
    pub at: Timestamp,
    /// The line, without its line feed.
    pub message: String,
}

/// What is set for a group, once somebody has set something. Groups that functions alone have made have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Of which group.
    pub group: LogGroup,
    /// When the group was made.
    pub created: Timestamp,
    /// `STANDARD` or another of AWS's classes.
    pub class: String,
    /// For how long events are kept; as long as there is room, if this is none.
    pub retention_days: Option<u32>,
    /// Labels.
    pub tags: BTreeMap<String, String>,
}

/// How far a group was read, in the order in which it was written. The default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The file.
    pub file: u64,
    /// How much of it.
    pub offset: u64,
}

/// What of a group's events is handed on to a function, as they come: a subscription filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Of which group.
    pub group: LogGroup,
    /// Its name.
    pub name: String,
    /// Which events, as the customer wrote it.
    pub pattern: String,
    /// The function, perhaps with a version or an alias.
    pub destination: ResourceArn,
    /// `ByLogStream` or `Random`, which are the same for functions.
    pub distribution: String,
    /// When it was made.
    pub created: Timestamp,
    /// How far events were handed on: all before this are in the hands of deliveries.
    pub mark: Mark,
}

/// A stream that was made by itself, before anything was written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    /// In which group.
    pub group: LogGroup,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Which services may write to groups of an account in a region: one of several policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPolicy {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// The policy, as the customer wrote it.
    pub document: String,
    /// When it was written.
    pub updated: Timestamp,
}
