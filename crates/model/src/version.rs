//! Published versions: which number comes next.
//!
//! Source: Lambda Developer Guide, "Manage Lambda function versions": a number is never used again, not even when its
//! version is deleted.

use crate::arn::FunctionId;

/// The number of a function's newest version, where that version has been deleted. As long as it is there, it says its
/// number itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastVersion {
    /// The function.
    pub function: FunctionId,
    /// The highest number that a version of it ever had.
    pub number: u64,
}
