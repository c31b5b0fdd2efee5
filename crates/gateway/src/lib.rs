//! The front door: listening, telling callers apart, routing each request to its operation, and answering in
//! AWS's bytes.
//!
//! A request's way: [`server`] reads it within bounds, [`app`] finds the service, `auth` finds out who asks (and
//! `site` which web page, where nobody signs),
//! `lambda`, `json` or `query` performs the operation, `url` passes it on to a function, `registry` lets container tools in, and `own` is what Dormouse adds under
//! `/_dormouse/`. What the operations mean is `control`'s and `services`'; how functions run is behind the `Invoke` port. This crate stores nothing and starts nothing.

mod app;
mod audit;
mod auth;
mod body;
mod facts;
mod json;
mod lambda;
mod metrics;
mod own;
mod query;
mod registry;
mod respond;
mod rest;
mod server;
mod service;
mod site;
mod throttle;
mod url;

pub use app::{About, Gauge, Parts, RegistryDoor};
pub use own::{RuntimeAdmin, RuntimeSource};
pub use server::Gateway;
