//! The whole front over real HTTP, with the real store and control in a temporary directory. Only the engine is a
//! stand-in: it echoes, or fails as it is told.

// The names by which the rest of the workspace knows these crates.
extern crate dormouse_gateway as gateway;

mod access;
mod access_events;
mod access_iam;
mod access_registry;
mod access_senders;
mod audit;
mod auth;
mod bus;
mod cases;
mod client;
mod conformance;
mod ecr;
mod faults;
mod forms;
mod guarded;
mod invoke;
mod log_groups;
mod outside;
mod own;
mod queues;
mod registry;
mod seen;
mod serving;
mod stream;
mod sweeps;
mod topics;
mod world;
