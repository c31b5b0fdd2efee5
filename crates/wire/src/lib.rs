//! AWS's bytes: the generated API types with their validation and routes, request signing, the error table and
//! the small text forms. What is read here is hostile until it has been read.
//!
//! This crate knows no storage, no process and no socket: requests and answers are values. Server and command
//! line share it, so they cannot disagree about a byte. Folder `generated` is written by `xtask codegen` and
//! shares no file with code written by hand.

pub mod check;
pub mod ecr;
pub mod error;
pub mod event_stream;
pub mod events;
pub mod failure;
mod generated;
pub mod iam;
pub mod json;
pub mod json_rpc;
pub mod lambda;
pub mod logs;
mod message;
pub mod percent;
pub mod query;
mod redacted;
pub mod rest_json;
pub mod scheduler;
pub mod sigv4;
pub mod sns;
pub mod sqs;
pub mod sts;
pub mod time;
