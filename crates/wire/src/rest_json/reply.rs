//! An answer between an operation's output and HTTP, in both directions.
//!
//! Values only: nothing is sent from here. A value that no header can carry is left out, so that no output can break
//! the message's framing.

use bytes::Bytes;
use http::StatusCode;

use super::request::{header, set_header};
use super::{FromText, Http, Reply, ToText};
use crate::event_stream;
use crate::json::{Malformed, ToJson};

const JSON: &str = "application/json";

/// An operation's output.
pub trait Output: Sized {
    /// Writes the answer of the operation that `http` describes.
    fn reply(&self, http: &Http) -> Reply;
    /// Reads an answer, for a client; the status has been found good.
    fn read(reply: &Reply) -> Result<Self, Malformed>;
}

/// Operations without any output answer with an empty body.
impl Output for () {
    fn reply(&self, http: &Http) -> Reply {
        Reply::new(http)
    }
    fn read(_: &Reply) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Reply {
    /// An empty answer with the operation's own status.
    #[must_use]
    pub fn new(http: &Http) -> Self {
        Self::of_status(http.status)
    }

    /// Takes the status from a member, if it is set and is one.
    pub fn status_member(&mut self, status: Option<i32>) {
        let status = status.and_then(|status| u16::try_from(status).ok());
        if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
            self.status = status;
        }
    }

    /// The status as the member that it came from.
    #[must_use]
    pub fn read_status(&self) -> Option<i32> {
        Some(self.status.as_u16().into())
    }

    /// Sets a header if the member is set; `name` is in lower case.
    pub fn header<T: ToText>(&mut self, name: &'static str, value: Option<&T>) {
        set_header(&mut self.headers, name, value);
    }

    /// A header's member.
    pub fn read_header<T: FromText>(&self, name: &'static str) -> Result<Option<T>, Malformed> {
        header(&self.headers, name)
    }

    /// Sets the JSON body.
    pub fn document<T: ToJson>(&mut self, value: &T) {
        self.json(JSON, value);
    }

    /// Sets the raw body. Lambda's payloads are JSON, and it says so.
    pub fn payload(&mut self, payload: Option<&Bytes>) {
        self.content_type(JSON);
        self.body = payload.cloned().unwrap_or_default();
    }

    /// The raw body; absent if empty.
    #[must_use]
    pub fn read_payload(&self) -> Option<Bytes> {
        (!self.body.is_empty()).then(|| self.body.clone())
    }

    /// Announces a body of events. The server streams them; a client reads them from the body as it comes.
    pub fn event_stream(&mut self) {
        self.content_type(event_stream::CONTENT_TYPE);
    }
}
