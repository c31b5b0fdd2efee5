//! How many invocations of a function may run at once, as its owner reserved it.
//!
//! Source: Lambda Developer Guide, "Configuring reserved concurrency for a function".

use crate::arn::FunctionId;

/// Reserved concurrency: taken from the account's, kept for one function, and its upper bound. Zero stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedConcurrency {
    /// The function, with all its versions.
    pub function: FunctionId,
    /// Invocations at once.
    pub executions: u32,
}
