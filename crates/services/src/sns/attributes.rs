//! What a topic can be set to, as names and texts: checked with their bounds, and shown with what goes without saying.
//!
//! Pure. Source: SNS API Reference, `CreateTopic`, `SetTopicAttributes`, `GetTopicAttributes`.

use std::collections::BTreeMap;

use model::error::ServiceError;
use model::topic::{Topic, TopicId};

use super::error::{invalid, not_served};
use super::permission::{self, POLICY};
use super::retry::{self, DELIVERY_POLICY};

const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// Bytes of a message where nothing else is set, and the bounds of what can be set.
pub(super) const MESSAGE_BYTES: usize = 262_144;
const MESSAGE_BYTES_SET: std::ops::RangeInclusive<usize> = 1_024..=1_048_576;
/// Of what kinds of delivery AWS can keep a log.
const LOGGED: [&str; 5] = ["HTTP", "Firehose", "Lambda", "Application", "SQS"];
/// The attributes.
pub(super) const BY_CONTENT: &str = "ContentBasedDeduplication";
pub(super) const SCOPE: &str = "FifoThroughputScope";
pub(super) const SIZE: &str = "MaximumMessageSize";
pub(super) const FIFO: &str = "FifoTopic";

/// Checks attributes that a new topic is given, and takes out what its name says already.
pub(super) fn given(
    id: &TopicId,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut kept = BTreeMap::new();
    for (name, value) in given.iter().filter(|(name, _)| *name != FIFO) {
        check(id, name, value).map_err(|refused| of_all(&refused))?;
        if !value.is_empty() {
            kept.insert(name.clone(), value.clone());
        }
    }
    Ok(kept)
}

/// A refusal of one attribute, where all are given at once.
pub(super) fn of_all(refused: &ServiceError) -> ServiceError {
    let text = refused.to_string();
    invalid(format_args!("Attributes Reason: {}", text.strip_prefix("Invalid parameter: ").unwrap_or(&text)))
}

/// Whether an attribute can be set to a value; an empty one takes it away.
pub(super) fn check(id: &TopicId, name: &str, value: &str) -> Result<(), ServiceError> {
    let is_one_of = |values: &[&str]| match value.is_empty() || values.contains(&value) {
        true => Ok(()),
        false => Err(invalid(format_args!("{name} Reason: must be one of {}", values.join(", ")))),
    };
    match name {
        POLICY if value.is_empty() => Ok(()),
        POLICY => permission::check(value),
        DELIVERY_POLICY if value.is_empty() => Ok(()),
        DELIVERY_POLICY => retry::check_topic(value),
        "DisplayName" if value.chars().count() > DISPLAY_NAME_CHARS_MAX => Err(invalid("DisplayName")),
        "DisplayName" | "KmsMasterKeyId" => Ok(()),
        "TracingConfig" if id.is_fifo() && value == "Active" => {
            Err(invalid("TracingConfig Reason: active tracing is only supported on standard topics"))
        }
        "TracingConfig" => is_one_of(&["PassThrough", "Active"]),
        "SignatureVersion" => is_one_of(&["1", "2"]),
        SIZE if value.is_empty() => Ok(()),
        SIZE => match value.parse() {
            Ok(bytes) if MESSAGE_BYTES_SET.contains(&bytes) => Ok(()),
            _ => Err(invalid(format_args!("{SIZE} Reason: must be from 1024 to 1048576"))),
        },
        BY_CONTENT | SCOPE if !id.is_fifo() => {
            Err(invalid(format_args!("{name} Reason: can only be set for FIFO topics")))
        }
        BY_CONTENT => is_one_of(&["true", "false"]),
        SCOPE => is_one_of(&["Topic", "MessageGroup"]),
        "ArchivePolicy" => Err(not_served("ArchivePolicy")),
        _ => check_logging(name, value),
    }
}

/// The roles and rates of delivery status logs.
fn check_logging(name: &str, value: &str) -> Result<(), ServiceError> {
    let what = LOGGED.iter().find_map(|kind| name.strip_prefix(kind));
    match what {
        Some("SuccessFeedbackRoleArn" | "FailureFeedbackRoleArn") => {
            let is_role = value.is_empty() || (value.starts_with("arn:") && value.contains(":role/"));
            if is_role { Ok(()) } else { Err(invalid(name)) }
        }
        Some("SuccessFeedbackSampleRate") => {
            let is_rate = value.is_empty() || value.parse::<u8>().is_ok_and(|rate| rate <= 100);
            if is_rate { Ok(()) } else { Err(invalid(name)) }
        }
        _ => Err(invalid("AttributeName")),
    }
}

/// All attributes of a topic with so many confirmed and pending subscriptions.
pub(super) fn shown(topic: &Topic, confirmed: usize, pending: usize) -> BTreeMap<String, String> {
    let mut shown: BTreeMap<String, String> = [
        ("TopicArn", topic.id.arn()),
        ("Owner", topic.id.scope.account.to_string()),
        ("DisplayName", String::new()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", "0".to_owned()),
        ("EffectiveDeliveryPolicy", retry::effective(topic.attributes.get(DELIVERY_POLICY))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if topic.id.is_fifo() {
        shown.insert(FIFO.to_owned(), "true".to_owned());
        shown.insert(BY_CONTENT.to_owned(), "false".to_owned());
    }
    shown.extend(topic.attributes.clone());
    shown.entry(POLICY.to_owned()).or_insert_with(|| permission::default_policy(&topic.id).to_string());
    shown
}
