//! Execution environments: made, initialised, invoked, frozen and removed here, in real sandboxes.
//!
//! The path of an invocation: [`Engine`] counts it against the account, its `pool` hands out the newest idle
//! environment or puts it in line while `place` makes one from its `contents`, the `environment` delivers it to the
//! runtime and the extensions through the `api` inside, and closes its lease. The lifecycle's rules are `model::lifecycle`; this crate performs the
//! effects. It knows neither the API in front of it nor the storage behind its ports.

mod api;
mod concurrency;
mod contents;
mod engine;
mod environment;
mod host;
mod line;
mod place;
mod pool;
mod provision;
mod runtimes;
#[cfg(test)]
mod samples;
mod telemetry;
mod variables;

pub use engine::{Engine, EngineConfig, Parts};
pub use host::{Cell, Host, PlatformEndpoint};
pub use runtimes::{Catalogue, CatalogueError};
