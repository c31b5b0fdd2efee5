//! The front door: listening, telling callers apart, routing each request to its operation, and answering in
//! AWS's bytes.
//!
//! A request's way: [`server`] reads it within bounds, [`app`] finds the service, `auth` finds out who asks (and
//! `site` which web page, where nobody signs),
//! `lambda` performs the operation and `own` what Dormouse adds under `/_dormouse/`. What the operations mean is
//! `control`'s; how functions run is behind the `Invoke` port. This crate stores nothing and starts nothing.

mod app;
mod auth;
mod body;
mod lambda;
mod metrics;
mod own;
mod respond;
mod server;
mod service;
mod site;

pub use app::{About, Gauge, Parts};
pub use server::Gateway;
