//! What a subscription can be set to: its filter, raw delivery, a queue for what was not taken, and how it is tried.
//!
//! Pure. Source: SNS API Reference, `Subscribe`, `SetSubscriptionAttributes`; SNS Developer Guide, "Message filtering".

use std::collections::BTreeMap;

use model::arn::ResourceArn;
use model::error::ServiceError;
use pattern::{Dialect, Pattern};
use serde_json::Value;

use super::attributes::of_all;
use super::error::{invalid, not_served};
use super::retry::{self, DELIVERY_POLICY};

/// The attributes.
pub(super) const FILTER: &str = "FilterPolicy";
pub(super) const FILTER_SCOPE: &str = "FilterPolicyScope";
pub(super) const RAW: &str = "RawMessageDelivery";
pub(super) const REDRIVE: &str = "RedrivePolicy";

/// Bytes of a filter (SNS Developer Guide, "Filter policy constraints": 256 KB).
const FILTER_BYTES_MAX: usize = 262_144;

type Attributes = BTreeMap<String, String>;

/// What is subscribed to what: that decides what can be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'i> {
    pub(super) protocol: &'i str,
    pub(super) endpoint: &'i str,
    pub(super) is_fifo: bool,
}

/// Which messages a subscriber wants.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) pattern: Pattern,
    /// Whether it looks at the body, not at the attributes.
    pub(super) is_on_body: bool,
}

impl Filter {
    /// The filter that attributes say; none wants everything.
    pub(super) fn of(attributes: &Attributes) -> Result<Option<Self>, ServiceError> {
        let is_on_body = attributes.get(FILTER_SCOPE).is_some_and(|scope| scope == "MessageBody");
        let Some(text) = attributes.get(FILTER) else { return Ok(None) };
        if text.len() > FILTER_BYTES_MAX {
            return Err(invalid("FilterPolicy: Filter policy is too large"));
        }
        if serde_json::from_str::<Value>(text).is_err() {
            return Err(invalid("FilterPolicy: failed to parse JSON."));
        }
        let dialect = if is_on_body { Dialect::SnsBody } else { Dialect::SnsAttributes };
        let pattern = Pattern::parse(text, dialect);
        let pattern = pattern.map_err(|error| invalid(format_args!("FilterPolicy: {}", error.reason)))?;
        Ok(Some(Self { pattern, is_on_body }))
    }
}

/// Checks the attributes that a new subscription is given; what says nothing is left out.
pub(super) fn given(about: About<'_>, given: &Attributes) -> Result<Attributes, ServiceError> {
    let mut kept = Attributes::new();
    for (name, value) in given {
        apply(&mut kept, about, name, value).map_err(|refused| of_all(&refused))?;
    }
    Filter::of(&kept).map_err(|refused| of_all(&refused))?;
    Ok(kept)
}

/// Sets one attribute.
pub(super) fn set(
    attributes: &mut Attributes,
    about: About<'_>,
    name: &str,
    value: &str,
) -> Result<(), ServiceError> {
    apply(attributes, about, name, value)?;
    Filter::of(attributes).map(drop)
}

fn apply(attributes: &mut Attributes, about: About<'_>, name: &str, value: &str) -> Result<(), ServiceError> {
    let is_http = matches!(about.protocol, "http" | "https");
    let says_nothing = match (name, value) {
        (FILTER, value) => value.is_empty() || value.trim() == "{}",
        (FILTER_SCOPE, "MessageAttributes" | "MessageBody") => false,
        (FILTER_SCOPE, other) => {
            let reason = "Please use either MessageBody or MessageAttributes";
            return Err(invalid(format_args!("{FILTER_SCOPE}: Invalid value [{other}]. {reason}")));
        }
        (RAW, value) if value.eq_ignore_ascii_case("false") => true,
        (RAW, value) if value.eq_ignore_ascii_case("true") => {
            if about.protocol != "sqs" && !is_http {
                return Err(invalid(format_args!(
                    "{RAW}: only supported by the protocols sqs, http and https"
                )));
            }
            attributes.insert(RAW.to_owned(), "true".to_owned());
            return Ok(());
        }
        (RAW, other) => {
            return Err(invalid(format_args!("{RAW}: Invalid value [{other}]. Must be true or false.")));
        }
        (REDRIVE, "" | "{}") => true,
        (REDRIVE, policy) => check_redrive(about, policy).map(|()| false)?,
        (DELIVERY_POLICY, "") => true,
        (DELIVERY_POLICY, _) if !is_http => {
            return Err(invalid(format_args!(
                "{DELIVERY_POLICY}: only supported by the protocols http and https"
            )));
        }
        (DELIVERY_POLICY, policy) => retry::check_subscription(policy).map(|()| false)?,
        ("SubscriptionRoleArn" | "ReplayPolicy", _) => return Err(not_served(name)),
        _ => return Err(invalid("AttributeName")),
    };
    match says_nothing {
        true => attributes.remove(name),
        false => attributes.insert(name.to_owned(), value.to_owned()),
    };
    Ok(())
}

/// Where what a subscriber did not take goes.
pub(super) fn dead_letter(policy: &str) -> Option<ResourceArn> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let arn = ResourceArn::parse(policy.get("deadLetterTargetArn")?.as_str()?).ok()?;
    (arn.service() == "sqs").then_some(arn)
}

fn check_redrive(about: About<'_>, policy: &str) -> Result<(), ServiceError> {
    if !serde_json::from_str::<Value>(policy).is_ok_and(|policy| policy.is_object()) {
        return Err(invalid(format_args!("{REDRIVE}: failed to parse JSON.")));
    }
    let Some(queue) = dead_letter(policy) else {
        return Err(invalid(format_args!("{REDRIVE}: deadLetterTargetArn is an invalid arn")));
    };
    let is_fifo = queue.resource().ends_with(".fifo");
    match about.is_fifo && about.endpoint.ends_with(".fifo") {
        true if !is_fifo => Err(invalid(format_args!(
            "{REDRIVE}: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
        ))),
        false if is_fifo => Err(invalid(format_args!("{REDRIVE}: must use a standard queue as DLQ"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: About<'_> =
        About { protocol: "sqs", endpoint: "arn:aws:sqs:eu-west-1:000000000000:q", is_fifo: false };

    #[test]
    fn attributes_are_kept_taken_away_or_refused() {
        let mut attributes = Attributes::new();
        for (name, value) in [
            (RAW, "TRUE"),
            (FILTER, "{\"a\": [\"x\"]}"),
            (FILTER_SCOPE, "MessageBody"),
            (REDRIVE, "{\"deadLetterTargetArn\": \"arn:aws:sqs:eu-west-1:000000000000:lost\"}"),
        ] {
            assert_eq!(set(&mut attributes, QUEUE, name, value), Ok(()), "{name}");
        }
        assert_eq!(attributes.len(), 4);
        assert_eq!(set(&mut attributes, QUEUE, FILTER, "{\"a\": {\"b\": [1]}}"), Ok(()));
        let flat = set(&mut attributes.clone(), QUEUE, FILTER_SCOPE, "MessageAttributes");
        assert!(flat.is_err_and(|error| error.to_string().contains("does not support nested")));
        for (name, value) in [(RAW, "false"), (FILTER, "{}"), (REDRIVE, "")] {
            assert_eq!(set(&mut attributes, QUEUE, name, value), Ok(()), "{name}");
        }
        assert_eq!(attributes.len(), 1);
        for (name, value, reason) in [
            ("Colour", "red", "AttributeName"),
            (RAW, "yes", "Must be true or false."),
            (FILTER, "{", "FilterPolicy: failed to parse JSON."),
            (FILTER, "{\"a\": 1}", "must be an object or an array"),
            (FILTER_SCOPE, "Body", "Please use either MessageBody or MessageAttributes"),
            (REDRIVE, "[]", "failed to parse JSON"),
            (REDRIVE, "{\"deadLetterTargetArn\": \"x\"}", "invalid arn"),
            (DELIVERY_POLICY, "{}", "only supported by the protocols http"),
            ("ReplayPolicy", "{}", "ReplayPolicy is not served"),
        ] {
            let refused = set(&mut Attributes::new(), QUEUE, name, value).expect_err(name).to_string();
            assert!(refused.starts_with("Invalid parameter: ") && refused.contains(reason), "{refused}");
        }
        let function = About { protocol: "lambda", ..QUEUE };
        assert!(set(&mut Attributes::new(), function, RAW, "true").is_err());
        let all = Attributes::from([("Colour".to_owned(), String::new())]);
        let refused = given(QUEUE, &all).expect_err("no attribute").to_string();
        assert_eq!(refused, "Invalid parameter: Attributes Reason: AttributeName");
    }
}
