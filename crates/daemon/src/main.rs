//! The dormouse binary: the command line, the two servers (`serve` and `dev`), and the composition of all parts.
//!
//! `compose` is the only place that knows every crate. `launch` does what must happen before the first thread
//! exists; `server` runs and stops; `config` is the table of settings. The commands that talk to a server are
//! the crate `cli`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod compose;
mod config;
mod dev;
mod event_services;
mod gauges;
mod images;
mod launch;
mod porter;
mod root_key;
mod runtime_images;
mod server;
mod system;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cli::ClientCommand;

const EXAMPLES: &str = "\
Examples:
  dormouse dev                     serve the functions of this folder while they are being written
  dormouse deploy hello            create or update a function from a folder
  dormouse invoke hello --tail     run it
  sudo dormouse serve              run a server for others, with every request verified

AWS's own tools work too, with any credentials under `dev`:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws lambda list-functions";

/// AWS Lambda functions, unmodified, on your own machines.
#[derive(Debug, Parser)]
#[command(name = "dormouse", version, after_help = EXAMPLES, max_term_width = 110)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one value exists, for as long as the process")]
enum Command {
    /// Run the server
    Serve(server::ServeArgs),
    /// Run a server for the code you are working on: loopback only, any credentials, reloaded on change
    Dev(dev::DevArgs),
    #[command(flatten)]
    Client(ClientCommand),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve(args) => server::serve(args),
        Command::Dev(args) => dev::dev(args),
        Command::Client(command) => client(command),
    }
}

/// One thread is plenty for a command.
fn client(command: ClientCommand) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(command)),
        Err(error) => {
            trace::print(&format!("error: cannot start the async runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        for command in CommandLine::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example"), "{} has no examples", command.get_name());
            assert!(command.get_about().is_some(), "{} says nothing about itself", command.get_name());
        }
    }
}
