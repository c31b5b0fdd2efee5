//! Starting the processes of an environment: the external extensions first, all at once; the runtime when every one
//! of them has registered.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use model::fault::Fault;
use model::function::Function;
use model::gate::Gate;
use model::lifecycle::{Event, State};
use model::limits::EXTENSIONS_MAX;
use sandbox::{Command, CpuQuota, Process, SandboxError};
use tokio::net::TcpListener;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ORDER_TIME_MAX, Running, Supervisor};
use crate::engine::Shared;
use crate::environment::init::{Init, RuntimeVersion};
use crate::environment::output::{Form, Output, Writer};
use crate::environment::{Environment, Inner, ORDERS_MAX, Order};
use crate::host::{Cell, CellDial};
use crate::pool::Pool;
use crate::telemetry::Telemetry;
use crate::telemetry::events::InitType;

/// A CPU-bound init runs with at least one whole core, as Lambda gives it.
const INIT_CPU_MILLIS: u32 = 1_000;

/// Bodies that one environment may have in memory, however many invocations it takes at once.
const BODIES_MAX: usize = 16;

/// Something to execute in an environment.
pub(crate) struct Program {
    /// The extension's name; empty for the runtime.
    pub name: String,
    pub command: Command,
    /// Whether the program is there at all: a missing interpreter of it looks the same to the kernel.
    pub exists: bool,
    /// Whether the working directory is there, where that is known.
    pub cwd_exists: bool,
}

/// What an environment is started with.
pub(crate) struct Launch {
    pub id: model::id::EnvironmentId,
    pub init_type: InitType,
    pub runtime_version: Option<RuntimeVersion>,
    pub extensions: Vec<Program>,
    pub runtime: Program,
    pub runtime_api: TcpListener,
    pub platform: TcpListener,
    pub sandbox_time: Duration,
    pub turn: OwnedSemaphorePermit,
    pub room: OwnedSemaphorePermit,
    /// Where it is kept what the processes write, if anywhere.
    pub log_group: Option<Arc<model::log::LogGroup>>,
    pub log_stream: Arc<str>,
}

impl Environment {
    /// Makes the environment around a cell and starts its processes.
    pub(crate) fn launch(shared: Arc<Shared>, pool: &Arc<Pool>, cell: Arc<dyn Cell>, launch: Launch) {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let external: Vec<_> = launch.extensions.iter().map(|program| program.name.clone()).collect();
        let dial = Arc::new(CellDial(Arc::downgrade(&cell)));
        let environment = Arc::new(Self {
            id: launch.id,
            init_type: launch.init_type,
            has_initialised: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            function: Arc::clone(&pool.function),
            runtime_version: launch.runtime_version,
            telemetry: Telemetry::new(dial, Arc::clone(&shared.ports.clock)),
            shared,
            pool: Arc::downgrade(pool),
            cell,
            _room: launch.room,
            log_group: launch.log_group,
            log_stream: launch.log_stream,
            inner: std::sync::Mutex::new(Inner::new(
                launch.init_type,
                &external,
                launch.sandbox_time,
                launch.turn,
            )),
            external,
            orders,
            rearm: Notify::new(),
            born: Instant::now(),
            body_turn: Semaphore::new(bodies_max(&pool.function)),
        });
        environment.order(Order::StartProcesses);
        pool.adopt(&environment);
        let supervisor = Supervisor {
            environment: Arc::clone(&environment),
            extensions: launch.extensions,
            runtime: launch.runtime,
            runtime_api: launch.runtime_api,
            platform: launch.platform,
            inbox,
            processes: Vec::new(),
            pipes: Vec::new(),
            generation: 0,
            connections: JoinSet::new(),
            platform_connections: JoinSet::new(),
            shutdown: None,
        };
        tokio::spawn(supervisor.run());
        // Whoever ends all environments when the server stops may have come before this one was among them.
        if environment.is_provisioned() && environment.shared.is_stopping() {
            environment.retire();
        }
    }

    /// The function's own fault: what it wants executed cannot be.
    fn cannot_start(self: &Arc<Self>, fault: Fault) {
        self.fail(self.lock(), Event::Fault, fault);
    }
}

/// Bodies that are read into memory at once.
fn bodies_max(function: &Function) -> usize {
    (function.concurrency_per_environment() as usize).min(BODIES_MAX)
}

impl Inner {
    fn new(
        init_type: InitType,
        external: &[String],
        sandbox_time: Duration,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        // Nobody waits for a provisioned one, and its init is nobody's.
        let on_demand = init_type == InitType::OnDemand;
        Self {
            state: State::Starting,
            gate: Gate::new(external),
            extensions: Vec::new(),
            seats: std::collections::VecDeque::new(),
            undelivered: std::collections::VecDeque::new(),
            leases: Vec::new(),
            fault: None,
            init: Init::new(sandbox_time),
            fresh: on_demand,
            counted_as_starting: on_demand,
            offered: 0,
            draining: false,
            turn: Some(turn),
            generation: 0,
            oom_kills: 0,
            output: Output::default(),
            idle_since: Instant::now(),
            armed: None,
        }
    }
}

impl Supervisor {
    pub(super) async fn start_processes(&mut self) {
        let environment = Arc::clone(&self.environment);
        let quota = CpuQuota::from_millicores(environment.function.cpu_millis().max(INIT_CPU_MILLIS));
        environment.warn_if(environment.cell.set_cpu(Some(quota)), "give CPU for init to");
        environment.init_begins();
        if let Some(surplus) = self.extensions.get(EXTENSIONS_MAX) {
            return environment.too_many_extensions(&surplus.name);
        }
        for index in 0..self.extensions.len() {
            if !self.start_extension(index).await {
                return;
            }
        }
        if self.extensions.is_empty() {
            self.start_runtime().await;
        }
    }

    async fn start_extension(&mut self, index: usize) -> bool {
        let name = self.extensions[index].name.clone();
        let command = self.extensions[index].command.clone();
        match self.spawn(command).await {
            Ok(process) => self.watch(process, Some(name)),
            Err(SandboxError::Spawn { program, source }) => {
                let detail = format!("fork/exec {}: {}", program.display(), reason(&source));
                let error_type = match source.kind() {
                    io::ErrorKind::PermissionDenied => "PermissionDenied",
                    _ => "UnknownError",
                };
                self.environment.extension_not_launched(&name, detail, error_type);
                false
            }
            Err(error) => {
                self.give_up(&error.to_string());
                false
            }
        }
    }

    pub(super) async fn start_runtime(&mut self) {
        // The last registration may have been overtaken by a failure.
        let expected = matches!(self.environment.lock().state, State::Starting | State::Restarting);
        if !expected || self.shutdown.is_some() {
            return;
        }
        match self.spawn(self.runtime.command.clone()).await {
            Ok(process) => drop(self.watch(process, None)),
            Err(SandboxError::Spawn { program, source }) => {
                self.environment.cannot_start(self.spawn_failure(&program, &source));
            }
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    async fn spawn(&self, command: Command) -> Result<Process, SandboxError> {
        let spawned = timeout(ORDER_TIME_MAX, self.environment.cell.spawn(command)).await;
        spawned.unwrap_or_else(|_| Err(SandboxError::Channel(io::ErrorKind::TimedOut.into())))
    }

    /// Attaches the pipes of a new process to the environment's output.
    fn watch(&mut self, process: Process, extension: Option<String>) -> bool {
        match self.attach(&process, extension.as_ref()) {
            Ok(generation) => {
                self.processes.push(Running { extension, generation, process });
                true
            }
            Err(error) => {
                self.give_up(&error.to_string());
                false
            }
        }
    }

    fn attach(&mut self, process: &Process, extension: Option<&String>) -> io::Result<u64> {
        let writer = if extension.is_some() { Writer::Extension } else { Writer::Function };
        let receiver = |pipe: &std::os::fd::OwnedFd| -> io::Result<Arc<Receiver>> {
            Ok(Arc::new(Receiver::from_owned_fd(pipe.try_clone()?)?))
        };
        let mut pipes =
            vec![(receiver(&process.stdout)?, Form::Lines), (receiver(&process.stderr)?, Form::Lines)];
        if let Some(log) = &process.log {
            pipes.push((receiver(log)?, Form::Frames));
        }
        let mut inner = self.environment.lock();
        for (pipe, form) in pipes {
            inner.output.attach(writer, form, pipe);
        }
        self.pipes = inner.output.open();
        Ok(inner.generation)
    }

    /// What the owner of a function can do something about, in the words that Lambda's logs have for it.
    fn spawn_failure(&self, program: &Path, source: &io::Error) -> Fault {
        let missing = source.kind() == io::ErrorKind::NotFound;
        if missing && !self.runtime.cwd_exists {
            let cwd = self.runtime.command.cwd.display();
            return Fault::InvalidWorkingDirectory {
                detail: format!("chdir {cwd}: no such file or directory"),
            };
        }
        let detail = if missing && !self.runtime.exists {
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned()
        } else {
            format!("fork/exec {}: {}", program.display(), reason(source))
        };
        Fault::InvalidEntrypoint { detail }
    }
}

/// The operating system's word for a failure, as Lambda's logs write it.
fn reason(source: &io::Error) -> String {
    let text = source.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
