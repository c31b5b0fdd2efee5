//! One event as a line of a log file: a JSON object with `t` (milliseconds since 1970), `s` (the stream), `m` (the message)
//! and, where it is another time, `i` (when it was taken in). A line without a message says that all lines of its stream
//! that stand before it are deleted. Lines that are no such objects, as a crash can leave one at the end of a file, are
//! skipped.

use std::borrow::Cow;
use std::sync::Arc;

use model::log::LogEvent;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) t: i64,
    #[serde(borrow)]
    pub(super) s: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) m: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) i: Option<i64>,
}

/// Appends the event's line, line feed included.
pub(super) fn encode(event: &LogEvent, taken: Option<Timestamp>, to: &mut Vec<u8>) {
    let (t, taken) = (event.at.as_millis(), taken.map(Timestamp::as_millis));
    let (s, m) = ((&*event.stream).into(), Some((&*event.message).into()));
    write(&Line { t, s, m, i: taken.filter(|taken| *taken != t) }, to);
}

/// Appends the line that deletes a stream's lines before it.
pub(super) fn encode_end(stream: &str, at: Timestamp, to: &mut Vec<u8>) {
    write(&Line { t: at.as_millis(), s: stream.into(), m: None, i: None }, to);
}

fn write(line: &Line<'_>, to: &mut Vec<u8>) {
    // Strings and numbers into memory: cannot fail.
    let _ = serde_json::to_writer(&mut *to, line);
    to.push(b'\n');
}

/// Reads a line, if it is one.
pub(super) fn decode(bytes: &[u8]) -> Option<Line<'_>> {
    serde_json::from_slice(bytes).ok()
}

impl Line<'_> {
    /// The event, if it is one. `like` is an event whose stream is shared if it is the same.
    pub(super) fn event(self, like: Option<&LogEvent>) -> Option<LogEvent> {
        let stream = match like {
            Some(like) if *like.stream == *self.s => Arc::clone(&like.stream),
            _ => Arc::from(&*self.s),
        };
        Some(LogEvent { stream, at: Timestamp::from_millis(self.t), message: self.m?.into_owned() })
    }
}
