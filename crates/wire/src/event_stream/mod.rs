//! Amazon's event stream encoding: a body of messages, each with typed headers, a payload and two checksums, so that
//! a receiver can act on one before the next is written.
//!
//! Values and bytes only: what a message means is the business of the service that sends it
//! ([`lambda::ResponseEvent`](crate::lambda::ResponseEvent)). What is decoded is hostile: lengths are checked before
//! anything is kept, and no message can make a reader hold more than [`MESSAGE_BYTES_MAX`]. The layout is described
//! at <https://smithy.io/2.0/aws/amazon-eventstream.html>.

mod decode;
mod encode;

pub use decode::{Broken, Decoder};
pub use encode::Unencodable;

use bytes::Bytes;

/// The content type of such a body.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
/// Most bytes of a message's payload, as AWS's clients accept them.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Most bytes of all headers of a message.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;
/// Most bytes of a whole message.
pub const MESSAGE_BYTES_MAX: usize = FRAME_BYTES + HEADERS_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum of everything before it.
const CHECKSUM_BYTES: usize = 4;
/// What a message has beside headers and payload.
const FRAME_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

/// One message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Names with values, in the order of the message. Names that begin with a colon belong to the encoding.
    pub headers: Vec<(String, HeaderValue)>,
    /// What the headers describe.
    pub payload: Bytes,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// Types 0 and 1.
    Bool(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Integer(i32),
    /// Type 5.
    Long(i64),
    /// Type 6, at most 32,767 bytes.
    Bytes(Bytes),
    /// Type 7, at most 32,767 bytes.
    Text(String),
    /// Type 8: milliseconds since the epoch.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

impl Message {
    /// A message with headers of text.
    #[must_use]
    pub fn new(headers: &[(&str, &str)], payload: impl Into<Bytes>) -> Self {
        let text =
            |(name, value): &(&str, &str)| ((*name).to_owned(), HeaderValue::Text((*value).to_owned()));
        Self { headers: headers.iter().map(text).collect(), payload: payload.into() }
    }

    /// A header's text; none if it is missing or of another type.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(header, value)| match value {
            HeaderValue::Text(text) if header == name => Some(text.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
