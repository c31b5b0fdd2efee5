//! Log events as CloudWatch Logs has them: a group per function, a stream per environment, a time and a message.
//!
//! Only their shape: where lines are cut, kept and dropped is decided by who writes and who stores them.

use std::sync::Arc;

use crate::arn::Scope;
use crate::time::Timestamp;

/// Where events go: a group within a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogGroup {
    /// Account and region.
    pub scope: Scope,
    /// Such as `/aws/lambda/hello`.
    pub name: String,
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
