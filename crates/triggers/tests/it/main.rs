//! Asynchronous invocations and deliveries on the real durable queue. Functions and targets are stand-ins that fail, are
//! slow, find no concurrency or are away as they are told.
//!
//! With real functions they are tested by the whole-server tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asynchronous;
mod delivery;
mod event_source;
mod schedule;
mod stand_in;
mod targets;
