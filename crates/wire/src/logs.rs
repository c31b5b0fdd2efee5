//! Amazon CloudWatch Logs: the generated types, operations and errors.
//!
//! What the operations mean is not known here.

pub use crate::generated::logs::*;
