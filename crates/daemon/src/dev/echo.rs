//! What functions write, shown on the terminal as it happens, each line after its function's name.
//!
//! Showing must never slow a function down: lines go through a bounded queue to a thread of their own, and what
//! does not fit is counted and the count shown.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use anyhow::Context as _;
use cli::{Output, Tone};
use model::log::{LogEvent, LogGroup};
use model::port::LogSink;

/// Lines waiting for a slow terminal.
const LINES_MAX: usize = 4_096;

/// Shows log lines.
#[derive(Clone)]
pub(crate) struct Echo {
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
    output: Output,
}

impl Echo {
    /// Starts the thread that prints.
    pub(super) fn start(output: Output) -> anyhow::Result<Self> {
        let (lines, queue) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let started =
            std::thread::Builder::new().name("echo".to_owned()).spawn(move || print(&queue, &counter));
        started.context("cannot start the thread that shows log lines")?;
        Ok(Self { lines, lost, output })
    }

    /// The same sink, shown as well.
    pub(crate) fn over(self, kept: Arc<dyn LogSink>) -> Arc<dyn LogSink> {
        Arc::new(Echoing { kept, echo: self })
    }

    fn show(&self, group: &LogGroup, events: &[LogEvent]) {
        let name = self.output.paint(Tone::Hint, short_name(&group.name));
        for event in events {
            let line = format!("{name} | {}", event.message.trim_end());
            if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A sink that keeps and shows.
struct Echoing {
    kept: Arc<dyn LogSink>,
    echo: Echo,
}

impl LogSink for Echoing {
    fn append(&self, group: &Arc<LogGroup>, events: Vec<LogEvent>) {
        self.echo.show(group, &events);
        self.kept.append(group, events);
    }
}

fn print(queue: &Receiver<String>, lost: &AtomicU64) {
    while let Ok(line) = queue.recv() {
        let mut out = std::io::stdout().lock();
        let missing = lost.swap(0, Ordering::Relaxed);
        let written = if missing > 0 {
            writeln!(out, "({missing} lines were not shown; `dormouse logs` has them)\n{line}")
        } else {
            writeln!(out, "{line}")
        };
        if written.and_then(|()| out.flush()).is_err() {
            // Nobody reads any more; the lines are kept all the same.
            return;
        }
    }
}

/// The function's name where the group is Lambda's usual one.
fn short_name(group: &str) -> &str {
    group.strip_prefix("/aws/lambda/").unwrap_or(group)
}
