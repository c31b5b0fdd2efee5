//! Placing: making one environment for unmet demand. Waits for its turn, makes room if there is none, makes the
//! sandbox with the function's code in it, and starts the runtime. Whatever fails is told to the one who has
//! waited longest, and is logged.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use model::error::ServiceError;
use model::function::Function;
use model::id::EnvironmentId;
use model::limits;
use model::log::LogGroup;
use model::time::Timestamp;
use sandbox::{Bind, Command, SandboxSpec};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::Shared;
use crate::environment::{Environment, Launch};
use crate::host::Cell;
use crate::pool::Pool;
use crate::variables;

/// How often room is made for one new environment before giving up.
const EVICTIONS_MAX: usize = 8;

/// Where the function's code stands.
const TASK: &str = "/var/task";

/// What is executed in a sandbox.
struct Program {
    argv: Vec<OsString>,
    exists: bool,
    /// Variables that the language adds.
    language: Vec<(String, String)>,
}

/// Starts one environment for the pool; it offers itself when its runtime is ready.
pub(crate) async fn start(shared: Arc<Shared>, pool: Arc<Pool>) {
    if let Err(error) = attempt(&shared, &pool).await {
        tracing::error!(function = %pool.function.id.name, %error, "cannot start an environment");
        pool.start_failed(&error);
    }
}

async fn attempt(shared: &Arc<Shared>, pool: &Arc<Pool>) -> Result<(), ServiceError> {
    let turn = Arc::clone(&shared.turns).acquire_owned().await;
    let turn = turn.map_err(|_| internal("no turn to start"))?;
    make_room(shared)?;
    let began = Instant::now();
    let function = &pool.function;
    let code = shared.ports.artifacts.code_dir(function.code).await?;
    let runtime = shared.ports.catalogue.launch(function)?;
    let mut mounts = runtime.mounts;
    let program_exists =
        runtime.argv.first().is_none_or(|program| match Path::new(program).strip_prefix(TASK) {
            Ok(file) => code.join(file).exists(),
            Err(_) => true,
        });
    mounts.push(Bind { source: code, target: PathBuf::from(TASK) });
    let spec = SandboxSpec {
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
    let program = Program { argv: runtime.argv, exists: program_exists, language: runtime.environment };
    launch(shared, pool, cell, began, turn, program)
}

/// Below the limit on environments, ending the longest idle ones if need be.
fn make_room(shared: &Shared) -> Result<(), ServiceError> {
    for _ in 0..EVICTIONS_MAX {
        if shared.registry.census().live < shared.environments_max {
            return Ok(());
        }
        if !shared.registry.evict_one() {
            break;
        }
    }
    Err(ServiceError::Unavailable(
        "This machine runs as many execution environments as it may; try again later.".to_owned(),
    ))
}

fn launch(
    shared: &Arc<Shared>,
    pool: &Arc<Pool>,
    mut cell: Box<dyn Cell>,
    began: Instant,
    turn: OwnedSemaphorePermit,
    program: Program,
) -> Result<(), ServiceError> {
    let mut bytes = [0; 16];
    shared.ports.entropy.fill(&mut bytes);
    let id = EnvironmentId::from_random(bytes);
    let function = &pool.function;
    let log_stream = log_stream(function, id, shared.ports.clock.now());
    let credentials = shared.ports.roles.credentials(function);
    let env = variables::of(function, credentials, &log_stream, &program.language);
    let mut listeners = cell.take_listeners().into_iter();
    let (Some(runtime_api), Some(platform)) = (listeners.next(), listeners.next()) else {
        return Err(internal("the sandbox has no sockets for the Runtime API"));
    };
    let listener = |socket| TcpListener::from_std(socket).map_err(|error| internal(&error.to_string()));
    let launch = Launch {
        id,
        command: Command { argv: program.argv, env, cwd: PathBuf::from(TASK) },
        program_exists: program.exists,
        runtime_api: listener(runtime_api)?,
        platform: listener(platform)?,
        sandbox_time: began.elapsed(),
        turn,
        log_group: Arc::new(LogGroup { scope: function.id.scope.clone(), name: function.log_group() }),
        log_stream: log_stream.into(),
    };
    Environment::launch(Arc::clone(shared), pool, cell, launch);
    Ok(())
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
