//! The supervisor: one task per environment that does what must wait. It starts and ends processes, notices
//! their exit, reads their output, keeps the time limits, and accepts the connections of the Runtime API and
//! of the platform endpoint.
//!
//! It is not on the warm path: time limits are armed lazily (see `Environment::arm`), so an environment that
//! is invoked again and again does not wake it.

mod shutdown;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::select_all;
use model::fault::Fault;
use model::lifecycle::{Event, State};
use sandbox::{ExitStatus, Process};
use tokio::net::TcpListener;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::output::Amount;
use super::{Environment, Order};
use crate::api;
use shutdown::ShutdownPhase;
pub(crate) use start::{Launch, Program};

/// Starting or killing processes takes milliseconds; far more means that the sandbox is broken.
const ORDER_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an init may keep its turn: a slow one must not hold up the starts of others.
const TURN_MAX: Duration = Duration::from_millis(50);
/// Connections that one environment may hold open to the Runtime API, and as many to the platform endpoint; two more
/// of each for every invocation that it takes at once.
const CONNECTIONS_MAX: usize = 64;
const SIGKILL: i32 = 9;

impl Environment {
    /// When the supervisor must look next, noted so that it is woken for anything earlier.
    fn next_due(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let due = match inner.state {
            State::Starting => inner.init.started.map(|started| match inner.turn {
                Some(_) => started + TURN_MAX,
                None => started + self.init_max(),
            }),
            State::Restarting | State::Running => inner.earliest_deadline(),
            State::Idle | State::Frozen | State::Reset => Some(self.rest_due(&inner)),
            State::Resetting | State::Closing | State::Gone => None,
        };
        inner.armed = due;
        due
    }

    /// Does what is due by now.
    fn tick(self: &Arc<Self>) {
        let now = Instant::now();
        let mut inner = self.lock();
        let lease_over = inner.earliest_deadline().is_some_and(|deadline| deadline <= now);
        let since_init = inner.init.started.map_or(Duration::ZERO, |started| now - started);
        match inner.state {
            State::Starting if since_init >= self.init_max() => {
                self.fail(inner, Event::Deadline, Fault::InitTimedOut { limit: self.init_max() });
            }
            State::Starting if since_init >= TURN_MAX => inner.turn = None,
            State::Running if lease_over && self.is_shared() => self.time_out_one(inner, now),
            State::Restarting | State::Running if lease_over => {
                self.fail(inner, Event::Deadline, Fault::TimedOut { limit: self.function.timeout() });
            }
            State::Idle | State::Frozen | State::Reset if self.ends_at(&inner) <= now => {
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
    fn expire(self: &Arc<Self>) {
        let mut inner = self.lock();
        self.withdraw(&mut inner);
        let handed_out = inner.offered > 0;
        drop(inner);
        if !handed_out {
            self.retire();
        }
    }

    /// Reads what the processes wrote.
    fn drain(&self, amount: Amount) {
        self.log_output(&mut self.lock(), amount, false);
    }

    /// The runtime process of this generation ended by itself.
    fn runtime_exited(self: &Arc<Self>, generation: u64, status: ExitStatus) {
        let fault = self.fault_of(status);
        let inner = self.lock();
        if inner.generation == generation {
            self.fail(inner, Event::Fault, fault);
        }
    }

    /// What an exit means: the memory limit, if it has killed since the last time.
    pub(super) fn fault_of(&self, status: ExitStatus) -> Fault {
        let oom_kills = self.cell.oom_kills().unwrap_or(0);
        let before = std::mem::replace(&mut self.lock().oom_kills, oom_kills);
        match status {
            _ if before < oom_kills => Fault::OutOfMemory,
            ExitStatus::Exited(status) => Fault::Exited { status },
            ExitStatus::Signaled(signal) => Fault::Signaled { signal },
        }
    }

    /// The sandbox has died under its processes.
    fn cell_gone(self: &Arc<Self>) {
        self.drain(Amount::All);
        let fault = self.fault_of(ExitStatus::Signaled(SIGKILL));
        self.fail(self.lock(), Event::Fault, fault);
        self.break_off();
    }
}

/// A process that was started.
struct Running {
    /// The extension's name; none for the runtime.
    extension: Option<String>,
    generation: u64,
    process: Process,
}

struct Supervisor {
    environment: Arc<Environment>,
    extensions: Vec<Program>,
    runtime: Program,
    runtime_api: TcpListener,
    platform: TcpListener,
    inbox: mpsc::Receiver<Order>,
    processes: Vec<Running>,
    /// Their output, while open.
    pipes: Vec<Arc<Receiver>>,
    /// Of the processes that can connect now: a new one begins when all older ones are dead.
    generation: u64,
    connections: JoinSet<()>,
    /// Apart from those, so that a function that keeps many cannot lock its runtime out.
    platform_connections: JoinSet<()>,
    shutdown: Option<ShutdownPhase>,
}

impl Supervisor {
    /// Counted from now on, not from when it first runs.
    fn run(self) -> impl Future<Output = ()> + Send {
        let supervised = self.environment.shared.supervised.enter();
        async move {
            self.supervise().await;
            drop(supervised);
        }
    }

    async fn supervise(mut self) {
        let environment = Arc::clone(&self.environment);
        let gone = environment.cell.gone();
        tokio::pin!(gone);
        let connections_max =
            CONNECTIONS_MAX + 2 * environment.function.concurrency_per_environment() as usize;
        // What must not be starved by a flood of output or connections comes first.
        loop {
            let due = [environment.next_due(), self.shutdown.as_ref().map(ShutdownPhase::due)];
            let due = due.into_iter().flatten().min().map(tokio::time::Instant::from_std);
            tokio::select! {
                biased;
                order = self.inbox.recv() => match order {
                    Some(Order::StartProcesses) => self.start_processes().await,
                    Some(Order::StartRuntime) => self.start_runtime().await,
                    Some(Order::Shutdown(reason)) => self.begin_shutdown(reason).await,
                    Some(Order::LookAtShutdown) => self.look_at_shutdown().await,
                    Some(Order::Destroy) | None => break,
                },
                () = &mut gone => {
                    environment.cell_gone();
                    break;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(far_away)) => {
                    environment.tick();
                    self.look_at_shutdown().await;
                }
                (index, status) = exit_of(&mut self.processes) => self.exited(index, status).await,
                () = readable(&self.pipes) => {
                    environment.drain(Amount::Some);
                    self.forget_closed_pipes();
                    // A pipe that is never empty would keep this task, and its thread, from ever waiting.
                    tokio::task::yield_now().await;
                }
                () = environment.rearm.notified() => {}
                accepted = self.runtime_api.accept(), if self.connections.len() < connections_max => {
                    if let Ok((stream, _)) = accepted {
                        self.connections.spawn(api::serve(Arc::clone(&environment), self.generation, stream));
                    }
                }
                accepted = self.platform.accept(), if self.platform_connections.len() < connections_max => {
                    if let Ok((stream, _)) = accepted {
                        self.platform_connections.spawn(environment.shared.ports.platform.serve(stream));
                    }
                }
                Some(_) = self.connections.join_next() => {}
                Some(_) = self.platform_connections.join_next() => {}
            }
        }
        environment.telemetry.reset();
        environment.warn_if(environment.cell.kill(), "kill");
    }

    /// Whoever reads may find a pipe closed, here or at the end of an invocation. One that is watched nevertheless
    /// would be readable forever.
    fn forget_closed_pipes(&mut self) {
        let inner = self.environment.lock();
        if inner.output.open_count() != self.pipes.len() {
            self.pipes = inner.output.open();
        }
    }

    async fn exited(&mut self, index: usize, status: ExitStatus) {
        let Running { extension, generation, .. } = self.processes.swap_remove(index);
        self.environment.drain(Amount::All);
        if let Some(name) = &extension {
            self.environment.extension_exited(generation, name, status);
        } else if self.shutdown.is_none() {
            self.environment.runtime_exited(generation, status);
        }
        self.look_at_shutdown().await;
    }

    /// Not the function's fault: the sandbox is removed, and nobody's invocation is lost with it.
    fn give_up(&self, detail: &str) {
        tracing::warn!(environment = %self.environment.id, detail, "the sandbox does not work; it is removed");
        self.environment.break_off();
    }

    /// Kills what is left; nobody of the old generation can be heard afterwards.
    async fn kill_processes(&mut self) -> bool {
        let environment = Arc::clone(&self.environment);
        // A frozen cell cannot run its own killer, and a throttled one runs it late.
        environment.warn_if(environment.cell.thaw(), "thaw");
        environment.warn_if(environment.cell.set_cpu(None), "give CPU for its end to");
        let killed = timeout(ORDER_TIME_MAX, environment.cell.reset()).await;
        if !matches!(killed, Ok(Ok(()))) {
            self.give_up("its processes cannot be killed");
            return false;
        }
        environment.drain(Amount::All);
        self.processes.clear();
        self.pipes.clear();
        environment.lock().output.detach();
        self.connections.abort_all();
        self.platform_connections.abort_all();
        for listener in [&self.runtime_api, &self.platform] {
            while let Some(Ok(_)) = listener.accept().now_or_never() {}
        }
        true
    }
}

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(24 * 3600)
}

/// Waits until one of the processes has ended.
async fn exit_of(processes: &mut [Running]) -> (usize, ExitStatus) {
    if processes.is_empty() {
        return std::future::pending().await;
    }
    let exits = processes.iter_mut().map(|running| Box::pin(running.process.wait()));
    let (status, index, _) = select_all(exits).await;
    (index, status)
}

/// Waits until a pipe can be read. An error means that reading will tell.
async fn readable(pipes: &[Arc<Receiver>]) {
    if pipes.is_empty() {
        return std::future::pending().await;
    }
    drop(select_all(pipes.iter().map(|pipe| Box::pin(pipe.readable()))).await);
}
