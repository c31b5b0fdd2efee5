//! `dormouse list`: a table for people, one document for programs. All pages are read before anything is printed,
//! so that a failure never looks like a short list.

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::client::api::FunctionConfiguration;
use crate::output::{Output, human_bytes};

const EXAMPLES: &str = "\
Examples:
  dormouse list
  dormouse list --region eu-central-1 --json | jq -r '.functions[].name'";

/// Pages read at most; the server's own limit of functions is far lower.
const PAGES_MAX: usize = 100_000;

/// `dormouse list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn run(client: &Client, output: &Output) -> Result<(), CliError> {
    let functions = all(client).await?;
    if output.is_json() {
        return output.json(&Document { functions: functions.iter().map(Row::of).collect() });
    }
    if functions.is_empty() {
        output.note("there are no functions here yet; `dormouse deploy DIR` makes one");
        return Ok(());
    }
    output.line(&table(&functions).trim_fmt())
}

async fn all(client: &Client) -> Result<Vec<FunctionConfiguration>, CliError> {
    let (mut all, mut marker) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (page, next) = client.list(marker).await?;
        all.extend(page);
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    Ok(all)
}

fn table(functions: &[FunctionConfiguration]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NAME", "RUNTIME", "MEMORY", "TIMEOUT", "CODE", "MODIFIED"]);
    for function in functions {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(&function.function_name),
            Cell::new(function.runtime.as_deref().unwrap_or("-")),
            right(format!("{} MB", function.memory_size)),
            right(format!("{} s", function.timeout)),
            right(human_bytes(function.code_size)),
            // Seconds are enough for people: 2026-11-23T15:00:00.000+0000.
            Cell::new(function.last_modified.get(..19).unwrap_or(&function.last_modified)),
        ]);
    }
    table
}

/// The stable JSON form of the list.
#[derive(Serialize)]
struct Document<'a> {
    functions: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    arn: &'a str,
    runtime: Option<&'a str>,
    handler: Option<&'a str>,
    memory_mb: u32,
    timeout_s: u32,
    code_bytes: u64,
    last_modified: &'a str,
}

impl<'a> Row<'a> {
    fn of(function: &'a FunctionConfiguration) -> Self {
        Self {
            name: &function.function_name,
            arn: &function.function_arn,
            runtime: function.runtime.as_deref(),
            handler: function.handler.as_deref(),
            memory_mb: function.memory_size,
            timeout_s: function.timeout,
            code_bytes: function.code_size,
            last_modified: &function.last_modified,
        }
    }
}
