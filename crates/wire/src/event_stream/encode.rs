//! Messages to bytes.
//!
//! A message that no reader would accept is refused rather than written: names, values, headers and payloads have
//! the bounds of the encoding and of AWS's clients.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{CHECKSUM_BYTES, FRAME_BYTES, HEADERS_BYTES_MAX, HeaderValue, Message, PAYLOAD_BYTES_MAX};

/// Most bytes of a header's name, whose length is one byte.
const NAME_BYTES_MAX: usize = u8::MAX as usize;
/// Most bytes of a header's value.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// A message that the encoding cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// The payload has more than [`PAYLOAD_BYTES_MAX`] bytes.
    #[error("a payload of {0} bytes exceeds a message's {PAYLOAD_BYTES_MAX}")]
    Payload(usize),
    /// The headers have more than [`HEADERS_BYTES_MAX`] bytes.
    #[error("headers of {0} bytes exceed a message's {HEADERS_BYTES_MAX}")]
    Headers(usize),
    /// A header's name is empty or too long, or its value is too long.
    #[error("header {0:?} does not fit a message")]
    Header(String),
}

impl Message {
    /// Writes the message.
    pub fn encode(&self) -> Result<Bytes, Unencodable> {
        let mut headers = BytesMut::new();
        for (name, value) in &self.headers {
            write_header(name, value, &mut headers)
                .ok_or_else(|| Unencodable::Header(name.chars().take(NAME_BYTES_MAX).collect()))?;
            if headers.len() > HEADERS_BYTES_MAX {
                return Err(Unencodable::Headers(headers.len()));
            }
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Unencodable::Payload(self.payload.len()));
        }
        let total = FRAME_BYTES + headers.len() + self.payload.len();
        let mut out = BytesMut::with_capacity(total);
        out.put_u32(length(total));
        out.put_u32(length(headers.len()));
        out.put_u32(crc32fast::hash(&out));
        out.put_slice(&headers);
        out.put_slice(&self.payload);
        out.put_u32(crc32fast::hash(&out));
        debug_assert_eq!(out.len(), total, "{CHECKSUM_BYTES} bytes of checksum are counted");
        Ok(out.freeze())
    }
}

/// Lengths are bounded by a few megabytes before they come here.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the parts of a message are bounded")
}

fn write_header(name: &str, value: &HeaderValue, out: &mut BytesMut) -> Option<()> {
    let name_length = u8::try_from(name.len()).ok().filter(|length| *length > 0)?;
    out.put_u8(name_length);
    out.put_slice(name.as_bytes());
    match value {
        HeaderValue::Bool(true) => out.put_u8(0),
        HeaderValue::Bool(false) => out.put_u8(1),
        HeaderValue::Byte(value) => {
            out.put_u8(2);
            out.put_i8(*value);
        }
        HeaderValue::Short(value) => {
            out.put_u8(3);
            out.put_i16(*value);
        }
        HeaderValue::Integer(value) => {
            out.put_u8(4);
            out.put_i32(*value);
        }
        HeaderValue::Long(value) => {
            out.put_u8(5);
            out.put_i64(*value);
        }
        HeaderValue::Bytes(value) => write_sized(6, value, out)?,
        HeaderValue::Text(value) => write_sized(7, value.as_bytes(), out)?,
        HeaderValue::Timestamp(value) => {
            out.put_u8(8);
            out.put_i64(*value);
        }
        HeaderValue::Uuid(value) => {
            out.put_u8(9);
            out.put_slice(value);
        }
    }
    Some(())
}

fn write_sized(kind: u8, value: &[u8], out: &mut BytesMut) -> Option<()> {
    let length = u16::try_from(value.len()).ok().filter(|_| value.len() <= VALUE_BYTES_MAX)?;
    out.put_u8(kind);
    out.put_u16(length);
    out.put_slice(value);
    Some(())
}
