//! Requests and answers in HTTP's terms, as values: what every protocol of this crate writes and reads.
//!
//! Nothing is sent from here, and nothing here knows a protocol or a service.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::json::{FromJson, Malformed, ToJson, from_json, to_json};

/// What a client is to send.
#[derive(Debug, Clone, Default)]
pub struct ClientRequest {
    /// The method, in capitals.
    pub method: &'static str,
    /// The encoded path.
    pub path: String,
    /// The encoded query, without `?`; empty if there is none.
    pub query: String,
    /// Headers that carry members or name the operation.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer. A server may replace the body by a stream of the same bytes.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Headers that carry members, and the content type.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// An empty answer. A status that is none becomes 500: it comes from a table, not from a caller.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Sets a JSON body under a content type of its protocol.
    pub fn json<T: ToJson>(&mut self, content_type: &'static str, value: &T) {
        self.content_type(content_type);
        self.body = to_json(value).into();
    }

    /// Sets the content type.
    pub fn content_type(&mut self, content_type: &'static str) {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }

    /// The JSON body; an empty one has no members.
    pub fn read_document<T: FromJson + Default>(&self) -> Result<T, Malformed> {
        document(&self.body)
    }
}

/// A JSON body; an empty one has no members.
pub(crate) fn document<T: FromJson + Default>(body: &[u8]) -> Result<T, Malformed> {
    if body.is_empty() { Ok(T::default()) } else { from_json(body) }
}
