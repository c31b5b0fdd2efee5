//! Functions that do as they are told, and count.
//!
//! What a function does is part of its name: `fails-2` fails its first two attempts of each event, `busy-3` finds no
//! concurrency three times, `stopped-1` has its environment stopped once, `stumbles` fails the first of all its events,
//! `away` finds that the server stops, `narrow-2` runs two at once and finds none beyond, `slow` takes a second, `shouts`
//! fails with a very long error, `gone` does not exist; all others answer `{}`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::error::{ServiceError, ThrottleReason};
use model::event::{Directory, EventSettings};
use model::fault::Fault;
use model::function::{
    Architecture, Code, Environment, Function, LogFormat, Logging, Settings, Start, State, TracingMode,
    UpdateStatus, Zip,
};
use model::id::{AccountId, Digest, Region, RequestId, RevisionId};
use model::lease::{Phases, StartReason};
use model::name::{FunctionName, Qualifier, Version};
use model::noted::{Noted, Origin};
use model::port::{
    Clock, Entropy, FunctionFailure, Invocation, Invoke, Outcome, Pending, Provisioned, Response,
};
use model::runtime::RuntimeName;
use model::time::Timestamp;

/// What ran: the function, the request, the event and the trace.
pub type Ran = (String, RequestId, Bytes, String);

pub struct StandIn {
    pub ran: Mutex<Vec<Ran>>,
    tried: Mutex<HashMap<RequestId, u32>>,
    pub settings: Mutex<EventSettings>,
    pub refused: AtomicUsize,
    pub at_once: AtomicUsize,
    pub at_once_max: AtomicUsize,
}

pub fn function(name: &str) -> FunctionId {
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    FunctionId { scope, name: FunctionName::parse(name).unwrap() }
}

impl StandIn {
    pub fn new(settings: EventSettings) -> Arc<Self> {
        Arc::new(Self {
            ran: Mutex::default(),
            tried: Mutex::default(),
            settings: Mutex::new(settings),
            refused: AtomicUsize::default(),
            at_once: AtomicUsize::default(),
            at_once_max: AtomicUsize::default(),
        })
    }

    /// Requests of a function in the order in which they ran.
    pub fn ran_of(&self, name: &str) -> Vec<RequestId> {
        self.ran.lock().unwrap().iter().filter(|ran| ran.0 == name).map(|ran| ran.1).collect()
    }

    async fn run(&self, invocation: Invocation) -> Result<Outcome, ServiceError> {
        let name = invocation.function.id.name.to_string();
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(now, Ordering::SeqCst);
        let tried = {
            let mut tried = self.tried.lock().unwrap();
            let tried = tried.entry(invocation.request).or_default();
            *tried += 1;
            *tried
        };
        let (what, times) = name
            .split_once('-')
            .map_or((name.as_str(), 0), |(what, times)| (what, times.parse().unwrap_or(0)));
        if what == "slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if what == "narrow" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if (what == "busy" && tried <= times) || (what == "narrow" && now > times as usize) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
            return Err(ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() });
        }
        if what == "away" {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(ServiceError::Unavailable("The server is stopping.".to_owned()));
        }
        let has_stumbled = what != "stumbles" || !self.ran_of(&name).is_empty();
        let trace = invocation.trace.unwrap_or_default();
        self.ran.lock().unwrap().push((name.clone(), invocation.request, invocation.payload.clone(), trace));
        let result = match what == "fails" && tried <= times || !has_stumbled {
            _ if what == "shouts" => Err(FunctionFailure::Reported { payload: shout() }),
            true => {
                Err(FunctionFailure::Reported { payload: Bytes::from_static(b"{\"errorMessage\":\"no\"}") })
            }
            false if what == "stopped" && tried <= times => Err(FunctionFailure::Fault(Fault::Stopped)),
            false => Ok(Response::Whole(answer(what, &invocation.payload))),
        };
        Ok(Outcome { result, tail: None, reason: StartReason::Warm, phases: Phases::default() })
    }
}

/// An error with a quarter of a million characters.
fn shout() -> Bytes {
    Bytes::from(serde_json::json!({"errorMessage": "no".repeat(120_000)}).to_string())
}

/// `partial` says that messages with the body `bad` have failed.
fn answer(what: &str, event: &[u8]) -> Bytes {
    let event: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    let records = event["Records"].as_array().cloned().unwrap_or_default();
    let bad = records.iter().filter(|record| what == "partial" && record["body"] == "bad");
    let failed: Vec<_> =
        bad.map(|record| serde_json::json!({"itemIdentifier": record["messageId"]})).collect();
    Bytes::from(serde_json::json!({"batchItemFailures": failed}).to_string())
}

impl Invoke for StandIn {
    fn invoke(&self, invocation: Invocation) -> Pending<'_, Result<Outcome, ServiceError>> {
        Box::pin(self.run(invocation))
    }

    fn retire(&self, _: &FunctionId, _: Option<Version>) {}

    fn reserve(&self, _: &FunctionId, _: Option<u32>) {}

    fn provision(&self, _: &FunctionId, _: &[(Arc<Function>, u32)]) {}

    fn provisioned(&self, _: &FunctionId, _: Version) -> Provisioned {
        Provisioned::default()
    }
}

impl Directory for StandIn {
    fn resolve(&self, id: &FunctionId, _: Option<&Qualifier>) -> Result<Arc<Function>, ServiceError> {
        match id.name.as_str() {
            "gone" => Err(ServiceError::ResourceNotFound("Function not found".to_owned())),
            _ => Ok(Arc::new(sample(id.clone()))),
        }
    }

    fn event_settings(&self, _: &FunctionId, _: Option<&Qualifier>) -> EventSettings {
        self.settings.lock().unwrap().clone()
    }
}

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

/// Not random, but never twice the same.
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        buffer.fill(0xee);
        let length = buffer.len().min(next.len());
        buffer[..length].copy_from_slice(&next[..length]);
    }
}

fn sample(id: FunctionId) -> Function {
    Function {
        id,
        version: Version::Latest,
        settings: Arc::new(Settings {
            start: Start::Handler {
                runtime: RuntimeName::new("python3.12"),
                handler: "app.handler".to_owned(),
            },
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            description: String::new(),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: Environment(BTreeMap::new().into()),
            architecture: Architecture::HOST,
            tracing: TracingMode::PassThrough,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: None,
            },
            layers: Vec::new(),
            file_systems: Vec::new(),
            tenant_isolation: false,
            capacity: None,
            noted: Noted::default(),
        }),
        code: Code::Zip(Zip { digest: Digest::from_bytes([1; 32]), size_bytes: 1 }),
        origin: Origin::default(),
        revision: RevisionId::from_random([2; 16]),
        build: RevisionId::from_random([2; 16]),
        last_modified: Timestamp::from_millis(1),
        state: State::Active,
        last_update: UpdateStatus::Successful,
        tags: Default::default(),
    }
}
