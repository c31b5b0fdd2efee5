//! A function's logs as newline-delimited JSON, read back and followed. Signed like the API.
//!
//! A follower's answer goes on until the caller closes it or the server stops; what a slow caller misses is
//! replaced by a line that says how much.

use std::sync::Arc;

use bytes::Bytes;
use control::logs::{EVENTS_MAX, Followed, Follower};
use http::Response;
use http_body_util::Channel;
use http_body_util::channel::Sender;
use model::error::ServiceError;
use model::log::{LogEvent, LogGroup};
use model::time::Timestamp;
use policy::Need;
use serde_json::json;
use tokio::sync::watch;
use wire::percent;

use super::may;
use crate::app::{App, Call};
use crate::lambda::reference;
use crate::respond::{Body, BrokenOff, Failure, content, streamed};

const CONTENT_TYPE: &str = "application/x-ndjson";
/// Events given where the caller asks for no number.
const LIMIT_DEFAULT: usize = 1_000;
/// Pieces of an answer that wait for a slow caller.
const PIECES_MAX: usize = 16;
/// A body is not expected here.
const BODY_BYTES_MAX: usize = 1_024;
/// The stream of lines that are ours.
const OWN_STREAM: &str = "dormouse";

/// What the caller wants to see.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    since: Timestamp,
    limit: usize,
    follow: bool,
}

/// Gives a function's logs.
pub async fn serve(app: &Arc<App>, call: Call, name: &str) -> Result<Response<Body>, Failure> {
    let held = app.read(&call.head, call.body, call.entry, BODY_BYTES_MAX, "GetLogs").await?;
    let who = app.authenticator.authenticate(&call.head, &held.bytes, "lambda")?;
    let decoded = percent::decode(name)
        .map_err(|_| ServiceError::Serialization("The name of the function is not UTF-8.".to_owned()))?;
    let reference = reference(Some(&decoded))?;
    let logs = &app.parts.logs;
    let found = logs.find(&who.scope, &reference);
    may(app, &who, (&call.head, call.entry), need(app, &found.group))?;
    let wanted = Wanted::parse(call.head.uri.query().unwrap_or_default())?;
    if !wanted.follow {
        let events = logs.read(found, wanted.since, wanted.limit).await?;
        return Ok(content(CONTENT_TYPE, lines(&events)));
    }
    let (events, follower) = logs.follow(found, wanted.since, wanted.limit).await?;
    let (sender, body) = Channel::new(PIECES_MAX);
    // Ends with the caller, the server or the log, whichever is first.
    tokio::spawn(send(sender, lines(&events), follower, app.stopping.clone()));
    Ok(streamed(CONTENT_TYPE, body))
}

/// The right to read a group, as CloudWatch Logs asks for it.
fn need(app: &App, group: &LogGroup) -> Need {
    let mut need = Need::of("logs:FilterLogEvents", group.stream_arn(""));
    if let Some(groups) = &app.parts.log_groups {
        need.facts.set_resource_tags(&groups.known_tags(group));
    }
    need
}

impl Wanted {
    fn parse(query: &str) -> Result<Self, ServiceError> {
        let mut wanted = Self { since: Timestamp::default(), limit: LIMIT_DEFAULT, follow: false };
        for (name, value) in percent::query_pairs(query).flatten() {
            let wrong = || {
                ServiceError::InvalidParameterValue(format!(
                    "{name} cannot be {:?}. Logs take since_ms and limit (whole numbers) and follow (true or \
                     false).",
                    value.chars().take(40).collect::<String>()
                ))
            };
            match &*name {
                "since_ms" => wanted.since = Timestamp::from_millis(value.parse().map_err(|_| wrong())?),
                "limit" => wanted.limit = value.parse::<usize>().map_err(|_| wrong())?.min(EVENTS_MAX),
                "follow" => wanted.follow = value.parse().map_err(|_| wrong())?,
                // A presigned request has parameters of its own.
                _ => {}
            }
        }
        Ok(wanted)
    }
}

async fn send(
    mut sender: Sender<Bytes, BrokenOff>,
    first: Bytes,
    mut follower: Follower,
    mut stopping: watch::Receiver<bool>,
) {
    if !first.is_empty() && sender.send_data(first).await.is_err() {
        return;
    }
    loop {
        let next = tokio::select! {
            next = follower.next() => next,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let line = match next {
            None => return,
            Some(Followed::Event(event)) => line(&event),
            Some(Followed::Lost(count)) => {
                own_line(&format!("{count} events were left out: this reader is too slow"))
            }
        };
        let sent = tokio::select! {
            sent = sender.send_data(line.into()) => sent,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn lines(events: &[LogEvent]) -> Bytes {
    events.iter().map(line).collect::<String>().into()
}

fn line(event: &LogEvent) -> String {
    let line = json!({
        "timestamp": event.at.as_millis(),
        "stream": &*event.stream,
        "message": event.message,
    });
    format!("{line}\n")
}

fn own_line(message: &str) -> String {
    format!("{}\n", json!({ "timestamp": null, "stream": OWN_STREAM, "message": message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_says_what_is_wanted() {
        let wanted = |since, limit, follow| Wanted { since: Timestamp::from_millis(since), limit, follow };
        assert_eq!(Wanted::parse(""), Ok(wanted(0, LIMIT_DEFAULT, false)));
        assert_eq!(Wanted::parse("since_ms=5&limit=7&follow=true&x=y"), Ok(wanted(5, 7, true)));
        assert_eq!(Wanted::parse("limit=99999999"), Ok(wanted(0, EVENTS_MAX, false)));
        for query in ["since_ms=x", "limit=-1", "follow=maybe"] {
            assert!(matches!(Wanted::parse(query), Err(ServiceError::InvalidParameterValue(_))), "{query}");
        }
    }
}
