//! The command line: what every command takes, and the dispatch to each.
//!
//! A command parses its own arguments, asks the server and prints; it returns an error instead of printing
//! one, so that all errors look alike and all exit codes are decided in one place.

mod delete;
mod deploy;
mod event;
mod invoke;
mod list;
mod logs;
mod queues;
mod runtimes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::CliError;
use crate::client::{Client, ENDPOINT_DEFAULT, Endpoint, Lookup};
use crate::output::Output;

/// The commands that talk to a server.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Create or update a function from a folder of code
    Deploy(deploy::DeployArgs),
    /// Run a function and print its answer
    Invoke(invoke::InvokeArgs),
    /// Show what has become of a queued event
    Event(event::EventArgs),
    /// Show how much waits in each queue
    Queues(queues::QueuesArgs),
    /// List the functions
    List(list::ListArgs),
    /// Print what a function wrote, and follow it
    Logs(logs::LogsArgs),
    /// Delete a function
    Delete(delete::DeleteArgs),
    /// List the languages that the server runs; add or remove one
    Runtimes(runtimes::RuntimesArgs),
}

/// Which server, as whom, and how to print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub struct Connection {
    /// Address of the server [env: AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL] [default: http://127.0.0.1:4566]
    #[arg(long, visible_alias = "endpoint-url", value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the functions [env: AWS_REGION, AWS_DEFAULT_REGION] [default: the profile's, or us-east-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Sign with this profile of the shared credentials file
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Sign with the root key that `dormouse serve` keeps in this data directory
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    data_dir: Option<PathBuf>,
    /// Print JSON for programs; errors are JSON on standard error
    #[arg(long)]
    json: bool,
}

impl Connection {
    fn output(&self) -> Output {
        Output::detect(self.json)
    }

    fn client(&self) -> Result<Client, CliError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = self.endpoint.clone().or_else(|| variable("AWS_ENDPOINT_URL_LAMBDA"));
        let named = named.or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = Endpoint::parse(named.as_deref().unwrap_or(ENDPOINT_DEFAULT))?;
        let lookup = Lookup {
            profile: self.profile.as_deref(),
            data_dir: self.data_dir.as_deref(),
            variable: &variable,
        };
        let credentials = lookup.credentials().map_err(crate::client::ClientError::from)?;
        let region = self.region.clone().unwrap_or_else(|| lookup.region());
        Ok(Client::new(endpoint, region, credentials))
    }
}

impl ClientCommand {
    fn connection(&self) -> &Connection {
        match self {
            Self::Deploy(args) => &args.connection,
            Self::Invoke(args) => &args.connection,
            Self::Event(args) => &args.connection,
            Self::Queues(args) => &args.connection,
            Self::List(args) => &args.connection,
            Self::Logs(args) => &args.connection,
            Self::Delete(args) => &args.connection,
            Self::Runtimes(args) => &args.connection,
        }
    }
}

/// Does one command, prints its result or its error, and says how to exit: 0 done, 1 failed, 2 wrong usage.
pub async fn run(command: ClientCommand) -> ExitCode {
    let output = command.connection().output();
    match dispatch(&command, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` has seen enough.
        Err(CliError::Output { source }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn dispatch(command: &ClientCommand, output: &Output) -> Result<(), CliError> {
    let client = command.connection().client()?;
    match command {
        ClientCommand::Deploy(args) => deploy::run(args, &client, output).await,
        ClientCommand::Invoke(args) => invoke::run(args, &client, output).await,
        ClientCommand::Event(args) => event::run(args, &client, output).await,
        ClientCommand::Queues(_) => queues::run(&client, output).await,
        ClientCommand::List(_) => list::run(&client, output).await,
        ClientCommand::Logs(args) => logs::run(args, &client, output).await,
        ClientCommand::Delete(args) => delete::run(args, &client, output).await,
        ClientCommand::Runtimes(args) => runtimes::run(args, &client, output).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: ClientCommand,
    }

    #[test]
    fn the_server_is_named_as_to_the_aws_cli_too() {
        for option in ["--endpoint", "--endpoint-url"] {
            let line = Line::try_parse_from(["dormouse", "list", option, "http://host:1"]).expect("legal");
            assert_eq!(line.command.connection().endpoint.as_deref(), Some("http://host:1"), "{option}");
        }
    }
}
