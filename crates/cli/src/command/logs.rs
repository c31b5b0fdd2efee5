//! `dormouse logs`: what a function wrote, from the past and, with `--follow`, as it happens.
//!
//! The server sends one JSON document a line; with `--json` they are passed on as they are. A line without a time is the
//! server's own: it goes to standard error, and the last one says why a log is followed no more.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::Timestamp;
use model::limits::LOG_EVENT_BYTES_MAX;

use super::Connection;
use crate::CliError;
use crate::client::api::LogLine;
use crate::client::{Client, ClientError};
use crate::output::{Output, Tone};

/// One document: a message in which every byte is escaped, and the rest.
const DOCUMENT_BYTES_MAX: usize = LOG_EVENT_BYTES_MAX * 6 + 4 * 1024;

const EXAMPLES: &str = "\
Examples:
  dormouse logs hello
  dormouse logs hello --since 10m --limit 100
  dormouse logs hello --follow
  dormouse logs hello --json | jq -r 'select(.message | startswith(\"REPORT\")) | .message'";

/// `dormouse logs NAME`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// Name of the function
    name: String,
    /// How far back to begin, such as 30s, 10m, 2h or 7d [default: the last lines there are]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    since: Option<Duration>,
    /// How many lines of the past at most
    #[arg(long, value_name = "LINES")]
    limit: Option<u32>,
    /// Go on with what the function writes from now
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Parses `90`, `90s`, `10m`, `2h` and `7d`.
fn span(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "expected a span such as 30s, 10m, 2h or 7d";
    let (digits, unit_s) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        _ => (text, 1),
    };
    let count: u64 = digits.parse().map_err(|_| WANTED)?;
    count.checked_mul(unit_s).map(Duration::from_secs).ok_or(WANTED)
}

pub(super) async fn run(args: &LogsArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    let since_ms = args.since.map(|since| {
        let now = Timestamp::now().as_millisecond();
        now.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    let body = client.logs(&args.name, since_ms, args.limit, args.follow).await?;
    let mut lines = Lines { body, pending: BytesMut::new(), ended: false };
    let mut told: Option<String> = None;
    while let Some(line) = lines.next(client).await? {
        if let Some(words) = told.take().filter(|_| !output.is_json()) {
            output.note(&words);
        }
        told = print(&line, client, output)?;
    }
    if !args.follow {
        return Ok(());
    }
    let reason = told.unwrap_or_else(|| "the server has ended the answer".to_owned());
    Err(CliError::Unfollowed { reason })
}

/// Prints an event; gives back what the server says of its own.
fn print(text: &[u8], client: &Client, output: &Output) -> Result<Option<String>, CliError> {
    if text.is_empty() {
        return Ok(None);
    }
    if output.is_json() {
        output.line(&String::from_utf8_lossy(text))?;
    }
    let LogLine { timestamp, message, .. } = client.decode("ReadLogs", text)?;
    let Some(millis) = timestamp else { return Ok(Some(message)) };
    if !output.is_json() {
        let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = output.paint(Tone::Dim, &time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
        output.line(&format!("{time} {}", message.trim_end_matches(['\n', '\r'])))?;
    }
    Ok(None)
}

/// Cuts a body that may never end into lines.
struct Lines {
    body: Incoming,
    pending: BytesMut,
    ended: bool,
}

impl Lines {
    async fn next(&mut self, client: &Client) -> Result<Option<Bytes>, ClientError> {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| client.broken("ReadLogs", source);
        let mut searched = 0;
        loop {
            if let Some(at) = self.pending[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.pending.split_to(searched + at + 1).freeze();
                return Ok(Some(line.slice(..line.len() - 1)));
            }
            if self.ended {
                let rest = self.pending.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            searched = self.pending.len();
            if searched > DOCUMENT_BYTES_MAX {
                return Err(broken("a line of the answer is too long".into()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => return Err(broken(source.into())),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let seconds = |text| span(text).ok().map(|span| span.as_secs());
        for (text, expect) in [("90", 90), ("30s", 30), ("10m", 600), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(seconds(text), Some(expect), "{text}");
        }
        for text in ["", "m", "1w", "-5m", "1.5h", "99999999999999999d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
