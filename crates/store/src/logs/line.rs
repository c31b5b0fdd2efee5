//! One event as a line of a log file: a JSON object with `t` (milliseconds since 1970), `s` (the stream) and `m`
//! (the message). Lines that are not such objects, as a crash can leave one at the end of a file, are skipped.

use std::borrow::Cow;
use std::sync::Arc;

use model::log::LogEvent;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    t: i64,
    #[serde(borrow)]
    s: Cow<'a, str>,
    #[serde(borrow)]
    m: Cow<'a, str>,
}

/// Appends the event's line, line feed included.
pub(super) fn encode(event: &LogEvent, to: &mut Vec<u8>) {
    let line = Line { t: event.at.as_millis(), s: (&*event.stream).into(), m: (&*event.message).into() };
    // Strings and a number into memory: cannot fail.
    let _ = serde_json::to_writer(&mut *to, &line);
    to.push(b'\n');
}

/// The event of a line, if it is one. `like` is an event whose stream is shared if it is the same.
pub(super) fn decode(bytes: &[u8], like: Option<&LogEvent>) -> Option<LogEvent> {
    let line: Line<'_> = serde_json::from_slice(bytes).ok()?;
    let stream = match like {
        Some(like) if *like.stream == *line.s => Arc::clone(&like.stream),
        _ => Arc::from(&*line.s),
    };
    Some(LogEvent { stream, at: Timestamp::from_millis(line.t), message: line.m.into_owned() })
}
