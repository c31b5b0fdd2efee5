//! What happens without anybody waiting for an answer: asynchronous invocations with their retries, deliveries to
//! destinations and to the targets of rules, topics and schedules, the pollers of event source mappings, and the timer.
//!
//! Stands on the durable queue and reaches functions through the ports of `model`; it knows neither the engine nor the
//! tables of functions. Everything accepted is on the disk before it is answered, and is run at least once.

mod asynchronous;
mod delivery;
mod event_source;
mod framed;
mod lines;
mod pace;
mod schedule;
mod tasks;

pub use asynchronous::{Asynchronous, Parts, Settings};
pub use delivery::Delivering;
pub use event_source::{EventSources, SourceParts};
pub use schedule::Timekeeper;
