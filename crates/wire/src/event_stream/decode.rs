//! Bytes to messages, as they come. A broken stream stays broken: its boundaries are lost, and nothing after the
//! break is believed.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    CHECKSUM_BYTES, FRAME_BYTES, HEADERS_BYTES_MAX, HeaderValue, MESSAGE_BYTES_MAX, Message, PRELUDE_BYTES,
};

/// Why bytes are no stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The lengths contradict each other or exceed what a message may have.
    #[error("a message of {total} bytes with {headers} bytes of headers is not possible")]
    Lengths {
        /// Of the whole message.
        total: usize,
        /// Of its headers.
        headers: usize,
    },
    /// The checksum of the lengths is wrong.
    #[error("the checksum of a message's lengths is wrong")]
    PreludeChecksum,
    /// The checksum of the message is wrong.
    #[error("the checksum of a message is wrong")]
    MessageChecksum,
    /// The headers do not parse.
    #[error("the headers of a message are malformed")]
    Headers,
    /// The stream ended within a message.
    #[error("the stream ended {0} bytes into a message")]
    Truncated(usize),
}

/// Takes bytes as they come and gives messages as they are complete. Holds less than one message beyond the bytes
/// just given.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    /// The prelude at the front of the buffer has been checked.
    total: Option<usize>,
    broken: Option<Broken>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the stream. Take the messages that they complete before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next complete message; none until more bytes come.
    pub fn message(&mut self) -> Result<Option<Message>, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        self.read().inspect_err(|broken| {
            self.broken = Some(*broken);
            self.buffer = BytesMut::new();
        })
    }

    /// The end of the stream, which must lie between two messages.
    pub fn finish(&self) -> Result<(), Broken> {
        match self.broken {
            Some(broken) => Err(broken),
            None if self.buffer.is_empty() => Ok(()),
            None => Err(Broken::Truncated(self.buffer.len())),
        }
    }

    fn read(&mut self) -> Result<Option<Message>, Broken> {
        let total = match self.total {
            Some(total) => total,
            None if self.buffer.len() < PRELUDE_BYTES => return Ok(None),
            None => *self.total.insert(check_prelude(&self.buffer[..PRELUDE_BYTES])?),
        };
        if self.buffer.len() < total {
            return Ok(None);
        }
        self.total = None;
        let mut message = self.buffer.split_to(total).freeze();
        let mut checksum = message.split_off(total - CHECKSUM_BYTES);
        if crc32fast::hash(&message) != checksum.get_u32() {
            return Err(Broken::MessageChecksum);
        }
        message.advance(4);
        let headers_length = message.get_u32() as usize;
        message.advance(CHECKSUM_BYTES);
        let headers = message.split_to(headers_length);
        Ok(Some(Message { headers: read_headers(headers).ok_or(Broken::Headers)?, payload: message }))
    }
}

/// The length of the message, once it is known to be possible.
fn check_prelude(mut prelude: &[u8]) -> Result<usize, Broken> {
    let checksum = crc32fast::hash(&prelude[..PRELUDE_BYTES - CHECKSUM_BYTES]);
    let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
    if prelude.get_u32() != checksum {
        return Err(Broken::PreludeChecksum);
    }
    let possible =
        total <= MESSAGE_BYTES_MAX && headers <= HEADERS_BYTES_MAX && total >= FRAME_BYTES + headers;
    if possible { Ok(total) } else { Err(Broken::Lengths { total, headers }) }
}

fn read_headers(mut bytes: Bytes) -> Option<Vec<(String, HeaderValue)>> {
    let mut headers = Vec::new();
    while bytes.has_remaining() {
        let name_length = usize::from(bytes.get_u8());
        let name = text(take(&mut bytes, name_length).filter(|name| !name.is_empty())?)?;
        headers.push((name, read_value(&mut bytes)?));
    }
    Some(headers)
}

fn read_value(bytes: &mut Bytes) -> Option<HeaderValue> {
    Some(match bytes.try_get_u8().ok()? {
        0 => HeaderValue::Bool(true),
        1 => HeaderValue::Bool(false),
        2 => HeaderValue::Byte(bytes.try_get_i8().ok()?),
        3 => HeaderValue::Short(bytes.try_get_i16().ok()?),
        4 => HeaderValue::Integer(bytes.try_get_i32().ok()?),
        5 => HeaderValue::Long(bytes.try_get_i64().ok()?),
        6 => HeaderValue::Bytes(take_sized(bytes)?),
        7 => HeaderValue::Text(text(take_sized(bytes)?)?),
        8 => HeaderValue::Timestamp(bytes.try_get_i64().ok()?),
        9 => HeaderValue::Uuid(take(bytes, 16)?[..].try_into().ok()?),
        _ => return None,
    })
}

fn take_sized(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    take(bytes, length)
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

fn text(bytes: Bytes) -> Option<String> {
    String::from_utf8(bytes.into()).ok()
}
