//! How an event, its attempts and its end are kept in the queue: a version, a length and JSON of what is small, then
//! the payload as it came.
//!
//! A form that this version cannot read is not dropped: it is said, and the event stays until a newer version reads it.

use bytes::{BufMut, Bytes, BytesMut};
use model::arn::{FunctionId, Scope};
use model::event::{Attempts, Event};
use model::id::{AccountId, Region, RequestId};
use model::name::{FunctionName, Qualifier, TenantId};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// Version and length of the head.
const PREFIX_BYTES: usize = 5;

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
    // Texts alone: nothing here can fail to be written.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let mut content = BytesMut::with_capacity(PREFIX_BYTES + head.len() + event.payload.len());
    content.put_u8(VERSION);
    content.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    content.put_slice(&head);
    content.put_slice(&event.payload);
    content.freeze()
}

/// The event in a message.
pub(super) fn decode(content: &Bytes) -> Option<Event> {
    let (version, rest) = content.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let head: Head = match *version == VERSION {
        true => serde_json::from_slice(rest.get(..length)?).ok()?,
        false => return None,
    };
    let scope =
        Scope { account: AccountId::parse(&head.account).ok()?, region: Region::parse(&head.region).ok()? };
    Some(Event {
        request: RequestId::parse(&head.request).ok()?,
        function: FunctionId { scope, name: FunctionName::parse(&head.name).ok()? },
        qualifier: head.qualifier.map(|text| Qualifier::parse(&text)).transpose().ok()?,
        payload: content.slice(PREFIX_BYTES + length..),
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

    #[test]
    fn what_is_cut_off_or_of_another_version_is_not_read() {
        let content = encode(&event());
        let head_end = content.len() - event().payload.len();
        for length in 0..head_end {
            assert_eq!(decode(&content.slice(..length)), None, "{length}");
        }
        let mut newer = content.to_vec();
        newer[0] = VERSION + 1;
        assert_eq!(decode(&newer.into()), None);
    }
}
