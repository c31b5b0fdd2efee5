//! What the repository does to itself: code generation, checks, the whole test run, the demonstration.
//!
//! `./x COMMAND` is the way in: it installs what is missing and then runs this program. Each command is one
//! module with a `run` function that takes the remaining arguments. Nothing here is part of the product, and
//! the product never depends on it.

mod codegen;
mod demo;
mod edges;
mod licence;
mod metadata;
mod repo;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

const HELP: &str = "\
Usage: ./x COMMAND

  demo                 build, start a server, deploy examples/thumbnail, run it on a photograph
  test                 everything that CI runs, stopping at the first failure
  tidy                 the repository's own rules about its sources, manifests and documents
  codegen [--check]    write the API types from botocore's model (or fail if they would change)
  bench [NAME…]        the measurements behind SPECIFICATION.md
  vm [OPTIONS] -- BINARY [ARGS…]
                       run a program as root on an emulated machine with a pure cgroup v2
  help                 this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match command {
        "demo" => demo::run(rest).map(|()| ExitCode::SUCCESS),
        "test" => test::run(rest).map(|()| ExitCode::SUCCESS),
        "tidy" => tidy::run(rest).map(|()| ExitCode::SUCCESS),
        "codegen" => codegen::run(rest).map(|()| ExitCode::SUCCESS),
        "bench" => repo::bench(rest).map(|()| ExitCode::SUCCESS),
        "vm" => vm::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => {
            eprint!("unknown command `{unknown}`\n\n{HELP}");
            Ok(ExitCode::from(2))
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("x {command}: {error:#}");
        ExitCode::FAILURE
    })
}
