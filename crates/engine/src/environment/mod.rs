//! One execution environment: the state of its lifecycle and the effects of each step.
//!
//! Events come from three sides: the pool assigns and retires, the Runtime API reports what the runtime says,
//! the supervisor reports exits and time limits. Each locks the environment, takes one step of
//! `model::lifecycle`, and performs the effects in order. Effects that must wait (starting and killing
//! processes) are ordered from the supervisor; everything on the warm path happens at once, in memory.
//!
//! Invariants: the lock is never held across an await; a lease is answered once and closed once; the pool is
//! told only after the lock is free.

mod lease;
mod output;
mod report;
mod supervise;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::fault::Fault;
use model::function::Function;
use model::id::{EnvironmentId, RequestId};
use model::lease::Lease;
use model::lifecycle::{self, Effect, Event, Refused, State};
use model::limits;
use model::log::{LogEvent, LogGroup};
use model::port::Invocation;
use model::time::{Timestamp, billed_millis};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::engine::{self, Shared};
use crate::host::Cell;
use crate::pool::Pool;

use lease::OpenLease;
pub(crate) use lease::{Answer, Assignment};
pub(crate) use supervise::Launch;

/// An event on its way to the runtime.
pub(crate) struct Delivery {
    pub invocation: Arc<Invocation>,
    pub deadline: Timestamp,
}

/// What the supervisor is told to do; never more than a few are under way.
enum Order {
    StartRuntime,
    KillProcesses,
    Destroy,
}

const ORDERS_MAX: usize = 8;

/// One execution environment.
pub(crate) struct Environment {
    pub id: EnvironmentId,
    pub function: Arc<Function>,
    shared: Arc<Shared>,
    pool: Weak<Pool>,
    cell: Box<dyn Cell>,
    log_group: Arc<LogGroup>,
    log_stream: Arc<str>,
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
    /// The runtime's pending `GET /next`.
    seat: Option<oneshot::Sender<Delivery>>,
    /// An event whose receiver went away; the next `GET /next` gets it.
    undelivered: Option<Delivery>,
    lease: Option<OpenLease>,
    /// Why the current step failed; read by the effects of that step.
    fault: Option<Fault>,
    /// When the runtime was started, until it is ready.
    init_started: Option<Instant>,
    /// The first init's time, billed and reported with the first lease.
    init: Option<Duration>,
    sandbox_time: Duration,
    /// No invocation has run in it yet.
    fresh: bool,
    /// The pool still counts it among its starts.
    counted_as_starting: bool,
    /// The turn to start; given up when init ends or takes long.
    turn: Option<OwnedSemaphorePermit>,
    /// Counts the runtime processes killed, so that a late exit of one is not taken for the next one's.
    generation: u64,
    oom_kills: u64,
    output: output::Output,
    idle_since: Instant,
    /// When the supervisor will look next; it is woken if something is due earlier.
    armed: Option<Instant>,
}

impl Inner {
    fn check_generation(&self, generation: u64) -> Result<(), RuntimeRefusal> {
        if self.generation == generation {
            Ok(())
        } else {
            Err(RuntimeRefusal::InvalidTransition(self.state))
        }
    }

    fn expects(&self, generation: u64, request: RequestId) -> Result<(), RuntimeRefusal> {
        let lease = self.lease.as_ref().filter(|lease| lease.invocation.request == request);
        let lease = lease.ok_or(RuntimeRefusal::InvalidRequestId)?;
        self.check_generation(generation)?;
        if lease.answer.is_some() || self.state != State::Running {
            return Err(RuntimeRefusal::InvalidTransition(self.state));
        }
        Ok(())
    }

    fn expects_init(&self, generation: u64) -> Result<(), RuntimeRefusal> {
        self.check_generation(generation)?;
        match self.state {
            State::Starting | State::Restarting => Ok(()),
            other => Err(RuntimeRefusal::InvalidTransition(other)),
        }
    }
}

/// Why the runtime's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuntimeRefusal {
    #[error("Invalid request ID")]
    InvalidRequestId,
    #[error("State transition from {0:?} failed for runtime. Error: State transition is not allowed")]
    InvalidTransition(State),
}

impl From<Refused> for RuntimeRefusal {
    fn from(refused: Refused) -> Self {
        Self::InvalidTransition(refused.state)
    }
}

impl Environment {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no invocation has run in it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.lock().fresh
    }

    /// Since when it has been idle.
    pub(crate) fn idle_since(&self) -> Instant {
        self.lock().idle_since
    }

    /// Gives it an invocation. Gives the invocation back if the environment ended in the meantime.
    pub(crate) fn assign(self: &Arc<Self>, assignment: Assignment) -> Result<(), Box<Assignment>> {
        let mut inner = self.lock();
        let lease = OpenLease::open(assignment, Instant::now(), self.shared.ports.clock.now());
        inner.lease = Some(lease);
        if self.advance(&mut inner, Event::Assign).is_ok() {
            self.log_start(&mut inner);
            let deadline = inner.lease.as_ref().map(|lease| lease.deadline);
            self.arm(&inner, deadline);
            return Ok(());
        }
        let returned = inner.lease.take().and_then(OpenLease::into_assignment);
        returned.map_or(Ok(()), |assignment| Err(Box::new(assignment)))
    }

    /// The runtime asks for the next event; the receiver gets it. Each caller says to which generation of runtime
    /// processes it belongs: one that is being killed must not take its successor's work.
    pub(crate) fn next(
        self: &Arc<Self>,
        generation: u64,
    ) -> Result<oneshot::Receiver<Delivery>, RuntimeRefusal> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        inner.check_generation(generation)?;
        if inner.state == State::Running
            && let Some(delivery) = inner.undelivered.take()
        {
            let _ = sender.send(delivery);
            return Ok(receiver);
        }
        inner.seat = Some(sender);
        let before = inner.state;
        if let Err(refused) = self.advance(&mut inner, Event::Ready) {
            inner.seat = None;
            return Err(refused.into());
        }
        let became_idle = before != State::Idle && inner.state == State::Idle;
        if became_idle {
            self.offer(inner);
        }
        Ok(receiver)
    }

    /// Whether this answer would be taken, so that no other body is read into memory.
    pub(crate) fn expects(&self, generation: u64, request: RequestId) -> Result<(), RuntimeRefusal> {
        self.lock().expects(generation, request)
    }

    /// The runtime answers an invocation.
    pub(crate) fn answer(
        self: &Arc<Self>,
        generation: u64,
        request: RequestId,
        answer: Answer,
    ) -> Result<(), RuntimeRefusal> {
        let mut inner = self.lock();
        inner.expects(generation, request)?;
        if let Some(lease) = &mut inner.lease {
            lease.answer = Some(answer);
        }
        self.advance(&mut inner, Event::Answer)?;
        self.settle(&mut inner);
        Ok(())
    }

    /// Whether the runtime may report that its init failed.
    pub(crate) fn expects_init(&self, generation: u64) -> Result<(), RuntimeRefusal> {
        self.lock().expects_init(generation)
    }

    /// The runtime reports that its init failed.
    pub(crate) fn init_failed(
        self: &Arc<Self>,
        generation: u64,
        error_type: String,
        payload: Bytes,
    ) -> Result<(), RuntimeRefusal> {
        let inner = self.lock();
        inner.expects_init(generation)?;
        self.fail(inner, Event::Fault, Fault::Reported { error_type, payload });
        Ok(())
    }

    /// The runtime failed or ran out of time.
    fn fail(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, event: Event, fault: Fault) {
        let was_idle = matches!(inner.state, State::Idle | State::Frozen);
        inner.fault = Some(fault);
        inner.seat = None;
        inner.undelivered = None;
        let stepped = self.advance(&mut inner, event).is_ok();
        inner.fault = None;
        if stepped && !was_idle {
            self.offer(inner);
        }
    }

    /// Ends the environment, whatever it does.
    pub(crate) fn retire(self: &Arc<Self>) {
        self.end(Fault::Stopped);
    }

    /// Ends the environment; an invocation in it is answered with the fault.
    fn end(self: &Arc<Self>, fault: Fault) {
        let mut inner = self.lock();
        inner.fault = Some(fault);
        let stepped = self.advance(&mut inner, Event::Retire).is_ok();
        self.depart(inner, stepped);
    }

    /// Ends the environment because its sandbox does not work; an invocation that it has not delivered yet gets
    /// another one.
    fn break_off(self: &Arc<Self>) {
        let mut inner = self.lock();
        let requeued = inner.lease.take();
        let stepped = self.advance(&mut inner, Event::Broken).is_ok();
        if !stepped {
            inner.lease = requeued;
            return drop(inner);
        }
        self.depart(inner, true);
        if let (Some(assignment), Some(pool)) =
            (requeued.and_then(OpenLease::into_assignment), self.pool.upgrade())
        {
            tokio::spawn(engine::dispatch(Arc::clone(&self.shared), pool, assignment));
        }
    }

    /// Leaves the pool after its last step. If its start was still counted, somebody may wait for it.
    fn depart(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, stepped: bool) {
        let started = std::mem::take(&mut inner.counted_as_starting);
        inner.turn = None;
        drop(inner);
        let Some(pool) = self.pool.upgrade().filter(|_| stepped) else { return };
        pool.depart(self);
        if started {
            pool.start_failed(&engine::lost());
        }
    }

    /// Freezes it if it is still idle.
    fn freeze(&self) {
        let mut inner = self.lock();
        // Refused when an invocation came first, which is then the right outcome.
        let _ = self.advance(&mut inner, Event::FreezeDue);
    }

    /// Goes back to the pool: the caller it was handed to went away.
    pub(crate) fn return_unused(self: &Arc<Self>) {
        self.offer(self.lock());
    }

    /// Tells the pool that it can take an invocation, and freezes it if none is waiting.
    fn offer(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        let started = std::mem::take(&mut inner.counted_as_starting);
        inner.turn = None;
        drop(inner);
        let Some(pool) = self.pool.upgrade() else { return self.retire() };
        if !pool.offer(self, started) {
            return;
        }
        if self.born.elapsed() >= limits::ENVIRONMENT_AGE_MAX {
            return self.expire();
        }
        if self.function.freezes() && self.shared.freeze_delay.is_zero() {
            self.freeze();
        }
        let inner = self.lock();
        self.arm(&inner, Some(self.rest_due(&inner)));
    }

    /// When something is due for an environment that rests: its freezing, or its end.
    fn rest_due(&self, inner: &Inner) -> Instant {
        let freezes_later = self.function.freezes() && !self.shared.freeze_delay.is_zero();
        if inner.state == State::Idle && freezes_later {
            return inner.idle_since + self.shared.freeze_delay;
        }
        inner.idle_since + self.function.idle()
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
            Effect::StartRuntime => self.order(Order::StartRuntime),
            Effect::KillProcesses => {
                inner.generation += 1;
                self.order(Order::KillProcesses);
            }
            Effect::Destroy => self.order(Order::Destroy),
            Effect::Deliver => self.deliver(inner),
            Effect::AnswerFault => self.answer_fault(inner),
            Effect::CloseLease => self.close(inner),
            // Done by the caller of `advance`, who holds the lease.
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

    fn init_done(&self, inner: &mut Inner) {
        let Some(started) = inner.init_started.take() else { return };
        let took = started.elapsed();
        if inner.state == State::Starting {
            inner.init = Some(took);
        }
        let quota = sandbox::CpuQuota::from_millicores(self.function.cpu_millis());
        self.warn_if(self.cell.set_cpu(Some(quota)), "limit the CPU of");
    }

    /// Hands the open lease's event to the runtime and starts the clock of its run.
    fn deliver(&self, inner: &mut Inner) {
        let Some(lease) = &mut inner.lease else { return };
        let first = std::mem::replace(&mut inner.fresh, false);
        lease.init = inner.init.take().filter(|_| first);
        lease.phases.init = lease.init.unwrap_or_default();
        lease.phases.sandbox = if first { inner.sandbox_time } else { Duration::ZERO };
        let deadline = lease.started_at.after(self.function.timeout());
        let delivery = Delivery { invocation: Arc::clone(&lease.invocation), deadline };
        match inner.seat.take() {
            Some(seat) => inner.undelivered = seat.send(delivery).err(),
            None => inner.undelivered = Some(delivery),
        }
    }

    /// The `START` line. It comes before anything that the invocation writes, since reading output takes the lock.
    fn log_start(&self, inner: &mut Inner) {
        let Some(lease) = &inner.lease else { return };
        let line = report::start(&self.function, lease.invocation.request, lease.started_at);
        if lease.invocation.tail {
            inner.output.note(&line);
        }
        self.log(vec![line], lease.started_at);
    }

    fn answer_fault(&self, inner: &mut Inner) {
        let Some(lease) = &mut inner.lease else { return };
        lease.answer = Some(Answer::Fault(inner.fault.clone().unwrap_or(Fault::Stopped)));
        self.settle(inner);
    }

    /// Writes the lease to the ledger, then answers the caller: what was answered is never lost. A caller who
    /// wants the end of the log is answered when it is complete.
    fn settle(&self, inner: &mut Inner) {
        let Some(lease) = &mut inner.lease else { return };
        let duration = lease.started.elapsed();
        lease.phases.run = duration;
        lease.billed_ms = self.billed_ms(lease, duration);
        lease.peak_memory_bytes = self.peak_memory_bytes(lease);
        self.shared.ports.ledger.record(&self.row(lease));
        if !lease.invocation.tail {
            lease.send_reply(None);
        }
    }

    /// Ends the lease: the rest of the output, `END` and `REPORT`, and the ledger's row again if more is billed
    /// because the runtime went on working after its answer.
    fn close(&self, inner: &mut Inner) {
        let Some(mut lease) = inner.lease.take() else { return };
        let duration = lease.started.elapsed();
        let billed_ms = self.billed_ms(&lease, duration);
        if billed_ms > lease.billed_ms {
            lease.billed_ms = billed_ms;
            self.shared.ports.ledger.record(&self.row(&lease));
        }
        let at = self.shared.ports.clock.now();
        let mut lines = inner.output.drain(true);
        let ending = report::end(self.function.settings.logging.format, &self.report(&lease, duration), at);
        if lease.invocation.tail {
            ending.iter().for_each(|line| inner.output.note(line));
            lease.send_reply(Some(inner.output.take_tail()));
        } else {
            inner.output.forget_tail();
        }
        lines.extend(ending);
        self.log(lines, at);
    }

    /// A run is billed up to the function timeout: what ending it costs beyond that is ours.
    fn billed_ms(&self, lease: &OpenLease, duration: Duration) -> u64 {
        billed_millis(duration.min(self.function.timeout()) + lease.init.unwrap_or_default())
    }

    fn report<'a>(&self, lease: &'a OpenLease, duration: Duration) -> report::Report<'a> {
        let fault = match &lease.answer {
            Some(Answer::Fault(fault)) => Some(fault),
            _ => None,
        };
        report::Report {
            request: lease.invocation.request,
            duration,
            billed_ms: lease.billed_ms,
            memory_mb: self.function.settings.memory_mb,
            peak_memory_bytes: lease.peak_memory_bytes,
            init: lease.init,
            fault,
            failed: matches!(lease.answer, Some(Answer::Reported(_))),
        }
    }

    fn peak_memory_bytes(&self, lease: &OpenLease) -> u64 {
        if matches!(lease.answer, Some(Answer::Fault(Fault::OutOfMemory))) {
            return self.function.memory_bytes();
        }
        self.cell.memory_peak_bytes().unwrap_or(0)
    }

    fn row(&self, lease: &OpenLease) -> Lease {
        Lease {
            request: lease.invocation.request,
            function: self.function.id.clone(),
            version: self.function.version,
            environment: self.id,
            started: lease.started_at,
            architecture: self.function.settings.architecture,
            memory_mb: self.function.settings.memory_mb,
            billed_ms: lease.billed_ms,
            init: lease.init,
            peak_memory_bytes: lease.peak_memory_bytes,
            bytes_in: lease.invocation.payload.len() as u64,
            bytes_out: lease.bytes_out(),
            reason: lease.reason,
            outcome: lease.outcome(),
        }
    }

    fn log(&self, lines: Vec<String>, at: Timestamp) {
        if lines.is_empty() {
            return;
        }
        let event = |message| LogEvent { stream: Arc::clone(&self.log_stream), at, message };
        self.shared.ports.logs.append(&self.log_group, lines.into_iter().map(event).collect());
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
