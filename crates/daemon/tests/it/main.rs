//! Whole-server tests: the real binary, real sandboxes, real interpreters and real clients.
//!
//! They need what `./x` installs: the interpreters, and a virtual environment with boto3 and the AWS CLI. Where
//! these are missing a test fails and says so, because a test that passes without running proves nothing.

mod capacity;
mod clients;
mod commands;
mod conformance;
mod dev;
mod harness;
mod native;
mod runtimes;
mod start_stop;
