//! The init phase of an environment: how far it is, how long it took, and what is said about it. It happens before
//! any invocation, or again inside one after a failure.
//!
//! Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", init phase.

use std::time::{Duration, Instant};

use model::fault::Fault;
use model::function::Function;
use model::gate::Standing;
use model::lifecycle::State;
use sandbox::CpuQuota;
use sha2::{Digest as _, Sha256};

use super::report::{InitPhase, InitReport};
use super::{Environment, Inner};

/// The runtime as Lambda names it in `INIT_START`; images and custom runtimes of images have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimeVersion {
    /// Such as `python:3.12`.
    pub name: String,
    /// Names the runtime within the region; changes with the name only.
    pub arn: String,
}

impl RuntimeVersion {
    /// The version of a function's runtime.
    pub(crate) fn of(function: &Function) -> Option<Self> {
        let runtime = function.settings.runtime()?.as_str();
        let (language, version) = match runtime.split_once('.') {
            Some((language, version)) if !language.contains(|c: char| c.is_ascii_digit()) => {
                (language, version)
            }
            _ => runtime.split_at(runtime.find(|c: char| c.is_ascii_digit()).unwrap_or(runtime.len())),
        };
        let name = format!("{language}:{}", version.trim_end_matches(".x"));
        let digest: String = Sha256::digest(&name).iter().map(|byte| format!("{byte:02x}")).collect();
        let region = function.id.scope.region.as_str();
        Some(Self { arn: format!("arn:aws:lambda:{region}::runtime:{digest}"), name })
    }
}

/// The init phase under way, and what is left to bill of the first.
#[derive(Debug)]
pub(super) struct Init {
    /// When the processes were started, until all are ready.
    pub started: Option<Instant>,
    /// Whether the runtime has finished its part.
    pub runtime_ready: bool,
    /// The time of an init before any invocation, until it is billed.
    unbilled: Option<Duration>,
    /// What making the sandbox took.
    pub sandbox_time: Duration,
}

impl Init {
    pub(super) const fn new(sandbox_time: Duration) -> Self {
        Self { started: None, runtime_ready: false, unbilled: None, sandbox_time }
    }

    /// The init that the first lease carries.
    pub(super) fn take_billed(&mut self) -> Option<Duration> {
        self.unbilled.take()
    }
}

impl Environment {
    /// The processes are about to be started.
    pub(super) fn init_begins(&self) {
        let mut inner = self.lock();
        inner.init.started = Some(Instant::now());
        inner.init.runtime_ready = false;
        let phase = InitPhase::of(inner.state);
        self.log_init_start(&mut inner, phase);
    }

    /// The runtime asked for its first event.
    pub(super) fn runtime_ready(&self, inner: &mut Inner) {
        if !std::mem::replace(&mut inner.init.runtime_ready, true) {
            self.log_rest(inner);
            self.log_init_runtime_done(inner, InitPhase::of(inner.state), None);
        }
    }

    /// Init is over and went well.
    pub(super) fn init_done(&self, inner: &mut Inner) {
        let Some(started) = inner.init.started.take() else { return };
        let took = started.elapsed();
        match inner.state {
            // Nobody's invocation pays for it.
            State::Starting if self.is_provisioned() => self.note_provisioned(),
            State::Starting => inner.init.unbilled = Some(took),
            _ => {}
        }
        let quota = CpuQuota::from_millicores(self.function.cpu_millis());
        self.warn_if(self.cell.set_cpu(Some(quota)), "limit the CPU of");
        let ready: Vec<_> =
            inner.gate.members().iter().filter(|m| m.standing != Standing::Over).cloned().collect();
        for member in ready {
            self.log_extension(inner, &member.name, "Ready", &member.interests, None);
        }
        let (init_type, phase) = (self.init_type, InitPhase::of(inner.state));
        let report = InitReport { init_type, phase, duration: took, fault: None };
        self.log_init_report(inner, &report);
        self.telemetry.close();
    }

    /// What a failure means for the phase under way.
    pub(super) fn note_failure(&self, inner: &mut Inner) {
        let Some(fault) = inner.fault.clone() else { return };
        match inner.state {
            State::Starting | State::Restarting => self.init_failed_with(inner, &fault),
            State::Running => self.runs_failed(inner),
            State::Idle | State::Frozen => self.note_not_provisioned(&fault),
            _ => {}
        }
    }

    fn init_failed_with(&self, inner: &mut Inner, fault: &Fault) {
        let Some(started) = inner.init.started.take() else { return };
        self.note_not_provisioned(fault);
        self.log_rest(inner);
        let phase = InitPhase::of(inner.state);
        if !std::mem::replace(&mut inner.init.runtime_ready, true) {
            self.log_init_runtime_done(inner, phase, Some(fault));
        }
        let (init_type, duration) = (self.init_type, started.elapsed());
        self.log_init_report(inner, &InitReport { init_type, phase, duration, fault: Some(fault) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn runtimes_are_named_as_lambda_names_them() {
        let check = |runtime: &str, expect: &str| {
            let mut function = samples::function();
            std::sync::Arc::make_mut(&mut function.settings).start = model::function::Start::Handler {
                runtime: model::runtime::RuntimeName::new(runtime),
                handler: String::new(),
            };
            let version = RuntimeVersion::of(&function).expect("not an image");
            assert_eq!(version.name, expect);
            assert!(version.arn.starts_with("arn:aws:lambda:us-east-1::runtime:"), "{}", version.arn);
        };
        check("python3.12", "python:3.12");
        check("nodejs20.x", "nodejs:20");
        check("java8.al2", "java:8.al2");
        check("provided.al2023", "provided:al2023");
        check("dotnet8", "dotnet:8");
    }
}
