//! How a function is looked after: when its runtime is updated, and what happens when it invokes itself in a circle.
//!
//! Source: Lambda API reference, `PutRuntimeManagementConfig` and `PutFunctionRecursionConfig`.

use crate::arn::FunctionId;

/// When the runtime of one version is updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeManagement {
    /// The function.
    pub function: FunctionId,
    /// The version: `$LATEST` or a number.
    pub qualifier: String,
    /// When.
    pub updates: RuntimeUpdates,
}

/// `UpdateRuntimeOn`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RuntimeUpdates {
    /// Whenever there is a newer one.
    #[default]
    Auto,
    /// With the function.
    FunctionUpdate,
    /// Never: it stays at the runtime version of this ARN.
    Manual(String),
}

/// What happens when a function is found to invoke itself in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recursion {
    /// The function, with all its versions.
    pub function: FunctionId,
    /// Whether that is allowed; else the circle is broken, which is the default.
    pub is_allowed: bool,
}
