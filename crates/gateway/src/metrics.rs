//! What the server counts about its requests, and the text form in which Prometheus collects it.
//!
//! Every label comes from a fixed set (operation names, AWS error codes, start reasons), so the number of series
//! is bounded whatever callers send.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use model::lease::StartReason;

/// Series of requests at most; beyond, which fixed labels cannot reach, they are counted together.
const SERIES_MAX: usize = 2_000;

/// A value that another part of the server reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// Such as `dormouse_environments`.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// A label's name and value, if the gauge has one.
    pub label: Option<(&'static str, &'static str)>,
    /// The value now.
    pub value: f64,
}

/// The counters of one server.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, String), u64>>,
    warm: AtomicU64,
    cold: AtomicU64,
    queued: AtomicU64,
    failed: AtomicU64,
}

impl Metrics {
    /// Counts an answer of an operation by its code.
    pub fn request(&self, operation: &'static str, code: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up by reference first: the warm path must not allocate for a counter.
        let mut range = requests.range_mut((operation, String::new())..);
        let known = range.by_ref().take_while(|((seen, _), _)| *seen == operation);
        if let Some((_, count)) = known.into_iter().find(|((_, seen), _)| seen == code) {
            *count += 1;
            return;
        }
        let key =
            if requests.len() < SERIES_MAX { (operation, code.to_owned()) } else { ("other", String::new()) };
        *requests.entry(key).or_default() += 1;
    }

    /// Counts an invocation that ran.
    pub fn invocation(&self, reason: StartReason, has_failed: bool) {
        let counter = match reason {
            StartReason::Warm => &self.warm,
            StartReason::Cold => &self.cold,
            StartReason::Queued => &self.queued,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(has_failed), Ordering::Relaxed);
    }

    /// All counters, and the gauges of others, as Prometheus text 0.0.4.
    pub fn render(&self, version: &str, gauges: &[Gauge]) -> String {
        let mut text = String::new();
        head(&mut text, "dormouse_build_info", "gauge", "The version that runs.");
        line(&mut text, "dormouse_build_info", &[("version", version)], 1.0);

        head(&mut text, "dormouse_requests_total", "counter", "Answered requests by operation and outcome.");
        for ((operation, code), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let labels = [("operation", *operation), ("code", code.as_str())];
            line(&mut text, "dormouse_requests_total", &labels, *count as f64);
        }

        head(&mut text, "dormouse_invocations_total", "counter", "Invocations by how they started.");
        for (reason, counter) in [
            (StartReason::Warm, &self.warm),
            (StartReason::Cold, &self.cold),
            (StartReason::Queued, &self.queued),
        ] {
            let count = counter.load(Ordering::Relaxed) as f64;
            line(&mut text, "dormouse_invocations_total", &[("start", reason.as_str())], count);
        }
        head(
            &mut text,
            "dormouse_invocation_failures_total",
            "counter",
            "Invocations whose function failed.",
        );
        line(
            &mut text,
            "dormouse_invocation_failures_total",
            &[],
            self.failed.load(Ordering::Relaxed) as f64,
        );

        let mut previous = "";
        for gauge in gauges {
            if gauge.name != previous {
                head(&mut text, gauge.name, "gauge", gauge.help);
                previous = gauge.name;
            }
            line(&mut text, gauge.name, gauge.label.as_slice(), gauge.value);
        }
        text
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_rendered_as_prometheus_text() {
        let metrics = Metrics::default();
        metrics.request("Invoke", "200");
        metrics.request("Invoke", "200");
        metrics.request("Invoke", "ResourceNotFoundException");
        metrics.request("GetFunction", "200");
        metrics.invocation(StartReason::Warm, false);
        metrics.invocation(StartReason::Cold, true);
        let gauge = |label, value| Gauge { name: "x", help: "Y.", label: Some(("state", label)), value };
        let text = metrics.render("1.2.3", &[gauge("idle", 2.0), gauge("running", 1.0)]);
        for expect in [
            "dormouse_build_info{version=\"1.2.3\"} 1\n",
            "dormouse_requests_total{operation=\"Invoke\",code=\"200\"} 2\n",
            "dormouse_requests_total{operation=\"Invoke\",code=\"ResourceNotFoundException\"} 1\n",
            "dormouse_requests_total{operation=\"GetFunction\",code=\"200\"} 1\n",
            "dormouse_invocations_total{start=\"warm\"} 1\n",
            "dormouse_invocations_total{start=\"queued\"} 0\n",
            "dormouse_invocation_failures_total 1\n",
            "# HELP x Y.\n# TYPE x gauge\nx{state=\"idle\"} 2\nx{state=\"running\"} 1\n",
        ] {
            assert!(text.contains(expect), "{expect:?} is not in\n{text}");
        }
    }
}
