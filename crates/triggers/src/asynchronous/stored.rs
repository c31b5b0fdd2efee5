//! How an event, its attempts and its end are kept in the queue, in the form of [`crate::framed`].
//!
//! A form that this version cannot read is not dropped: it is said, and the event stays until a newer version reads it.

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::event::{Attempts, Event};
use model::id::{AccountId, Region, RequestId};
use model::name::{FunctionName, Qualifier, TenantId};
use serde::{Deserialize, Serialize};

use crate::framed;

#[derive(Serialize, Deserialize)]
struct Head {
    request: String,
    account: String,
    region: String,
    name: String,
    qualifier: Option<String>,
    client_context: Option<String>,
    trace: Option<String>,
    tenant: Option<String>,
}

/// The content of a message.
pub(super) fn encode(event: &Event) -> Bytes {
    let FunctionId { scope: Scope { account, region }, name } = &event.function;
    let head = Head {
        request: event.request.to_string(),
        account: account.to_string(),
        region: region.to_string(),
        name: name.to_string(),
        qualifier: event.qualifier.as_ref().map(ToString::to_string),
        client_context: event.client_context.clone(),
        trace: event.trace.clone(),
        tenant: event.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
    };
    framed::encode(&head, &event.payload)
}

/// The event in a message.
pub(super) fn decode(content: &Bytes) -> Option<Event> {
    let (head, body): (Head, Bytes) = framed::decode(content)?;
    let scope =
        Scope { account: AccountId::parse(&head.account).ok()?, region: Region::parse(&head.region).ok()? };
    Some(Event {
        request: RequestId::parse(&head.request).ok()?,
        function: FunctionId { scope, name: FunctionName::parse(&head.name).ok()? },
        qualifier: head.qualifier.map(|text| Qualifier::parse(&text)).transpose().ok()?,
        payload: body,
        client_context: head.client_context,
        trace: head.trace,
        tenant: head.tenant.map(|text| TenantId::parse(&text)).transpose().ok()?,
    })
}

#[derive(Serialize, Deserialize, Default)]
struct Note {
    failed: u32,
    held_back: u32,
}

/// The note that a message takes back into its queue.
pub(super) fn encode_attempts(attempts: Attempts) -> Bytes {
    let Attempts { failed, held_back } = attempts;
    serde_json::to_vec(&Note { failed, held_back }).unwrap_or_default().into()
}

/// What a note says; none, and one that cannot be read, is that of an event that was not tried.
pub(super) fn decode_attempts(note: Option<&Bytes>) -> Attempts {
    let note: Note = note.and_then(|note| serde_json::from_slice(note).ok()).unwrap_or_default();
    Attempts { failed: note.failed, held_back: note.held_back }
}

/// How an event ended.
#[derive(Serialize, Deserialize)]
pub(super) struct End {
    /// ARN.
    pub(super) function: String,
    /// The condition's word.
    pub(super) condition: String,
    pub(super) failed: u32,
}

impl End {
    pub(super) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn decode(outcome: &[u8]) -> Option<Self> {
        serde_json::from_slice(outcome).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        Event {
            request: RequestId::from_random([3; 16]),
            function: FunctionId { scope, name: FunctionName::parse("resize").expect("a name") },
            qualifier: Some(Qualifier::parse("live").expect("an alias")),
            payload: Bytes::from_static(b"{\"a\": \"\xc3\xbc\"}"),
            client_context: Some("{}".to_owned()),
            trace: Some("Root=1".to_owned()),
            tenant: Some(TenantId::parse("blue").expect("a tenant")),
        }
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let content = encode(&event());
        assert_eq!(decode(&content), Some(event()));
        let bare = Event {
            qualifier: None,
            client_context: None,
            trace: None,
            tenant: None,
            payload: Bytes::new(),
            ..event()
        };
        assert_eq!(decode(&encode(&bare)), Some(bare));
        let attempts = Attempts { failed: 2, held_back: 5 };
        assert_eq!(decode_attempts(Some(&encode_attempts(attempts))), attempts);
        assert_eq!(decode_attempts(None), Attempts::default());
    }
}
