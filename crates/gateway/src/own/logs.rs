//! A function's logs as newline-delimited JSON, read back and followed. Signed like the API.
//!
//! A follower's answer goes on until the caller closes it, the server stops, the function or the caller is gone or the
//! caller may not read the log any more, and for three hours at most, as CloudWatch Logs' live tail does; its last line says
//! why. What a slow caller misses is replaced by a line that says how much.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use control::logs::{EVENTS_MAX, Followed, Follower};
use http::Response;
use http::request::Parts;
use http_body_util::Channel;
use http_body_util::channel::Sender;
use hyper::body::Frame;
use model::error::ServiceError;
use model::log::{LogEvent, LogGroup};
use model::name::FunctionReference;
use model::time::Timestamp;
use policy::Need;
use serde_json::json;
use tokio::time::Instant;
use wire::percent;

use super::may;
use crate::app::{App, Call, Entry};
use crate::auth::Authenticated;
use crate::lambda::reference;
use crate::respond::{Body, BrokenOff, Failure, content, streamed};

const CONTENT_TYPE: &str = "application/x-ndjson";
/// Events given where the caller asks for no number.
const LIMIT_DEFAULT: usize = 1_000;
/// Pieces of an answer that wait for a slow caller.
const PIECES_MAX: usize = 16;
/// How often it is asked again whether a log may be followed.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// For how long a log is followed.
const FOLLOWED_MAX: Duration = Duration::from_secs(3 * 60 * 60);
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
    let group = found.group.clone();
    let (events, follower) = logs.follow(found, wanted.since, wanted.limit).await?;
    let (sender, body) = Channel::new(PIECES_MAX);
    let watch = Watch { app: app.clone(), head: call.head, entry: call.entry, who, reference, group };
    tokio::spawn(send(sender, lines(&events), follower, watch));
    Ok(streamed(CONTENT_TYPE, body))
}

/// Asks again what was asked when somebody began to follow a log.
struct Watch {
    app: Arc<App>,
    head: Parts,
    entry: Entry,
    who: Authenticated,
    reference: FunctionReference,
    group: LogGroup,
}

impl Watch {
    /// Waits until the log is to be followed no more, and says why.
    async fn ended(&self) -> String {
        let end = Instant::now() + FOLLOWED_MAX;
        while Instant::now() < end {
            tokio::time::sleep(ASKED_EVERY).await;
            if let Err(failure) = self.ask() {
                return failure.to_string();
            }
        }
        "A log is followed for three hours at most.".to_owned()
    }

    fn ask(&self) -> Result<(), Failure> {
        let who = self.app.authenticator.again(&self.head, &self.who)?;
        may(&self.app, &who, (&self.head, self.entry), need(&self.app, &self.group))?;
        Ok(self.app.parts.logs.still(&who.scope, &self.reference, &self.group)?)
    }
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

async fn send(mut sender: Sender<Bytes, BrokenOff>, first: Bytes, follower: Follower, watch: Watch) {
    let mut stopping = watch.app.stopping.clone();
    let ended = tokio::select! {
        () = pass_on(&mut sender, first, follower) => return,
        _ = stopping.wait_for(|stopping| *stopping) => return,
        why = watch.ended() => why,
    };
    // Whoever has not read what came before is not waited for.
    let _ = sender.try_send(Frame::data(own_line(&ended).into()));
}

/// Sends what is written, until the caller or the log ends.
async fn pass_on(sender: &mut Sender<Bytes, BrokenOff>, first: Bytes, mut follower: Follower) {
    if !first.is_empty() && sender.send_data(first).await.is_err() {
        return;
    }
    while let Some(next) = follower.next().await {
        let line = match next {
            Followed::Event(event) => line(&event),
            Followed::Lost(count) => {
                own_line(&format!("{count} events were left out: this reader is too slow"))
            }
        };
        if sender.send_data(line.into()).await.is_err() {
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
