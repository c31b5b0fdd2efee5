//! AWS Security Token Service's API: the generated types, operations and errors, used as those of [`crate::iam`].
//!
//! What the operations mean, and which credentials are given out, is not known here.
//! Both services speak [`crate::query`].

pub use crate::generated::sts::*;
