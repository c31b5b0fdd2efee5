//! `dormouse runtimes`: which languages the server can run, and with what; adding and removing them.
//!
//! What adding means is the server's business; this file only says where the runtime is, and shows what came of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::client::api::{RuntimeEntry, RuntimePlace};
use crate::output::{Output, Tone};

const EXAMPLES: &str = "\
Examples:
  dormouse runtimes
  dormouse runtimes add ruby3.3 --path /opt/ruby-3.3
  dormouse runtimes add python3.13 --image public.ecr.aws/lambda/python:3.13
  dormouse runtimes remove ruby3.3";

/// `dormouse runtimes [add|remove]`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RuntimesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a runtime from a directory or an image, in place of what serves it now
    Add(AddArgs),
    /// Forget an added runtime
    Remove {
        /// Such as ruby3.3
        name: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "place")]
struct Place {
    /// Directory on the server's machine that holds the interpreter, such as DIR/bin/ruby
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Image that holds the runtime with its own client of the Runtime API, such as a vendor's base image
    #[arg(long, value_name = "REF")]
    image: Option<String>,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The identifier that functions use, such as ruby3.3
    name: String,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: &RuntimesArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    match &args.action {
        None => list(client, output).await,
        Some(Action::Add(add)) => {
            let place = match (&add.place.path, &add.place.image) {
                (Some(path), _) => {
                    RuntimePlace::Path(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
                }
                (None, image) => RuntimePlace::Image(image.clone().unwrap_or_default()),
            };
            let effect = client.add_runtime(&add.name, &place).await?;
            if output.is_json() {
                return output.json(&serde_json::json!({ "added": add.name, "effect": effect }));
            }
            output.line(&format!("{} {}", output.paint(Tone::Good, "Added"), add.name))?;
            if effect == "next-start" {
                output.note("functions can use it when the server is started again");
            }
            Ok(())
        }
        Some(Action::Remove { name }) => {
            client.remove_runtime(name).await?;
            if output.is_json() {
                return output.json(&serde_json::json!({ "removed": name }));
            }
            output.line(&format!("{} {name}", output.paint(Tone::Good, "Removed")))
        }
    }
}

async fn list(client: &Client, output: &Output) -> Result<(), CliError> {
    let runtimes = client.runtimes().await?;
    if output.is_json() {
        return output.json(&serde_json::json!({ "runtimes": runtimes }));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NAME", "VERSION", "FROM"]);
    for runtime in &runtimes {
        table.add_row([
            runtime.name.clone(),
            runtime.version.clone().unwrap_or_else(|| "-".to_owned()),
            from(runtime),
        ]);
    }
    output.line(&table.trim_fmt())
}

fn from(runtime: &RuntimeEntry) -> String {
    let place = [&runtime.image, &runtime.interpreter, &runtime.directory].into_iter().flatten().next();
    let place = place.map_or_else(|| "the function's package".to_owned(), Clone::clone);
    if runtime.ready { place } else { format!("{place} (when the server is started again)") }
}
