//! Publishing: what of a message is checked, and that all its deliveries are on the disk when it is answered.
//!
//! Source: SNS API Reference, `Publish`, `PublishBatch`; SNS Developer Guide, "Message deduplication for FIFO topics".

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aside::Turn;
use bytes::Bytes;
use model::delivery::{Attribute, Delivery};
use model::error::ServiceError;
use model::queue::CONTENT_BYTES_MAX;
use model::topic::TopicId;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;
use wire::sns::{self as api, errors};

use super::attributes::{BY_CONTENT, MESSAGE_BYTES, SCOPE, SIZE};
use super::error::{invalid, no_topic, not_served, of_deliveries};
use super::message::{Message, Order};
use super::route::Route;
use super::{Caller, Sns, name};

const SUBJECT_CHARS_MAX: usize = 100;
const ID_CHARS_MAX: usize = 128;
const BATCH_MAX: usize = 10;
const ENTRY_ID_CHARS_MAX: usize = 80;
/// Room for what stands beside the body of a delivery.
const HEAD_BYTES: usize = 32 * 1024;

/// A message as somebody gives it.
#[derive(Default)]
pub(super) struct Given<'i> {
    pub(super) text: &'i str,
    pub(super) subject: Option<&'i str>,
    pub(super) structure: Option<&'i str>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) group: Option<&'i str>,
    pub(super) deduplication: Option<&'i str>,
    pub(super) trace: Option<&'i str>,
}

/// What the publisher is told of a message.
pub(super) struct Published {
    id: String,
    sequence: Option<String>,
}

/// The topic that is published to.
pub(super) fn topic(input: &api::PublishInput) -> Result<TopicId, ServiceError> {
    if input.phone_number.is_some() {
        return Err(not_served("PhoneNumber"));
    }
    let arn = input.topic_arn.as_ref().or(input.target_arn.as_ref());
    if arn.is_some_and(|arn| arn.contains(":endpoint/")) {
        return Err(not_served("Mobile push"));
    }
    if arn.is_none() {
        return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter"));
    }
    name::topic(if input.topic_arn.is_some() { "TopicArn" } else { "TargetArn" }, arn)
}

impl Sns {
    pub(super) async fn publish(
        &self,
        caller: &Caller,
        input: &api::PublishInput,
    ) -> Result<api::PublishResponse, ServiceError> {
        let id = topic(input)?;
        let given = Given {
            text: input.message.as_deref().unwrap_or_default(),
            subject: input.subject.as_deref(),
            structure: input.message_structure.as_deref(),
            attributes: attributes(input.message_attributes.as_ref())?,
            group: input.message_group_id.as_deref(),
            deduplication: input.message_deduplication_id.as_deref(),
            trace: caller.trace.as_deref(),
        };
        let alone = self.publishing.alone(&id).await;
        let route = self.route(&id).ok_or_else(no_topic)?;
        let message = self.message(&route, given)?;
        let published = Published::of(&message);
        self.send(&route, vec![message], alone).await?;
        Ok(api::PublishResponse { message_id: Some(published.id), sequence_number: published.sequence })
    }

    pub(super) async fn publish_batch(
        &self,
        caller: &Caller,
        input: &api::PublishBatchInput,
    ) -> Result<api::PublishBatchResponse, ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let entries = input.publish_batch_request_entries.as_deref().unwrap_or_default();
        check_batch(entries)?;
        let alone = self.publishing.alone(&id).await;
        let route = self.route(&id).ok_or_else(no_topic)?;
        let bytes: usize = entries.iter().map(bytes_of_entry).sum();
        if bytes > route.bytes_max() {
            let message = "The length of all the messages put together is more than the limit.";
            return Err(errors::BATCH_REQUEST_TOO_LONG_EXCEPTION.error(message));
        }
        let (mut messages, mut successful, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            match self.entry(&route, caller, entry) {
                Ok(message) => {
                    let Published { id: message_id, sequence } = Published::of(&message);
                    messages.push(message);
                    successful.push(api::PublishBatchResultEntry {
                        id: entry.id.clone(),
                        message_id: Some(message_id),
                        sequence_number: sequence,
                    });
                }
                Err(error) => failed.push(api::BatchResultErrorEntry {
                    id: entry.id.clone(),
                    code: Some(wire::query::shape_of(&api::SERVICE, &error).code.to_owned()),
                    message: Some(error.to_string()),
                    sender_fault: Some(true),
                }),
            }
        }
        self.send(&route, messages, alone).await?;
        Ok(api::PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
    }

    fn entry(
        &self,
        route: &Route,
        caller: &Caller,
        entry: &api::PublishBatchRequestEntry,
    ) -> Result<Message, ServiceError> {
        let given = Given {
            text: entry.message.as_deref().unwrap_or_default(),
            subject: entry.subject.as_deref(),
            structure: entry.message_structure.as_deref(),
            attributes: attributes(entry.message_attributes.as_ref())?,
            group: entry.message_group_id.as_deref(),
            deduplication: entry.message_deduplication_id.as_deref(),
            trace: caller.trace.as_deref(),
        };
        self.message(route, given)
    }

    /// Checks a message.
    pub(super) fn message(&self, route: &Route, given: Given<'_>) -> Result<Message, ServiceError> {
        if given.text.is_empty() {
            return Err(invalid("Empty message"));
        }
        let bytes = given.text.len() + given.attributes.iter().map(Attribute::bytes).sum::<usize>();
        if bytes > route.bytes_max() {
            return Err(invalid("Message too long"));
        }
        if !given.subject.is_none_or(is_subject) {
            return Err(invalid("Subject"));
        }
        let group = given.group.map(|text| checked_id("MessageGroupId", text)).transpose()?;
        Ok(Message {
            id: self.fresh_id(),
            time: wire::time::rfc3339(self.clock.now()),
            topic_arn: route.topic.id.arn(),
            subject: given.subject.map(str::to_owned),
            texts: texts(given.structure, given.text)?,
            order: self.order(route, &given)?,
            group,
            attributes: given.attributes,
            trace: given.trace.map(str::to_owned),
        })
    }

    fn order(&self, route: &Route, given: &Given<'_>) -> Result<Option<Order>, ServiceError> {
        let deduplication =
            given.deduplication.map(|text| checked_id("MessageDeduplicationId", text)).transpose()?;
        if !route.topic.id.is_fifo() {
            return match deduplication {
                None => Ok(None),
                Some(_) => Err(invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is \
                     not valid for this topic type",
                )),
            };
        }
        let group =
            given.group.ok_or_else(|| invalid("The MessageGroupId parameter is required for FIFO topics"))?;
        let is = |name: &str, value: &str| route.topic.attributes.get(name).is_some_and(|it| it == value);
        let by_content = || is(BY_CONTENT, "true").then(|| hex(&Sha256::digest(given.text)));
        let deduplication = deduplication.or_else(by_content).ok_or_else(|| {
            invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            )
        })?;
        let scope = if is(SCOPE, "MessageGroup") { group } else { "" };
        let key = format!("{}:{scope}{deduplication}", scope.len());
        Ok(Some(Order { sequence: format!("{:020}", self.next_in_order()), deduplication, key }))
    }

    /// Grows with every message, and with the time while the server is not there.
    fn next_in_order(&self) -> u64 {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or_default().saturating_mul(1_000_000);
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        now.max(last.unwrap_or_else(|last| last) + 1)
    }

    /// Hands messages over to all who want them; answered when all that follows is on the disk. Nobody else publishes to a
    /// FIFO topic before they have their place in the order.
    pub(super) async fn send(
        &self,
        route: &Arc<Route>,
        messages: Vec<Message>,
        alone: Option<OwnedMutexGuard<()>>,
    ) -> Result<(), ServiceError> {
        let (mut turn, mut deliveries) = (Turn::among_all(), Vec::new());
        for message in messages.into_iter().map(Arc::new) {
            let mut next = 0;
            while next < route.subscribers.len() {
                let (wanting, reached) = self.look(route, &message, next).await?;
                for number in wanting {
                    deliveries.extend(message.to(&route.subscribers[number]));
                    turn.give_way().await;
                }
                next = reached;
                turn.give_way().await;
            }
        }
        let size = |it: &Delivery| {
            it.body.len() + it.extras.attributes.iter().map(Attribute::bytes).sum::<usize>() * 2
        };
        if deliveries.iter().any(|delivery| size(delivery) + HEAD_BYTES > CONTENT_BYTES_MAX) {
            return Err(invalid("Message too long"));
        }
        if deliveries.is_empty() {
            return Ok(());
        }
        let handed_over = self.deliveries.hand_over(deliveries);
        drop(alone);
        handed_over.await.map_err(of_deliveries)
    }
}

impl Published {
    fn of(message: &Message) -> Self {
        let sequence = message.order.as_ref().map(|order| order.sequence.clone());
        Self { id: message.id.clone(), sequence }
    }
}

impl Route {
    /// The most that the topic takes of a message.
    fn bytes_max(&self) -> usize {
        self.topic.attributes.get(SIZE).and_then(|bytes| bytes.parse().ok()).unwrap_or(MESSAGE_BYTES)
    }
}

fn check_batch(entries: &[api::PublishBatchRequestEntry]) -> Result<(), ServiceError> {
    if entries.is_empty() {
        let message = "The batch request doesn't contain any entries.";
        return Err(errors::EMPTY_BATCH_REQUEST_EXCEPTION.error(message));
    }
    if entries.len() > BATCH_MAX {
        let message = "The batch request contains more entries than permissible.";
        return Err(errors::TOO_MANY_ENTRIES_IN_BATCH_REQUEST_EXCEPTION.error(message));
    }
    let mut ids = HashSet::new();
    for entry in entries {
        let id = entry.id.as_deref().unwrap_or_default();
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=ENTRY_ID_CHARS_MAX).contains(&id.len()) || !id.bytes().all(is_sign) {
            let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return Err(errors::INVALID_BATCH_ENTRY_ID_EXCEPTION.error(message));
        }
        if !ids.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(errors::BATCH_ENTRY_IDS_NOT_DISTINCT_EXCEPTION.error(message));
        }
    }
    Ok(())
}

/// The texts for each protocol.
fn texts(structure: Option<&str>, text: &str) -> Result<BTreeMap<String, String>, ServiceError> {
    match structure {
        None | Some("") => Ok(BTreeMap::from([("default".to_owned(), text.to_owned())])),
        Some("json") => {
            let parsed: Map<String, Value> = serde_json::from_str(text)
                .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
            let texts =
                parsed.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
            let texts: BTreeMap<String, String> = texts.collect();
            if !texts.contains_key("default") {
                return Err(invalid("Message Structure - No default entry in JSON message body"));
            }
            Ok(texts)
        }
        Some(_) => Err(invalid("MessageStructure")),
    }
}

fn is_subject(text: &str) -> bool {
    let is_short = (1..=SUBJECT_CHARS_MAX).contains(&text.chars().count());
    is_short && !text.starts_with(char::is_whitespace) && !text.chars().any(char::is_control)
}

fn checked_id(name: &str, text: &str) -> Result<String, ServiceError> {
    if (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length";
    Err(invalid(format_args!("{name} Reason: {name} {reason}")))
}

type Values = BTreeMap<String, api::MessageAttributeValue>;

fn attributes(given: Option<&Values>) -> Result<Vec<Attribute>, ServiceError> {
    given.into_iter().flatten().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &api::MessageAttributeValue) -> Result<Attribute, ServiceError> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_name = (1..=256).contains(&name.len())
        && name.bytes().all(is_sign)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    if !is_name {
        let shown: String = name.chars().take(256).collect();
        return Err(unfit(format_args!("The message attribute name '{shown}' is invalid.")));
    }
    let kind = value.data_type.clone().unwrap_or_default();
    let text = value.string_value.clone().filter(|text| !text.is_empty()).map(Bytes::from);
    let bytes = value.binary_value.clone().filter(|bytes| !bytes.is_empty());
    let found = match kind.split('.').next().unwrap_or_default() {
        "String" => text,
        "Number" => {
            let is_number = |text: &Bytes| {
                std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
            };
            if text.as_ref().is_some_and(|text| !is_number(text)) {
                let reason = format_args!("Could not cast message attribute '{name}' value to number.");
                return Err(unfit(reason));
            }
            text
        }
        "Binary" => bytes,
        _ => {
            return Err(unfit(format_args!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            )));
        }
    };
    match found {
        Some(value) => Ok(Attribute { name: name.to_owned(), kind, value }),
        None => Err(unfit(format_args!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{kind}'."
        ))),
    }
}

fn unfit(reason: impl std::fmt::Display) -> ServiceError {
    errors::INVALID_PARAMETER_VALUE_EXCEPTION.error(reason.to_string())
}

fn bytes_of_entry(entry: &api::PublishBatchRequestEntry) -> usize {
    let of_attribute = |(name, value): (&String, &api::MessageAttributeValue)| {
        let kind = value.data_type.as_deref().unwrap_or_default().len();
        let text = value.string_value.as_deref().unwrap_or_default().len();
        name.len() + kind + text + value.binary_value.as_deref().unwrap_or_default().len()
    };
    let attributes = entry.message_attributes.iter().flatten().map(of_attribute).sum::<usize>();
    entry.message.as_deref().unwrap_or_default().len() + attributes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
