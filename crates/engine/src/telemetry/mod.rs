//! The Telemetry API and the Logs API of one environment: who has subscribed, and what each is told.
//!
//! Whoever tells an event never waits: it is shown to each subscription in the shape of its version and put into its
//! bounded queue; a task for each subscription delivers. Where nobody listens, an event costs one atomic load.
//! `events` has the platform's records, `frames` reads the log frames of runtimes. This module knows neither
//! processes nor the lifecycle: the environment says what happens, and when nobody may subscribe any more.
//!
//! Source: AWS Lambda Developer Guide, "Lambda Telemetry API" and "Using the Lambda Logs API".

pub(crate) mod events;
pub(crate) mod frames;
mod outlet;
mod queue;
mod request;
mod schema;
mod subscriber;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use http::StatusCode;
use model::function::LogFormat;
use model::port::{Clock, Pending};
use model::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio::net::TcpStream;

use events::Record;
pub(crate) use request::Rejected;
use request::Request;
use schema::Schema;
use subscriber::Subscriber;

/// Platform events that are kept for extensions that subscribe later in the same init; there are a few for each
/// extension. The oldest go first.
const HISTORY_EVENTS_MAX: usize = 64;

/// The streams that can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// What the platform does.
    Platform,
    /// What the function and its internal extensions write.
    Function,
    /// What external extensions write.
    Extension,
}

impl Source {
    const ALL: [Self; 3] = [Self::Platform, Self::Function, Self::Extension];

    /// As in `types` of a subscription, and as the event type of log lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Platform => "Platform",
            Self::Function => "Function",
            Self::Extension => "Extension",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Platform => 1,
            Self::Function => 2,
            Self::Extension => 4,
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// The two ways to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// `PUT /2022-07-01/telemetry`.
    Telemetry,
    /// `PUT /2020-08-15/logs`, which came before.
    Logs,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry API",
            Self::Logs => "Logs API",
        }
    }

    fn validation_error(self) -> &'static str {
        match self {
            Self::Telemetry => "ValidationError",
            Self::Logs => "Logs.ValidationError",
        }
    }

    fn closed_error(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry.SubscriptionClosed",
            Self::Logs => "Logs.SubscriptionClosed",
        }
    }
}

/// Connects to a port inside the sandbox.
pub(crate) trait Dial: Send + Sync {
    /// A connection to `127.0.0.1:port` as the function's processes see it.
    ///
    /// # Errors
    /// Those of `connect`, and of a sandbox that is gone.
    fn dial(&self, port: u16) -> Pending<'static, io::Result<TcpStream>>;
}

/// A subscription was accepted. As a record, it is `platform.telemetrySubscription` or `platform.logsSubscription`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Subscribed {
    #[serde(skip)]
    pub api: Api,
    /// The extension's.
    pub name: String,
    /// `Subscribed` or `Already subscribed`.
    pub state: &'static str,
    pub types: Vec<Source>,
}

impl Subscribed {
    /// The platform's log line about it.
    pub(crate) fn line(&self) -> String {
        let head = match self.api {
            Api::Telemetry => "TELEMETRY",
            Api::Logs => "LOGS",
        };
        let types: Vec<_> = self.types.iter().map(|source| source.title()).collect();
        format!("{head}\tName: {}\tState: {}\tTypes: [{}]", self.name, self.state, types.join(", "))
    }
}

impl Record for Subscribed {
    fn kind(&self) -> &'static str {
        match self.api {
            Api::Telemetry => "platform.telemetrySubscription",
            Api::Logs => "platform.logsSubscription",
        }
    }
}

/// All subscriptions of one environment.
pub(crate) struct Telemetry {
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    /// The bits of the streams that somebody wants, so that telling nobody costs nothing.
    wanted: AtomicU8,
    inner: Mutex<Inner>,
}

struct Inner {
    subscribers: Vec<Subscriber>,
    /// The platform's events of this init, for those who subscribe after the fact; `None` once nobody may.
    history: Option<VecDeque<Past>>,
}

struct Past {
    at: Timestamp,
    kind: String,
    record: Value,
}

impl Telemetry {
    /// Nobody has subscribed, and everybody may.
    pub(crate) fn new(dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { subscribers: Vec::new(), history: Some(VecDeque::new()) };
        let wanted = AtomicU8::new(inner.wanted());
        Self { dial, clock, wanted, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes a registered extension, and tells it what the platform has told since init began. A second
    /// subscription of the same extension changes nothing. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The answer that Lambda gives: to a faulty body, after init, and where the extension uses the other API.
    pub(crate) fn subscribe(&self, extension: &str, api: Api, body: &[u8]) -> Result<Subscribed, Rejected> {
        let mut inner = self.lock();
        if inner.history.is_none() {
            return Err(Rejected {
                status: StatusCode::FORBIDDEN,
                error_type: api.closed_error(),
                message: format!("{} subscription is closed already", api.name()),
            });
        }
        let request = Request::parse(api, body)?;
        let done = |state, types: &[Source]| Subscribed {
            api,
            name: extension.to_owned(),
            state,
            types: types.to_vec(),
        };
        if let Some(earlier) = inner.subscribers.iter().find(|subscriber| subscriber.name == extension) {
            if earlier.schema.api() == api {
                return Ok(done("Already subscribed", &earlier.types));
            }
            return Err(Rejected {
                status: StatusCode::BAD_REQUEST,
                error_type: api.validation_error(),
                message: format!("extension is already subscribed to the {}", earlier.schema.api().name()),
            });
        }
        let subscriber =
            Subscriber::start(extension, request, Arc::clone(&self.dial), Arc::clone(&self.clock));
        let subscribed = done("Subscribed", &subscriber.types);
        inner.replay(&subscriber);
        inner.subscribers.push(subscriber);
        self.note_wanted(&inner);
        Ok(subscribed)
    }

    /// Init is over: nobody may subscribe any more, until a reset.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.history = None;
        self.note_wanted(&inner);
    }

    /// Whether telling an event of this stream reaches anybody.
    pub(crate) fn wants(&self, source: Source) -> bool {
        self.wanted.load(Ordering::Relaxed) & source.bit() != 0
    }

    /// Tells a platform event, which is only built if somebody wants it.
    pub(crate) fn tell<R: Record>(&self, at: Timestamp, record: impl FnOnce() -> R) {
        if self.wants(Source::Platform) {
            let record = record();
            self.emit(Source::Platform, at, record.kind(), || record.json());
        }
    }

    /// Tells an event; `record` is only built if somebody wants it.
    pub(crate) fn emit(&self, source: Source, at: Timestamp, kind: &str, record: impl FnOnce() -> Value) {
        if !self.wants(source) {
            return;
        }
        let record = record();
        let mut inner = self.lock();
        inner.spread(source, |schema| shown(schema, at, kind, &record));
        if let Some(history) = inner.history.as_mut().filter(|_| source == Source::Platform) {
            if history.len() == HISTORY_EVENTS_MAX {
                history.pop_front();
            }
            history.push_back(Past { at, kind: kind.to_owned(), record });
        }
    }

    /// Tells a line that the function or an extension wrote. Where the function logs in JSON, a line that is an object
    /// is told as such.
    pub(crate) fn emit_line(&self, source: Source, at: Timestamp, line: &str, format: LogFormat) {
        if !self.wants(source) {
            return;
        }
        let object = if format == LogFormat::Json { object(line) } else { None };
        self.lock().spread(source, |schema| match &object {
            Some(object) if schema.shows_objects() => Some(event(at, source.name(), object)),
            _ => Some(event(at, source.name(), &serde_json::to_string(line).ok()?)),
        });
    }

    /// The extension has ended: what it has not taken is dropped.
    pub(crate) fn unsubscribe(&self, extension: &str) {
        let mut inner = self.lock();
        inner.subscribers.retain(|subscriber| subscriber.name != extension);
        self.note_wanted(&inner);
    }

    /// All processes were ended: nobody is subscribed, and the next init may subscribe.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.subscribers.clear();
        inner.history = Some(VecDeque::new());
        self.note_wanted(&inner);
    }

    /// Makes everything due that is buffered now. The future resolves when it was delivered or given up, at the
    /// latest after `limit`; dropping it at once is how to flush without waiting.
    pub(crate) fn flush(&self, limit: Duration) -> Pending<'static, ()> {
        let flushed: Vec<_> =
            self.lock().subscribers.iter().map(|subscriber| subscriber.queue.flush()).collect();
        Box::pin(async move {
            let all = future::join_all(flushed.into_iter().map(queue::Flushed::wait));
            // Whoever needs longer is not waited for.
            let _ = tokio::time::timeout(limit, all).await;
        })
    }

    fn note_wanted(&self, inner: &Inner) {
        self.wanted.store(inner.wanted(), Ordering::Relaxed);
    }
}

impl Inner {
    fn wanted(&self) -> u8 {
        let kept = if self.history.is_some() { Source::Platform.bit() } else { 0 };
        let types = self.subscribers.iter().flat_map(|subscriber| &subscriber.types);
        types.fold(kept, |bits, source| bits | source.bit())
    }

    /// Gives the event to all who subscribed to its stream, making it once for each version.
    fn spread(&self, source: Source, make: impl Fn(Schema) -> Option<Bytes>) {
        let mut made: [Option<Option<Bytes>>; Schema::ALL.len()] = Default::default();
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.types.contains(&source)) {
            let event = made[subscriber.schema as usize].get_or_insert_with(|| make(subscriber.schema));
            if let Some(event) = event {
                subscriber.queue.push(event.clone());
            }
        }
    }

    fn replay(&self, subscriber: &Subscriber) {
        if subscriber.types.contains(&Source::Platform) {
            for past in self.history.iter().flatten() {
                if let Some(event) = shown(subscriber.schema, past.at, &past.kind, &past.record) {
                    subscriber.queue.push(event);
                }
            }
        }
    }
}

fn shown(schema: Schema, at: Timestamp, kind: &str, record: &Value) -> Option<Bytes> {
    schema.show(kind, record).map(|record| event(at, kind, &record.to_string()))
}

/// An event as it travels, from its record's JSON. Kinds are plain words and need no escaping.
fn event(at: Timestamp, kind: &str, record: &str) -> Bytes {
    let time = wire::time::rfc3339(at);
    Bytes::from(format!(r#"{{"time":"{time}","type":"{kind}","record":{record}}}"#))
}

/// The line if it is a JSON object, on one line and otherwise as written: the order of its keys is the writer's.
fn object(line: &str) -> Option<Cow<'_, str>> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    if line.contains(['\n', '\r']) {
        return serde_json::from_str::<Value>(line).ok().map(|value| Cow::Owned(value.to_string()));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(line).ok().map(|_| Cow::Borrowed(line))
}
