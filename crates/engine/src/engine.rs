//! The engine: counts an invocation, finds or waits for an environment, and gives it the invocation.
//!
//! The warm path is here: two short locks and one message to the runtime's connection, all in memory.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use model::arn::FunctionId;
use model::error::ServiceError;
use model::function::Function;
use model::lease::StartReason;
use model::limits;
use model::name::Version;
use model::port::{
    Artifacts, Clock, Entropy, Images, Invocation, Invoke, Ledger, LogSink, Outcome, Pending, Provisioned,
    Roles,
};
use tokio::sync::{Semaphore, oneshot};

use crate::api;
use crate::concurrency::{Accounts, admit};
use crate::environment::{Assignment, Environment};
use crate::host::{Host, PlatformEndpoint};
use crate::place;
use crate::pool::{Acquired, Census, Pool, Registry};
use crate::provision::{self, Provisions};
use crate::runtimes::Catalogue;

/// An environment may end between being handed out and being used; more often in a row means that it always
/// will.
const ASSIGN_ATTEMPTS_MAX: usize = 5;
/// How long environments may take to go when the server stops.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// How the engine behaves.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Invocations that one account may run at once in one region.
    pub concurrency: u32,
    /// Environments that may exist at once, over all accounts.
    pub environments_max: usize,
    /// Environments that may initialise at once.
    pub starts_max: usize,
    /// Idle time before an environment is frozen; zero freezes at once. Only used where freezing is cheap;
    /// otherwise a second passes first.
    pub freeze_delay: Duration,
    /// Size of a response that is not streamed.
    pub response_bytes_max: usize,
    /// Size of a streamed response.
    pub stream_bytes_max: u64,
    /// Host directories that functions may mount, by the ARN under which they do.
    pub file_systems: BTreeMap<String, PathBuf>,
}

/// What the engine stands on.
pub struct Parts {
    /// Makes sandboxes.
    pub host: Arc<dyn Host>,
    /// Gives unpacked code.
    pub artifacts: Arc<dyn Artifacts>,
    /// Gives container images.
    pub images: Arc<dyn Images>,
    /// Keeps leases.
    pub ledger: Arc<dyn Ledger>,
    /// Takes log events.
    pub logs: Arc<dyn LogSink>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Gives execution roles their credentials.
    pub roles: Arc<dyn Roles>,
    /// Answers AWS calls from inside.
    pub platform: Arc<dyn PlatformEndpoint>,
    /// The runtimes of this machine.
    pub catalogue: Arc<Catalogue>,
}

/// What every environment and pool refers to.
pub(crate) struct Shared {
    pub ports: Parts,
    pub registry: Arc<Registry>,
    pub accounts: Accounts,
    pub provisions: Provisions,
    pub freeze_delay: Duration,
    /// Turns to initialise.
    pub turns: Arc<Semaphore>,
    pub environments_max: usize,
    /// Rooms for that many; one is taken until the sandbox is gone.
    pub rooms: Arc<Semaphore>,
    pub response_bytes_max: usize,
    pub stream_bytes_max: u64,
    pub file_systems: BTreeMap<String, PathBuf>,
    /// Environments whose supervisor runs, those in their shutdown phase included.
    pub supervised: Supervised,
    stopping: AtomicBool,
}

impl Shared {
    /// Whether the server is about to stop, so that nothing more is to be started.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Counts what has to end before the server may.
#[derive(Clone, Default)]
pub(crate) struct Supervised(Arc<()>);

impl Supervised {
    /// Counted until it is dropped.
    pub(crate) fn enter(&self) -> Self {
        self.clone()
    }

    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Runs functions.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// An environment is frozen when it has rested this long. Freezing between two events that follow each other at once
/// would cost more than the event; and what a function computes in so short a time without an event is not worth
/// having.
const FREEZE_DELAY: Duration = Duration::from_millis(5);
/// Freezing where it is not cheap waits this long, so that a busy environment is not frozen in between.
const FREEZE_DELAY_COSTLY: Duration = Duration::from_secs(1);

/// Lambda's limit on a response: 6 MB and room for its own wrapping.
const RESPONSE_BYTES_MAX: usize = limits::PAYLOAD_SYNC_BYTES_MAX + 100;

impl Engine {
    /// An engine without environments.
    #[must_use]
    pub fn new(config: &EngineConfig, ports: Parts) -> Self {
        let freeze_delay =
            if ports.host.freezes_cheaply() { config.freeze_delay } else { FREEZE_DELAY_COSTLY };
        Self {
            shared: Arc::new(Shared {
                ports,
                registry: Arc::default(),
                accounts: Accounts::new(config.concurrency),
                provisions: Provisions::default(),
                freeze_delay,
                turns: Arc::new(Semaphore::new(config.starts_max)),
                environments_max: config.environments_max,
                rooms: Arc::new(Semaphore::new(config.environments_max)),
                response_bytes_max: config.response_bytes_max,
                stream_bytes_max: config.stream_bytes_max,
                file_systems: config.file_systems.clone(),
                supervised: Supervised::default(),
                stopping: AtomicBool::new(false),
            }),
        }
    }

    /// How many environments there are.
    #[must_use]
    pub fn census(&self) -> Census {
        self.shared.registry.census()
    }

    /// Invocations running now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.accounts.running()
    }

    /// Refuses new invocations, lets running ones finish for at most `drain`, then ends all environments.
    pub async fn shutdown(&self, drain: Duration) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let left = self.shared.accounts.drain(drain).await;
        if left > 0 {
            tracing::warn!(invocations = left, "stopped while invocations were running");
        }
        self.shared.registry.end_all();
        let farewell = async {
            while self.shared.supervised.count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, farewell).await;
    }

    async fn run(&self, invocation: Invocation) -> Result<Outcome, ServiceError> {
        let shared = &self.shared;
        if shared.is_stopping() {
            return Err(ServiceError::Unavailable("The server is stopping.".to_owned()));
        }
        api::check_headers(&invocation)?;
        let id = &invocation.function.id;
        let pool = shared
            .registry
            .pool(&invocation.function, invocation.tenant.as_ref(), || shared.accounts.share(id));
        let permit = admit(&pool.share, &pool.allotment)?;
        let (reply, outcome) = oneshot::channel();
        let assignment = Assignment {
            invocation,
            reply,
            permit,
            reason: StartReason::Warm,
            waited: Duration::ZERO,
            entered: Instant::now(),
        };
        // Whoever waits for an environment goes on waiting when its caller hangs up: an invocation that was taken is run.
        let mut placing: Pending<'static, ()> = Box::pin(place_in(Arc::clone(shared), pool, assignment));
        let first = poll_fn(|context| Poll::Ready(placing.as_mut().poll(context))).await;
        if first.is_pending() {
            tokio::spawn(placing);
        }
        outcome.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// Finds an environment and gives it the invocation; if there is none to be had, the caller is told.
pub(crate) async fn place_in(shared: Arc<Shared>, pool: Arc<Pool>, mut assignment: Assignment) {
    let mut refused = lost();
    for _ in 0..ASSIGN_ATTEMPTS_MAX {
        let (environment, reason) = match find(&shared, &pool, assignment.reason).await {
            Ok(found) => found,
            Err(error) => {
                refused = error;
                break;
            }
        };
        assignment.reason = reason;
        assignment.waited = assignment.entered.elapsed();
        match environment.assign(assignment) {
            Ok(()) => return,
            Err(returned) => assignment = *returned,
        }
    }
    // A caller that went away is no error.
    let _ = assignment.reply.send(Err(refused));
}

/// An environment for one invocation, and why it starts as it does.
async fn find(
    shared: &Arc<Shared>,
    pool: &Arc<Pool>,
    before: StartReason,
) -> Result<(Arc<Environment>, StartReason), ServiceError> {
    match shared.registry.acquire(pool) {
        Acquired::Now(environment) => Ok((environment, before)),
        Acquired::Wait(line, start) => {
            if start {
                tokio::spawn(place::start(Arc::clone(shared), Arc::clone(pool)));
            }
            let handed = line.await.unwrap_or_else(|_| Err(lost()))?;
            let environment = handed.take().ok_or_else(lost)?;
            let reason = if environment.is_fresh() { StartReason::Cold } else { StartReason::Queued };
            Ok((environment, reason))
        }
    }
}

impl Invoke for Engine {
    fn invoke(&self, invocation: Invocation) -> Pending<'_, Result<Outcome, ServiceError>> {
        Box::pin(self.run(invocation))
    }

    fn retire(&self, function: &FunctionId, version: Option<Version>) {
        self.shared.registry.retire(function, version);
    }

    fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        self.shared.accounts.reserve(function, executions);
    }

    fn provision(&self, function: &FunctionId, wanted: &[(Arc<Function>, u32)]) {
        provision::provision(&self.shared, function, wanted);
    }

    fn provisioned(&self, function: &FunctionId, version: Version) -> Provisioned {
        self.shared.provisions.of(function, version)
    }
}

pub(crate) fn lost() -> ServiceError {
    ServiceError::Internal("The execution environment was lost; the request can be tried again.".to_owned())
}

impl Default for EngineConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            concurrency: limits::CONCURRENCY_DEFAULT,
            environments_max: 2_000,
            starts_max: cores * 2,
            freeze_delay: FREEZE_DELAY,
            response_bytes_max: RESPONSE_BYTES_MAX,
            stream_bytes_max: limits::PAYLOAD_STREAM_BYTES_MAX,
            file_systems: BTreeMap::new(),
        }
    }
}
