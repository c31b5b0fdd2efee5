//! How events and deliveries are kept in the queue: a version, a length and JSON of what is small (the head), then the body
//! as it came.
//!
//! A form of another version is not read, and so never mistaken for this one.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

const VERSION: u8 = 1;
/// Version and length of the head.
const PREFIX_BYTES: usize = 5;

/// The content of a message. Heads are of texts and numbers alone, so nothing can fail to be written.
pub(crate) fn encode(head: &impl Serialize, body: &[u8]) -> Bytes {
    let head = serde_json::to_vec(head).unwrap_or_default();
    let mut content = BytesMut::with_capacity(PREFIX_BYTES + head.len() + body.len());
    content.put_u8(VERSION);
    content.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    content.put_slice(&head);
    content.put_slice(body);
    content.freeze()
}

/// Head and body of a content; nothing for what is cut off or of another version.
pub(crate) fn decode<H: DeserializeOwned>(content: &Bytes) -> Option<(H, Bytes)> {
    let (version, rest) = content.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if *version != VERSION {
        return None;
    }
    let head = serde_json::from_slice(rest.get(..length)?).ok()?;
    Some((head, content.slice(PREFIX_BYTES + length..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_or_of_another_version_is_not_read() {
        let content = encode(&("head", 7), b"body");
        assert_eq!(decode(&content), Some((("head".to_owned(), 7), Bytes::from_static(b"body"))));
        for length in 0..content.len() - b"body".len() {
            assert_eq!(decode::<(String, u8)>(&content.slice(..length)), None, "{length}");
        }
        let mut newer = content.to_vec();
        newer[0] = VERSION + 1;
        assert_eq!(decode::<(String, u8)>(&newer.into()), None);
    }
}
