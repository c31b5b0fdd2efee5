//! `dormouse event`: what has become of an event that was queued, by the id of the request that brought it.
//!
//! The server's word is passed on as it is; an event that has failed is no failure of this command.

use clap::Args;

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::output::{Output, Tone};

const EXAMPLES: &str = "\
The status is queued, running, or how the event ended: Success, RetriesExhausted, EventAgeExceeded,
RecursiveInvocation or FunctionNotFound. Of events that have ended, the newest are known.

Examples:
  dormouse event 9f0b1c2e-5a1b-4c1d-8e2f-0a1b2c3d4e5f
  dormouse event \"$(dormouse invoke hello --async)\" --json";

/// `dormouse event REQUEST_ID`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EventArgs {
    /// The id of the request that brought the event
    request_id: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn run(args: &EventArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    let fate = client.event(&args.request_id).await?;
    if output.is_json() {
        return output.json(&fate);
    }
    let tone = match fate.status.as_str() {
        "Success" => Tone::Good,
        _ => Tone::Dim,
    };
    let failed = match fate.failed_attempts {
        0 => String::new(),
        1 => ", 1 attempt failed".to_owned(),
        more => format!(", {more} attempts failed"),
    };
    output.line(&format!(
        "{} {}, since {}{failed}",
        output.paint(tone, &fate.status),
        fate.function_arn,
        fate.at
    ))
}
