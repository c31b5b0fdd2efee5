//! How many invocations of a function may run at once, as its owner reserved it, and how many environments are kept ready
//! for them.
//!
//! Source: Lambda Developer Guide, "Configuring reserved concurrency for a function" and "Configuring provisioned
//! concurrency for a function".

use crate::arn::FunctionId;
use crate::name::Qualifier;
use crate::time::Timestamp;

/// Reserved concurrency: taken from the account's, kept for one function, and its upper bound. Zero stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedConcurrency {
    /// The function, with all its versions.
    pub function: FunctionId,
    /// Invocations at once.
    pub executions: u32,
}

/// Provisioned concurrency of a version, or of what an alias stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedConcurrency {
    /// Whose version or alias it is.
    pub function: FunctionId,
    /// A published version or an alias.
    pub qualifier: Qualifier,
    /// Environments that are kept initialised; at least one.
    pub executions: u32,
    /// When the owner last said so.
    pub modified: Timestamp,
}
