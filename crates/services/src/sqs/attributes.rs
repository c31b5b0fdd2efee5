//! What a queue can be set to, as names and texts: read with their bounds, written back.
//!
//! Pure. Source: SQS API Reference, `SetQueueAttributes`, `GetQueueAttributes`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::sqs::{Fifo, MESSAGE_BYTES_MAX, QueueId, Redrive, RedriveAllow, Settings};
use policy::{Document, Kind};
use serde_json::{Value, json};

use super::error::{attribute, unknown_attribute, value};

/// Seconds that a message may be delayed.
pub(super) const DELAY_S: RangeInclusive<u32> = 0..=900;
/// Seconds that a message may be unseen.
pub(super) const VISIBILITY_S: RangeInclusive<u32> = 0..=43_200;
/// Seconds that a call may wait for messages.
pub(super) const WAIT_S: RangeInclusive<u32> = 0..=20;
/// Times that a message is received before it is a dead letter.
const RECEIVES: RangeInclusive<u64> = 1..=1_000;
/// Queues that may be named as those whose dead letters are taken.
const ALLOWED_QUEUES_MAX: usize = 10;
/// Characters of a key's id, alias or ARN (KMS API Reference, `KeyId`).
const KEY_CHARS_MAX: usize = 2_048;

/// What a queue is where nothing else is said.
pub(super) fn defaults(id: &QueueId) -> Settings {
    Settings {
        delay_s: 0,
        message_bytes_max: MESSAGE_BYTES_MAX,
        retention_s: 345_600,
        wait_s: 0,
        visibility_s: 30,
        policy: None,
        redrive: None,
        redrive_allow: None,
        fifo: id.is_fifo().then(Fifo::default),
        kms_key: None,
        kms_reuse_s: 300,
        sse: true,
    }
}

/// Sets what is given.
pub(super) fn apply(
    settings: &mut Settings,
    given: &BTreeMap<String, String>,
    id: &QueueId,
) -> Result<(), ServiceError> {
    for (name, text) in given {
        apply_one(settings, name, text, id)?;
    }
    let text = |name: &str| given.get(name).map(String::as_str);
    if text("SqsManagedSseEnabled") == Some("true") {
        if text("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
            let reason = "You can use one type of server-side encryption (SSE) at one time. You can either enable \
                          KMS SSE or SQS SSE.";
            return Err(attribute("SqsManagedSseEnabled", reason));
        }
        settings.kms_key = None;
    }
    if settings.fifo.is_some_and(|fifo| fifo.limits_by_group && !fifo.deduplicates_by_group) {
        let reason = "The value perMessageGroupId is allowed only when the value of DeduplicationScope is messageGroup.";
        return Err(attribute("FifoThroughputLimit", reason));
    }
    Ok(())
}

fn apply_one(settings: &mut Settings, name: &str, text: &str, id: &QueueId) -> Result<(), ServiceError> {
    let some = || (!text.is_empty()).then(|| text.to_owned());
    match (name, &mut settings.fifo) {
        ("DelaySeconds", _) => settings.delay_s = number(name, text, DELAY_S)?,
        ("MaximumMessageSize", _) => {
            settings.message_bytes_max = number(name, text, 1_024..=MESSAGE_BYTES_MAX)?;
        }
        ("MessageRetentionPeriod", _) => settings.retention_s = number(name, text, 60..=1_209_600)?,
        ("ReceiveMessageWaitTimeSeconds", _) => settings.wait_s = number(name, text, WAIT_S)?,
        ("VisibilityTimeout", _) => settings.visibility_s = number(name, text, VISIBILITY_S)?,
        ("Policy", _) => {
            if !text.is_empty() {
                Document::parse(text, Kind::Resource).map_err(|error| attribute(name, &error.to_string()))?;
            }
            settings.policy = some();
        }
        ("RedrivePolicy", _) => settings.redrive = redrive(text, id)?,
        ("RedriveAllowPolicy", _) => settings.redrive_allow = redrive_allow(text)?,
        ("KmsMasterKeyId", _) => {
            if text.chars().count() > KEY_CHARS_MAX {
                return Err(attribute(name, &format!("Must have at most {KEY_CHARS_MAX} characters.")));
            }
            settings.kms_key = some();
            settings.sse &= settings.kms_key.is_none();
        }
        ("KmsDataKeyReusePeriodSeconds", _) => settings.kms_reuse_s = number(name, text, 60..=86_400)?,
        ("SqsManagedSseEnabled", _) => settings.sse = one_of(name, text, ["false", "true"])?,
        ("ContentBasedDeduplication", Some(fifo)) => fifo.by_content = one_of(name, text, ["false", "true"])?,
        ("DeduplicationScope", Some(fifo)) => {
            fifo.deduplicates_by_group = one_of(name, text, ["queue", "messageGroup"])?;
        }
        ("FifoThroughputLimit", Some(fifo)) => {
            fifo.limits_by_group = one_of(name, text, ["perQueue", "perMessageGroupId"])?;
        }
        _ => return Err(unknown_attribute(name)),
    }
    Ok(())
}

fn number(name: &str, text: &str, range: RangeInclusive<u32>) -> Result<u32, ServiceError> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        attribute(name, &format!("Must be an integer from {} to {}.", range.start(), range.end()))
    })
}

/// Which of two words.
fn one_of(name: &str, text: &str, [no, yes]: [&str; 2]) -> Result<bool, ServiceError> {
    match text {
        text if text.eq_ignore_ascii_case(no) => Ok(false),
        text if text.eq_ignore_ascii_case(yes) => Ok(true),
        _ => Err(attribute(name, &format!("Must be {no} or {yes}."))),
    }
}

fn redrive(text: &str, id: &QueueId) -> Result<Option<Redrive>, ServiceError> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: &str| value("RedrivePolicy", text, reason);
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(invalid("Redrive policy is not a valid JSON map."));
    };
    if let Some(name) =
        members.keys().find(|name| !["deadLetterTargetArn", "maxReceiveCount"].contains(&name.as_str()))
    {
        return Err(invalid(&format!("Redrive policy has an unknown member {name}.")));
    }
    let arn = members.get("deadLetterTargetArn").and_then(Value::as_str);
    let arn = arn.ok_or_else(|| {
        invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
    })?;
    let count = members
        .get("maxReceiveCount")
        .ok_or_else(|| invalid("Redrive policy does not contain mandatory attribute: maxReceiveCount."))?;
    let count =
        count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| RECEIVES.contains(count));
    let count = count.and_then(|count| u32::try_from(count).ok()).ok_or_else(|| {
        invalid("Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive.")
    })?;
    let arn = ResourceArn::parse(arn).ok();
    let dead = arn.as_ref().and_then(QueueId::of_arn);
    let (Some(arn), Some(dead)) = (arn, dead) else {
        return Err(invalid("Invalid value for deadLetterTargetArn."));
    };
    if dead.scope != id.scope {
        return Err(invalid("The dead-letter queue must be in the same account and region as its source."));
    }
    if dead.is_fifo() != id.is_fifo() {
        return Err(invalid("Dead-letter queue must be same type of queue as the source."));
    }
    if dead == *id {
        return Err(invalid("Dead-letter target owner should be same as the source, and another queue."));
    }
    Ok(Some(Redrive { dead_letter: arn, receives_max: count }))
}

fn redrive_allow(text: &str) -> Result<Option<RedriveAllow>, ServiceError> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: &str| value("RedriveAllowPolicy", text, reason);
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(invalid("Redrive allow policy is not a valid JSON map."));
    };
    if let Some(name) =
        members.keys().find(|name| !["redrivePermission", "sourceQueueArns"].contains(&name.as_str()))
    {
        return Err(invalid(&format!("Redrive allow policy has an unknown member {name}.")));
    }
    let queues = members.get("sourceQueueArns").map(|list| list.as_array().cloned().unwrap_or_default());
    let permission = members.get("redrivePermission").and_then(Value::as_str).unwrap_or("allowAll");
    match (permission, queues) {
        ("allowAll", None) => Ok(Some(RedriveAllow::All)),
        ("denyAll", None) => Ok(Some(RedriveAllow::None)),
        ("byQueue", Some(queues)) if (1..=ALLOWED_QUEUES_MAX).contains(&queues.len()) => {
            let read = |arn: &Value| {
                ResourceArn::parse(arn.as_str()?).ok().filter(|arn| QueueId::of_arn(arn).is_some())
            };
            let arns: Option<Vec<ResourceArn>> = queues.iter().map(read).collect();
            let arns = arns.ok_or_else(|| invalid("sourceQueueArns must be ARNs of queues."))?;
            Ok(Some(RedriveAllow::Queues(arns)))
        }
        ("byQueue", _) => Err(invalid("byQueue needs 1 to 10 sourceQueueArns.")),
        ("allowAll" | "denyAll", Some(_)) => Err(invalid("sourceQueueArns can only be given with byQueue.")),
        _ => Err(invalid("redrivePermission must be allowAll, denyAll or byQueue.")),
    }
}

/// The value of an attribute that can be set, as it is shown; nothing if it has none.
pub(super) fn shown(settings: &Settings, name: &str) -> Option<String> {
    let word = |is: bool, [no, yes]: [&str; 2]| Some(if is { yes } else { no }.to_owned());
    let fifo = settings.fifo;
    match name {
        "DelaySeconds" => Some(settings.delay_s.to_string()),
        "MaximumMessageSize" => Some(settings.message_bytes_max.to_string()),
        "MessageRetentionPeriod" => Some(settings.retention_s.to_string()),
        "ReceiveMessageWaitTimeSeconds" => Some(settings.wait_s.to_string()),
        "VisibilityTimeout" => Some(settings.visibility_s.to_string()),
        "Policy" => settings.policy.clone(),
        "RedrivePolicy" => settings.redrive.as_ref().map(|redrive| {
            json!({
                "deadLetterTargetArn": redrive.dead_letter.as_str(), "maxReceiveCount": redrive.receives_max
            })
            .to_string()
        }),
        "RedriveAllowPolicy" => settings.redrive_allow.as_ref().map(|allow| {
            match allow {
                RedriveAllow::All => json!({ "redrivePermission": "allowAll" }),
                RedriveAllow::None => json!({ "redrivePermission": "denyAll" }),
                RedriveAllow::Queues(queues) => json!({
                    "redrivePermission": "byQueue",
                    "sourceQueueArns": queues.iter().map(ResourceArn::as_str).collect::<Vec<_>>(),
                }),
            }
            .to_string()
        }),
        "KmsMasterKeyId" => settings.kms_key.clone(),
        "KmsDataKeyReusePeriodSeconds" => {
            settings.kms_key.is_some().then(|| settings.kms_reuse_s.to_string())
        }
        "SqsManagedSseEnabled" => word(settings.sse, ["false", "true"]),
        "FifoQueue" => fifo.map(|_| "true".to_owned()),
        "ContentBasedDeduplication" => word(fifo?.by_content, ["false", "true"]),
        "DeduplicationScope" => word(fifo?.deduplicates_by_group, ["queue", "messageGroup"]),
        "FifoThroughputLimit" => word(fifo?.limits_by_group, ["perQueue", "perMessageGroupId"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::arn::Scope;
    use model::id::{AccountId, Region};

    use super::*;

    fn id(name: &str) -> QueueId {
        QueueId::of(&Scope { account: AccountId::DEFAULT, region: Region::default_region() }, name)
            .expect(name)
    }

    fn set(queue: &str, name: &str, text: &str) -> Result<Option<String>, ServiceError> {
        let mut settings = defaults(&id(queue));
        apply(&mut settings, &[(name.to_owned(), text.to_owned())].into(), &id(queue))?;
        Ok(shown(&settings, name))
    }

    #[test]
    fn what_is_set_is_shown() {
        let allow =
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:a"]}"#;
        for (queue, name, text) in [
            ("q", "DelaySeconds", "900"),
            ("q", "MaximumMessageSize", "1024"),
            ("q", "MessageRetentionPeriod", "1209600"),
            ("q", "ReceiveMessageWaitTimeSeconds", "20"),
            ("q", "VisibilityTimeout", "0"),
            ("q", "RedriveAllowPolicy", allow),
            ("q", "RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#),
            ("q", "KmsMasterKeyId", "alias/k"),
            ("q", "SqsManagedSseEnabled", "false"),
            ("q.fifo", "ContentBasedDeduplication", "true"),
            ("q.fifo", "DeduplicationScope", "messageGroup"),
        ] {
            assert_eq!(set(queue, name, text), Ok(Some(text.to_owned())), "{name}");
        }
        let redrive =
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":"3"}"#;
        assert_eq!(set("q", "RedrivePolicy", redrive), Ok(Some(redrive.replace("\"3\"", "3"))));
        assert_eq!(set("q", "RedrivePolicy", ""), Ok(None));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let dead = |name: &str, count: &str| {
            format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:{name}","maxReceiveCount":{count}}}"#)
        };
        for (queue, name, text) in [
            ("q", "DelaySeconds", "901"),
            ("q", "DelaySeconds", "-1"),
            ("q", "DelaySeconds", ""),
            ("q", "MaximumMessageSize", "1023"),
            ("q", "MaximumMessageSize", "1048577"),
            ("q", "MessageRetentionPeriod", "59"),
            ("q", "ReceiveMessageWaitTimeSeconds", "21"),
            ("q", "VisibilityTimeout", "43201"),
            ("q", "Policy", "{"),
            ("q", "KmsMasterKeyId", &"k".repeat(2_049)),
            ("q", "KmsDataKeyReusePeriodSeconds", "59"),
            ("q", "SqsManagedSseEnabled", "yes"),
            ("q", "ContentBasedDeduplication", "true"),
            ("q", "QueueArn", "x"),
            ("q.fifo", "FifoThroughputLimit", "perMessageGroupId"),
            ("q.fifo", "DeduplicationScope", "x"),
            ("q", "RedrivePolicy", "x"),
            ("q", "RedrivePolicy", "{}"),
            ("q", "RedrivePolicy", &dead("000000000000:d", "0")),
            ("q", "RedrivePolicy", &dead("000000000000:d", "1001")),
            ("q", "RedrivePolicy", &dead("000000000000:d.fifo", "1")),
            ("q", "RedrivePolicy", &dead("210987654321:d", "1")),
            ("q", "RedrivePolicy", &dead("000000000000:q", "1")),
            ("q", "RedriveAllowPolicy", r#"{"redrivePermission":"byQueue"}"#),
            ("q", "RedriveAllowPolicy", r#"{"redrivePermission":"some"}"#),
        ] {
            assert!(set(queue, name, text).is_err(), "{name} {text}");
        }
    }
}
