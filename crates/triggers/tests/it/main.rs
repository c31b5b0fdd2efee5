//! Asynchronous invocations on the real durable queue. Functions are a stand-in that fails, is slow or finds no
//! concurrency as it is told.
//!
//! With real functions they are tested by the whole-server tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asynchronous;
mod stand_in;
