//! Batches: messages of a queue as the event of a function, which of them a mapping wants, and which of them the function
//! could not do.
//!
//! Pure. Sources: Lambda Developer Guide, "Using Lambda with Amazon SQS" (the form of the event), "Handling errors for an
//! SQS event source" (partial batch responses), "Using event filtering with an Amazon SQS event source".

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use aside::Turn;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::arn::ResourceArn;
use model::queue::Received;
use model::sqs::Content;
use pattern::{Dialect, Pattern};
use serde_json::{Map, Value, json};

/// One message as the function sees it.
pub(super) fn record(arn: &ResourceArn, message: &Received, content: &Content, handle: &str) -> Value {
    let mut attributes: BTreeMap<&str, String> = BTreeMap::from([
        ("ApproximateReceiveCount", message.received.to_string()),
        ("SentTimestamp", message.sent.as_millis().to_string()),
        ("SenderId", content.sender.clone()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.as_millis().to_string()),
    ]);
    let mut set = |name, value: Option<&str>| {
        if let Some(value) = value {
            attributes.insert(name, value.to_owned());
        }
    };
    set("AWSTraceHeader", content.trace.as_deref());
    set("MessageGroupId", content.group.as_deref());
    set("MessageDeduplicationId", content.deduplication_of(message).as_deref());
    let source = message.source.as_ref().and_then(model::sqs::QueueId::of_queue).map(|queue| queue.arn());
    set("DeadLetterQueueSourceArn", source.as_deref());
    if arn.resource().ends_with(".fifo") {
        set("SequenceNumber", Some(&format!("{:020}", message.receipt.sequence)));
    }
    let mut record = json!({
        "messageId": message.id.to_string(),
        "receiptHandle": handle,
        "body": content.body,
        "attributes": attributes,
        "messageAttributes": message_attributes(content),
        "md5OfBody": hex(&content.body_md5),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn.as_str(),
        "awsRegion": arn.scope().region.as_str(),
    });
    if let Some(md5) = &content.attributes_md5 {
        record["md5OfMessageAttributes"] = Value::from(hex(md5));
    }
    record
}

fn message_attributes(content: &Content) -> Map<String, Value> {
    let attribute = |it: &model::delivery::Attribute| {
        let is_binary = it.kind.split('.').next() == Some("Binary");
        let (name, value) = match is_binary {
            true => ("binaryValue", STANDARD.encode(&it.value)),
            false => ("stringValue", String::from_utf8_lossy(&it.value).into_owned()),
        };
        let value =
            json!({ name: value, "stringListValues": [], "binaryListValues": [], "dataType": it.kind });
        (it.name.clone(), value)
    };
    content.attributes.iter().map(attribute).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a mapping wants: any message without filters, else one that some filter matches.
#[derive(Clone)]
pub(super) struct Filters(Arc<[Pattern]>);

/// What a look with filters has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Wanted,
    Unwanted,
    /// Nothing before the turn was over; the filters from this one on are left.
    Next(usize),
}

impl Filters {
    /// Texts that were checked when the mapping was made; one that cannot be read matches nothing.
    pub(super) fn new(texts: &[String]) -> Option<Self> {
        let read = |text: &String| Pattern::parse(text, Dialect::LambdaFilter).ok();
        (!texts.is_empty()).then(|| Self(texts.iter().filter_map(read).collect()))
    }

    /// Whether a record is wanted by one of the filters from `first` on, as far as a turn goes. Its body is compared as JSON
    /// if it is JSON, and as text otherwise.
    pub(super) fn look(&self, record: &Value, first: usize, turn: Turn) -> Seen {
        let parsed = record["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        let with_json = parsed.filter(|body| body.is_object()).map(|body| {
            let mut record = record.clone();
            record["body"] = body;
            record
        });
        let seen = with_json.as_ref().unwrap_or(record);
        for (number, pattern) in self.0.iter().enumerate().skip(first) {
            if pattern.matches(seen) {
                return Seen::Wanted;
            }
            if turn.is_over() {
                return Seen::Next(number + 1);
            }
        }
        Seen::Unwanted
    }
}

/// Which messages of a batch have failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failures {
    /// All of them.
    All,
    /// Those with these ids; none is empty.
    Some(HashSet<String>),
}

/// Reads what a function answered that reports failures of single messages. An answer that cannot be read, or that names
/// a message which was not in the batch, means that all have failed.
pub(super) fn failures(answer: &Bytes, batch: &[&str]) -> Failures {
    if answer.is_empty() {
        return Failures::Some(HashSet::new());
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Failures::All };
    let list = match answer.get("batchItemFailures") {
        None if answer.is_null() || answer.is_object() => return Failures::Some(HashSet::new()),
        Some(Value::Null) => return Failures::Some(HashSet::new()),
        Some(Value::Array(list)) => list,
        _ => return Failures::All,
    };
    let id = |item: &Value| {
        let id = item.get("itemIdentifier")?.as_str().filter(|id| !id.is_empty())?;
        batch.contains(&id).then(|| id.to_owned())
    };
    let ids: Option<HashSet<String>> = list.iter().map(id).collect();
    ids.map_or(Failures::All, Failures::Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::delivery::Attribute;
    use model::id::MessageId;
    use model::queue::{QueueName, Receipt};
    use model::time::Timestamp;
    use std::time::Duration;

    fn message() -> Received {
        Received {
            id: MessageId::from_random([1; 16]),
            receipt: Receipt { sequence: 7, receives: 2 },
            content: Bytes::new(),
            note: None,
            group: None,
            sent: Timestamp::from_millis(1_000),
            age: Duration::ZERO,
            first_received: Timestamp::from_millis(2_000),
            source: QueueName::parse("sqs/000000000000/us-east-1/first.fifo/1").ok(),
            received: 2,
        }
    }

    fn seen(body: &str) -> Value {
        let arn = ResourceArn::parse("arn:aws:sqs:us-east-1:000000000000:jobs.fifo").expect("an ARN");
        let attribute = |name: &str, kind: &str, value: &'static [u8]| Attribute {
            name: name.to_owned(),
            kind: kind.to_owned(),
            value: Bytes::from_static(value),
        };
        let content = Content {
            body: body.to_owned(),
            attributes: vec![attribute("n", "Number.int", b"5"), attribute("b", "Binary", &[255])],
            sender: "AIDA".to_owned(),
            group: Some("g".to_owned()),
            deduplication: Some("as it was sent".to_owned()),
            attributes_md5: Some([0xab; 16]),
            ..Content::default()
        };
        record(&arn, &message(), &content, "handle")
    }

    #[test]
    fn a_record_has_the_form_that_functions_know() {
        let expect = json!({
            "messageId": "01010101-0101-4101-8101-010101010101",
            "receiptHandle": "handle",
            "body": "hello",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1000",
                "SenderId": "AIDA",
                "ApproximateFirstReceiveTimestamp": "2000",
                "MessageGroupId": "g",
                "MessageDeduplicationId": "01010101-0101-4101-8101-010101010101",
                "SequenceNumber": "00000000000000000007",
                "DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:000000000000:first.fifo",
            },
            "messageAttributes": {
                "n": {"stringValue": "5", "stringListValues": [], "binaryListValues": [], "dataType": "Number.int"},
                "b": {"binaryValue": "/w==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
            },
            "md5OfBody": "00000000000000000000000000000000",
            "md5OfMessageAttributes": "abababababababababababababababab",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs.fifo",
            "awsRegion": "us-east-1",
        });
        assert_eq!(seen("hello"), expect);
    }

    #[test]
    fn filters_look_into_bodies() {
        let filters =
            |texts: &[&str]| Filters::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let wants =
            |filters: &Filters, body: &str| filters.look(&seen(body), 0, Turn::among_all()) == Seen::Wanted;
        assert!(filters(&[]).is_none());
        let hot = filters(&[r#"{"body":{"degrees":[{"numeric":[">",30]}]}}"#]).expect("filters");
        assert!(wants(&hot, r#"{"degrees": 31}"#));
        assert!(!wants(&hot, r#"{"degrees": 30}"#) && !wants(&hot, "31"));
        let either =
            filters(&[r#"{"body":["plain"]}"#, r#"{"messageAttributes":{"n":{"stringValue":["5"]}}}"#]);
        assert!(wants(&either.expect("filters"), "anything"));
        let plain = filters(&[r#"{"body":["plain"]}"#]).expect("filters");
        assert!(wants(&plain, "plain") && !wants(&plain, "fancy"));
    }

    #[test]
    fn an_answer_names_what_failed() {
        let check = |answer: &str, expect: Option<&[&str]>| {
            let found = failures(&Bytes::from(answer.to_owned()), &["a", "b"]);
            let expect = expect
                .map_or(Failures::All, |ids| Failures::Some(ids.iter().map(|id| (*id).to_owned()).collect()));
            assert_eq!(found, expect, "{answer}");
        };
        for answer in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            check(answer, Some(&[]));
        }
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Some(&["b"]));
        for answer in [
            "not JSON",
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":"a"}"#,
            "[]",
        ] {
            check(answer, None);
        }
    }
}
