//! `dormouse delete`: at once and without a question, as scripts need it. What the function wrote stays, as at
//! AWS.

use clap::Args;

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::output::{Output, Tone};

const EXAMPLES: &str = "\
Running invocations end first. What the function wrote stays readable with `dormouse logs`.

Examples:
  dormouse delete hello
  dormouse delete arn:aws:lambda:us-east-1:000000000000:function:hello";

/// `dormouse delete NAME`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeleteArgs {
    /// Name, partial ARN or ARN of the function
    name: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn run(args: &DeleteArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    client.delete(&args.name).await?;
    if output.is_json() {
        return output.json(&serde_json::json!({ "deleted": args.name }));
    }
    output.line(&format!("{} {}", output.paint(Tone::Good, "Deleted"), args.name))
}
