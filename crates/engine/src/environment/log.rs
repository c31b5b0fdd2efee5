//! Where everything that an environment has to say goes: its log stream, the tail for callers who ask, and the
//! extensions that subscribed. Platform events are log lines in text, or JSON objects above the function's level.
//!
//! Nothing is built that nobody wants: with text logs and no subscriber, an event costs one formatted line.
//!
//! Source: AWS Lambda Developer Guide, "Configuring advanced logging controls", "System log level event mapping".

use std::sync::Arc;

use model::fault::Fault;
use model::function::LogFormat;
use model::gate::Interest;
use model::log::LogEvent;
use model::time::Timestamp;

use super::output::{Amount, Writer};
use super::report::{self, InitPhase, InitReport, Report, event_name, extension_line};
use super::{Environment, Inner};
use crate::telemetry::events::{self, Record, Status};
use crate::telemetry::{Source, Subscribed};

/// How much a platform event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Debug,
    Info,
    Warn,
}

impl Level {
    /// Events about what went well matter this much, others are warnings.
    fn of(status: Status, well: Self) -> Self {
        if status == Status::Success { well } else { Self::Warn }
    }
}

impl Environment {
    /// Takes in what the processes have written. With `whole`, unfinished lines too.
    pub(super) fn log_output(&self, inner: &mut Inner, amount: Amount, whole: bool) {
        let records = inner.output.drain(amount, whole);
        if records.is_empty() {
            return;
        }
        let now = self.shared.ports.clock.now();
        let format = self.function.settings.logging.format;
        for record in &records {
            let source = match record.writer {
                Writer::Function => Source::Function,
                Writer::Extension => Source::Extension,
            };
            self.telemetry.emit_line(source, record.at.unwrap_or(now), &record.text, format);
        }
        let events = records.into_iter().map(|record| self.event(record.text, record.at.unwrap_or(now)));
        self.keep(events.collect());
    }

    /// The rest of what a phase has written, unfinished lines included.
    pub(super) fn log_rest(&self, inner: &mut Inner) {
        self.log_output(inner, Amount::All, true);
    }

    pub(super) fn log_init_start(&self, inner: &mut Inner, phase: InitPhase) {
        let (name, version) = (self.function.id.name.as_str(), self.function.version.to_string());
        let runtime = self.runtime_version.as_ref();
        let record = events::InitStart {
            initialization_type: self.init_type,
            phase,
            function_name: name,
            function_version: &version,
            runtime_version: runtime.map(|runtime| runtime.name.as_str()),
            runtime_version_arn: runtime.map(|runtime| runtime.arn.as_str()),
            instance_id: None,
            instance_max_memory: None,
        };
        let line = runtime.map(|runtime| {
            format!("INIT_START Runtime Version: {}\tRuntime Version ARN: {}", runtime.name, runtime.arn)
        });
        let level = if runtime.is_some() { Level::Info } else { Level::Debug };
        self.platform(inner, level, &record, || line);
    }

    pub(super) fn log_init_runtime_done(&self, inner: &mut Inner, phase: InitPhase, fault: Option<&Fault>) {
        let init_type = self.init_type;
        let record =
            InitReport { init_type, phase, duration: std::time::Duration::ZERO, fault }.runtime_done();
        self.platform(inner, Level::of(record.status, Level::Debug), &record, || None);
    }

    pub(super) fn log_init_report(&self, inner: &mut Inner, report: &InitReport<'_>) {
        let record = report.record();
        self.platform(inner, Level::of(record.status, Level::Debug), &record, || report.line());
    }

    /// An extension has reached a state that is told.
    pub(super) fn log_extension(
        &self,
        inner: &mut Inner,
        name: &str,
        state: &str,
        interests: &[Interest],
        error_type: Option<&str>,
    ) {
        let events: Vec<_> = interests.iter().copied().map(event_name).collect();
        let record = events::Extension { name, state, events: &events, error_type };
        let level = if error_type.is_some() { Level::Warn } else { Level::Info };
        self.platform(inner, level, &record, || Some(extension_line(name, state, &events, error_type)));
    }

    pub(super) fn log_subscription(&self, inner: &mut Inner, subscribed: &Subscribed) {
        self.platform(inner, Level::Info, subscribed, || Some(subscribed.line()));
    }

    /// The `START` line of the newest lease. It comes before anything that the invocation writes, since reading output
    /// takes the lock.
    pub(super) fn log_start(&self, inner: &mut Inner) {
        let Some(lease) = inner.leases.last() else { return };
        let (invocation, at) = (Arc::clone(&lease.invocation), lease.started_at);
        let version = self.function.version.to_string();
        let record = events::Start {
            request: invocation.request,
            version: &version,
            tracing: report::tracing(&invocation),
        };
        let line = || Some(format!("START RequestId: {} Version: {version}", invocation.request));
        self.platform_at(inner, Level::Info, &record, at, line);
    }

    /// Whether anybody would hear that a runtime is done before its extensions are.
    pub(super) fn reports_runtime_done(&self) -> bool {
        self.telemetry.wants(Source::Platform) || self.logs_platform(Level::Debug)
    }

    pub(super) fn log_runtime_done(&self, inner: &mut Inner, report: &Report<'_>) {
        let spans = report.runtime_spans();
        let record = report.runtime_done(&spans);
        self.platform(inner, Level::of(record.status, Level::Debug), &record, || None);
    }

    /// What went wrong, if so, then `END` and `REPORT`.
    pub(super) fn log_end(&self, inner: &mut Inner, report: &Report<'_>) {
        let at = self.shared.ports.clock.now();
        if let Some(sentence) = report.fault_sentence() {
            self.telemetry.tell(at, || events::Fault(&sentence));
        }
        self.telemetry.tell(at, || events::End { request: report.invocation.request });
        let spans: Vec<_> = report.extension_span().into_iter().collect();
        let record = report.record(&spans);
        self.tell(&record, at);
        let lines = match self.function.settings.logging.format {
            LogFormat::Text => report.lines(at),
            LogFormat::Json if self.logs_platform(Level::of(record.status, Level::Info)) => {
                vec![json_line(&record, at)]
            }
            LogFormat::Json => Vec::new(),
        };
        lines.iter().for_each(|line| inner.output.note(line));
        self.append(lines, at);
    }

    /// Whether a platform event of this level is written to a log in JSON.
    fn logs_platform(&self, level: Level) -> bool {
        let logging = &self.function.settings.logging;
        let least = match logging.system_level.as_deref() {
            Some("DEBUG") => Level::Debug,
            Some("WARN") => Level::Warn,
            _ => Level::Info,
        };
        logging.format == LogFormat::Json && level >= least
    }

    fn platform<R: Record>(
        &self,
        inner: &mut Inner,
        level: Level,
        record: &R,
        line: impl FnOnce() -> Option<String>,
    ) {
        self.platform_at(inner, level, record, self.shared.ports.clock.now(), line);
    }

    fn platform_at<R: Record>(
        &self,
        inner: &mut Inner,
        level: Level,
        record: &R,
        at: Timestamp,
        line: impl FnOnce() -> Option<String>,
    ) {
        self.tell(record, at);
        let line = match self.function.settings.logging.format {
            LogFormat::Text => line(),
            LogFormat::Json => self.logs_platform(level).then(|| json_line(record, at)),
        };
        self.write(inner, line, at);
    }

    /// Tells subscribers.
    fn tell<R: Record>(&self, record: &R, at: Timestamp) {
        self.telemetry.emit(Source::Platform, at, record.kind(), || record.json());
    }

    /// Within an invocation, the platform's lines belong to its tail.
    fn write(&self, inner: &mut Inner, line: Option<String>, at: Timestamp) {
        let Some(line) = line else { return };
        if !inner.leases.is_empty() {
            inner.output.note(&line);
        }
        self.append(vec![line], at);
    }

    fn append(&self, lines: Vec<String>, at: Timestamp) {
        if !lines.is_empty() {
            let events = lines.into_iter().map(|line| self.event(line, at)).collect();
            self.keep(events);
        }
    }

    fn keep(&self, events: Vec<LogEvent>) {
        if let Some(group) = &self.log_group {
            self.shared.ports.logs.append(group, events);
        }
    }

    fn event(&self, message: String, at: Timestamp) -> LogEvent {
        LogEvent { stream: Arc::clone(&self.log_stream), at, message }
    }
}

fn json_line<R: Record>(record: &R, at: Timestamp) -> String {
    let event = serde_json::json!({
        "time": wire::time::rfc3339(at), "type": record.kind(), "record": record.json(),
    });
    event.to_string()
}
