//! The invocations of an environment: taken from the pool, delivered to the runtime, answered, metered, closed.
//!
//! An environment has one open lease at a time, or several where its function asks for that. With one, the lease
//! stays open until the runtime and every extension that was told of it have asked for the next event, and the
//! time counts as the invocation's. With several, a lease closes with its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::fault::Fault;
use model::id::RequestId;
use model::lease::Lease;
use model::lifecycle::{Event, State};
use model::port::{Invocation, StreamError};
use model::time::{Timestamp, billed_millis};
use tokio::sync::oneshot;

use super::lease::{Answer, Assignment, OpenLease};
use super::refusal::{RuntimeRefusal, RuntimeStep};
use super::report::Report;
use super::{Environment, Inner, Sink};

/// An event on its way to the runtime.
pub(crate) struct Delivery {
    pub invocation: Arc<Invocation>,
    pub deadline: Timestamp,
}

impl Inner {
    fn check_generation(&self, generation: u64, step: RuntimeStep) -> Result<(), RuntimeRefusal> {
        if self.generation == generation { Ok(()) } else { Err(self.refuse(step)) }
    }

    fn lease_mut(&mut self, request: RequestId) -> Option<&mut OpenLease> {
        self.leases.iter_mut().find(|lease| lease.invocation.request == request)
    }

    /// Whether the runtime may answer this invocation now.
    fn expects(&self, generation: u64, request: RequestId, step: RuntimeStep) -> Result<(), RuntimeRefusal> {
        let lease = self.leases.iter().find(|lease| lease.invocation.request == request);
        let lease = lease.ok_or(RuntimeRefusal::InvalidRequestId)?;
        self.check_generation(generation, step)?;
        if lease.answer.is_some() || lease.is_streaming() || self.state != State::Running {
            return Err(self.refuse(step));
        }
        Ok(())
    }

    fn expects_init(&self, generation: u64) -> Result<(), RuntimeRefusal> {
        self.check_generation(generation, RuntimeStep::InitError)?;
        match self.state {
            State::Starting | State::Restarting if !self.init.runtime_ready => Ok(()),
            _ => Err(self.refuse(RuntimeStep::InitError)),
        }
    }

    /// The one invocation that the runtime has and has not begun to answer.
    fn unanswered(&self) -> Option<Delivery> {
        let mut leases = self.leases.iter().filter(|lease| lease.delivered);
        let lease = leases.next().filter(|lease| lease.answer.is_none() && !lease.is_streaming())?;
        let deadline = lease.started_at.after(lease.invocation.function.timeout());
        Some(Delivery { invocation: Arc::clone(&lease.invocation), deadline })
    }

    /// Whether every open invocation has its answer.
    pub(super) fn all_answered(&self) -> bool {
        self.leases.iter().all(|lease| lease.answer.is_some())
    }

    /// When the first open invocation runs out of time.
    pub(super) fn earliest_deadline(&self) -> Option<Instant> {
        self.leases.iter().map(|lease| lease.deadline).min()
    }
}

impl Environment {
    /// Gives it an invocation. Gives the invocation back if the environment ended in the meantime.
    pub(crate) fn assign(self: &Arc<Self>, assignment: Assignment) -> Result<(), Box<Assignment>> {
        let mut inner = self.lock();
        inner.offered = inner.offered.saturating_sub(1);
        if inner.draining {
            return Err(Box::new(assignment));
        }
        let lease = OpenLease::open(assignment, Instant::now(), self.shared.ports.clock.now());
        let deadline = lease.deadline;
        inner.leases.push(lease);
        if self.advance(&mut inner, Event::Assign).is_ok() {
            self.log_start(&mut inner);
            self.arm(&inner, Some(deadline));
            return Ok(());
        }
        let returned = inner.leases.pop().and_then(OpenLease::into_assignment);
        returned.map_or(Ok(()), |assignment| Err(Box::new(assignment)))
    }

    /// The runtime asks for the next event; the receiver gets it. Each caller says to which generation of processes
    /// it belongs: one that is being killed must not take its successor's work.
    pub(crate) fn next(
        self: &Arc<Self>,
        generation: u64,
    ) -> Result<oneshot::Receiver<Delivery>, RuntimeRefusal> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        inner.check_generation(generation, RuntimeStep::Ready)?;
        if inner.state == State::Running {
            let undelivered = inner.undelivered.pop_front();
            // Whoever asks again before it answers gets the same event again.
            let again = || if self.is_shared() { None } else { inner.unanswered() };
            if let Some(delivery) = undelivered.or_else(again) {
                let _ = sender.send(delivery);
                return Ok(receiver);
            }
        }
        let may_ask = match inner.state {
            State::Starting | State::Restarting | State::Idle | State::Frozen => true,
            State::Running => self.is_shared() || inner.all_answered(),
            _ => false,
        };
        if !may_ask {
            return Err(inner.refuse(RuntimeStep::Ready));
        }
        // Whoever asks again has lost its connection.
        inner.seats.retain(|seat| !seat.is_closed());
        let seats_max = self.function.concurrency_per_environment() as usize;
        if inner.seats.len() >= seats_max {
            inner.seats.pop_front();
        }
        inner.seats.push_back(sender);
        inner.gate.runtime_waits();
        self.runtime_waits(inner);
        Ok(receiver)
    }

    /// What it means, by state, that the runtime has asked for an event.
    fn runtime_waits(self: &Arc<Self>, mut inner: std::sync::MutexGuard<'_, Inner>) {
        match inner.state {
            State::Starting | State::Restarting => {
                self.runtime_ready(&mut inner);
                self.if_all_wait(inner);
            }
            State::Running if !self.is_shared() => {
                self.runtime_done(&mut inner);
                self.if_all_wait(inner);
            }
            // A connection that broke, or one more place.
            _ => self.offer(inner),
        }
    }

    /// Ends the phase if the runtime and every extension have done their part.
    pub(super) fn if_all_wait(self: &Arc<Self>, mut inner: std::sync::MutexGuard<'_, Inner>) {
        if !inner.gate.all_waiting() {
            return;
        }
        let event = match inner.state {
            State::Starting | State::Restarting => Event::Ready,
            State::Running if !self.is_shared() && inner.all_answered() => Event::Done,
            _ => return,
        };
        // Both states allow their event.
        let _ = self.advance(&mut inner, event);
        self.offer(inner);
    }

    /// Whether this answer would be taken, so that no other body is read into memory.
    pub(crate) fn expects(
        &self,
        generation: u64,
        request: RequestId,
        step: RuntimeStep,
    ) -> Result<(), RuntimeRefusal> {
        self.lock().expects(generation, request, step)
    }

    /// The runtime answers an invocation.
    pub(crate) fn answer(
        self: &Arc<Self>,
        generation: u64,
        request: RequestId,
        answer: Answer,
    ) -> Result<(), RuntimeRefusal> {
        let inner = self.lock();
        let step = match &answer {
            Answer::Reported(_) => RuntimeStep::ErrorResponse,
            _ => RuntimeStep::Response,
        };
        inner.expects(generation, request, step)?;
        self.answered(inner, request, answer);
        Ok(())
    }

    /// The runtime begins a streamed answer; `None` when it has to be collected first.
    pub(crate) fn begin_stream(
        &self,
        generation: u64,
        request: RequestId,
        content_type: Option<String>,
    ) -> Result<Option<Sink>, RuntimeRefusal> {
        let mut inner = self.lock();
        inner.expects(generation, request, RuntimeStep::Response)?;
        let lease = inner.lease_mut(request).ok_or(RuntimeRefusal::InvalidRequestId)?;
        lease.marks.responding = Some(Instant::now());
        lease.phases.run = lease.started.elapsed();
        Ok(lease.begin_stream(content_type))
    }

    /// A streamed answer is complete, or the function said why it is not.
    pub(crate) fn end_stream(
        self: &Arc<Self>,
        generation: u64,
        request: RequestId,
        bytes: u64,
        error: Option<StreamError>,
    ) -> Result<(), RuntimeRefusal> {
        let inner = self.lock();
        inner.check_generation(generation, RuntimeStep::Response)?;
        let open = inner.leases.iter().find(|lease| lease.invocation.request == request);
        let open = open.ok_or(RuntimeRefusal::InvalidRequestId)?;
        if open.answer.is_some() || !open.is_streaming() || inner.state != State::Running {
            return Err(inner.refuse(RuntimeStep::Response));
        }
        self.answered(inner, request, Answer::Streamed { bytes, error });
        Ok(())
    }

    /// The response broke off: what is running cannot be trusted with another event.
    pub(crate) fn truncated(self: &Arc<Self>, generation: u64, request: RequestId) {
        let inner = self.lock();
        let open =
            inner.leases.iter().any(|lease| lease.invocation.request == request && lease.answer.is_none());
        if open && inner.generation == generation && inner.state == State::Running {
            self.fail(inner, Event::Fault, Fault::ResponseTruncated);
        }
    }

    fn answered(
        self: &Arc<Self>,
        mut inner: std::sync::MutexGuard<'_, Inner>,
        request: RequestId,
        answer: Answer,
    ) {
        let Some(index) = inner.leases.iter().position(|lease| lease.invocation.request == request) else {
            return;
        };
        let now = Instant::now();
        let lease = &mut inner.leases[index];
        lease.marks.responding.get_or_insert(now);
        lease.marks.answered = Some(now);
        lease.answer = Some(answer);
        self.settle(lease);
        if !self.is_shared() {
            return;
        }
        let lease = inner.leases.swap_remove(index);
        self.close(&mut inner, lease);
        if inner.leases.is_empty() {
            // Refused only if the environment is ending.
            let _ = self.advance(&mut inner, Event::Done);
        }
        self.offer(inner);
    }

    /// One of several open invocations runs out of time. The others may finish; after them it ends, since what the
    /// late one still does cannot be stopped alone.
    pub(super) fn time_out_one(self: &Arc<Self>, mut inner: std::sync::MutexGuard<'_, Inner>, now: Instant) {
        let late = inner.leases.iter().position(|lease| lease.deadline <= now);
        let Some(index) = late else { return };
        let mut lease = inner.leases.swap_remove(index);
        lease.answer = Some(Answer::Fault(Fault::TimedOut { limit: self.function.timeout() }));
        self.settle(&mut lease);
        self.close(&mut inner, lease);
        drop(inner);
        self.retire_when_idle();
    }

    /// Hands what was not delivered yet to the runtime and tells the extensions that want to know.
    pub(super) fn deliver(&self, inner: &mut Inner) {
        let Inner { leases, seats, undelivered, init, fresh, .. } = inner;
        let mut deadline = None;
        for lease in leases.iter_mut().filter(|lease| !lease.delivered) {
            let first = std::mem::replace(fresh, false);
            lease.delivered = true;
            lease.init = init.take_billed().filter(|_| first);
            lease.phases.init = lease.init.unwrap_or_default();
            lease.phases.sandbox = if first { init.sandbox_time } else { Duration::ZERO };
            let ends = lease.started_at.after(self.function.timeout());
            deadline = Some((Arc::clone(&lease.invocation), ends));
            let delivery = Delivery { invocation: Arc::clone(&lease.invocation), deadline: ends };
            let returned = match seats.pop_front() {
                Some(seat) => seat.send(delivery).err(),
                None => Some(delivery),
            };
            undelivered.extend(returned);
        }
        if let Some((invocation, ends)) = deadline {
            self.tell_extensions(inner, &invocation, ends);
        }
    }

    pub(super) fn answer_fault(&self, inner: &mut Inner) {
        let fault = inner.fault.clone().unwrap_or(Fault::Stopped);
        for lease in inner.leases.iter_mut().filter(|lease| lease.answer.is_none()) {
            lease.answer = Some(Answer::Fault(fault.clone()));
            self.settle(lease);
        }
    }

    /// Writes the lease to the ledger, then answers the caller: what was answered is never lost. A caller who
    /// wants the end of the log is answered when it is complete.
    fn settle(&self, lease: &mut OpenLease) {
        let duration = lease.started.elapsed();
        if !lease.is_streaming() {
            lease.phases.run = duration;
        }
        lease.billed_ms = self.billed_ms(lease, duration);
        lease.peak_memory_bytes = self.peak_memory_bytes(lease);
        self.shared.ports.ledger.record(&self.row(lease));
        if !lease.invocation.tail {
            lease.tell(None);
        }
    }

    pub(super) fn close_all(&self, inner: &mut Inner) {
        for lease in std::mem::take(&mut inner.leases) {
            self.close(inner, lease);
        }
    }

    /// Ends the lease: the rest of the output, `END` and `REPORT`, and the ledger's row again if more is billed
    /// because processes went on working after the answer.
    fn close(&self, inner: &mut Inner, mut lease: OpenLease) {
        let duration = lease.started.elapsed();
        let billed_ms = self.billed_ms(&lease, duration);
        if billed_ms > lease.billed_ms {
            lease.billed_ms = billed_ms;
            self.shared.ports.ledger.record(&self.row(&lease));
        }
        self.log_rest(inner);
        // After the answer, too, a failure is what the log says of the invocation; that the server ends it is not one.
        let fault = inner.fault.clone().filter(|fault| *fault != Fault::Stopped);
        let mut report = self.report(&lease, duration);
        report.fault = report.fault.or(fault.as_ref());
        // Where several run at once, what the runtime asks for next says nothing of this one.
        if lease.delivered && lease.marks.runtime_done.is_none() && self.reports_runtime_done() {
            self.log_runtime_done(inner, &report);
        }
        self.log_end(inner, &report);
        if lease.invocation.tail {
            lease.tell(Some(inner.output.take_tail()));
        } else if inner.leases.is_empty() {
            inner.output.forget_tail();
        }
    }

    /// A run is billed up to the function timeout: what ending it costs beyond that is ours.
    fn billed_ms(&self, lease: &OpenLease, duration: Duration) -> u64 {
        billed_millis(duration.min(self.function.timeout()) + lease.init.unwrap_or_default())
    }

    fn report<'a>(&self, lease: &'a OpenLease, duration: Duration) -> Report<'a> {
        let fault = match &lease.answer {
            Some(Answer::Fault(fault)) => Some(fault),
            _ => None,
        };
        let failed =
            matches!(lease.answer, Some(Answer::Reported(_) | Answer::Streamed { error: Some(_), .. }));
        Report {
            invocation: &lease.invocation,
            started: lease.started,
            started_at: lease.started_at,
            marks: lease.marks,
            duration,
            billed_ms: lease.billed_ms,
            bytes_out: lease.bytes_out(),
            memory_mb: self.function.settings.memory_mb,
            peak_memory_bytes: lease.peak_memory_bytes,
            init: lease.init,
            fault,
            failed,
        }
    }

    /// The runtime's part of the open invocation is over.
    fn runtime_done(&self, inner: &mut Inner) {
        let now = Instant::now();
        let Some(index) = inner.leases.iter().position(|lease| lease.marks.runtime_done.is_none()) else {
            return;
        };
        inner.leases[index].marks.runtime_done = Some(now);
        if self.reports_runtime_done() {
            // What the function wrote comes before the news that it is done.
            self.log_rest(inner);
            let lease = inner.leases.swap_remove(index);
            self.log_runtime_done(inner, &self.report(&lease, lease.started.elapsed()));
            inner.leases.push(lease);
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
            tenant: lease.invocation.tenant.clone(),
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

    /// What a failure means for invocations: the runtime's part is over.
    pub(super) fn runs_failed(&self, inner: &mut Inner) {
        if !self.reports_runtime_done() {
            return;
        }
        let fault = inner.fault.clone();
        let mut leases = std::mem::take(&mut inner.leases);
        for lease in leases.iter_mut().filter(|lease| lease.marks.runtime_done.is_none()) {
            lease.marks.runtime_done = Some(Instant::now());
            let mut report = self.report(lease, lease.started.elapsed());
            report.fault = report.fault.or(fault.as_ref());
            self.log_runtime_done(inner, &report);
        }
        inner.leases = leases;
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
        payload: bytes::Bytes,
    ) -> Result<(), RuntimeRefusal> {
        let inner = self.lock();
        inner.expects_init(generation)?;
        self.fail(inner, Event::Fault, Fault::Reported { error_type, payload });
        Ok(())
    }
}
