//! `dormouse queues`: what waits, queue by queue. All pages are read before anything is printed, as by
//! `dormouse list`; queues that hold nothing are not told.

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::client::api::Backlog;
use crate::output::Output;

const EXAMPLES: &str = "\
What waits is either of a function that is invoked asynchronously (async), on its way to a target, a destination or
a dead-letter queue (deliver), or in a queue of SQS (sqs). In flight is what has been handed out, or has failed and
rests before its next attempt.

Examples:
  dormouse queues
  dormouse queues --json | jq '[.queues[].waiting] | add'";

/// Pages read at most, of a hundred queues each.
const PAGES_MAX: usize = 10_000;

/// `dormouse queues`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QueuesArgs {
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// The stable JSON form.
#[derive(Serialize)]
struct Document {
    queues: Vec<Backlog>,
}

pub(super) async fn run(client: &Client, output: &Output) -> Result<(), CliError> {
    let queues = all(client).await?;
    if output.is_json() {
        return output.json(&Document { queues });
    }
    if queues.is_empty() {
        output.note("nothing waits");
        return Ok(());
    }
    output.line(&table(&queues).trim_fmt())
}

async fn all(client: &Client) -> Result<Vec<Backlog>, CliError> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (page, next) = client.queues(after.as_deref()).await?;
        all.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok(all)
}

fn table(queues: &[Backlog]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["PURPOSE", "NAME", "WAITING", "IN FLIGHT", "DELAYED", "OLDEST"]);
    for queue in queues {
        let right = |count: u64| Cell::new(count).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(&queue.purpose),
            Cell::new(&queue.name),
            right(queue.waiting),
            right(queue.in_flight),
            right(queue.delayed),
            Cell::new(queue.oldest_at.as_deref().unwrap_or("-")),
        ]);
    }
    table
}
