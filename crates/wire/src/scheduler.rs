//! Amazon EventBridge Scheduler: the generated types, operations and errors.
//!
//! What the operations mean is not known here.

pub use crate::generated::scheduler::*;
