//! What a message may be, and the MD5s by which clients see that it arrived whole.
//!
//! Pure. Source: SQS Developer Guide, "Amazon SQS message metadata" with its MD5 calculation; API Reference, `SendMessage`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};
use model::delivery::Attribute;
use model::error::ServiceError;
use model::queue::NewMessage;
use model::sqs::{Content, UserQueue, is_legal};
use sha2::Sha256;
use wire::sqs::{MessageAttributeValue, MessageSystemAttributeValue, errors};

use super::attributes::DELAY_S;
use super::error::{invalid, missing, value};

/// Attributes of one message.
const ATTRIBUTES_MAX: usize = 10;
/// Characters of an attribute's name and of its type.
const NAME_CHARS_MAX: usize = 256;
/// Characters of the ids of groups and of deduplication.
const ID_CHARS_MAX: usize = 128;
/// The one system attribute that can be sent.
const TRACE: &str = "AWSTraceHeader";

/// What somebody wants to send.
#[derive(Default)]
pub(super) struct Given<'i> {
    pub(super) body: Option<&'i str>,
    pub(super) delay_s: Option<i32>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) trace: Option<String>,
    pub(super) group: Option<&'i str>,
    pub(super) deduplication: Option<&'i str>,
}

/// What is to be put into a queue.
pub(super) struct Draft {
    pub(super) content: Content,
    pub(super) delay: Duration,
    /// Body and attributes together.
    pub(super) bytes: usize,
    key: Option<String>,
}

impl Draft {
    /// Checks what is to be sent to a queue.
    pub(super) fn of(queue: &UserQueue, sender: &str, given: Given<'_>) -> Result<Self, ServiceError> {
        let body = given.body.filter(|body| !body.is_empty()).ok_or_else(|| missing("MessageBody"))?;
        if !body.chars().all(is_legal) {
            return Err(errors::INVALID_MESSAGE_CONTENTS.error(
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
                 #xFFFD | #x10000 to #x10FFFF",
            ));
        }
        let bytes = body.len() + given.attributes.iter().map(Attribute::bytes).sum::<usize>();
        let bytes_max = queue.settings.message_bytes_max as usize;
        if bytes > bytes_max {
            return Err(invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
            )));
        }
        let group = given.group.map(|group| id("MessageGroupId", group)).transpose()?;
        let deduplication =
            given.deduplication.map(|id| self::id("MessageDeduplicationId", id)).transpose()?;
        let (key, deduplication) = match queue.settings.fifo {
            Some(fifo) => {
                let group = group.as_deref().ok_or_else(|| missing("MessageGroupId"))?;
                let deduplication =
                    deduplication.or_else(|| fifo.by_content.then(|| hex(&Sha256::digest(body))));
                let deduplication = deduplication.ok_or_else(no_deduplication)?;
                let scope = if fifo.deduplicates_by_group { group } else { "" };
                (Some(format!("{}:{scope}{deduplication}", scope.len())), Some(deduplication))
            }
            None => match deduplication {
                Some(id) => return Err(value("MessageDeduplicationId", id, NOT_OF_THIS_TYPE)),
                None => (None, None),
            },
        };
        let attributes_md5 = (!given.attributes.is_empty()).then(|| attributes_md5(&given.attributes));
        let content = Content {
            body_md5: Md5::digest(body).into(),
            attributes_md5,
            body: body.to_owned(),
            attributes: given.attributes,
            sender: sender.to_owned(),
            trace: given.trace,
            group,
            deduplication,
        };
        Ok(Self { content, delay: delay(queue, given.delay_s)?, bytes, key })
    }

    /// As the durable queue takes it.
    pub(super) fn message(&self, id: model::id::MessageId) -> NewMessage {
        NewMessage {
            id,
            content: self.content.encode(),
            delay: self.delay,
            // Where order is not kept, the group is for telling senders apart, and goes with the content alone.
            group: self.key.as_ref().and(self.content.group.clone()),
            deduplication: self.key.clone(),
            traceable: false,
        }
    }

    /// The MD5 of the system attributes, if there are any.
    pub(super) fn system_md5(&self) -> Option<String> {
        let value = self.content.trace.clone()?;
        let trace = Attribute { name: TRACE.to_owned(), kind: "String".to_owned(), value: value.into() };
        Some(hex(&attributes_md5(&[trace])))
    }
}

const NOT_OF_THIS_TYPE: &str = "The request include parameter that is not valid for this queue type";

fn no_deduplication() -> ServiceError {
    invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
}

fn delay(queue: &UserQueue, given: Option<i32>) -> Result<Duration, ServiceError> {
    let seconds = match given {
        None => queue.settings.delay_s,
        Some(seconds) if queue.id.is_fifo() && seconds != 0 => {
            return Err(value("DelaySeconds", seconds, NOT_OF_THIS_TYPE));
        }
        Some(_) if queue.id.is_fifo() => queue.settings.delay_s,
        Some(seconds) => {
            let legal = u32::try_from(seconds).ok().filter(|seconds| DELAY_S.contains(seconds));
            legal.ok_or_else(|| value("DelaySeconds", seconds, "DelaySeconds must be >= 0 and <= 900."))?
        }
    };
    Ok(Duration::from_secs(seconds.into()))
}

fn id(parameter: &str, text: &str) -> Result<String, ServiceError> {
    if (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(value(parameter, text, &reason))
}

/// The attributes of a message as it was sent, in the order of their names.
pub(super) fn attributes(
    given: Option<&BTreeMap<String, MessageAttributeValue>>,
) -> Result<Vec<Attribute>, ServiceError> {
    check_count(given.map_or(0, BTreeMap::len))?;
    let given = given.into_iter().flatten();
    given.map(|(name, value)| attribute(name, value)).collect()
}

/// The same of a delivery.
pub(super) fn delivered(given: &[Attribute]) -> Result<Vec<Attribute>, ServiceError> {
    check_count(given.len())?;
    let mut attributes = given.to_vec();
    attributes.sort_by(|one, other| one.name.cmp(&other.name));
    attributes.iter().try_for_each(check)?;
    Ok(attributes)
}

fn check_count(count: usize) -> Result<(), ServiceError> {
    if count > ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        )));
    }
    Ok(())
}

fn attribute(name: &str, given: &MessageAttributeValue) -> Result<Attribute, ServiceError> {
    let MessageAttributeValue {
        string_value,
        binary_value,
        string_list_values,
        binary_list_values,
        data_type,
    } = given;
    let has = |list: bool| if list { Err(lists(name)) } else { Ok(()) };
    has(string_list_values.as_ref().is_some_and(|list| !list.is_empty()))?;
    has(binary_list_values.as_ref().is_some_and(|list| !list.is_empty()))?;
    let kind = data_type.clone().unwrap_or_default();
    let value = if is_binary(&kind) { binary_value.clone() } else { string_value.clone().map(Bytes::from) };
    let attribute = Attribute { name: name.to_owned(), kind, value: value.unwrap_or_default() };
    check(&attribute)?;
    Ok(attribute)
}

fn lists(name: &str) -> ServiceError {
    errors::UNSUPPORTED_OPERATION.error(format!(
        "Message attribute list values in SendMessage operation are not supported ('{name}')."
    ))
}

fn check(attribute: &Attribute) -> Result<(), ServiceError> {
    let Attribute { name, kind, value } = attribute;
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let lower = name.to_ascii_lowercase();
    let is_name = (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(is_char)
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
        && !(lower.starts_with("aws.") || lower.starts_with("amazon."));
    if !is_name {
        return Err(invalid(format!(
            "The message attribute name '{shown}' is invalid. Attribute names have 1 to 256 of the characters A-Z, a-z, \
             0-9, underscore, hyphen and period, do not begin or end with a period, have no two periods in succession, \
             and do not begin with AWS. or Amazon."
        )));
    }
    let base = kind.split('.').next().unwrap_or_default();
    if !matches!(base, "String" | "Number" | "Binary") || kind.len() > NAME_CHARS_MAX {
        return Err(invalid(format!(
            "The message attribute '{shown}' has an invalid message attribute type, the set of supported type prefixes \
             is Binary, Number, and String."
        )));
    }
    if value.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{shown}' must contain a non-empty message attribute value of type '{base}'."
        )));
    }
    let text = || std::str::from_utf8(value).unwrap_or_default();
    if base == "Number" && !is_number(text()) {
        return Err(invalid(format!("Can't cast the value of message attribute '{shown}' to a number.")));
    }
    if base != "Binary" && !text().chars().all(is_legal) {
        return Err(invalid(format!("The message attribute '{shown}' has characters that are not valid.")));
    }
    Ok(())
}

fn is_number(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(is_char) && text.parse::<f64>().is_ok()
}

/// Whether values of a type are bytes, not text.
pub(super) fn is_binary(kind: &str) -> bool {
    kind == "Binary" || kind.starts_with("Binary.")
}

/// The trace among the system attributes.
pub(super) fn trace(
    given: Option<&BTreeMap<String, MessageSystemAttributeValue>>,
) -> Result<Option<String>, ServiceError> {
    let mut trace = None;
    for (name, value) in given.into_iter().flatten() {
        if name != TRACE {
            let shown: String = name.chars().take(100).collect();
            return Err(invalid(format!("Message system attribute name '{shown}' is invalid.")));
        }
        let text = value.string_value.clone().filter(|text| !text.is_empty() && text.chars().all(is_legal));
        let (Some("String"), Some(text)) = (value.data_type.as_deref(), text) else {
            return Err(invalid(format!(
                "The message system attribute '{TRACE}' must contain a non-empty value of type 'String'."
            )));
        };
        trace = Some(text);
    }
    Ok(trace)
}

/// The MD5 of attributes that are in the order of their names.
pub(super) fn attributes_md5(attributes: &[Attribute]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for Attribute { name, kind, value } in attributes {
        part(&mut md5, name.as_bytes());
        part(&mut md5, kind.as_bytes());
        md5.update([if is_binary(kind) { 2 } else { 1 }]);
        part(&mut md5, value);
    }
    md5.finalize().into()
}

fn part(md5: &mut Md5, bytes: &[u8]) {
    md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    md5.update(bytes);
}

/// In small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use model::arn::Scope;
    use model::id::{AccountId, MessageId, Region};
    use model::sqs::{Fifo, QueueId};
    use model::time::Timestamp;

    use super::super::attributes::defaults;
    use super::*;

    fn queue(name: &str, fifo: Option<Fifo>) -> UserQueue {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let id = QueueId::of(&scope, name).expect(name);
        let mut settings = defaults(&id);
        settings.fifo = settings.fifo.and(fifo);
        settings.delay_s = 7;
        let at = Timestamp::from_millis(0);
        UserQueue { id, instance: "0".to_owned(), settings, tags: BTreeMap::new(), created: at, modified: at }
    }

    fn attribute(name: &str, kind: &str, value: &'static [u8]) -> Attribute {
        Attribute { name: name.to_owned(), kind: kind.to_owned(), value: value.into() }
    }

    /// What the durable queue is told: its group and key.
    fn told(queue: &UserQueue, given: Given<'_>) -> (Option<String>, Option<String>) {
        let message =
            Draft::of(queue, "AIDA", given).expect("a message").message(MessageId::from_bytes([0; 16]));
        (message.group, message.deduplication)
    }

    #[test]
    fn attributes_have_the_md5_that_clients_compute() {
        let attributes = [
            attribute("bytes", "Binary", b"\x00\xff"),
            attribute("number", "Number.int", b"-7"),
            attribute("text", "String", "é".as_bytes()),
        ];
        // As a client in another language has it.
        assert_eq!(hex(&attributes_md5(&attributes)), "9c5c10c2ed066ff73853a5174fa86fe0");
    }

    #[test]
    fn order_and_duplicates_are_known_by_what_the_queue_says() {
        let given =
            |group, deduplication| Given { body: Some("b"), group, deduplication, ..Given::default() };
        let some = |text: &str| Some(text.to_owned());
        let plain = queue("q", None);
        assert_eq!(told(&plain, given(Some("g"), None)), (None, None));
        let fifo = queue("q.fifo", Some(Fifo::default()));
        assert_eq!(told(&fifo, given(Some("g"), Some("d"))), (some("g"), some("0:d")));
        let by_group = Fifo { deduplicates_by_group: true, ..Fifo::default() };
        let fifo = queue("q.fifo", Some(by_group));
        assert_eq!(told(&fifo, given(Some("g"), Some("d"))), (some("g"), some("1:gd")));
        let by_content = Fifo { by_content: true, ..Fifo::default() };
        let (group, key) = told(&queue("q.fifo", Some(by_content)), given(Some("g"), None));
        let sha = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
        assert_eq!((group, key), (some("g"), Some(format!("0:{sha}"))));
    }

    #[test]
    fn a_delay_is_the_messages_own_or_the_queues() {
        let delay = |seconds| {
            let given = Given { body: Some("b"), delay_s: seconds, ..Given::default() };
            Draft::of(&queue("q", None), "AIDA", given).map(|draft| draft.delay.as_secs()).ok()
        };
        assert_eq!(
            [None, Some(0), Some(900), Some(901), Some(-1)].map(delay),
            [Some(7), Some(0), Some(900), None, None]
        );
    }

    #[test]
    fn a_delivery_with_too_many_attributes_is_refused_whole() {
        let given = |count| (0..count).map(|n| attribute(&format!("a{n}"), "String", b"x")).rev();
        let taken = |count| delivered(&given(count).collect::<Vec<_>>()).map(|all| all.len()).ok();
        assert_eq!([0, ATTRIBUTES_MAX, ATTRIBUTES_MAX + 1].map(taken), [Some(0), Some(ATTRIBUTES_MAX), None]);
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for (name, kind, value) in [
            ("", "String", &b"x"[..]),
            (".a", "String", b"x"),
            ("a..b", "String", b"x"),
            ("AmaZon.a", "String", b"x"),
            ("a b", "String", b"x"),
            ("a", "string", b"x"),
            ("a", "String", b""),
            ("a", "String", b"\x01"),
            ("a", "Number", b"one"),
            ("a", "Number", b"inf"),
        ] {
            assert!(check(&attribute(name, kind, value)).is_err(), "{name} {kind} {value:?}");
        }
        for (name, kind, value) in
            [("a-b_c.d", "String.x", &b"x"[..]), ("a", "Number", b"-1e3"), ("a", "Binary", b"\x01")]
        {
            assert_eq!(check(&attribute(name, kind, value)), Ok(()));
        }
    }
}
