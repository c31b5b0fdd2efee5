//! The forms in which a message reaches its subscribers: the envelope of queues and endpoints, the event of functions, the bare
//! text of raw delivery, and the invitations that endpoints are sent first.
//!
//! Pure. Sources: SNS Developer Guide, "Parsing Amazon SNS message formats", "Amazon SNS message attributes", "Message
//! delivery retries" (100,015 attempts in 23 days for functions and queues); Lambda Developer Guide, "Using Lambda with SNS".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::delivery::{Attribute, Delivery, Extras, Retry, Sender};
use model::topic::{Subscription, Topic};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::SERVICE;
use super::route::Subscriber;

const RETRY: Retry = Retry { retries_max: 100_014, age_max: Duration::from_secs(23 * 24 * 3600) };
/// An endpoint is tried as its policy says, whose pauses are an hour at most in all.
const ENDPOINT_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A message on its way to subscribers.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) time: String,
    pub(super) topic_arn: String,
    pub(super) subject: Option<String>,
    /// By protocol, where they differ.
    pub(super) texts: BTreeMap<String, String>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) group: Option<String>,
    /// What a FIFO topic needs.
    pub(super) order: Option<Order>,
    pub(super) trace: Option<String>,
}

/// A message's place in the order of a FIFO topic.
pub(super) struct Order {
    pub(super) sequence: String,
    pub(super) deduplication: String,
    /// Within this nothing comes twice.
    pub(super) key: String,
}

impl Message {
    /// What it says to those of a protocol, and under which name that stands.
    pub(super) fn text_for(&self, protocol: &str) -> Option<(&str, &str)> {
        let found = self.texts.get_key_value(protocol).or_else(|| self.texts.get_key_value("default"));
        found.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// All that it says, attributes included.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.texts.values().map(String::len).sum();
        texts + self.attributes.iter().map(Attribute::bytes).sum::<usize>()
    }

    /// The attributes as filters compare them.
    pub(super) fn compared(&self) -> Value {
        let seen = self.attributes.iter().filter_map(|it| Some((it.name.clone(), compared(it)?)));
        Value::Object(seen.collect())
    }

    /// The delivery to a subscriber who wants it.
    pub(super) fn to(&self, subscriber: &Subscriber) -> Option<Delivery> {
        let subscription = &subscriber.subscription;
        let (_, text) = self.text_for(&subscription.protocol)?;
        let protocol = subscription.protocol.as_str();
        let body = match protocol {
            "lambda" => self.event(subscription, text).to_string(),
            _ if subscriber.is_raw => text.to_owned(),
            _ => self.envelope(subscription, text).to_string(),
        };
        let mut extras = Extras { trace: self.trace.clone(), ..Extras::default() };
        match protocol {
            "sqs" => {
                extras.group = self.group.clone();
                extras.deduplication = self.order.as_ref().map(|order| order.deduplication.clone());
                extras.once = self.order.as_ref().map(|order| order.key.clone());
                if subscriber.is_raw {
                    extras.attributes = self.attributes.clone();
                }
            }
            "http" | "https" => {
                extras.headers = headers(subscriber, "Notification", &self.id);
                let arn = subscription.arn();
                extras.headers.push(("x-amz-sns-subscription-arn".to_owned(), arn));
                if subscriber.is_raw {
                    extras.headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
                }
            }
            _ => {}
        }
        Some(delivery(subscriber, body, extras))
    }

    /// Nothing is signed here, so what would say so is empty.
    fn event(&self, subscription: &Subscription, text: &str) -> Value {
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn(),
            "Sns": {
                "Type": "Notification",
                "MessageId": self.id,
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
                "Message": text,
                "Timestamp": self.time,
                "SignatureVersion": "1",
                "Signature": "",
                "SigningCertUrl": "",
                "UnsubscribeUrl": unsubscribe_url(subscription),
                "MessageAttributes": self.shown_attributes(),
            },
        }]})
    }

    fn envelope(&self, subscription: &Subscription, text: &str) -> Value {
        let mut shown = Map::new();
        let mut show = |name: &str, value: &str| shown.insert(name.to_owned(), value.into());
        show("Type", "Notification");
        show("MessageId", &self.id);
        if let Some(order) = &self.order {
            show("SequenceNumber", &order.sequence);
        }
        show("TopicArn", &self.topic_arn);
        if let Some(subject) = &self.subject {
            show("Subject", subject);
        }
        show("Message", text);
        show("Timestamp", &self.time);
        show("SignatureVersion", "1");
        show("Signature", "");
        show("SigningCertURL", "");
        show("UnsubscribeURL", &unsubscribe_url(subscription));
        if !self.attributes.is_empty() {
            shown.insert("MessageAttributes".to_owned(), self.shown_attributes());
        }
        Value::Object(shown)
    }

    fn shown_attributes(&self) -> Value {
        let shown = |it: &Attribute| {
            let text = match it.kind.starts_with("Binary") {
                true => STANDARD.encode(&it.value),
                false => String::from_utf8_lossy(&it.value).into_owned(),
            };
            (it.name.clone(), json!({"Type": it.kind, "Value": text}))
        };
        Value::Object(self.attributes.iter().map(shown).collect())
    }
}

/// What a filter compares of an attribute. Bytes are not compared.
fn compared(attribute: &Attribute) -> Option<Value> {
    let text = std::str::from_utf8(&attribute.value).ok()?;
    match attribute.kind.as_str() {
        "String.Array" => serde_json::from_str(text).ok().filter(Value::is_array),
        kind if kind.starts_with("Number") => serde_json::from_str(text).ok().filter(Value::is_number),
        kind if kind.starts_with("Binary") => None,
        _ => Some(text.into()),
    }
}

/// What an endpoint is sent so that it gives its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invitation {
    /// Somebody has subscribed it.
    Subscribe,
    /// Somebody has ended its subscription.
    Restore,
}

impl Invitation {
    /// The delivery to the endpoint of a subscription that waits for a word.
    pub(super) fn delivery(
        self,
        subscription: &Arc<Subscription>,
        topic: &Topic,
        id: &str,
        time: &str,
    ) -> Option<Delivery> {
        let subscriber = Subscriber::of(Arc::clone(subscription), topic)?;
        let arn = topic.id.arn();
        let (kind, text) = match self {
            Self::Subscribe => (
                "SubscriptionConfirmation",
                format!(
                    "You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the \
                     SubscribeURL included in this message."
                ),
            ),
            Self::Restore => (
                "UnsubscribeConfirmation",
                format!(
                    "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the \
                     subscription, visit the SubscribeURL included in this message.",
                    subscription.arn()
                ),
            ),
        };
        let token = &subscription.confirmation.as_ref()?.token;
        let url = format!(
            "{}/?Action=ConfirmSubscription&TopicArn={}&Token={token}",
            subscription.server,
            utf8_percent_encode(&arn, NON_ALPHANUMERIC)
        );
        let body = json!({
            "Type": kind,
            "MessageId": id,
            "Token": token,
            "TopicArn": arn,
            "Message": text,
            "SubscribeURL": url,
            "Timestamp": time,
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
        });
        let mut extras = Extras::default();
        if matches!(subscription.protocol.as_str(), "http" | "https") {
            extras.headers = headers(&subscriber, kind, id);
        }
        Some(delivery(&subscriber, body.to_string(), extras))
    }
}

fn unsubscribe_url(subscription: &Subscription) -> String {
    let arn = subscription.arn();
    let arn = utf8_percent_encode(&arn, NON_ALPHANUMERIC);
    format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}", subscription.server)
}

fn headers(subscriber: &Subscriber, kind: &str, id: &str) -> Vec<(String, String)> {
    let topic = subscriber.subscription.topic.arn();
    let mut headers: Vec<(String, String)> = [
        ("content-type", subscriber.trying.content_type.as_str()),
        ("user-agent", "Amazon Simple Notification Service Agent"),
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", &topic),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    headers.extend(subscriber.login.clone().map(|login| ("authorization".to_owned(), login)));
    headers
}

fn delivery(subscriber: &Subscriber, body: String, mut extras: Extras) -> Delivery {
    let subscription = &subscriber.subscription;
    let mut retry = RETRY;
    if matches!(subscription.protocol.as_str(), "http" | "https") {
        extras.pauses = subscriber.trying.pauses.clone();
        retry.retries_max = u32::try_from(extras.pauses.len()).unwrap_or(u32::MAX);
        retry.age_max = ENDPOINT_AGE_MAX;
    }
    Delivery {
        to: subscriber.to.clone(),
        from: Sender {
            service: format!("{SERVICE}.amazonaws.com"),
            source: subscription.topic.arn(),
            scope: subscription.topic.scope.clone(),
            role: None,
        },
        body: body.into(),
        extras,
        retry,
        dead_letter: subscriber.dead_letter.clone(),
        line: format!("topic/{}/{}", subscription.topic.name, subscription.id),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn filters_compare_texts_numbers_and_lists() {
        let of = |kind: &str, value: &str| {
            let value = Bytes::copy_from_slice(value.as_bytes());
            compared(&Attribute { name: "a".to_owned(), kind: kind.to_owned(), value })
        };
        assert_eq!(of("String", "1"), Some(json!("1")));
        assert_eq!(of("String.Colour", "red"), Some(json!("red")));
        assert_eq!(of("String.Array", "[\"a\", 1, null]"), Some(json!(["a", 1, null])));
        assert_eq!(of("String.Array", "a"), None);
        assert_eq!(of("Number", "1.50"), Some(json!(1.5)));
        assert_eq!(of("Number.int", "7"), Some(json!(7)));
        assert_eq!(of("Binary", "a"), None);
    }
}
