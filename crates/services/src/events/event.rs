//! One event: read from an entry of `PutEvents`, or come from another bus, an archive or a schedule; and how it is written.
//!
//! The detail is passed on as it was written; everything around it is EventBridge's envelope. Source: EventBridge User
//! Guide, "Events structure reference"; "Calculating PutEvents event entry size".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use model::arn::Scope;
use model::bus::BusId;
use model::id::EventId;
use model::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use wire::events as api;

/// From this size on events are looked at apart from the thread that everybody shares: what patterns and paths make of one
/// may take a tenth of a second.
pub(super) const LARGE_BYTES: usize = 8 * 1024;
/// Of the id of an event that another bus sent on.
const ID_CHARS_MAX: usize = 64;

/// An event on a bus.
pub(super) struct Event {
    pub(super) bus: BusId,
    pub(super) id: String,
    /// As targets get it.
    pub(super) text: String,
    /// The same, read. A large one takes many times its size so, and is read when it is looked at.
    read: Option<Value>,
    pub(super) source: String,
    pub(super) detail_type: String,
    /// When it happened, as its sender says.
    pub(super) time: Timestamp,
    /// When it came.
    pub(super) ingested: Timestamp,
    pub(super) trace: Option<String>,
    pub(super) origin: Origin,
}

/// What is asked of a whole event without reading all of it.
#[derive(Deserialize)]
struct Head {
    id: String,
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    time: Option<String>,
}

/// Any JSON that can be read whole: no number is too large, nothing is nested too deep.
struct Sound;

impl Event {
    /// An event of a text that came at this time; none, if it is none.
    pub(super) fn of(bus: &BusId, text: String, ingested: Timestamp, origin: Origin) -> Option<Self> {
        let read = match text.len() {
            ..LARGE_BYTES => Some(serde_json::from_str(&text).ok()?),
            _ => serde_json::from_str(&text).map(|Sound| None).ok()?,
        };
        let Head { id, source, detail_type, time } = serde_json::from_str(&text).ok()?;
        Some(Self {
            bus: bus.clone(),
            id: id.chars().filter(char::is_ascii_alphanumeric).take(ID_CHARS_MAX).collect(),
            text,
            read,
            source,
            detail_type,
            time: time.as_deref().and_then(wire::time::parse_rfc3339).unwrap_or(ingested),
            ingested,
            trace: None,
            origin,
        })
    }

    /// What it says.
    pub(super) fn value(&self) -> Cow<'_, Value> {
        match &self.read {
            Some(value) => Cow::Borrowed(value),
            // It was found to be sound.
            None => Cow::Owned(serde_json::from_str(&self.text).unwrap_or_default()),
        }
    }

    /// Whether a look at it may take long.
    pub(super) fn is_large(&self) -> bool {
        self.read.is_none()
    }
}

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// How an event came to its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Somebody put it there, or an archive gave it back.
    Put,
    /// Another bus sent it on. It is not sent on once more, so no circle of buses turns.
    Bus,
}

/// What an envelope says.
pub(super) struct Envelope<'e> {
    pub(super) id: EventId,
    pub(super) detail_type: &'e str,
    pub(super) source: &'e str,
    /// Whose event it is, and where.
    pub(super) scope: &'e Scope,
    pub(super) time: Timestamp,
    pub(super) resources: &'e [String],
    /// A JSON object, or it is no event.
    pub(super) detail: &'e str,
}

impl Envelope<'_> {
    /// The event as text, in the order in which AWS writes it; none, if the detail is no object. It is looked at by itself,
    /// so that what stands in it cannot become part of the envelope.
    pub(super) fn text(&self) -> Option<String> {
        serde_json::from_str::<BTreeMap<String, IgnoredAny>>(self.detail).ok()?;
        let json = |text: &str| Value::from(text).to_string();
        let time = wire::time::rfc3339(self.time);
        Some(format!(
            r#"{{"version":"0","id":"{}","detail-type":{},"source":{},"account":"{}","time":"{}Z","region":"{}","resources":{},"detail":{}}}"#,
            self.id,
            json(self.detail_type),
            json(self.source),
            self.scope.account,
            time.get(..19).unwrap_or(&time),
            self.scope.region,
            self.resources.iter().map(String::as_str).collect::<Value>(),
            self.detail.trim(),
        ))
    }
}

/// Why an entry of `PutEvents` is no event: AWS's code and words.
pub(super) type Refusal = (&'static str, String);

/// The source, detail type and detail of an entry.
pub(super) fn checked(entry: &api::PutEventsRequestEntry) -> Result<(&str, &str, &str), Refusal> {
    let source = required("Source", entry.source.as_deref())?;
    let detail_type = required("DetailType", entry.detail_type.as_deref())?;
    let detail = required("Detail", entry.detail.as_deref())?;
    if source.starts_with("aws.") {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
    }
    Ok((source, detail_type, detail))
}

fn required<'e>(member: &str, value: Option<&'e str>) -> Result<&'e str, Refusal> {
    let missing = || {
        let message = format!("Parameter {member} is not valid. Reason: {member} is a required argument.");
        ("InvalidArgument", message)
    };
    value.filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// How much an entry counts.
pub(super) fn size(entry: &api::PutEventsRequestEntry) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources: usize = entry.resources.iter().flatten().map(String::len).sum();
    let time = if entry.time.is_some() { 14 } else { 0 };
    time + text(&entry.source) + text(&entry.detail_type) + text(&entry.detail) + resources
}

#[cfg(test)]
mod tests {
    use model::id::{AccountId, Region};

    use super::*;

    fn text(detail: &str) -> Option<String> {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let envelope = Envelope {
            id: EventId::from_random([7; 16]),
            detail_type: "a \"type\"",
            source: "shop",
            scope: &scope,
            time: Timestamp::from_millis(1_447_277_394_123),
            resources: &["arn:x".to_owned()],
            detail,
        };
        envelope.text()
    }

    #[test]
    fn an_event_is_written_as_aws_writes_it() {
        let expected = concat!(
            r#"{"version":"0","id":"07070707-0707-4707-8707-070707070707","detail-type":"a \"type\"","source":"shop","#,
            r#""account":"000000000000","time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:x"],"#,
            r#""detail":{ "z": 1.50, "a": 2 }}"#
        );
        assert_eq!(text(" { \"z\": 1.50, \"a\": 2 }\n").as_deref(), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_whole_is_no_event_however_large_it_is() {
        let bus = BusId {
            scope: Scope { account: AccountId::DEFAULT, region: Region::default_region() },
            name: "default".to_owned(),
        };
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        for (detail, is_event) in [
            (nested(100), true),
            (nested(127), false),
            ("{\"a\":1e999}".to_owned(), false),
            ("{\"a\":1e99}".to_owned(), true),
            ("{\"a\":\"\\ud800\"}".to_owned(), false),
        ] {
            for size in [0, LARGE_BYTES] {
                let text = text(&detail).expect("an object") + &" ".repeat(size);
                let event = Event::of(&bus, text, Timestamp::from_millis(1), Origin::Put);
                assert_eq!(event.is_some(), is_event, "{detail}, {size}");
                if let Some(event) = event {
                    assert_eq!(event.is_large(), size > 0);
                    assert_eq!(event.value()["source"], event.source);
                }
            }
        }
    }

    #[test]
    fn a_detail_stays_within_the_detail() {
        for bad in ["", "1", "[]", "null", "{", r#"{},"source":"aws.s3""#, r#"{}},"source":"aws.s3","x":{{}"#]
        {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}
