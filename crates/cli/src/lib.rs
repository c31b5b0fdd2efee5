//! The commands of the dormouse binary that talk to a server: `deploy`, `invoke`, `list`, `logs`, `delete`.
//!
//! [`run`] does one command and says how to exit. The parts are public because `dormouse dev` uses the same
//! ones: [`package`] turns a folder into a zip and [`deployment`] brings it to a server.
//!
//! A command knows the server only through its HTTP API; it never opens a data directory, except to read the
//! root key that the server keeps there for exactly this purpose.

pub mod client;
mod command;
pub mod deployment;
mod error;
mod output;
pub mod package;

pub use command::{ClientCommand, run};
pub use error::CliError;
pub use output::{Output, Tone, counted, human_bytes, human_duration};
