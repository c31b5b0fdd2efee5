//! Control on a real store in a temporary directory; only the engine's side of the ports is a stand-in.

// The name by which the rest of the workspace knows this crate.
extern crate dormouse_control as control;

mod functions;
mod packages;
mod world;
