//! AWS's bytes: the generated API types with their validation and routes, request signing, the error table and
//! the small text forms. What is read here is hostile until it has been read.
//!
//! This crate knows no storage, no process and no socket: requests and answers are values. Server and command
//! line share it, so they cannot disagree about a byte. Folder `generated` is written by `xtask codegen` and
//! shares no file with code written by hand.

pub mod error;
mod generated;
pub mod lambda;
pub mod percent;
pub mod rest_json;
pub mod sigv4;
pub mod time;
