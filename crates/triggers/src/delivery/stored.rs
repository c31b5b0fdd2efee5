//! How a delivery and its attempts are kept in the queue, in the form of [`crate::framed`].
//!
//! A form that this version cannot read is not dropped: it is said, and the delivery stays until a newer version reads it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::arn::{ResourceArn, Scope};
use model::delivery::{Address, Attribute, Delivery, Extras, Retry, Sender};
use model::id::{AccountId, Region};
use serde::{Deserialize, Serialize};

use crate::framed;

#[derive(Serialize, Deserialize)]
struct Head {
    resource: Option<String>,
    endpoint: Option<String>,
    service: String,
    source: String,
    account: String,
    region: String,
    role: Option<String>,
    group: Option<String>,
    deduplication: Option<String>,
    /// Name, type, value in Base64.
    attributes: Vec<(String, String, String)>,
    subject: Option<String>,
    headers: Vec<(String, String)>,
    event_source: Option<String>,
    detail_type: Option<String>,
    resources: Vec<String>,
    trace: Option<String>,
    #[serde(default)]
    once: Option<String>,
    #[serde(default)]
    pauses_s: Vec<u64>,
    retries_max: u32,
    age_max_s: u64,
    dead_letter: Option<String>,
    line: String,
}

/// The content of a message.
pub(super) fn encode(delivery: &Delivery) -> Bytes {
    let Delivery { to, from, body, extras, retry, dead_letter, line } = delivery.clone();
    let (resource, endpoint) = match to {
        Address::Resource(arn) => (Some(arn.to_string()), None),
        Address::Endpoint(url) => (None, Some(url)),
    };
    let attribute = |it: Attribute| (it.name, it.kind, STANDARD.encode(it.value));
    let head = Head {
        resource,
        endpoint,
        service: from.service,
        source: from.source,
        account: from.scope.account.to_string(),
        region: from.scope.region.to_string(),
        role: from.role,
        group: extras.group,
        deduplication: extras.deduplication,
        attributes: extras.attributes.into_iter().map(attribute).collect(),
        subject: extras.subject,
        headers: extras.headers,
        event_source: extras.source,
        detail_type: extras.detail_type,
        resources: extras.resources,
        trace: extras.trace,
        once: extras.once,
        pauses_s: extras.pauses.iter().map(Duration::as_secs).collect(),
        retries_max: retry.retries_max,
        age_max_s: retry.age_max.as_secs(),
        dead_letter: dead_letter.map(|arn| arn.to_string()),
        line,
    };
    framed::encode(&head, &body)
}

/// The delivery in a message.
pub(super) fn decode(content: &Bytes) -> Option<Delivery> {
    let (head, body): (Head, Bytes) = framed::decode(content)?;
    let to = match (head.resource, head.endpoint) {
        (Some(arn), None) => Address::Resource(ResourceArn::parse(&arn).ok()?),
        (None, Some(url)) => Address::Endpoint(url),
        _ => return None,
    };
    let attribute = |(name, kind, value): (String, String, String)| {
        Some(Attribute { name, kind, value: STANDARD.decode(value).ok()?.into() })
    };
    let scope =
        Scope { account: AccountId::parse(&head.account).ok()?, region: Region::parse(&head.region).ok()? };
    Some(Delivery {
        to,
        from: Sender { service: head.service, source: head.source, scope, role: head.role },
        body,
        extras: Extras {
            group: head.group,
            deduplication: head.deduplication,
            attributes: head.attributes.into_iter().map(attribute).collect::<Option<_>>()?,
            subject: head.subject,
            headers: head.headers,
            source: head.event_source,
            detail_type: head.detail_type,
            resources: head.resources,
            trace: head.trace,
            once: head.once,
            pauses: head.pauses_s.into_iter().map(Duration::from_secs).collect(),
        },
        retry: Retry { retries_max: head.retries_max, age_max: Duration::from_secs(head.age_max_s) },
        dead_letter: head.dead_letter.map(|arn| ResourceArn::parse(&arn)).transpose().ok()?,
        line: head.line,
    })
}

/// The note that a message takes back into its line.
pub(super) fn encode_retries(retries: u32) -> Bytes {
    retries.to_string().into()
}

/// What a note says; none, and one that cannot be read, is that of a delivery that was not tried.
pub(super) fn decode_retries(note: Option<&Bytes>) -> u32 {
    note.and_then(|note| std::str::from_utf8(note).ok()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::delivery) fn delivery() -> Delivery {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let arn = |service: &str, resource: &str| ResourceArn::of(service, &scope, resource).expect("an ARN");
        Delivery {
            to: Address::Resource(arn("lambda", "function:resize")),
            from: Sender {
                service: "events.amazonaws.com".to_owned(),
                source: arn("events", "rule/hourly").to_string(),
                scope: scope.clone(),
                role: Some("arn:aws:iam::000000000000:role/r".to_owned()),
            },
            body: Bytes::from_static(b"{\"a\": \"\xc3\xbc\"}"),
            extras: Extras {
                group: Some("g".to_owned()),
                attributes: vec![Attribute {
                    name: "n".to_owned(),
                    kind: "Binary".to_owned(),
                    value: Bytes::from_static(&[0, 255]),
                }],
                headers: vec![("x".to_owned(), "y".to_owned())],
                detail_type: Some("Scheduled Event".to_owned()),
                once: Some("1".to_owned()),
                pauses: vec![Duration::ZERO, Duration::from_secs(20)],
                ..Extras::default()
            },
            retry: Retry::BUS,
            dead_letter: Some(arn("sqs", "lost")),
            line: "rule/default/hourly/1".to_owned(),
        }
    }

    #[test]
    fn a_delivery_comes_back_as_it_was() {
        assert_eq!(decode(&encode(&delivery())), Some(delivery()));
        let bare = Delivery {
            to: Address::Endpoint("http://localhost/x".to_owned()),
            extras: Extras::default(),
            dead_letter: None,
            body: Bytes::new(),
            ..delivery()
        };
        assert_eq!(decode(&encode(&bare)), Some(bare));
        assert_eq!(decode_retries(Some(&encode_retries(17))), 17);
        assert_eq!(decode_retries(None), 0);
    }
}
