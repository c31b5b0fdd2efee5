//! What wakes functions without anybody waiting for their answer: asynchronous invocations, their retries and their
//! destinations.
//!
//! Stands on the durable queue and reaches functions through the ports of `model`; it knows neither the engine nor the
//! tables of functions. Everything accepted is on the disk before it is answered, and is run at least once.

mod asynchronous;

pub use asynchronous::{Asynchronous, Parts, Settings};
