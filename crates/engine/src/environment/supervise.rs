//! The supervisor: one task per environment that does what must wait. It starts and kills processes, notices
//! their exit, reads their output, keeps the time limits, and accepts the connections of the Runtime API and
//! of the platform endpoint.
//!
//! It is not on the warm path: time limits are armed lazily (see `Environment::arm`), so an environment that
//! is invoked again and again does not wake it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use model::fault::Fault;
use model::lifecycle::{Event, State};
use model::limits;
use sandbox::{Command, CpuQuota, ExitStatus, Process, SandboxError};
use tokio::net::TcpListener;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Environment, Inner, ORDERS_MAX, Order, output};
use crate::engine::Shared;
use crate::host::Cell;
use crate::pool::Pool;
use crate::runtime_api;

/// Starting or killing processes takes milliseconds; far more means that the sandbox is broken.
const ORDER_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an init may keep its turn: a slow one must not hold up the starts of others.
const TURN_MAX: Duration = Duration::from_millis(50);
/// A CPU-bound init runs with at least one whole core, as Lambda gives it.
const INIT_CPU_MILLIS: u32 = 1_000;
/// Connections that one environment may hold open to the Runtime API or the platform endpoint.
const CONNECTIONS_MAX: usize = 64;
const SIGKILL: i32 = 9;

/// What an environment is started with.
pub(crate) struct Launch {
    pub id: model::id::EnvironmentId,
    pub command: Command,
    /// Whether the command's program is there at all: a missing interpreter of it looks the same to the kernel.
    pub program_exists: bool,
    pub runtime_api: TcpListener,
    pub platform: TcpListener,
    pub sandbox_time: Duration,
    pub turn: OwnedSemaphorePermit,
    pub log_group: Arc<model::log::LogGroup>,
    pub log_stream: Arc<str>,
}

impl Environment {
    /// Makes the environment around a cell and starts its runtime.
    pub(crate) fn launch(shared: Arc<Shared>, pool: &Arc<Pool>, cell: Box<dyn Cell>, launch: Launch) {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let inner = Inner {
            state: State::Starting,
            seat: None,
            undelivered: None,
            lease: None,
            fault: None,
            init_started: None,
            init: None,
            sandbox_time: launch.sandbox_time,
            fresh: true,
            counted_as_starting: true,
            turn: Some(launch.turn),
            generation: 0,
            oom_kills: 0,
            output: output::Output::default(),
            idle_since: Instant::now(),
            armed: None,
        };
        let environment = Arc::new(Self {
            id: launch.id,
            function: Arc::clone(&pool.function),
            shared,
            pool: Arc::downgrade(pool),
            cell,
            log_group: launch.log_group,
            log_stream: launch.log_stream,
            orders,
            rearm: Notify::new(),
            born: Instant::now(),
            body_turn: Semaphore::new(1),
            inner: std::sync::Mutex::new(inner),
        });
        environment.order(Order::StartRuntime);
        pool.adopt(&environment);
        let supervisor = Supervisor {
            environment,
            command: launch.command,
            program_exists: launch.program_exists,
            runtime_api: launch.runtime_api,
            platform: launch.platform,
            inbox,
            process: None,
            pipes: [None, None],
            generation: 0,
            connections: JoinSet::new(),
        };
        tokio::spawn(supervisor.run());
    }

    /// When the supervisor must look next, noted so that it is woken for anything earlier.
    fn next_due(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let lease_end = inner.lease.as_ref().map(|lease| lease.deadline);
        let due = match inner.state {
            State::Starting => inner.init_started.map(|started| match inner.turn {
                Some(_) => started + TURN_MAX,
                None => started + limits::INIT_MAX,
            }),
            State::Restarting | State::Running | State::Answered => lease_end,
            State::Idle | State::Frozen | State::Reset => Some(self.rest_due(&inner)),
            State::Gone => None,
        };
        inner.armed = due;
        due
    }

    /// Does what is due by now.
    fn tick(self: &Arc<Self>) {
        let now = Instant::now();
        let mut inner = self.lock();
        let lease_over = inner.lease.as_ref().is_some_and(|lease| lease.deadline <= now);
        let since_init = inner.init_started.map_or(Duration::ZERO, |started| now - started);
        let idle_for = now.saturating_duration_since(inner.idle_since);
        match inner.state {
            State::Starting if since_init >= limits::INIT_MAX => {
                self.fail(inner, Event::Deadline, Fault::InitTimedOut { limit: limits::INIT_MAX });
            }
            State::Starting if since_init >= TURN_MAX => inner.turn = None,
            State::Restarting | State::Running | State::Answered if lease_over => {
                self.fail(inner, Event::Deadline, Fault::TimedOut { limit: self.function.timeout() });
            }
            State::Idle | State::Frozen | State::Reset if idle_for >= self.function.idle() => {
                drop(inner);
                self.expire();
            }
            State::Idle if self.rest_due(&inner) <= now => {
                drop(inner);
                self.freeze();
            }
            _ => {}
        }
    }

    /// Retires the environment unless an invocation is just getting it.
    pub(super) fn expire(self: &Arc<Self>) {
        if self.pool.upgrade().is_none_or(|pool| pool.give_up(self)) {
            self.retire();
        }
    }

    /// Reads what the runtime wrote; says which pipes are still open.
    fn drain(&self) -> [bool; 2] {
        let mut inner = self.lock();
        let lines = inner.output.drain(false);
        let open = inner.output.open();
        drop(inner);
        self.log(lines, self.shared.ports.clock.now());
        open
    }

    /// A runtime process of this generation ended by itself.
    fn exited(self: &Arc<Self>, generation: u64, status: ExitStatus) {
        let fault = self.fault_of(status);
        let inner = self.lock();
        if inner.generation == generation {
            self.fail(inner, Event::Fault, fault);
        }
    }

    /// What an exit means: the memory limit, if it has killed since the last time.
    fn fault_of(&self, status: ExitStatus) -> Fault {
        let oom_kills = self.cell.oom_kills().unwrap_or(0);
        let before = std::mem::replace(&mut self.lock().oom_kills, oom_kills);
        match status {
            _ if before < oom_kills => Fault::OutOfMemory,
            ExitStatus::Exited(status) => Fault::Exited { status },
            ExitStatus::Signaled(signal) => Fault::Signaled { signal },
        }
    }
}

struct Supervisor {
    environment: Arc<Environment>,
    command: Command,
    program_exists: bool,
    runtime_api: TcpListener,
    platform: TcpListener,
    inbox: mpsc::Receiver<Order>,
    /// The runtime process, with its generation.
    process: Option<(u64, Process)>,
    pipes: Pipes,
    /// Of the processes that can connect now: a new one begins when all older ones are dead.
    generation: u64,
    connections: JoinSet<()>,
}

/// The process's stdout and stderr, while open.
type Pipes = [Option<Arc<Receiver>>; 2];

impl Supervisor {
    async fn run(mut self) {
        let environment = Arc::clone(&self.environment);
        let gone = environment.cell.gone();
        tokio::pin!(gone);
        // What must not be starved by a flood of output or connections comes first.
        loop {
            let due = environment.next_due().map(tokio::time::Instant::from_std);
            let accepting = self.connections.len() < CONNECTIONS_MAX;
            tokio::select! {
                biased;
                order = self.inbox.recv() => match order {
                    Some(Order::StartRuntime) => self.start().await,
                    Some(Order::KillProcesses) => self.kill_processes().await,
                    Some(Order::Destroy) | None => break,
                },
                () = &mut gone => {
                    environment.drain();
                    environment.end(environment.fault_of(ExitStatus::Signaled(SIGKILL)));
                    break;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(far_away)) => environment.tick(),
                (generation, status) = exit_of(&mut self.process) => {
                    environment.drain();
                    self.process = None;
                    environment.exited(generation, status);
                }
                () = readable(&mut self.pipes, &environment) => {}
                () = environment.rearm.notified() => {}
                accepted = self.runtime_api.accept(), if accepting => {
                    if let Ok((stream, _)) = accepted {
                        self.connections.spawn(runtime_api::serve(Arc::clone(&environment), self.generation, stream));
                    }
                }
                accepted = self.platform.accept(), if accepting => {
                    if let Ok((stream, _)) = accepted {
                        self.connections.spawn(environment.shared.ports.platform.serve(stream));
                    }
                }
                Some(_) = self.connections.join_next() => {}
            }
        }
        environment.warn_if(environment.cell.kill(), "kill");
    }

    async fn start(&mut self) {
        let environment = &self.environment;
        let quota = CpuQuota::from_millicores(environment.function.cpu_millis().max(INIT_CPU_MILLIS));
        environment.warn_if(environment.cell.set_cpu(Some(quota)), "give CPU for init to");
        environment.lock().init_started = Some(Instant::now());
        let spawned = timeout(ORDER_TIME_MAX, environment.cell.spawn(self.command.clone())).await;
        let watched = match spawned {
            Ok(Ok(process)) => self.watch(process),
            Ok(Err(SandboxError::Spawn { program, source })) => {
                return self.cannot_start(&self.spawn_failure(&program, &source));
            }
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        if let Err(error) = watched {
            self.give_up(&error.to_string());
        }
    }

    /// Attaches the pipes of a new process to the environment's output.
    fn watch(&mut self, process: Process) -> io::Result<()> {
        let stdout = Arc::new(Receiver::from_owned_fd(process.stdout.try_clone()?)?);
        let stderr = Arc::new(Receiver::from_owned_fd(process.stderr.try_clone()?)?);
        self.pipes = [Some(Arc::clone(&stdout)), Some(Arc::clone(&stderr))];
        let mut inner = self.environment.lock();
        inner.output.attach(stdout, stderr);
        self.process = Some((inner.generation, process));
        Ok(())
    }

    /// The function's own fault: what it wants executed cannot be.
    fn cannot_start(&self, detail: &str) {
        let fault = Fault::InvalidEntrypoint { detail: detail.to_owned() };
        self.environment.fail(self.environment.lock(), Event::Fault, fault);
    }

    /// Not the function's fault: the sandbox is removed, and nobody's invocation is lost with it.
    fn give_up(&self, detail: &str) {
        tracing::warn!(environment = %self.environment.id, detail, "the sandbox does not work; it is removed");
        self.environment.break_off();
    }

    /// What the owner of a function can do something about, in the words that Lambda's logs have for it.
    fn spawn_failure(&self, program: &Path, source: &io::Error) -> String {
        if source.kind() == io::ErrorKind::NotFound && !self.program_exists {
            return "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned();
        }
        let reason = source.to_string().to_lowercase();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        format!("fork/exec {}: {reason}", program.display())
    }

    async fn kill_processes(&mut self) {
        self.process = None;
        let environment = Arc::clone(&self.environment);
        // A frozen cell cannot run its own killer, and a throttled one runs it late.
        environment.warn_if(environment.cell.thaw(), "thaw");
        environment.warn_if(environment.cell.set_cpu(None), "give CPU for its end to");
        let killed = timeout(ORDER_TIME_MAX, environment.cell.reset()).await;
        if !matches!(killed, Ok(Ok(()))) {
            return self.give_up("its processes cannot be killed");
        }
        self.connections.abort_all();
        for listener in [&self.runtime_api, &self.platform] {
            while let Some(Ok(_)) = listener.accept().now_or_never() {}
        }
        self.generation = environment.lock().generation;
    }
}

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(24 * 3600)
}

async fn exit_of(process: &mut Option<(u64, Process)>) -> (u64, ExitStatus) {
    match process {
        Some((generation, process)) => (*generation, process.wait().await),
        None => std::future::pending().await,
    }
}

/// Waits until a pipe can be read, and reads.
async fn readable(pipes: &mut Pipes, environment: &Environment) {
    let [out, err] = &*pipes;
    tokio::select! {
        () = ready(out.as_ref()) => {}
        () = ready(err.as_ref()) => {}
    }
    for (pipe, open) in pipes.iter_mut().zip(environment.drain()) {
        if !open {
            *pipe = None;
        }
    }
}

async fn ready(pipe: Option<&Arc<Receiver>>) {
    match pipe {
        // An error means that reading will tell.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}
