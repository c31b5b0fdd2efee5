//! What a command prints: results to standard output, everything about their making to standard error.
//!
//! Colours and bars appear only on a terminal (and never with `NO_COLOR`); with `--json` a command prints one
//! JSON document, or one a line where it is a stream, and its errors are JSON too. A reader that closes the
//! pipe ends the command quietly.

use std::error::Error as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::CliError;

/// Where and how a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    colour_out: bool,
    colour_err: bool,
}

/// How a piece of text is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Names and headings.
    Strong,
    /// Of little importance.
    Dim,
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// Advice.
    Hint,
}

impl Tone {
    const fn escape(self) -> &'static str {
        match self {
            Self::Strong => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[1;31m",
            Self::Hint => "\x1b[36m",
        }
    }
}

impl Output {
    /// Looks at the terminal and the environment.
    #[must_use]
    pub fn detect(json: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let allowed = !set("NO_COLOR") && !dumb;
        Self {
            json,
            colour_out: allowed && io::stdout().is_terminal(),
            colour_err: allowed && io::stderr().is_terminal(),
        }
    }

    /// Whether the command speaks to a program.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Text for standard output.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.colour_out, tone, text)
    }

    /// Text for standard error.
    #[must_use]
    pub fn paint_err(&self, tone: Tone, text: &str) -> String {
        painted(self.colour_err, tone, text)
    }

    /// Prints a line of the result.
    pub fn line(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        Ok(writeln!(out, "{text}").and_then(|()| out.flush())?)
    }

    /// Prints bytes as they are; on a terminal, a line feed follows so that the prompt stays in place.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        if io::stdout().is_terminal() && !bytes.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Prints one JSON document on one line.
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        self.line(&text)
    }

    /// Says something about the work, to standard error. Nobody is helped by a failure to do so.
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Prints an error, its causes and its remedy.
    pub fn error(&self, error: &CliError) {
        if self.json {
            let document = serde_json::json!({
                "error": { "code": error.code(), "message": with_causes(error), "help": error.help() }
            });
            return self.note(&document.to_string());
        }
        self.note(&format!("{} {}", self.paint_err(Tone::Bad, "error:"), with_causes(error)));
        if let Some(help) = error.help() {
            self.note(&format!("{} {help}", self.paint_err(Tone::Hint, " help:")));
        }
    }

    /// A bar of `total` bytes, hidden when nobody watches.
    #[must_use]
    pub fn bar(&self, what: &'static str, total: u64) -> ProgressBar {
        let target = if self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{msg:>10} [{bar:32}] {bytes}/{total_bytes}");
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar
    }
}

fn painted(colour: bool, tone: Tone, text: &str) -> String {
    if colour { format!("{}{text}\x1b[0m", tone.escape()) } else { text.to_owned() }
}

/// The error and everything behind it on one line.
fn with_causes(error: &CliError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        // A transparent error and its source say the same thing.
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = next.source();
    }
    text
}

/// A duration as people read it: `850 µs`, `12.3 ms`, `4.2 s`.
#[must_use]
pub fn human_duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match span.as_micros() {
        0..1_000 => format!("{} µs", span.as_micros()),
        1_000..1_000_000 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

/// A count and what is counted: `1 file`, `2 files`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A size as people read it, in binary units: `12 B`, `3.4 KB`, `9.9 MB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientError;

    #[test]
    fn quantities_read_well() {
        let micros = |micros| human_duration(Duration::from_micros(micros));
        assert_eq!([micros(850), micros(12_340), micros(4_200_000)], ["850 µs", "12.3 ms", "4.2 s"]);
        assert_eq!(
            [human_bytes(12), human_bytes(3_500), human_bytes(10_380_902)],
            ["12 B", "3.4 KB", "9.9 MB"]
        );
    }

    #[test]
    fn causes_follow_the_error_once() {
        let source = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = CliError::from(ClientError::Connect { authority: "h:1".to_owned(), source });
        assert_eq!(with_causes(&error), "cannot connect to http://h:1: connection refused");
        assert!(error.help().is_some_and(|help| help.contains("dormouse dev")));
    }
}
