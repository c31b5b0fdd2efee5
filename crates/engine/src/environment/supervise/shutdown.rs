//! The shutdown phase: the runtime is asked to end, then the extensions are told and given time, then what is left
//! is killed. It comes before a reset as well as before the end of an environment.
//!
//! Where no extension is registered nobody is asked; where only internal ones are, the runtime has 500 ms; with
//! external ones the whole phase has 2 s, the runtime's part included.
//!
//! Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", shutdown phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::limits;
use sandbox::Signal;

use super::Supervisor;
use crate::environment::report::ShutdownReason;

/// The runtime's part of the phase where extensions need the rest.
const RUNTIME_SHARE: f64 = 0.3;
/// What subscribers may take to receive what is still buffered for them.
const LAST_TELEMETRY_MAX: Duration = Duration::from_millis(200);

/// A shutdown phase under way.
pub(super) struct ShutdownPhase {
    reason: ShutdownReason,
    /// The end of the runtime's part; none once it is over.
    runtime_until: Option<Instant>,
    until: Instant,
}

impl ShutdownPhase {
    /// When something has to be done, whatever happens until then.
    pub(super) fn due(&self) -> Instant {
        self.runtime_until.unwrap_or(self.until)
    }
}

impl Supervisor {
    pub(super) async fn begin_shutdown(&mut self, reason: ShutdownReason) {
        let environment = Arc::clone(&self.environment);
        let (external, any) = environment.has_extensions();
        if !any || self.processes.is_empty() {
            return self.end_shutdown(reason).await;
        }
        let limit = if external { limits::SHUTDOWN_EXTERNAL_MAX } else { limits::SHUTDOWN_INTERNAL_MAX };
        let share = if external { limit.mul_f64(RUNTIME_SHARE) } else { limit };
        environment.warn_if(environment.cell.thaw(), "thaw");
        let now = Instant::now();
        self.signal_runtime(Signal::Terminate);
        self.shutdown = Some(ShutdownPhase { reason, runtime_until: Some(now + share), until: now + limit });
        self.look_at_shutdown().await;
    }

    /// Goes on with the phase as far as the processes have got.
    pub(super) async fn look_at_shutdown(&mut self) {
        let Some(ShutdownPhase { reason, runtime_until, until }) = self.shutdown else { return };
        let now = Instant::now();
        if let Some(runtime_until) = runtime_until {
            let runs = self.processes.iter().any(|running| running.extension.is_none());
            if runs && now < runtime_until {
                return;
            }
            self.signal_runtime(Signal::Kill);
            self.shutdown = Some(ShutdownPhase { reason, runtime_until: None, until });
            self.tell_extensions(reason, until).await;
        }
        let working = self.processes.iter().filter_map(|running| running.extension.as_ref());
        if now >= until || !working.into_iter().any(|name| self.environment.is_working(name)) {
            self.shutdown = None;
            self.end_shutdown(reason).await;
        }
    }

    /// Tells the extensions that asked for it; the others are ended.
    async fn tell_extensions(&mut self, reason: ShutdownReason, until: Instant) {
        let environment = &self.environment;
        environment.telemetry.flush(LAST_TELEMETRY_MAX).await;
        let left = until.saturating_duration_since(Instant::now());
        let told = environment.tell_of_shutdown(reason, environment.shared.ports.clock.now().after(left));
        let untold = self
            .processes
            .iter()
            .filter(|running| running.extension.as_ref().is_some_and(|name| !told.contains(name)));
        untold.for_each(|running| running.process.signal(Signal::Kill));
    }

    fn signal_runtime(&self, signal: Signal) {
        let runtime = self.processes.iter().filter(|running| running.extension.is_none());
        runtime.for_each(|running| running.process.signal(signal));
    }

    /// Nobody has anything to say any more. A sandbox that goes away takes its processes along.
    async fn end_shutdown(&mut self, reason: ShutdownReason) {
        if reason != ShutdownReason::Spindown && !self.kill_processes().await {
            return;
        }
        self.generation += 1;
        self.environment.stopped();
    }
}
