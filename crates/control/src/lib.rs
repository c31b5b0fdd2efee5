//! What the operations of the API mean: functions and their packages, layers, code signing, tags, who is calling and
//! what they may do, and the logs that functions leave.
//!
//! Everything in memory is a copy of what `store` made durable. This crate knows no socket, no HTTP and no sandbox:
//! it takes and gives domain types, reaches the engine through ports, and says no with `ServiceError`. The one JSON
//! that it reads is that of policies ([`policy`]): a language whose meaning lives here.

pub mod access;
pub mod capacity;
pub mod code_signing;
mod durable;
pub mod event_source;
pub mod function;
pub mod iam;
pub mod identity;
pub mod layer;
pub mod link;
pub mod logs;
mod marker;
pub mod package;
pub mod permission;
pub use ::policy;
pub mod tags;

pub(crate) use store::records::table;
