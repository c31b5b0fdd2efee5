//! What happens without anybody waiting for an answer: asynchronous invocations with their retries, and deliveries to
//! destinations and to the targets of rules, topics and schedules.
//!
//! Stands on the durable queue and reaches functions through the ports of `model`; it knows neither the engine nor the
//! tables of functions. Everything accepted is on the disk before it is answered, and is run at least once.

mod asynchronous;
mod delivery;
mod lines;

pub use asynchronous::{Asynchronous, Parts, Settings};
pub use delivery::{Delivering, ENDPOINTS};
