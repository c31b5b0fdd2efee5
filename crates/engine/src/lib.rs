//! Execution environments: made, initialised, invoked, frozen and removed here, in real sandboxes.
//!
//! The path of an invocation: [`Engine`] counts it against the account, its `pool` hands out the newest idle
//! environment or puts it in line while `place` makes one, the `environment` delivers it to the runtime through
//! the Runtime API and closes its lease. The lifecycle's rules are `model::lifecycle`; this crate performs the
//! effects. It knows neither the API in front of it nor the storage behind its ports.

mod concurrency;
mod engine;
mod environment;
mod host;
mod line;
mod place;
mod pool;
mod runtime_api;
mod runtimes;
mod variables;

pub use engine::{Engine, EngineConfig, Parts};
pub use host::{Cell, Host, PlatformEndpoint};
pub use runtimes::{Catalogue, CatalogueError};
