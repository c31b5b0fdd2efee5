//! `dormouse invoke`: the answer goes to standard output as it came, everything about the run to standard error.
//! A payload that is not JSON never leaves this machine. Of an event that was queued, the request id is printed instead.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use model::limits::{CLIENT_CONTEXT_BYTES_MAX, PAYLOAD_SYNC_BYTES_MAX};
use serde::Serialize;

use super::Connection;
use crate::CliError;
use crate::client::Client;
use crate::client::api::{InvokeAnswer, InvokeRequest};
use crate::output::{Output, Tone, human_bytes, human_duration};

const EXAMPLES: &str = "\
The exit code is 1 when the function fails; its error is then the answer.

Examples:
  dormouse invoke hello
  dormouse invoke hello --payload '{\"name\": \"Ada\"}' --tail
  dormouse invoke thumbnail --payload-file event.json > answer.json
  jq -n '{n: 3}' | dormouse invoke fib --payload -
  dormouse event \"$(dormouse invoke hello --async)\"
  dormouse invoke hello --json | jq .phases_us";

/// `dormouse invoke NAME`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InvokeArgs {
    /// Name, partial ARN or ARN of the function
    name: String,
    /// The event: JSON, @FILE, or - for standard input [default: {}]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    payload: Option<String>,
    /// Read the event from a file
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    payload_file: Option<PathBuf>,
    /// Version or alias
    #[arg(long)]
    qualifier: Option<String>,
    /// Data about the calling application, as the function's context shows it
    #[arg(long, value_name = "JSON")]
    client_context: Option<String>,
    /// Print the end of the invocation's log too
    #[arg(long)]
    tail: bool,
    /// Queue the event instead of waiting for the answer, and print its request id
    #[arg(long = "async", conflicts_with = "tail")]
    queue: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn run(args: &InvokeArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    if let Some(context) = &args.client_context {
        check_context(context)?;
    }
    let request = InvokeRequest {
        function: args.name.clone(),
        qualifier: args.qualifier.clone(),
        payload: payload(args)?,
        client_context: args.client_context.clone(),
        tail: args.tail,
        queue: args.queue,
    };
    let answer = client.invoke(request).await?;
    if output.is_json() {
        output.json(&Document::of(&answer))?;
    } else if args.queue {
        output.line(answer.request_id.as_deref().unwrap_or_default())?;
    } else {
        narrate(&answer, output);
        output.raw(&answer.payload)?;
    }
    match answer.function_error {
        None => Ok(()),
        Some(kind) => Err(CliError::FunctionFailed { kind }),
    }
}

/// The event, checked where it was typed so that a typo is not mistaken for the function's failure.
fn payload(args: &InvokeArgs) -> Result<Bytes, CliError> {
    let text = match (&args.payload, &args.payload_file) {
        (None, None) => return Ok(Bytes::from_static(b"{}")),
        (Some(text), _) if text == "-" => read(Path::new("-"))?,
        (Some(text), _) => match text.strip_prefix('@') {
            Some(file) => read(Path::new(file))?,
            None => text.clone().into_bytes(),
        },
        (None, Some(file)) => read(file)?,
    };
    if text.len() > PAYLOAD_SYNC_BYTES_MAX {
        let most = human_bytes(PAYLOAD_SYNC_BYTES_MAX as u64);
        return Err(CliError::usage(format!("the payload is larger than {most}"), None));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
        let help = "quote the JSON for the shell, or give a file with --payload-file FILE";
        return Err(CliError::usage(format!("the payload is not JSON: {error}"), Some(help)));
    }
    Ok(text.into())
}

/// Reads a file, or standard input for `-`, up to just above what may be sent.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut content = Vec::new();
    let most = PAYLOAD_SYNC_BYTES_MAX as u64 + 1;
    let result = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut content)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut content))
    };
    result.map_err(|source| CliError::Payload { path: path.to_owned(), source })?;
    Ok(content)
}

fn check_context(context: &str) -> Result<(), CliError> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(context) {
        return Err(CliError::usage(format!("--client-context is not JSON: {error}"), None));
    }
    if context.len().div_ceil(3) * 4 > CLIENT_CONTEXT_BYTES_MAX {
        let most =
            format!("--client-context is too long: at most {CLIENT_CONTEXT_BYTES_MAX} bytes as Base64");
        return Err(CliError::usage(most, None));
    }
    Ok(())
}

/// Log, start and phases, to standard error.
fn narrate(answer: &InvokeAnswer, output: &Output) {
    if let Some(log) = &answer.log {
        output.note(String::from_utf8_lossy(log).trim_end());
    }
    let mut parts: Vec<String> = answer.start.iter().map(|start| format!("{start} start")).collect();
    let told = answer.phases.iter().filter(|(_, micros)| *micros > 0);
    parts.extend(
        told.map(|(name, micros)| format!("{name} {}", human_duration(Duration::from_micros(*micros)))),
    );
    if !parts.is_empty() {
        output.note(&output.paint_err(Tone::Dim, &parts.join(" · ")));
    }
}

/// The stable JSON form of an answer.
#[derive(Serialize)]
struct Document<'a> {
    status: u16,
    function_error: Option<&'a str>,
    executed_version: Option<&'a str>,
    request_id: Option<&'a str>,
    start: Option<&'a str>,
    /// Microseconds by phase.
    phases_us: serde_json::Map<String, serde_json::Value>,
    log: Option<String>,
    /// The answer as JSON, or as text where it is none.
    payload: serde_json::Value,
}

impl<'a> Document<'a> {
    fn of(answer: &'a InvokeAnswer) -> Self {
        let text = || serde_json::Value::String(String::from_utf8_lossy(&answer.payload).into_owned());
        Self {
            status: answer.status,
            function_error: answer.function_error.as_deref(),
            executed_version: answer.executed_version.as_deref(),
            request_id: answer.request_id.as_deref(),
            start: answer.start.as_deref(),
            phases_us: answer.phases.iter().map(|(name, micros)| (name.clone(), (*micros).into())).collect(),
            log: answer.log.as_deref().map(|log| String::from_utf8_lossy(log).into_owned()),
            payload: serde_json::from_slice(&answer.payload).unwrap_or_else(|_| text()),
        }
    }
}
