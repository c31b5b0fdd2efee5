//! AWS Security Token Service's API: the generated types, operations and errors, used as those of [`crate::iam`].

pub use crate::generated::sts::*;
