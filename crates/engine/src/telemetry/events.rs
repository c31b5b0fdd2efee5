//! The platform's events as values, each with the exact JSON of its record. They serve the Telemetry API and the
//! log lines of functions that log in JSON; what the older Logs API shows of them is `schema`'s business.
//!
//! Times are RFC 3339 in UTC, durations are milliseconds with three decimals. What is `None` is left out.
//! Source: AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference" (2025-01-29); `platform.end`,
//! `platform.fault` and `platform.logsSubscription` from "Using the Lambda Logs API".

use std::fmt::Display;
use std::time::Duration;

use model::id::RequestId;
use model::time::Timestamp;
use serde::{Serialize, Serializer};

/// What an event says.
pub(crate) trait Record: Serialize {
    /// The event's type, such as `platform.start`.
    fn kind(&self) -> &'static str;

    /// The record's JSON.
    fn json(&self) -> serde_json::Value {
        // The records below have neither maps nor numbers that JSON lacks.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// `initializationType`: how an environment came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InitType {
    OnDemand,
    ProvisionedConcurrency,
}

impl InitType {
    /// The word on the wire, and in the environment's variables.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
        }
    }
}

/// `phase`: whether init runs by itself, or again as part of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InitPhase {
    Init,
    Invoke,
}

/// `status` of a phase. `Error` is the function's own, `Failure` is its environment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Success,
    Failure,
    Error,
    Timeout,
}

/// A part of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub name: SpanName,
    #[serde(serialize_with = "time")]
    pub start: Timestamp,
    #[serde(rename = "durationMs", serialize_with = "millis")]
    pub duration: Duration,
}

/// The spans that Lambda tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SpanName {
    /// Until the first byte of the response.
    ResponseLatency,
    /// From the first byte of the response to its last.
    ResponseDuration,
    /// From the response's end until the runtime asked for the next event.
    RuntimeOverhead,
    /// From there until the last extension was done.
    ExtensionOverhead,
}

/// `tracing`: the X-Ray context of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tracing<'a> {
    #[serde(rename = "spanId", skip_serializing_if = "Option::is_none")]
    pub span_id: Option<&'a str>,
    #[serde(flatten)]
    pub header: TraceHeader<'a>,
}

/// A trace header by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "value")]
pub(crate) enum TraceHeader<'a> {
    #[serde(rename = "X-Amzn-Trace-Id")]
    Xray(&'a str),
}

/// `platform.initStart`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitStart<'a> {
    pub initialization_type: InitType,
    pub phase: InitPhase,
    pub function_name: &'a str,
    pub function_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<&'a str>,
    /// In MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_max_memory: Option<u64>,
}

/// `platform.initRuntimeDone`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitRuntimeDone<'a> {
    pub initialization_type: InitType,
    pub phase: InitPhase,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub spans: &'a [Span],
}

/// `platform.initReport`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitReport<'a> {
    pub initialization_type: InitType,
    pub phase: InitPhase,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'a str>,
    pub metrics: InitReportMetrics,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub spans: &'a [Span],
}

/// `metrics` of [`InitReport`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct InitReportMetrics {
    #[serde(rename = "durationMs", serialize_with = "millis")]
    pub duration: Duration,
}

/// `platform.start`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Start<'a> {
    #[serde(rename = "requestId", serialize_with = "text")]
    pub request: RequestId,
    pub version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing<'a>>,
}

/// `platform.runtimeDone`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuntimeDone<'a> {
    #[serde(rename = "requestId", serialize_with = "text")]
    pub request: RequestId,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RuntimeDoneMetrics>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub spans: &'a [Span],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing<'a>>,
}

/// `metrics` of [`RuntimeDone`].
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuntimeDoneMetrics {
    #[serde(rename = "durationMs", serialize_with = "millis")]
    pub duration: Duration,
    /// The size of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_bytes: Option<u64>,
}

/// `platform.end`, which only the Logs API knows.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct End {
    #[serde(rename = "requestId", serialize_with = "text")]
    pub request: RequestId,
}

/// `platform.report`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(rename = "requestId", serialize_with = "text")]
    pub request: RequestId,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'a str>,
    pub metrics: ReportMetrics,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub spans: &'a [Span],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing<'a>>,
}

/// `metrics` of [`Report`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ReportMetrics {
    #[serde(rename = "durationMs", serialize_with = "millis")]
    pub duration: Duration,
    #[serde(rename = "billedDurationMs")]
    pub billed_ms: u64,
    #[serde(rename = "memorySizeMB")]
    pub memory_mb: u32,
    #[serde(rename = "maxMemoryUsedMB")]
    pub memory_used_mb: u64,
    #[serde(
        rename = "initDurationMs",
        serialize_with = "some_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub init: Option<Duration>,
    #[serde(
        rename = "restoreDurationMs",
        serialize_with = "some_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub restore: Option<Duration>,
}

/// `platform.fault`, which only the Logs API knows: a sentence.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Fault<'a>(pub &'a str);

/// `platform.extension`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Extension<'a> {
    pub name: &'a str,
    /// Such as `Ready` or `LaunchError`.
    pub state: &'a str,
    /// Of `INVOKE` and `SHUTDOWN`.
    pub events: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'a str>,
}

/// `platform.logsDropped`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogsDropped {
    pub reason: &'static str,
    pub dropped_records: u64,
    pub dropped_bytes: u64,
}

macro_rules! kinds {
    ($($record:ty => $kind:literal)*) => {
        $(impl Record for $record {
            fn kind(&self) -> &'static str {
                $kind
            }
        })*
    };
}

kinds! {
    InitStart<'_> => "platform.initStart"
    InitRuntimeDone<'_> => "platform.initRuntimeDone"
    InitReport<'_> => "platform.initReport"
    Start<'_> => "platform.start"
    RuntimeDone<'_> => "platform.runtimeDone"
    End => "platform.end"
    Report<'_> => "platform.report"
    Fault<'_> => "platform.fault"
    Extension<'_> => "platform.extension"
    LogsDropped => "platform.logsDropped"
}

fn time<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&wire::time::rfc3339(*time))
}

fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn millis<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((span.as_secs_f64() * 1_000_000.0).round() / 1_000.0)
}

fn some_millis<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => millis(span, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "00000000-0000-4000-8000-000000000000";

    fn check(record: &impl Record, kind: &str, json: serde_json::Value) {
        assert_eq!(record.kind(), kind);
        assert_eq!(record.json(), json);
    }

    fn request() -> RequestId {
        RequestId::from_random([0; 16])
    }

    fn tracing() -> Tracing<'static> {
        Tracing { span_id: Some("54565fb41ac79632"), header: TraceHeader::Xray("Root=1-62e9;Sampled=1") }
    }

    #[test]
    fn init_events() {
        let mut start = InitStart {
            initialization_type: InitType::OnDemand,
            phase: InitPhase::Init,
            function_name: "hello",
            function_version: "$LATEST",
            runtime_version: None,
            runtime_version_arn: None,
            instance_id: None,
            instance_max_memory: None,
        };
        let short = json!({
            "initializationType": "on-demand", "phase": "init",
            "functionName": "hello", "functionVersion": "$LATEST",
        });
        check(&start, "platform.initStart", short);
        start.initialization_type = InitType::ProvisionedConcurrency;
        start.phase = InitPhase::Invoke;
        start.runtime_version = Some("nodejs:22.v1");
        start.runtime_version_arn = Some("arn:x");
        start.instance_id = Some("i");
        start.instance_max_memory = Some(128);
        let long = json!({
            "initializationType": "provisioned-concurrency", "phase": "invoke",
            "functionName": "hello", "functionVersion": "$LATEST",
            "runtimeVersion": "nodejs:22.v1", "runtimeVersionArn": "arn:x",
            "instanceId": "i", "instanceMaxMemory": 128,
        });
        check(&start, "platform.initStart", long);

        let done = InitRuntimeDone {
            initialization_type: InitType::OnDemand,
            phase: InitPhase::Init,
            status: Status::Success,
            error_type: None,
            spans: &[],
        };
        let json = json!({ "initializationType": "on-demand", "phase": "init", "status": "success" });
        check(&done, "platform.initRuntimeDone", json);

        let report = InitReport {
            initialization_type: InitType::OnDemand,
            phase: InitPhase::Init,
            status: Status::Timeout,
            error_type: Some("Sandbox.Timedout"),
            metrics: InitReportMetrics { duration: Duration::from_nanos(125_330_400) },
            spans: &[],
        };
        let json = json!({
            "initializationType": "on-demand", "phase": "init", "status": "timeout",
            "errorType": "Sandbox.Timedout", "metrics": { "durationMs": 125.33 },
        });
        check(&report, "platform.initReport", json);
    }

    #[test]
    fn invocation_events() {
        let start = Start { request: request(), version: "$LATEST", tracing: Some(tracing()) };
        let tracing_json = json!({
            "spanId": "54565fb41ac79632", "type": "X-Amzn-Trace-Id", "value": "Root=1-62e9;Sampled=1",
        });
        let json = json!({ "requestId": ID, "version": "$LATEST", "tracing": tracing_json });
        check(&start, "platform.start", json);

        let spans =
            [(SpanName::ResponseLatency, 23_020), (SpanName::RuntimeOverhead, 1)].map(|(name, micros)| {
                Span {
                    name,
                    start: Timestamp::from_millis(1_659_441_683_521),
                    duration: Duration::from_micros(micros),
                }
            });
        let done = RuntimeDone {
            request: request(),
            status: Status::Success,
            error_type: None,
            metrics: Some(RuntimeDoneMetrics {
                duration: Duration::from_millis(140),
                produced_bytes: Some(16),
            }),
            spans: &spans,
            tracing: None,
        };
        let json = json!({
            "requestId": ID, "status": "success", "metrics": { "durationMs": 140.0, "producedBytes": 16 },
            "spans": [
                { "name": "responseLatency", "start": "2022-08-02T12:01:23.521Z", "durationMs": 23.02 },
                { "name": "runtimeOverhead", "start": "2022-08-02T12:01:23.521Z", "durationMs": 0.001 },
            ],
        });
        check(&done, "platform.runtimeDone", json);
        check(&End { request: request() }, "platform.end", json!({ "requestId": ID }));
    }

    #[test]
    fn a_report_has_what_there_is() {
        let mut report = Report {
            request: request(),
            status: Status::Success,
            error_type: None,
            metrics: ReportMetrics {
                duration: Duration::from_micros(693_920),
                billed_ms: 694,
                memory_mb: 128,
                memory_used_mb: 84,
                init: None,
                restore: None,
            },
            spans: &[],
            tracing: None,
        };
        let json = json!({
            "requestId": ID, "status": "success",
            "metrics": { "durationMs": 693.92, "billedDurationMs": 694, "memorySizeMB": 128, "maxMemoryUsedMB": 84 },
        });
        check(&report, "platform.report", json);
        report.status = Status::Error;
        report.error_type = Some("Runtime.ExitError");
        report.metrics.init = Some(Duration::from_micros(397_680));
        report.metrics.restore = Some(Duration::from_millis(1));
        report.tracing = Some(Tracing { span_id: None, ..tracing() });
        let json = json!({
            "requestId": ID, "status": "error", "errorType": "Runtime.ExitError",
            "metrics": {
                "durationMs": 693.92, "billedDurationMs": 694, "memorySizeMB": 128, "maxMemoryUsedMB": 84,
                "initDurationMs": 397.68, "restoreDurationMs": 1.0,
            },
            "tracing": { "type": "X-Amzn-Trace-Id", "value": "Root=1-62e9;Sampled=1" },
        });
        check(&report, "platform.report", json);
    }

    #[test]
    fn events_of_extensions_and_streams() {
        let ready =
            Extension { name: "watch", state: "Ready", events: &["INVOKE", "SHUTDOWN"], error_type: None };
        let json = json!({ "name": "watch", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"] });
        check(&ready, "platform.extension", json);
        let failed = Extension {
            name: "watch",
            state: "LaunchError",
            events: &[],
            error_type: Some("Extension.LaunchError"),
        };
        let json = json!({
            "name": "watch", "state": "LaunchError", "events": [], "errorType": "Extension.LaunchError",
        });
        check(&failed, "platform.extension", json);
        let dropped = LogsDropped { reason: "Slow.", dropped_records: 123, dropped_bytes: 12_345 };
        let json = json!({ "reason": "Slow.", "droppedRecords": 123, "droppedBytes": 12345 });
        check(&dropped, "platform.logsDropped", json);
        check(&Fault("RequestId: x gone"), "platform.fault", json!("RequestId: x gone"));
    }
}
