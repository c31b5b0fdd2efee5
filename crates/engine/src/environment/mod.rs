//! One execution environment: the state of its lifecycle and the effects of each step.
//!
//! Events come from four sides: the pool assigns and retires, the Runtime API and the Extensions API report what
//! processes say, the supervisor reports exits and time limits. Each locks the environment, takes one step of
//! `model::lifecycle`, and performs the effects in order. Effects that must wait (starting and ending
//! processes) are ordered from the supervisor; everything on the warm path happens at once, in memory.
//!
//! Invariants: the lock is never held across an await; a lease is answered once and closed once; the pool is
//! told of free places only after the lock is free, and of each place once.

mod extensions;
mod init;
mod lease;
mod log;
mod output;
mod provisioned;
mod refusal;
mod report;
mod runs;
mod stream;
mod supervise;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model::fault::Fault;
use model::function::Function;
use model::gate::Gate;
use model::id::EnvironmentId;
use model::lifecycle::{self, Effect, Event, Refused, State};
use model::limits;
use model::log::LogGroup;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::engine::{self, Shared};
use crate::host::Cell;
use crate::pool::Pool;
use crate::telemetry::Telemetry;
use crate::telemetry::events::InitType;

pub(crate) use extensions::{ExtensionEvent, ExtensionRefusal};
use init::Init;
pub(crate) use init::RuntimeVersion;
use lease::OpenLease;
pub(crate) use lease::{Answer, Assignment};
pub(crate) use refusal::{RuntimeRefusal, RuntimeStep};
pub(crate) use report::ShutdownReason;
pub(crate) use runs::Delivery;
pub(crate) use stream::{Put, Sink};
pub(crate) use supervise::{Launch, Program};

/// What the supervisor is told to do; never more than a few are under way.
enum Order {
    StartProcesses,
    StartRuntime,
    Shutdown(ShutdownReason),
    /// An extension may have ended its part of the shutdown phase.
    LookAtShutdown,
    Destroy,
}

const ORDERS_MAX: usize = 32;

/// One execution environment.
pub(crate) struct Environment {
    pub id: EnvironmentId,
    pub function: Arc<Function>,
    init_type: InitType,
    /// Its init before any invocation went well.
    has_initialised: AtomicBool,
    /// It takes no more work, or has failed.
    is_leaving: AtomicBool,
    shared: Arc<Shared>,
    pool: Weak<Pool>,
    cell: Arc<dyn Cell>,
    /// Declared after the cell, so that it is given back when the sandbox is gone.
    _room: OwnedSemaphorePermit,
    telemetry: Telemetry,
    /// None where the role may not write to the group.
    log_group: Option<Arc<LogGroup>>,
    log_stream: Arc<str>,
    runtime_version: Option<RuntimeVersion>,
    /// Names of the external extensions, in the order in which they start.
    external: Vec<String>,
    orders: mpsc::Sender<Order>,
    /// Tells the supervisor that a time limit changed.
    rearm: Notify,
    born: Instant,
    /// The turn to send a large body: one at a time is read into memory.
    pub body_turn: Semaphore,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    gate: Gate,
    /// What each extension is known by, in the order of the gate.
    extensions: Vec<extensions::Line>,
    /// The runtime's pending `GET /next`s.
    seats: VecDeque<oneshot::Sender<Delivery>>,
    /// Events whose receivers went away; the next `GET /next` gets the oldest.
    undelivered: VecDeque<Delivery>,
    leases: Vec<OpenLease>,
    /// Why the current step failed; read by the effects of that step.
    fault: Option<Fault>,
    init: Init,
    /// No invocation has run in it yet.
    fresh: bool,
    /// The pool still counts it among its starts.
    counted_as_starting: bool,
    /// Places that the pool knows to be free, or that are on their way to a caller.
    offered: usize,
    /// It takes no more work and ends when the open invocations have.
    draining: bool,
    /// The turn to start; given up when init ends or takes long.
    turn: Option<OwnedSemaphorePermit>,
    /// Counts how often all processes were ended, so that a late request of one is not taken for its successor's.
    generation: u64,
    oom_kills: u64,
    output: output::Output,
    idle_since: Instant,
    /// When the supervisor will look next; it is woken if something is due earlier.
    armed: Option<Instant>,
}

impl Inner {
    /// Whether nothing is open in it, so that it can be frozen or ended without harm.
    fn rests(&self) -> bool {
        matches!(self.state, State::Idle | State::Frozen | State::Reset)
    }
}

impl Environment {
    /// Size of a response that is not streamed.
    pub(crate) fn response_bytes_max(&self) -> usize {
        self.shared.response_bytes_max
    }

    /// Size of a streamed response.
    pub(crate) fn stream_bytes_max(&self) -> u64 {
        self.shared.stream_bytes_max
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no invocation has run in it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.lock().fresh
    }

    /// Since when it has been idle; none while something is open in it.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let inner = self.lock();
        inner.rests().then_some(inner.idle_since)
    }

    /// Whether it takes several invocations at once.
    fn is_shared(&self) -> bool {
        self.function.concurrency_per_environment() > 1
    }

    /// The runtime or an extension failed, or time ran out.
    fn fail(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, event: Event, fault: Fault) {
        // One that takes several invocations at once may have free places while it runs others.
        if inner.offered > 0 {
            self.withdraw(&mut inner);
        }
        inner.fault = Some(fault);
        inner.seats.clear();
        inner.undelivered.clear();
        inner.turn = None;
        self.note_failure(&mut inner);
        self.leave();
        let _ = self.advance(&mut inner, event);
        inner.fault = None;
    }

    /// Every process has ended.
    fn stopped(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.extensions.clear();
        inner.gate = Gate::new(&self.external);
        inner.seats.clear();
        inner.undelivered.clear();
        self.telemetry.reset();
        let _ = self.advance(&mut inner, Event::Stopped);
        // One that was provisioned has a successor, which does not wait for an invocation to initialise.
        inner.draining |= self.is_provisioned();
        self.offer(inner);
    }

    /// Ends the environment, whatever it does. The pool forgets it at once; its shutdown phase is its own affair.
    pub(crate) fn retire(self: &Arc<Self>) {
        self.leave();
        let mut inner = self.lock();
        self.withdraw(&mut inner);
        inner.fault = Some(Fault::Stopped);
        let stepped = self.advance(&mut inner, Event::Retire).is_ok();
        inner.fault = None;
        if stepped {
            self.start_over(&mut inner);
            self.depart(inner);
        }
    }

    /// Ends the environment as soon as nothing is open in it.
    pub(crate) fn retire_when_idle(self: &Arc<Self>) {
        self.leave();
        let mut inner = self.lock();
        inner.draining = true;
        self.withdraw(&mut inner);
        let idle = inner.leases.is_empty();
        drop(inner);
        if idle {
            self.retire();
        }
    }

    /// Ends the environment because its sandbox does not work; an invocation that it has not delivered yet gets
    /// another one.
    fn break_off(self: &Arc<Self>) {
        self.note_broken();
        let mut inner = self.lock();
        self.withdraw(&mut inner);
        inner.fault = Some(Fault::Stopped);
        let requeued = match inner.state {
            State::Restarting => std::mem::take(&mut inner.leases),
            _ => Vec::new(),
        };
        let stepped = self.advance(&mut inner, Event::Broken).is_ok();
        inner.fault = None;
        if stepped {
            self.start_over(&mut inner);
            self.depart(inner);
        }
        let Some(pool) = self.pool.upgrade() else { return };
        for assignment in requeued.into_iter().filter_map(OpenLease::into_assignment) {
            tokio::spawn(engine::place_in(Arc::clone(&self.shared), Arc::clone(&pool), assignment));
        }
    }

    /// Its start is no longer waited for. If it still was, the one who waits is told.
    fn start_over(&self, inner: &mut Inner) {
        inner.turn = None;
        if std::mem::take(&mut inner.counted_as_starting)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.start_failed(&engine::lost());
        }
    }

    /// Leaves the pool.
    fn depart(self: &Arc<Self>, inner: MutexGuard<'_, Inner>) {
        drop(inner);
        if let Some(pool) = self.pool.upgrade() {
            pool.depart(self);
        }
    }

    /// Takes its free places back from the pool; one on its way to a caller is found to be gone there.
    fn withdraw(self: &Arc<Self>, inner: &mut Inner) {
        if let Some(pool) = self.pool.upgrade() {
            inner.offered = inner.offered.saturating_sub(pool.give_up(self));
        }
    }

    /// Freezes it if it is still idle.
    fn freeze(&self) {
        let mut inner = self.lock();
        // Refused when an invocation came first, which is then the right outcome.
        let _ = self.advance(&mut inner, Event::FreezeDue);
    }

    /// A place goes back to the pool: the caller it was handed to went away.
    pub(crate) fn return_unused(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.offered = inner.offered.saturating_sub(1);
        self.offer(inner);
    }

    /// How many invocations it could take now.
    fn vacancies(&self, inner: &Inner) -> usize {
        match inner.state {
            _ if inner.draining => 0,
            State::Reset => 1,
            // A runtime may ask for more than it was granted.
            State::Idle | State::Frozen | State::Running if self.is_shared() => {
                let granted = self.function.concurrency_per_environment() as usize;
                inner.seats.len().min(granted.saturating_sub(inner.leases.len()))
            }
            State::Idle | State::Frozen => 1,
            _ => 0,
        }
    }

    /// Tells the pool of every place that it does not know yet, and arms what is due when nobody takes one.
    fn offer(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        if self.born.elapsed() >= limits::ENVIRONMENT_AGE_MAX {
            drop(inner);
            return self.retire_when_idle();
        }
        let owed = self.vacancies(&inner).saturating_sub(inner.offered);
        if owed == 0 {
            let draining = inner.draining && inner.leases.is_empty() && inner.rests();
            drop(inner);
            return if draining {
                self.retire()
            };
        }
        inner.offered += owed;
        let started = std::mem::take(&mut inner.counted_as_starting);
        inner.turn = None;
        drop(inner);
        let Some(pool) = self.pool.upgrade() else { return self.retire() };
        let mut parked = false;
        for place in 0..owed {
            parked = pool.offer(self, started && place == 0);
        }
        if parked {
            self.rest();
        }
    }

    /// Nobody waits for it: it will be frozen and, in the end, removed.
    fn rest(self: &Arc<Self>) {
        if self.function.freezes() && self.shared.freeze_delay.is_zero() {
            self.freeze();
        }
        let inner = self.lock();
        if inner.rests() {
            self.arm(&inner, Some(self.rest_due(&inner)));
        }
    }

    /// When something is due for an environment that rests: its freezing, or its end.
    fn rest_due(&self, inner: &Inner) -> Instant {
        let freezes_later = self.function.freezes() && !self.shared.freeze_delay.is_zero();
        // A runtime that has answered everything and not asked yet still works, where it takes several at once; frozen
        // now, it would never ask.
        if inner.state == State::Idle && freezes_later && !inner.seats.is_empty() {
            return inner.idle_since + self.shared.freeze_delay;
        }
        self.ends_at(inner)
    }

    /// When it ends if it rests until then: idle for long enough, unless it is provisioned, or too old.
    fn ends_at(&self, inner: &Inner) -> Instant {
        if self.is_provisioned() {
            return self.born + limits::ENVIRONMENT_AGE_MAX;
        }
        end_of_rest(inner.idle_since, self.function.idle(), self.born)
    }

    /// One step of the lifecycle with all its effects.
    fn advance(&self, inner: &mut Inner, event: Event) -> Result<(), Refused> {
        let (next, effects) = lifecycle::step(inner.state, event)?;
        tracing::trace!(environment = %self.id, ?event, from = ?inner.state, to = ?next, "step");
        if event == Event::Ready {
            self.init_done(inner);
        }
        inner.state = next;
        for effect in effects {
            self.perform(inner, *effect);
        }
        Ok(())
    }

    fn perform(&self, inner: &mut Inner, effect: Effect) {
        match effect {
            Effect::StartProcesses => self.order(Order::StartProcesses),
            Effect::Shutdown => {
                let reason = ShutdownReason::of(inner.fault.as_ref());
                self.order(Order::Shutdown(reason));
            }
            Effect::Destroy => self.order(Order::Destroy),
            Effect::Deliver => self.deliver(inner),
            Effect::AnswerFault => self.answer_fault(inner),
            Effect::CloseLeases => self.close_all(inner),
            // Done by the caller of `advance`, who holds the leases.
            Effect::Requeue => {}
            Effect::Freeze => self.warn_if(self.cell.freeze(), "freeze"),
            Effect::Thaw => self.warn_if(self.cell.thaw(), "thaw"),
            // The pool is told by the caller of `advance`, once the lock is free.
            Effect::Offer => inner.idle_since = Instant::now(),
        }
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            // The supervisor has ended, so the cell is gone or going.
            self.warn_if(self.cell.kill(), "kill");
        }
    }

    fn warn_if(&self, result: std::io::Result<()>, action: &str) {
        if let Err(error) = result {
            tracing::warn!(environment = %self.id, function = %self.function.id.name, %error, "cannot {action}");
        }
    }

    /// Wakes the supervisor if it would look too late.
    fn arm(&self, inner: &Inner, due: Option<Instant>) {
        if let Some(due) = due
            && inner.armed.is_none_or(|armed| armed > due)
        {
            self.rearm.notify_one();
        }
    }
}

/// An owner may have environments kept for days; their credentials run out before.
fn end_of_rest(idle_since: Instant, idle: Duration, born: Instant) -> Instant {
    (idle_since + idle).min(born + limits::ENVIRONMENT_AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_rests_for_longer_than_its_credentials_last() {
        let born = Instant::now();
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));
        assert_eq!(end_of_rest(born + hour, hour, born), born + 2 * hour);
        assert_eq!(end_of_rest(born + hour, day, born), born + limits::ENVIRONMENT_AGE_MAX);
        assert!(limits::ENVIRONMENT_AGE_MAX + Duration::from_secs(900) < limits::ROLE_CREDENTIALS_VALID);
    }
}
