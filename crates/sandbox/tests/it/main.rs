//! Real sandboxes on this machine, from the server's side of the API.
//!
//! The keeper has to be forked before any thread exists, so this binary has its own `main` instead of the
//! standard harness. Most tests share one keeper; those about keepers themselves run this binary again in
//! another role (`role.rs`), as do those that need a hostile program inside. `SANDBOX_TESTS=core` leaves
//! out what needs an interpreter, for machines that have nothing but a shell.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the right answer to every surprise")]

mod basic;
mod image;
mod interpreters;
mod isolation;
mod leftovers;
mod limits;
mod network;
mod porter;
mod probe;
mod role;
mod shared;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use world::World;

fn main() -> ExitCode {
    if let Some(code) = role::play() {
        return code;
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let world = World::start();
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&world)));
    world.end();
    conclusion.exit_code()
}

/// All tests; without a world they can be listed but not run.
fn trials(world: Option<&World>) -> Vec<Trial> {
    let mut trials = Vec::new();
    basic::add_to(&mut trials, world);
    isolation::add_to(&mut trials, world);
    image::add_to(&mut trials, world);
    shared::add_to(&mut trials, world);
    porter::add_to(&mut trials, world);
    limits::add_to(&mut trials, world);
    network::add_to(&mut trials, world);
    leftovers::add_to(&mut trials, world);
    if std::env::var("SANDBOX_TESTS").as_deref() != Ok("core") {
        interpreters::add_to(&mut trials, world);
    }
    trials
}
