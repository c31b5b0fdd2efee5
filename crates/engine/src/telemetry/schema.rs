//! The versions of the two APIs, and what each shows of an event. The platform tells events in their newest shape;
//! older versions leave some out and show others as they were when they were published.
//!
//! Pure. Source: AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference" and "Using the Lambda Logs
//! API", log messages.

use std::borrow::Cow;

use serde_json::Value;

use super::Api;

/// A version of one of the APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// `2020-08-15`.
    Logs2020,
    /// `2021-03-18`: also tells `platform.runtimeDone`.
    Logs2021,
    /// `2022-07-01`.
    Telemetry2022July,
    /// `2022-12-13`: log lines may be JSON objects.
    Telemetry2022December,
    /// `2025-01-29`.
    Telemetry2025,
}

impl Schema {
    pub(super) const ALL: [Self; 5] = [
        Self::Logs2020,
        Self::Logs2021,
        Self::Telemetry2022July,
        Self::Telemetry2022December,
        Self::Telemetry2025,
    ];

    /// The versions of an API, oldest first.
    pub(super) fn of(api: Api) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |schema| schema.api() == api)
    }

    pub(super) fn parse(api: Api, version: &str) -> Option<Self> {
        Self::of(api).find(|schema| schema.version() == version)
    }

    /// What counts where an extension names no version.
    pub(super) fn default_of(api: Api) -> Option<Self> {
        match api {
            Api::Logs => Some(Self::Logs2020),
            Api::Telemetry => None,
        }
    }

    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Logs2020 => "2020-08-15",
            Self::Logs2021 => "2021-03-18",
            Self::Telemetry2022July => "2022-07-01",
            Self::Telemetry2022December => "2022-12-13",
            Self::Telemetry2025 => "2025-01-29",
        }
    }

    pub(super) fn api(self) -> Api {
        match self {
            Self::Logs2020 | Self::Logs2021 => Api::Logs,
            Self::Telemetry2022July | Self::Telemetry2022December | Self::Telemetry2025 => Api::Telemetry,
        }
    }

    /// Whether a log line that is a JSON object is shown as one. Before, it was always a string.
    pub(super) fn shows_objects(self) -> bool {
        matches!(self, Self::Telemetry2022December | Self::Telemetry2025)
    }

    /// An event's record as this version shows it; `None` if it does not know the event.
    pub(super) fn show<'a>(self, kind: &str, record: &'a Value) -> Option<Cow<'a, Value>> {
        match self.api() {
            Api::Telemetry => {
                let unknown = ["platform.end", "platform.fault", "platform.logsSubscription"];
                (!unknown.contains(&kind)).then_some(Cow::Borrowed(record))
            }
            Api::Logs => self.show_log(kind, record),
        }
    }

    fn show_log<'a>(self, kind: &str, record: &'a Value) -> Option<Cow<'a, Value>> {
        match kind {
            "platform.start" => Some(only(record, &["requestId", "version"])),
            "platform.report" => Some(only(record, &["requestId", "metrics", "tracing"])),
            "platform.runtimeDone" if self == Self::Logs2021 => Some(runtime_done(record)),
            "platform.end"
            | "platform.fault"
            | "platform.extension"
            | "platform.logsSubscription"
            | "platform.logsDropped"
            | "function"
            | "extension" => Some(Cow::Borrowed(record)),
            _ => None,
        }
    }
}

fn only<'a>(record: &Value, names: &[&str]) -> Cow<'a, Value> {
    let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), record.get(name)?.clone())));
    Cow::Owned(Value::Object(kept.collect()))
}

/// The Logs API knows three outcomes; what the function did wrong itself is a failure like any other.
fn runtime_done<'a>(record: &Value) -> Cow<'a, Value> {
    let mut record = only(record, &["requestId", "status"]);
    if record["status"] == "error" {
        record.to_mut()["status"] = "failure".into();
    }
    record
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Schema, kind: &str, record: Value, expected: Option<Value>) {
        assert_eq!(schema.show(kind, &record).map(Cow::into_owned), expected, "{schema:?} {kind}");
    }

    #[test]
    fn versions_belong_to_their_api() {
        assert_eq!(Schema::parse(Api::Logs, "2021-03-18"), Some(Schema::Logs2021));
        assert_eq!(Schema::parse(Api::Telemetry, "2021-03-18"), None);
        for schema in Schema::ALL {
            assert_eq!(Schema::parse(schema.api(), schema.version()), Some(schema));
        }
    }

    #[test]
    fn each_api_has_its_events() {
        let both =
            ["platform.start", "platform.report", "platform.extension", "platform.logsDropped", "function"];
        let logs = ["platform.end", "platform.fault", "platform.logsSubscription"];
        let telemetry = [
            "platform.initStart",
            "platform.initRuntimeDone",
            "platform.initReport",
            "platform.telemetrySubscription",
        ];
        let shown = |schema: Schema, kind| schema.show(kind, &Value::Null).is_some();
        for kind in both {
            assert!(Schema::ALL.iter().all(|schema| shown(*schema, kind)), "{kind}");
        }
        for schema in Schema::ALL {
            let is_logs = schema.api() == Api::Logs;
            assert!(logs.iter().all(|kind| shown(schema, kind) == is_logs), "{schema:?}");
            assert!(telemetry.iter().all(|kind| shown(schema, kind) != is_logs), "{schema:?}");
        }
    }

    #[test]
    fn the_logs_api_shows_the_older_shapes() {
        let report = json!({
            "requestId": "a", "status": "success", "metrics": { "durationMs": 1.5 }, "spans": [],
        });
        let old = json!({ "requestId": "a", "metrics": { "durationMs": 1.5 } });
        check(Schema::Logs2020, "platform.report", report.clone(), Some(old));
        check(Schema::Telemetry2025, "platform.report", report.clone(), Some(report));

        let done = |status: &str| json!({ "requestId": "a", "status": status });
        let full =
            |status: &str| json!({ "requestId": "a", "status": status, "metrics": {}, "errorType": "E" });
        check(Schema::Logs2020, "platform.runtimeDone", full("success"), None);
        check(Schema::Logs2021, "platform.runtimeDone", full("success"), Some(done("success")));
        check(Schema::Logs2021, "platform.runtimeDone", full("error"), Some(done("failure")));
        check(Schema::Logs2021, "platform.runtimeDone", full("timeout"), Some(done("timeout")));
    }
}
