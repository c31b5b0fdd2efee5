//! Stands where the engine is: answers with the event, or refuses, fails and streams as a test tells it.
//!
//! It runs nothing and keeps only what it has seen last.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::arn::FunctionId;
use model::error::{ServiceError, ThrottleReason};
use model::function::{Architecture, Function};
use model::lease::{Phases, StartReason};
use model::name::Version;
use model::port::{
    FunctionFailure, Invocation, Invoke, Outcome, Pending, Provisioned, ReadyRuntime, Response,
    ResponseStream, Runtimes, StreamPart,
};
use model::runtime::RuntimeName;

/// What the stand-in does: refuse, answer, fail or stream.
pub type Told = Result<Result<bytes::Bytes, FunctionFailure>, ServiceError>;

/// See the module.
#[derive(Default)]
pub struct Echo {
    /// By function name: what it answers instead.
    pub told: Mutex<HashMap<String, Told>>,
    /// The last invocation.
    pub seen: Mutex<Option<Invocation>>,
    /// While this is held for writing, invocations take their time.
    pub gate: tokio::sync::RwLock<()>,
    /// By function name: what it streams to callers who take streams.
    pub streams: Mutex<HashMap<String, tokio::sync::mpsc::Receiver<StreamPart>>>,
    /// Functions that may not run at all.
    pub stopped: Mutex<HashSet<FunctionId>>,
}

impl Invoke for Echo {
    fn invoke(&self, invocation: Invocation) -> Pending<'_, Result<Outcome, ServiceError>> {
        Box::pin(async move {
            *self.seen.lock().expect("not poisoned") = Some(invocation.clone());
            let _open = self.gate.read().await;
            if self.stopped.lock().expect("not poisoned").contains(&invocation.function.id) {
                let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
                return Err(ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() });
            }
            let name = invocation.function.id.name.as_str();
            let stream = self.streams.lock().expect("not poisoned").remove(name);
            let told = self.told.lock().expect("not poisoned").get(name).cloned();
            let result = told.unwrap_or_else(|| Ok(Ok(invocation.payload.clone())))?;
            let result = match stream.filter(|_| invocation.streaming) {
                Some(parts) => Ok(Response::Stream {
                    content_type: Some("text/plain".to_owned()),
                    body: Box::new(Streamed(parts)),
                }),
                None => result.map(Response::Whole),
            };
            let micros = Duration::from_micros;
            Ok(Outcome {
                result,
                tail: invocation.tail.then(|| b"START\nEND\n".to_vec()),
                reason: StartReason::Cold,
                phases: Phases { waited: micros(1), sandbox: micros(2), init: micros(3), run: micros(4) },
            })
        })
    }

    fn retire(&self, _: &FunctionId, _: Option<Version>) {}

    fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        let mut stopped = self.stopped.lock().expect("not poisoned");
        match executions {
            Some(0) => drop(stopped.insert(function.clone())),
            _ => drop(stopped.remove(function)),
        }
    }

    fn provision(&self, _: &FunctionId, _: &[(Arc<Function>, u32)]) {}

    fn provisioned(&self, _: &FunctionId, _: Version) -> Provisioned {
        Provisioned::default()
    }
}

/// A response that a test makes piece by piece.
struct Streamed(tokio::sync::mpsc::Receiver<StreamPart>);

impl ResponseStream for Streamed {
    fn next(&mut self) -> Pending<'_, Option<StreamPart>> {
        Box::pin(self.0.recv())
    }
}

impl Runtimes for Echo {
    fn ready(&self) -> Vec<ReadyRuntime> {
        vec![
            ReadyRuntime { name: RuntimeName::new("provided.al2023"), interpreter: None },
            ReadyRuntime {
                name: RuntimeName::new("python3.12"),
                interpreter: Some("/usr/bin/python3".into()),
            },
        ]
    }

    fn choose(&self, wanted: &RuntimeName, _: Architecture) -> Result<RuntimeName, ServiceError> {
        if self.ready().iter().any(|ready| ready.name == *wanted) {
            return Ok(wanted.clone());
        }
        let message =
            format!("{wanted} is not ready here; python3.12 is. Install an interpreter to add one.");
        Err(ServiceError::InvalidParameterValue(message))
    }
}
