//! What is said about the phases of an environment: the platform's log lines as text, and the records of its events.
//!
//! Source: AWS Lambda Developer Guide, "Working with Lambda function logs" (START, END, REPORT, INIT_START,
//! EXTENSION) and "Lambda Telemetry API Event schema reference".

use std::time::{Duration, Instant};

use model::fault::Fault;
use model::gate::Interest;
use model::lifecycle::State;
use model::limits::MB;
use model::port::Invocation;
use model::time::Timestamp;

use super::lease::Marks;
use crate::telemetry::events::{
    self, InitReportMetrics, InitType, ReportMetrics, RuntimeDoneMetrics, Span, SpanName, Status,
    TraceHeader, Tracing,
};

pub(super) use crate::telemetry::events::InitPhase;

/// Why the shutdown phase begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    /// The environment is not needed any more.
    Spindown,
    /// Time ran out.
    Timeout,
    /// Something failed.
    Failure,
}

impl ShutdownReason {
    /// The reason behind a fault, or behind none.
    pub(super) const fn of(fault: Option<&Fault>) -> Self {
        match fault {
            None | Some(Fault::Stopped) => Self::Spindown,
            Some(Fault::TimedOut { .. } | Fault::InitTimedOut { .. }) => Self::Timeout,
            Some(_) => Self::Failure,
        }
    }

    /// The word on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

impl InitPhase {
    /// Whether an init in this state runs by itself or inside an invocation.
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::Restarting => Self::Invoke,
            _ => Self::Init,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// What is known about an init when it is over.
pub(super) struct InitReport<'a> {
    pub init_type: InitType,
    pub phase: InitPhase,
    pub duration: Duration,
    pub fault: Option<&'a Fault>,
}

impl<'a> InitReport<'a> {
    pub(super) fn runtime_done(&self) -> events::InitRuntimeDone<'a> {
        events::InitRuntimeDone {
            initialization_type: self.init_type,
            phase: self.phase,
            status: status(self.fault, false),
            error_type: error_type(self.fault),
            spans: &[],
        }
    }

    pub(super) fn record(&self) -> events::InitReport<'a> {
        events::InitReport {
            initialization_type: self.init_type,
            phase: self.phase,
            status: status(self.fault, false),
            error_type: error_type(self.fault),
            metrics: InitReportMetrics { duration: self.duration },
            spans: &[],
        }
    }

    /// Lambda writes this line only where init failed.
    pub(super) fn line(&self) -> Option<String> {
        let fault = self.fault?;
        let head = format!(
            "INIT_REPORT Init Duration: {:.2} ms\tPhase: {}\tStatus: {}",
            millis(self.duration),
            self.phase.as_str(),
            fault.status(),
        );
        Some(match fault.status() {
            "timeout" => head,
            _ => format!("{head}\tError Type: {}", fault.reported_type()),
        })
    }
}

/// What is known about an invocation when it is over.
pub(super) struct Report<'a> {
    pub invocation: &'a Invocation,
    pub started: Instant,
    pub started_at: Timestamp,
    pub marks: Marks,
    pub duration: Duration,
    pub billed_ms: u64,
    pub bytes_out: u64,
    pub memory_mb: u32,
    pub peak_memory_bytes: u64,
    pub init: Option<Duration>,
    pub fault: Option<&'a Fault>,
    /// The function reported an error itself.
    pub failed: bool,
}

impl<'a> Report<'a> {
    pub(super) fn status(&self) -> Status {
        status(self.fault, self.failed)
    }

    fn error_type(&self) -> Option<&'a str> {
        error_type(self.fault)
    }

    pub(super) fn runtime_done(&self, spans: &'a [Span]) -> events::RuntimeDone<'a> {
        let until = self.marks.runtime_done.unwrap_or_else(Instant::now);
        events::RuntimeDone {
            request: self.invocation.request,
            status: self.status(),
            error_type: self.error_type(),
            metrics: Some(RuntimeDoneMetrics {
                duration: until.saturating_duration_since(self.started),
                produced_bytes: Some(self.bytes_out),
            }),
            spans,
            tracing: tracing(self.invocation),
        }
    }

    pub(super) fn record(&self, spans: &'a [Span]) -> events::Report<'a> {
        events::Report {
            request: self.invocation.request,
            status: self.status(),
            error_type: self.error_type(),
            metrics: ReportMetrics {
                duration: self.duration,
                billed_ms: self.billed_ms,
                memory_mb: self.memory_mb,
                memory_used_mb: self.memory_used_mb(),
                init: self.init,
                restore: None,
            },
            spans,
            tracing: tracing(self.invocation),
        }
    }

    /// The parts of the runtime's run that are over.
    pub(super) fn runtime_spans(&self) -> Vec<Span> {
        let Marks { responding, answered, runtime_done } = self.marks;
        let parts = [
            (SpanName::ResponseLatency, Some(self.started), responding),
            (SpanName::ResponseDuration, responding, answered),
            (SpanName::RuntimeOverhead, answered, runtime_done),
        ];
        parts.into_iter().filter_map(|(name, from, to)| self.span(name, from?, to?)).collect()
    }

    /// What the extensions took beyond the runtime.
    pub(super) fn extension_span(&self) -> Option<Span> {
        let from = self.marks.runtime_done?;
        self.span(SpanName::ExtensionOverhead, from, self.started + self.duration)
    }

    fn span(&self, name: SpanName, from: Instant, to: Instant) -> Option<Span> {
        let start = self.started_at.after(from.checked_duration_since(self.started)?);
        Some(Span { name, start, duration: to.checked_duration_since(from)? })
    }

    /// Rounded up, and never above what was granted: the kernel counts the page that hit the limit.
    fn memory_used_mb(&self) -> u64 {
        self.peak_memory_bytes.div_ceil(MB).min(u64::from(self.memory_mb))
    }

    /// The lines at the end of an invocation: what went wrong, if so, then `END` and `REPORT`.
    pub(super) fn lines(&self, at: Timestamp) -> Vec<String> {
        let mut lines: Vec<_> = self.fault.and_then(|fault| self.fault_line(fault, at)).into_iter().collect();
        lines.push(format!("END RequestId: {}", self.invocation.request));
        lines.push(self.line());
        lines
    }

    fn fault_line(&self, fault: &Fault, at: Timestamp) -> Option<String> {
        let request = self.invocation.request;
        match fault {
            Fault::TimedOut { .. } | Fault::InitTimedOut { .. } => {
                Some(format!("{} {request} {}\n", wire::time::rfc3339(at), fault.summary()))
            }
            Fault::Reported { .. } => None,
            other => Some(format!("{}\n{}", other.message(request), other.reported_type())),
        }
    }

    /// What the Logs API calls a fault: the same in one sentence.
    pub(super) fn fault_sentence(&self) -> Option<String> {
        let fault = self.fault?;
        Some(format!("{} {}", fault.message(self.invocation.request), fault.reported_type()))
    }

    fn line(&self) -> String {
        use std::fmt::Write;
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
             Max Memory Used: {} MB\t",
            self.invocation.request,
            millis(self.duration),
            self.billed_ms,
            self.memory_mb,
            self.memory_used_mb(),
        );
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {:.2} ms\t", millis(init));
        }
        match self.fault {
            Some(fault) if fault.status() == "timeout" => line.push_str("Status: timeout\t"),
            Some(fault) => {
                let _ = write!(line, "Status: error\tError Type: {}\t", fault.reported_type());
            }
            None => {}
        }
        line
    }
}

/// The `EXTENSION` line.
pub(super) fn extension_line(name: &str, state: &str, events: &[&str], error_type: Option<&str>) -> String {
    let line = format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]", events.join(", "));
    match error_type {
        Some(error_type) => format!("{line}\tError Type: {error_type}"),
        None => line,
    }
}

/// An interest's name on the wire.
pub(super) const fn event_name(interest: Interest) -> &'static str {
    match interest {
        Interest::Invoke => "INVOKE",
        Interest::Shutdown => "SHUTDOWN",
    }
}

/// The trace that an invocation belongs to.
pub(super) fn tracing(invocation: &Invocation) -> Option<Tracing<'_>> {
    let header = TraceHeader::Xray(invocation.trace.as_deref()?);
    Some(Tracing { span_id: None, header })
}

fn status(fault: Option<&Fault>, failed: bool) -> Status {
    match fault.map(Fault::status) {
        Some("timeout") => Status::Timeout,
        Some("failure") => Status::Failure,
        Some(_) => Status::Error,
        None if failed => Status::Error,
        None => Status::Success,
    }
}

fn error_type(fault: Option<&Fault>) -> Option<&str> {
    fault.filter(|fault| fault.status() != "timeout").map(Fault::reported_type)
}

fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::samples;

    fn check(fault: Option<&Fault>, init: Option<Duration>, expect: impl Fn(&Report<'_>)) {
        let invocation = samples::invocation(&Arc::new(samples::function()));
        expect(&Report {
            invocation: &invocation,
            started: Instant::now(),
            started_at: Timestamp::from_millis(0),
            marks: Marks::default(),
            duration: Duration::from_micros(1_234),
            billed_ms: 2,
            bytes_out: 0,
            memory_mb: 128,
            peak_memory_bytes: 36 * MB - 1,
            init,
            fault,
            failed: false,
        });
    }

    const ID: &str = "00000000-0000-4000-8000-000000000000";

    #[test]
    fn report_lines_are_lambdas() {
        let check = |fault: Option<&Fault>, init, expect: &str| {
            check(fault, init, |report| {
                let head = format!(
                    "REPORT RequestId: {ID}\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\
                     Max Memory Used: 36 MB\t"
                );
                assert_eq!(report.line(), format!("{head}{expect}"));
            });
        };
        check(None, None, "");
        check(None, Some(Duration::from_micros(45_678)), "Init Duration: 45.68 ms\t");
        check(Some(&Fault::TimedOut { limit: Duration::from_secs(1) }), None, "Status: timeout\t");
        check(Some(&Fault::Exited { status: 1 }), None, "Status: error\tError Type: Runtime.ExitError\t");
    }

    #[test]
    fn a_timeout_is_told_before_the_end() {
        let fault = Fault::TimedOut { limit: Duration::from_secs(3) };
        check(Some(&fault), None, |report| {
            let lines = report.lines(Timestamp::from_millis(0));
            assert_eq!(
                lines[0],
                format!("1970-01-01T00:00:00.000Z {ID} Task timed out after 3.00 seconds\n")
            );
            assert_eq!(lines[1], format!("END RequestId: {ID}"));
        });
    }

    #[test]
    fn a_failed_init_has_a_line() {
        let (init_type, duration) = (InitType::OnDemand, Duration::from_millis(12));
        let line = |fault| InitReport { init_type, phase: InitPhase::Init, duration, fault }.line();
        assert_eq!(line(None), None);
        assert_eq!(
            line(Some(&Fault::Exited { status: 1 })).as_deref(),
            Some(
                "INIT_REPORT Init Duration: 12.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError"
            )
        );
        assert_eq!(
            line(Some(&Fault::InitTimedOut { limit: Duration::from_secs(10) })).as_deref(),
            Some("INIT_REPORT Init Duration: 12.00 ms\tPhase: init\tStatus: timeout")
        );
    }

    #[test]
    fn extensions_have_a_line() {
        assert_eq!(
            extension_line("watch", "Ready", &["INVOKE", "SHUTDOWN"], None),
            "EXTENSION\tName: watch\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
        );
        assert_eq!(
            extension_line("watch", "LaunchError", &[], Some("PermissionDenied")),
            "EXTENSION\tName: watch\tState: LaunchError\tEvents: []\tError Type: PermissionDenied"
        );
    }
}
