//! Amazon Simple Queue Service: the generated types, operations and errors.
//!
//! What the operations mean is not known here.

pub use crate::generated::sqs::*;
