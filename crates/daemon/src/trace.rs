//! What the server says on standard error: its log, and the few lines that are part of its interface.
//!
//! The log is for people reading a terminal or a journal. Nothing secret is logged anywhere; the one secret that
//! is ever printed (a new root key) is printed, not logged.

use std::io::{IsTerminal as _, Write as _};

use tracing::level_filters::LevelFilter;

/// Sends the log to standard error, coloured only on a terminal.
pub(crate) fn start(level: LevelFilter) {
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let started = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .try_init();
    debug_assert!(started.is_ok(), "the log was started twice");
}

/// Prints a line that is part of the interface. Nobody is helped by a failure to do so.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
