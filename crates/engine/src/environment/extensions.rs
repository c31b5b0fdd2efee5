//! The extensions of an environment: who they are, the events that they wait for, and what they report.
//!
//! Who has to arrive where before a phase is over is the gate's business (`model::gate`); this file connects it
//! with the requests of the Extensions API.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions".

use std::sync::Arc;

use model::fault::{ExtensionFailure, Fault};
use model::gate::{Closed, Interest, Seat, Standing};
use model::id::RequestId;
use model::lifecycle::{Event, State};
use model::limits::EXTENSIONS_MAX;
use model::port::Invocation;
use model::time::Timestamp;
use sandbox::ExitStatus;
use tokio::sync::oneshot;

use super::report::ShutdownReason;
use super::{Environment, Inner, Order};
use crate::telemetry::{Api, Rejected};

/// What an extension is told.
#[derive(Debug, Clone)]
pub(crate) enum ExtensionEvent {
    Invoke { request: RequestId, deadline: Timestamp, invoked_arn: String, trace: Option<String> },
    Shutdown { reason: ShutdownReason, deadline: Timestamp },
}

/// Why a request of an extension is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExtensionRefusal {
    /// No extension has this identifier.
    Unknown,
    /// The gate does not let it through.
    Closed(Closed),
    /// An internal extension is not told of the end: it ends with the runtime.
    ShutdownForInternal,
    /// In an environment that takes several invocations at once, none of them is an event for everybody.
    InvokeForShared,
    /// It belongs to processes that are being ended.
    Stale,
}

/// How one registered extension is reached.
pub(super) struct Line {
    id: RequestId,
    seat: Seat,
    waiting: Option<oneshot::Sender<ExtensionEvent>>,
    /// An event whose receiver went away, or came too early.
    pending: Option<ExtensionEvent>,
}

impl Line {
    fn send(&mut self, event: ExtensionEvent) {
        self.pending = match self.waiting.take() {
            Some(waiting) => waiting.send(event).err(),
            None => Some(event),
        };
    }
}

impl Inner {
    fn line(&mut self, id: RequestId) -> Result<&mut Line, ExtensionRefusal> {
        self.extensions.iter_mut().find(|line| line.id == id).ok_or(ExtensionRefusal::Unknown)
    }

    fn check_extension(&self, generation: u64) -> Result<(), ExtensionRefusal> {
        if self.generation == generation { Ok(()) } else { Err(ExtensionRefusal::Stale) }
    }
}

impl Environment {
    /// An extension registers; the answer is what it is known by from now on.
    pub(crate) fn register_extension(
        self: &Arc<Self>,
        generation: u64,
        name: &str,
        interests: Vec<Interest>,
    ) -> Result<RequestId, ExtensionRefusal> {
        let mut bytes = [0; 16];
        self.shared.ports.entropy.fill(&mut bytes);
        let id = RequestId::from_random(bytes);
        let mut inner = self.lock();
        inner.check_extension(generation)?;
        let found = inner.gate.find(name).map(|seat| inner.gate.member(seat));
        let external = found.filter(|member| member.external).map(|member| member.standing);
        if !matches!(inner.state, State::Starting | State::Restarting) {
            return Err(ExtensionRefusal::Closed(external.map_or(Closed::TooLate, Closed::Standing)));
        }
        if external.is_none() && interests.contains(&Interest::Shutdown) {
            return Err(ExtensionRefusal::ShutdownForInternal);
        }
        if self.is_shared() && interests.contains(&Interest::Invoke) {
            return Err(ExtensionRefusal::InvokeForShared);
        }
        let waited_for = !inner.gate.all_registered();
        let seat = inner.gate.register(name, interests).map_err(ExtensionRefusal::Closed)?;
        inner.extensions.push(Line { id, seat, waiting: None, pending: None });
        if waited_for && inner.gate.all_registered() {
            self.order(Order::StartRuntime);
        }
        Ok(id)
    }

    /// An extension asks for the next event; the receiver gets it.
    pub(crate) fn extension_next(
        self: &Arc<Self>,
        generation: u64,
        id: RequestId,
    ) -> Result<oneshot::Receiver<ExtensionEvent>, ExtensionRefusal> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        inner.check_extension(generation)?;
        let line = inner.line(id)?;
        let seat = line.seat;
        if let Some(event) = line.pending.take() {
            let _ = sender.send(event);
            return Ok(receiver);
        }
        line.waiting = Some(sender);
        inner.gate.wait(seat).map_err(ExtensionRefusal::Closed)?;
        match inner.state {
            // It has had its last event.
            State::Resetting | State::Closing => self.order(Order::LookAtShutdown),
            _ => self.if_all_wait(inner),
        }
        Ok(receiver)
    }

    /// An extension reports that it cannot go on.
    pub(crate) fn extension_failed(
        self: &Arc<Self>,
        generation: u64,
        id: RequestId,
        failure: ExtensionFailure,
        error_type: &str,
    ) -> Result<(), ExtensionRefusal> {
        let mut inner = self.lock();
        inner.check_extension(generation)?;
        let seat = inner.line(id)?.seat;
        let member = inner.gate.member(seat).clone();
        let allowed = match failure {
            ExtensionFailure::Init => member.standing == Standing::Registered,
            _ => member.standing != Standing::Over,
        };
        if !allowed {
            return Err(ExtensionRefusal::Closed(Closed::Standing(member.standing)));
        }
        inner.gate.leave(seat);
        let state = if failure == ExtensionFailure::Init { "InitError" } else { "ExitError" };
        self.log_extension(&mut inner, &member.name, state, &member.interests, Some(error_type));
        if matches!(inner.state, State::Resetting | State::Closing) {
            self.order(Order::LookAtShutdown);
            return Ok(());
        }
        let detail = error_type.to_owned();
        self.fail(inner, Event::Fault, Fault::Extension { failure, detail });
        Ok(())
    }

    /// The name of the extension with this identifier.
    pub(crate) fn extension_name(&self, generation: u64, id: RequestId) -> Result<String, ExtensionRefusal> {
        let mut inner = self.lock();
        inner.check_extension(generation)?;
        let seat = inner.line(id)?.seat;
        Ok(inner.gate.member(seat).name.clone())
    }

    /// An extension subscribes to what happens here.
    pub(crate) fn subscribe(&self, name: &str, api: Api, body: &[u8]) -> Result<(), Rejected> {
        let mut inner = self.lock();
        let subscribed = self.telemetry.subscribe(name, api, body)?;
        self.log_subscription(&mut inner, &subscribed);
        Ok(())
    }

    /// An external extension's process has ended.
    pub(super) fn extension_exited(self: &Arc<Self>, generation: u64, name: &str, status: ExitStatus) {
        let fault = self.fault_of(status);
        let mut inner = self.lock();
        self.telemetry.unsubscribe(name);
        let Some(seat) = inner.gate.find(name).filter(|_| inner.generation == generation) else { return };
        let before = inner.gate.leave(seat);
        if before == Standing::Over || matches!(inner.state, State::Resetting | State::Closing | State::Gone)
        {
            return;
        }
        let fault = match fault {
            Fault::OutOfMemory => Fault::OutOfMemory,
            _ => Fault::Extension { failure: ExtensionFailure::Crash, detail: exit_text(status) },
        };
        self.fail(inner, Event::Fault, fault);
    }

    /// An external extension's file cannot be executed.
    pub(super) fn extension_not_launched(self: &Arc<Self>, name: &str, detail: String, error_type: &str) {
        let mut inner = self.lock();
        self.log_extension(&mut inner, name, "LaunchError", &[], Some(error_type));
        let fault = Fault::Extension { failure: ExtensionFailure::Launch, detail };
        self.fail(inner, Event::Fault, fault);
    }

    /// There are more external extensions than may register; this is the first of those.
    pub(super) fn too_many_extensions(self: &Arc<Self>, name: &str) {
        let mut inner = self.lock();
        self.log_extension(&mut inner, name, "LaunchError", &[], Some("TooManyExtensions"));
        let detail = format!("Extension limit ({EXTENSIONS_MAX}) reached");
        self.fail(inner, Event::Fault, Fault::Extension { failure: ExtensionFailure::TooMany, detail });
    }

    /// Tells the extensions that asked for it about an invocation.
    pub(super) fn tell_extensions(&self, inner: &mut Inner, invocation: &Invocation, deadline: Timestamp) {
        let told = inner.gate.invoke();
        for line in inner.extensions.iter_mut().filter(|line| told.contains(&line.seat)) {
            line.send(ExtensionEvent::Invoke {
                request: invocation.request,
                deadline,
                invoked_arn: invocation.invoked_arn.clone(),
                trace: invocation.trace.clone(),
            });
        }
    }

    /// Tells the extensions that asked for it about the end; says who they are.
    pub(super) fn tell_of_shutdown(&self, reason: ShutdownReason, deadline: Timestamp) -> Vec<String> {
        let mut inner = self.lock();
        let told = inner.gate.shutdown();
        for line in inner.extensions.iter_mut().filter(|line| told.contains(&line.seat)) {
            line.send(ExtensionEvent::Shutdown { reason, deadline });
        }
        told.iter().map(|seat| inner.gate.member(*seat).name.clone()).collect()
    }

    /// Whether an extension still works on its last event.
    pub(super) fn is_working(&self, name: &str) -> bool {
        let inner = self.lock();
        inner.gate.find(name).is_some_and(|seat| inner.gate.member(seat).standing == Standing::Working)
    }

    /// Which kinds of extensions are registered: external ones, any.
    pub(super) fn has_extensions(&self) -> (bool, bool) {
        let inner = self.lock();
        let registered = |external| {
            inner
                .gate
                .members()
                .iter()
                .any(|member| member.external == external && member.standing != Standing::Launched)
        };
        let external = registered(true);
        (external, external || registered(false))
    }
}

/// How a process ended, in the words of Lambda's logs.
fn exit_text(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(0) => "exit code 0".to_owned(),
        ExitStatus::Exited(status) => format!("exit status {status}"),
        ExitStatus::Signaled(signal) => format!("signal: {}", model::fault::signal_name(signal)),
    }
}
