//! AWS Identity and Access Management's API: the generated types, operations and errors.
//!
//! A server finds the operation with [`route`], reads and checks its input with [`Input::accept`], writes the answer
//! with [`query::Output::reply`](crate::query::Output::reply) and errors with
//! [`query::error_reply`](crate::query::error_reply).

pub use crate::generated::iam::*;
