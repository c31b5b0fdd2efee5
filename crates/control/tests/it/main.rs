//! Control on a real store in a temporary directory.
//!
//! Only the engine's side of the ports is a stand-in: one that knows a runtime and remembers what was retired.
//! Nothing here speaks HTTP; that is the gateway's part.

// The name by which the rest of the workspace knows this crate.
extern crate dormouse_control as control;

mod functions;
mod iam;
mod images;
mod layers;
mod managed;
mod meanwhile;
mod outside;
mod packages;
mod provisioned;
mod revisions;
mod settings;
mod target;
mod versions;
mod world;
