//! Placing: making one environment for unmet demand. Makes room if there is none, waits for its turn, makes the
//! sandbox with the function's code in it, and starts its processes. Whatever fails is told to the one who has
//! waited longest, and is logged.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::error::ServiceError;
use model::function::Function;
use model::id::EnvironmentId;
use model::limits;
use model::log::LogGroup;
use model::time::Timestamp;
use sandbox::{Command, SandboxSpec};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::contents::{self, Contents};
use crate::engine::Shared;
use crate::environment::{Environment, Launch, Program, RuntimeVersion};
use crate::host::Cell;
use crate::pool::Pool;
use crate::telemetry::events::InitType;
use crate::variables;

/// How long an environment that gives way may take to go: its shutdown phase and a little.
const EVICTION_MAX: Duration = limits::SHUTDOWN_EXTERNAL_MAX.saturating_add(Duration::from_secs(1));
/// Where external extensions stand.
const EXTENSIONS: &str = "/opt/extensions";

/// Starts one environment for the pool; it offers itself when its processes are ready.
pub(crate) async fn start(shared: Arc<Shared>, pool: Arc<Pool>) {
    if let Err(error) = attempt(&shared, &pool, InitType::OnDemand).await {
        tracing::error!(function = %pool.function.id.name, %error, "cannot start an environment");
        pool.start_failed(&error);
    }
}

/// Makes one environment before anybody needs it.
///
/// # Errors
/// When there is nothing to be started, or nowhere.
pub(crate) async fn provision(shared: &Arc<Shared>, pool: &Arc<Pool>) -> Result<(), ServiceError> {
    attempt(shared, pool, InitType::ProvisionedConcurrency).await
}

async fn attempt(shared: &Arc<Shared>, pool: &Arc<Pool>, init_type: InitType) -> Result<(), ServiceError> {
    let function = &pool.function;
    // Before the turn: unpacking what is missing takes long, and must not hold up the starts of others.
    let mut contents = contents::of(shared, function).await?;
    let room = make_room(shared).await?;
    let turn = Arc::clone(&shared.turns).acquire_owned().await;
    let turn = turn.map_err(|_| internal("no turn to start"))?;
    let began = Instant::now();
    let mut mounts = std::mem::take(&mut contents.plan.mounts);
    mounts.append(&mut contents.mounts);
    let spec = SandboxSpec {
        root: contents.plan.root.clone(),
        mounts,
        memory_bytes: function.memory_bytes(),
        tmp_bytes: u64::from(function.settings.ephemeral_mb) * limits::MB,
        pids_max: limits::PROCESSES_MAX,
        open_files_max: limits::OPEN_FILES_MAX,
    };
    let cell = shared.ports.host.create(spec).await.map_err(|error| {
        tracing::error!(function = %function.id.name, %error, "cannot make a sandbox");
        internal("the sandbox could not be made")
    })?;
    launch(shared, pool, (cell, room), began, turn, contents, init_type)
}

/// Room for one environment, ending the longest idle one if need be. What ends needs its room until its sandbox is
/// gone.
async fn make_room(shared: &Shared) -> Result<OwnedSemaphorePermit, ServiceError> {
    let rooms = &shared.rooms;
    if let Ok(room) = Arc::clone(rooms).try_acquire_owned() {
        return Ok(room);
    }
    let others_end = || shared.registry.census().live < shared.environments_max;
    if shared.registry.evict_one() || others_end() {
        let freed = timeout(EVICTION_MAX, Arc::clone(rooms).acquire_owned()).await;
        if let Ok(Ok(room)) = freed {
            return Ok(room);
        }
    }
    Err(ServiceError::Unavailable(
        "This machine runs as many execution environments as it may; try again later.".to_owned(),
    ))
}

fn launch(
    shared: &Arc<Shared>,
    pool: &Arc<Pool>,
    (mut cell, room): (Box<dyn Cell>, OwnedSemaphorePermit),
    began: Instant,
    turn: OwnedSemaphorePermit,
    contents: Contents,
    init_type: InitType,
) -> Result<(), ServiceError> {
    let mut bytes = [0; 16];
    shared.ports.entropy.fill(&mut bytes);
    let id = EnvironmentId::from_random(bytes);
    let function = &pool.function;
    let log_stream = log_stream(function, id, shared.ports.clock.now());
    let credentials = shared.ports.roles.credentials(function);
    // What is not kept is said all the same, to extensions and in answers that show the last lines.
    let is_kept = shared.ports.roles.may_log(function, &credentials, &log_stream);
    let group = || LogGroup { scope: function.id.scope.clone(), name: function.log_group() };
    let env = variables::of(function, credentials, &log_stream, init_type, &contents.plan.environment);
    let mut listeners = cell.take_listeners().into_iter();
    let (Some(runtime_api), Some(platform)) = (listeners.next(), listeners.next()) else {
        return Err(internal("the sandbox has no sockets for the Runtime API"));
    };
    let listener = |socket| TcpListener::from_std(socket).map_err(|error| internal(&error.to_string()));
    let extension_env = variables::for_extensions(&env);
    let launch = Launch {
        id,
        init_type,
        runtime_version: RuntimeVersion::of(function),
        extensions: contents.extensions.iter().map(|name| extension(name, &extension_env)).collect(),
        runtime: runtime(contents, env),
        runtime_api: listener(runtime_api)?,
        platform: listener(platform)?,
        sandbox_time: began.elapsed(),
        turn,
        room,
        log_group: is_kept.then(|| Arc::new(group())),
        log_stream: log_stream.into(),
    };
    Environment::launch(Arc::clone(shared), pool, cell.into(), launch);
    Ok(())
}

fn runtime(contents: Contents, mut env: Vec<(OsString, OsString)>) -> Program {
    let Contents { plan, cwd_exists, .. } = contents;
    env.push(variables::log_descriptor());
    Program {
        name: String::new(),
        exists: plan.exists,
        cwd_exists,
        command: Command { argv: plan.argv, env, cwd: plan.cwd, log_pipe: true },
    }
}

fn extension(name: &str, env: &[(OsString, OsString)]) -> Program {
    let argv = vec![format!("{EXTENSIONS}/{name}").into()];
    let command = Command { argv, env: env.to_vec(), cwd: PathBuf::from("/"), log_pipe: false };
    Program { name: name.to_owned(), exists: true, cwd_exists: true, command }
}

/// `2026/11/23/[$LATEST]` and 32 hexadecimal digits, as Lambda names its streams.
fn log_stream(function: &Function, id: EnvironmentId, at: Timestamp) -> String {
    let date = wire::time::rfc3339(at);
    let day = date.get(..10).unwrap_or_default().replace('-', "/");
    format!("{day}/[{}]{}", function.version, id.to_hex())
}

fn internal(detail: &str) -> ServiceError {
    ServiceError::Internal(format!("The execution environment could not be started: {detail}."))
}
