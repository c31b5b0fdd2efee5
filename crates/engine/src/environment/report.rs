//! The platform's own log lines around an invocation, in text and in JSON.
//!
//! Source: AWS Lambda Developer Guide, "Working with Lambda function logs" (START, END, REPORT) and "Lambda
//! Telemetry API Event schema reference" (`platform.start`, `platform.report`).

use std::time::Duration;

use model::fault::Fault;
use model::function::{Function, LogFormat};
use model::id::RequestId;
use model::limits::MB;
use model::time::Timestamp;

/// What the `REPORT` line says.
pub(crate) struct Report<'a> {
    pub request: RequestId,
    pub duration: Duration,
    pub billed_ms: u64,
    pub memory_mb: u32,
    pub peak_memory_bytes: u64,
    pub init: Option<Duration>,
    pub fault: Option<&'a Fault>,
    /// The function reported an error itself.
    pub failed: bool,
}

/// The line at the start of an invocation.
pub(crate) fn start(function: &Function, request: RequestId, at: Timestamp) -> String {
    match function.settings.logging.format {
        LogFormat::Text => format!("START RequestId: {request} Version: {}", function.version),
        LogFormat::Json => {
            let record = serde_json::json!({
                "requestId": request.to_string(), "version": function.version.to_string(),
            });
            platform_event(at, "platform.start", &record)
        }
    }
}

/// The lines at the end of an invocation: what went wrong, if so, then `END` and `REPORT`.
pub(crate) fn end(format: LogFormat, report: &Report<'_>, at: Timestamp) -> Vec<String> {
    match format {
        LogFormat::Text => {
            let mut lines: Vec<_> =
                report.fault.and_then(|fault| fault_line(fault, report.request, at)).into_iter().collect();
            lines.push(format!("END RequestId: {}", report.request));
            lines.push(report_line(report));
            lines
        }
        LogFormat::Json => vec![platform_event(at, "platform.report", &report_record(report))],
    }
}

fn fault_line(fault: &Fault, request: RequestId, at: Timestamp) -> Option<String> {
    match fault {
        Fault::TimedOut { .. } | Fault::InitTimedOut { .. } => {
            Some(format!("{} {request} {}\n", wire::time::rfc3339(at), fault.summary()))
        }
        Fault::Reported { .. } => None,
        other => Some(format!("{}\n{}", other.message(request), other.reported_type())),
    }
}

fn report_line(report: &Report<'_>) -> String {
    use std::fmt::Write;
    let mut line = format!(
        "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
         Max Memory Used: {} MB\t",
        report.request,
        millis(report.duration),
        report.billed_ms,
        report.memory_mb,
        memory_used_mb(report),
    );
    if let Some(init) = report.init {
        let _ = write!(line, "Init Duration: {:.2} ms\t", millis(init));
    }
    match report.fault {
        Some(fault) if fault.status() == "timeout" => line.push_str("Status: timeout\t"),
        Some(fault) => {
            let _ = write!(line, "Status: error\tError Type: {}\t", fault.reported_type());
        }
        None => {}
    }
    line
}

fn report_record(report: &Report<'_>) -> serde_json::Value {
    let status = match report.fault {
        Some(fault) => fault.status(),
        None if report.failed => "error",
        None => "success",
    };
    let mut metrics = serde_json::json!({
        "durationMs": millis(report.duration),
        "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_mb,
        "maxMemoryUsedMB": memory_used_mb(report),
    });
    if let Some(init) = report.init {
        metrics["initDurationMs"] = millis(init).into();
    }
    let mut record = serde_json::json!({
        "requestId": report.request.to_string(), "metrics": metrics, "status": status,
    });
    if let Some(fault) = report.fault.filter(|_| status == "error") {
        record["errorType"] = fault.reported_type().into();
    }
    record
}

fn platform_event(at: Timestamp, kind: &str, record: &serde_json::Value) -> String {
    serde_json::json!({ "time": wire::time::rfc3339(at), "type": kind, "record": record }).to_string()
}

/// Rounded up, and never above what was granted: the kernel counts the page that hit the limit.
fn memory_used_mb(report: &Report<'_>) -> u64 {
    report.peak_memory_bytes.div_ceil(MB).min(u64::from(report.memory_mb))
}

fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fault: Option<&Fault>, init: Option<Duration>) -> Report<'_> {
        Report {
            request: RequestId::from_random([0; 16]),
            duration: Duration::from_micros(1_234),
            billed_ms: 2,
            memory_mb: 128,
            peak_memory_bytes: 36 * MB - 1,
            init,
            fault,
            failed: false,
        }
    }

    const ID: &str = "00000000-0000-4000-8000-000000000000";

    #[test]
    fn report_lines_are_lambdas() {
        let check = |report: &Report<'_>, expect: &str| {
            let head = format!(
                "REPORT RequestId: {ID}\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\
                 Max Memory Used: 36 MB\t"
            );
            assert_eq!(report_line(report), format!("{head}{expect}"));
        };
        check(&report(None, None), "");
        check(&report(None, Some(Duration::from_micros(45_678))), "Init Duration: 45.68 ms\t");
        check(&report(Some(&Fault::TimedOut { limit: Duration::from_secs(1) }), None), "Status: timeout\t");
        check(
            &report(Some(&Fault::Exited { status: 1 }), None),
            "Status: error\tError Type: Runtime.ExitError\t",
        );
    }

    #[test]
    fn a_timeout_is_told_before_the_end() {
        let fault = Fault::TimedOut { limit: Duration::from_secs(3) };
        let lines = end(LogFormat::Text, &report(Some(&fault), None), Timestamp::from_millis(0));
        assert_eq!(lines[0], format!("1970-01-01T00:00:00.000Z {ID} Task timed out after 3.00 seconds\n"));
        assert_eq!(lines[1], format!("END RequestId: {ID}"));
    }

    #[test]
    fn json_reports_are_platform_events() {
        let lines = end(LogFormat::Json, &report(None, None), Timestamp::from_millis(0));
        let event: serde_json::Value = serde_json::from_str(&lines[0]).expect("valid JSON");
        assert_eq!(event["type"], "platform.report");
        assert_eq!(event["record"]["metrics"]["maxMemoryUsedMB"], 36);
        assert_eq!(event["record"]["status"], "success");
    }
}
