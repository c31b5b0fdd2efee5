//! Delivery policies: how often and after which pauses an HTTP endpoint is tried, and what content it is told to get.
//!
//! Pure. A topic's policy holds for its subscriptions, which may have their own unless the topic forbids that. How the pauses
//! grow from the shortest to the longest is only drawn in AWS's documentation; here they reach the longest with the last one.
//! Source: SNS Developer Guide, "Amazon SNS message delivery retries", "Creating an HTTP/S delivery policy".

use std::time::Duration;

use model::error::ServiceError;
use serde_json::{Map, Value, json};

use super::error::{invalid, not_served};

/// The attribute of topics and of subscriptions.
pub(super) const DELIVERY_POLICY: &str = "DeliveryPolicy";

const PAUSE_S_MAX: u64 = 3_600;
const RETRIES_MAX: u64 = 100;
const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
const CONTENT_TYPE_CHARS_MAX: usize = 256;

/// What holds for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trying {
    /// Before each further attempt.
    pub(super) pauses: Vec<Duration>,
    /// Of the requests.
    pub(super) content_type: String,
}

/// A policy's `healthyRetryPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Retries {
    shortest_s: u64,
    longest_s: u64,
    all: u64,
    without_pause: u64,
    with_shortest: u64,
    with_longest: u64,
    curve: Curve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            shortest_s: 20,
            longest_s: 20,
            all: 3,
            without_pause: 0,
            with_shortest: 0,
            with_longest: 0,
            curve: Curve::Linear,
        }
    }
}

/// Where a policy's parts stand: in that of a topic, or in that of a subscription.
struct Names {
    retries: &'static str,
    request: &'static str,
    throttle: &'static str,
    others: &'static [&'static str],
}

const OF_TOPIC: Names = Names {
    retries: "defaultHealthyRetryPolicy",
    request: "defaultRequestPolicy",
    throttle: "defaultThrottlePolicy",
    others: &["disableSubscriptionOverrides", "defaultSicklyRetryPolicy"],
};
const OF_SUBSCRIPTION: Names = Names {
    retries: "healthyRetryPolicy",
    request: "requestPolicy",
    throttle: "throttlePolicy",
    others: &["sicklyRetryPolicy", "guaranteed"],
};

/// Whether a text can be a topic's policy.
pub(super) fn check_topic(text: &str) -> Result<(), ServiceError> {
    let policy = object(text)?;
    if let Some(name) = policy.keys().find(|name| *name != "http") {
        return Err(invalid(format_args!("{DELIVERY_POLICY}: Unrecognized member {name}")));
    }
    match policy.get("http") {
        None => Ok(()),
        Some(Value::Object(http)) => read(http, &OF_TOPIC).map(drop),
        Some(_) => Err(invalid(format_args!("{DELIVERY_POLICY}: http must be an object"))),
    }
}

/// Whether a text can be a subscription's policy.
pub(super) fn check_subscription(text: &str) -> Result<(), ServiceError> {
    read(&object(text)?, &OF_SUBSCRIPTION).map(drop)
}

/// What holds for a subscription with such a policy, of a topic with such a one.
pub(super) fn trying(topic: Option<&String>, subscription: Option<&String>) -> Trying {
    let read = |text: Option<&String>, names| Some(read(&part(text?, names)?, names).unwrap_or_default());
    let of_topic = read(topic, &OF_TOPIC).unwrap_or_default();
    let own = read(subscription, &OF_SUBSCRIPTION).filter(|_| !forbids(topic)).unwrap_or_default();
    let retries = own.0.or(of_topic.0).unwrap_or_default();
    let content_type = own.1.or(of_topic.1).unwrap_or_else(|| CONTENT_TYPE.to_owned());
    Trying { pauses: retries.pauses(), content_type }
}

/// A topic's policy, shown with what goes without saying.
pub(super) fn effective(topic: Option<&String>) -> String {
    let (retries, content_type) =
        topic.and_then(|text| read(&part(text, &OF_TOPIC)?, &OF_TOPIC).ok()).unwrap_or_default();
    json!({"http": {
        "defaultHealthyRetryPolicy": retries.unwrap_or_default().shown(),
        "disableSubscriptionOverrides": forbids(topic),
        "defaultRequestPolicy": {"headerContentType": content_type.as_deref().unwrap_or(CONTENT_TYPE)},
    }})
    .to_string()
}

/// The same of a subscription.
pub(super) fn effective_of_subscription(topic: Option<&String>, own: Option<&String>) -> String {
    let read = |text: Option<&String>, names| read(&part(text?, names)?, names).ok();
    let of_topic = read(topic, &OF_TOPIC).unwrap_or_default();
    let own = read(own, &OF_SUBSCRIPTION).filter(|_| !forbids(topic)).unwrap_or_default();
    json!({
        "healthyRetryPolicy": own.0.or(of_topic.0).unwrap_or_default().shown(),
        "sicklyRetryPolicy": null,
        "throttlePolicy": null,
        "requestPolicy": {"headerContentType": own.1.or(of_topic.1).as_deref().unwrap_or(CONTENT_TYPE)},
        "guaranteed": false,
    })
    .to_string()
}

fn part(text: &str, names: &Names) -> Option<Map<String, Value>> {
    let policy = object(text).ok()?;
    match names.retries == OF_TOPIC.retries {
        true => policy.get("http")?.as_object().cloned(),
        false => Some(policy),
    }
}

fn forbids(topic: Option<&String>) -> bool {
    let http = topic.and_then(|text| part(text, &OF_TOPIC));
    http.and_then(|http| http.get("disableSubscriptionOverrides")?.as_bool()).unwrap_or(false)
}

fn object(text: &str) -> Result<Map<String, Value>, ServiceError> {
    serde_json::from_str(text).map_err(|_| invalid(format_args!("{DELIVERY_POLICY}: failed to parse JSON.")))
}

/// What a policy says of retries and of content, if it does.
fn read(
    policy: &Map<String, Value>,
    names: &Names,
) -> Result<(Option<Retries>, Option<String>), ServiceError> {
    let known = [names.retries, names.request, names.throttle];
    let is_known = |name: &str| known.contains(&name) || names.others.contains(&name);
    if let Some(name) = policy.keys().find(|name| !is_known(name)) {
        return Err(invalid(format_args!("{DELIVERY_POLICY}: Unrecognized member {name}")));
    }
    if policy.get(names.throttle).is_some_and(|throttle| !throttle.is_null()) {
        return Err(not_served(format_args!("{DELIVERY_POLICY}: {}", names.throttle)));
    }
    let retries = match policy.get(names.retries) {
        None | Some(Value::Null) => None,
        Some(Value::Object(retries)) => Some(Retries::read(retries)?),
        Some(_) => {
            return Err(invalid(format_args!("{DELIVERY_POLICY}: {} must be an object", names.retries)));
        }
    };
    let content = match policy.get(names.request) {
        None | Some(Value::Null) => None,
        Some(request) => request.get("headerContentType").and_then(Value::as_str).map(str::to_owned),
    };
    let is_header = |text: &str| {
        text.len() <= CONTENT_TYPE_CHARS_MAX
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    if content.as_deref().is_some_and(|content| !is_header(content)) {
        return Err(invalid(format_args!("{DELIVERY_POLICY}: headerContentType is invalid")));
    }
    Ok((retries, content))
}

impl Retries {
    fn read(policy: &Map<String, Value>) -> Result<Self, ServiceError> {
        let default = Self::default();
        let number = |name: &str, default: u64, max: u64| match policy.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .filter(|number| *number <= max)
                .ok_or_else(|| invalid(format_args!("{DELIVERY_POLICY}: {name} must be from 0 to {max}"))),
        };
        let read = Self {
            shortest_s: number("minDelayTarget", default.shortest_s, PAUSE_S_MAX)?,
            longest_s: number("maxDelayTarget", default.longest_s, PAUSE_S_MAX)?,
            all: number("numRetries", default.all, RETRIES_MAX)?,
            without_pause: number("numNoDelayRetries", 0, RETRIES_MAX)?,
            with_shortest: number("numMinDelayRetries", 0, RETRIES_MAX)?,
            with_longest: number("numMaxDelayRetries", 0, RETRIES_MAX)?,
            curve: match policy.get("backoffFunction").map(|value| value.as_str()) {
                None | Some(Some("linear")) => Curve::Linear,
                Some(Some("arithmetic")) => Curve::Arithmetic,
                Some(Some("geometric")) => Curve::Geometric,
                Some(Some("exponential")) => Curve::Exponential,
                _ => return Err(invalid(format_args!("{DELIVERY_POLICY}: backoffFunction is invalid"))),
            },
        };
        if read.shortest_s > read.longest_s || read.shortest_s == 0 {
            let reason = "minDelayTarget must be at least 1 and at most maxDelayTarget";
            return Err(invalid(format_args!("{DELIVERY_POLICY}: {reason}")));
        }
        if read.without_pause + read.with_shortest + read.with_longest > read.all {
            let reason = "numRetries must be at least the sum of the retries without delay, with minimum delay and with maximum delay";
            return Err(invalid(format_args!("{DELIVERY_POLICY}: {reason}")));
        }
        if read.pauses().iter().map(Duration::as_secs).sum::<u64>() > PAUSE_S_MAX {
            let reason = "the delays of all retries must not be longer than 3600 seconds";
            return Err(invalid(format_args!("{DELIVERY_POLICY}: {reason}")));
        }
        Ok(read)
    }

    fn pauses(&self) -> Vec<Duration> {
        let growing = self.all - self.without_pause - self.with_shortest - self.with_longest;
        let phases = std::iter::repeat_n(0, count(self.without_pause))
            .chain(std::iter::repeat_n(self.shortest_s, count(self.with_shortest)))
            .chain((1..=growing).map(|step| self.grown(step, growing)))
            .chain(std::iter::repeat_n(self.longest_s, count(self.with_longest)));
        phases.map(Duration::from_secs).collect()
    }

    /// The pause of one of so many steps from the shortest to the longest.
    fn grown(&self, step: u64, of: u64) -> u64 {
        let span = u128::from(self.longest_s - self.shortest_s);
        let (step, of) = (u128::from(step), u128::from(of));
        let (part, whole) = match self.curve {
            Curve::Linear => (step, of),
            Curve::Arithmetic => (step * (step + 1), of * (of + 1)),
            Curve::Geometric => (step.pow(3), of.pow(3)),
            Curve::Exponential => ((1 << step) - 1, (1 << of) - 1),
        };
        // 12 bits of a span and 101 of a step.
        self.shortest_s + u64::try_from(span * part / whole).unwrap_or(PAUSE_S_MAX)
    }

    fn shown(&self) -> Value {
        let curve = match self.curve {
            Curve::Linear => "linear",
            Curve::Arithmetic => "arithmetic",
            Curve::Geometric => "geometric",
            Curve::Exponential => "exponential",
        };
        json!({
            "minDelayTarget": self.shortest_s,
            "maxDelayTarget": self.longest_s,
            "numRetries": self.all,
            "numMaxDelayRetries": self.with_longest,
            "numNoDelayRetries": self.without_pause,
            "numMinDelayRetries": self.with_shortest,
            "backoffFunction": curve,
        })
    }
}

fn count(retries: u64) -> usize {
    usize::try_from(retries.min(RETRIES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(topic: Option<&str>, own: Option<&str>) -> Vec<u64> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let trying = trying(text(topic).as_ref(), text(own).as_ref());
        trying.pauses.iter().map(Duration::as_secs).collect()
    }

    fn own(members: &str) -> String {
        format!("{{\"healthyRetryPolicy\": {{{members}}}}}")
    }

    #[test]
    fn pauses_come_in_phases_and_grow_by_their_curve() {
        assert_eq!(seconds(None, None), [20, 20, 20]);
        let phased = own(
            "\"minDelayTarget\": 1, \"maxDelayTarget\": 9, \"numRetries\": 7, \"numNoDelayRetries\": 1, \
             \"numMinDelayRetries\": 1, \"numMaxDelayRetries\": 1",
        );
        assert_eq!(seconds(None, Some(&phased)), [0, 1, 3, 5, 7, 9, 9]);
        for (curve, pauses) in [
            ("linear", [26, 51, 76, 101]),
            ("arithmetic", [11, 31, 61, 101]),
            ("geometric", [2, 13, 43, 101]),
            ("exponential", [7, 21, 47, 101]),
        ] {
            let policy = own(&format!(
                "\"minDelayTarget\": 1, \"maxDelayTarget\": 101, \"numRetries\": 4, \"backoffFunction\": \"{curve}\""
            ));
            assert_eq!(seconds(None, Some(&policy)), pauses, "{curve}");
        }
        let topic = |overrides| {
            format!(
                "{{\"http\": {{\"defaultHealthyRetryPolicy\": {{\"numRetries\": 1}}, \
                 \"disableSubscriptionOverrides\": {overrides}}}}}"
            )
        };
        assert_eq!(seconds(Some(&topic(false)), Some(&own("\"numRetries\": 2"))), [20, 20]);
        assert_eq!(seconds(Some(&topic(true)), Some(&own("\"numRetries\": 2"))), [20]);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let refused = |text: &str| check_subscription(text).map_err(|error| error.to_string());
        assert_eq!(refused(&own("\"numRetries\": 100, \"backoffFunction\": \"exponential\"")), Ok(()));
        for (text, reason) in [
            ("x", "failed to parse JSON"),
            ("{\"a\": 1}", "Unrecognized member a"),
            ("{\"throttlePolicy\": {\"maxReceivesPerSecond\": 1}}", "not served"),
            ("{\"healthyRetryPolicy\": 1}", "must be an object"),
            (&own("\"numRetries\": 101"), "from 0 to 100"),
            (&own("\"minDelayTarget\": 30"), "at most maxDelayTarget"),
            (&own("\"numNoDelayRetries\": 4"), "at least the sum"),
            (&own("\"maxDelayTarget\": 3600, \"numRetries\": 9"), "not be longer than 3600"),
            (&own("\"backoffFunction\": \"square\""), "backoffFunction"),
            ("{\"requestPolicy\": {\"headerContentType\": \"a\\nb\"}}", "headerContentType"),
        ] {
            assert!(refused(text).is_err_and(|error| error.contains(reason)), "{text}");
        }
        assert!(check_topic(&own("\"numRetries\": 1")).is_err());
    }
}
