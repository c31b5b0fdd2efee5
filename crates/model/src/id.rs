//! Typed ids. Parsing or minting from entropy is the only way to get one, so a value of such a type is always
//! well formed; none of them converts silently into another.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct IdError {
    /// The offending text, shortened.
    pub text: String,
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

fn refused(text: &str, expected: &'static str) -> IdError {
    IdError { text: text.chars().take(80).collect(), expected }
}

/// An AWS account: twelve digits. It is a namespace here, nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId([u8; 12]);

impl AccountId {
    /// The account used where nothing names another one.
    pub const DEFAULT: AccountId = AccountId(*b"000000000000");

    /// Parses twelve ASCII digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match <[u8; 12]>::try_from(text.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(refused(text, "an account id of twelve digits")),
        }
    }

    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

/// A region's name. Any name of lower-case letters, digits and hyphens is a region. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// Longest region name that is accepted.
    const LENGTH_MAX: usize = 63;

    /// Parses a region name such as `eu-central-1`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(legal) {
            return Err(refused(text, "a region name such as us-east-1"));
        }
        Ok(Self(text.into()))
    }

    /// The region used where nothing names another one.
    #[must_use]
    pub fn default_region() -> Self {
        Self("us-east-1".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sixteen random bytes written as a version 4 UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Uuid([u8; 16]);

impl Uuid {
    fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 16];
        let mut at = 0;
        for (index, byte) in bytes.iter_mut().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                if text[at] != b'-' {
                    return None;
                }
                at += 1;
            }
            *byte = (hex_value(text[at])? << 4) | hex_value(text[at + 1])?;
            at += 2;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes the id from sixteen random bytes.
            #[must_use]
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_random(bytes))
            }

            /// Parses the hyphenated form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Uuid::parse(text).map(Self).ok_or_else(|| refused(text, $expected))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

uuid_id!(
    /// Names one event source mapping.
    MappingUuid,
    "the id of an event source mapping"
);
uuid_id!(
    /// Names one message of a queue.
    MessageId,
    "a message id"
);
uuid_id!(
    /// Names one event on a bus.
    EventId,
    "an event id"
);
uuid_id!(
    /// Names one request: an API call, and the invocation that it causes.
    RequestId,
    "a request id"
);
uuid_id!(
    /// Changes with every change of a function; callers use it as a precondition.
    RevisionId,
    "a revision id"
);
uuid_id!(
    /// Names one execution environment for as long as the server runs.
    EnvironmentId,
    "an environment id"
);

impl RequestId {
    /// Makes the id of a request that comes now. Ids follow in the order of time, so that an index of them grows at its
    /// end; 74 bits are random.
    #[must_use]
    pub fn at(now: Timestamp, mut random: [u8; 16]) -> Self {
        random[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        Self::from_random(random)
    }
}

impl MessageId {
    /// The id with these sixteen bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid(bytes))
    }

    /// The sixteen bytes, as they are kept.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }
}

/// An event carries the id of the request that brought it.
impl From<RequestId> for MessageId {
    fn from(request: RequestId) -> Self {
        Self(request.0)
    }
}

/// The request that brought an event.
impl From<MessageId> for RequestId {
    fn from(message: MessageId) -> Self {
        Self(message.0)
    }
}

impl EnvironmentId {
    /// The 32 hexadecimal digits that close the name of the environment's log stream.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.to_string().replace('-', "")
    }
}

/// The SHA-256 of some stored bytes: the name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the 32 bytes that a SHA-256 function returned.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refuse = || refused(text, "a SHA-256 digest in hexadecimal");
        if text.len() != 64 {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) =
                (hex_value(pair[0]).ok_or_else(refuse)?, hex_value(pair[1]).ok_or_else(refuse)?);
            *byte = (high << 4) | low;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_a_round_trip() {
        let at = |millis| RequestId::at(Timestamp::from_millis(millis), [7; 16]);
        assert!(at(1).to_string() < at(256).to_string(), "later ones follow");
        assert_eq!(at(0x0192_1234_5678).to_string(), "01921234-5678-4707-8707-070707070707");
        let id = RequestId::from_random([7; 16]);
        assert_eq!(id.to_string(), "07070707-0707-4707-8707-070707070707");
        assert_eq!(RequestId::parse(&id.to_string()), Ok(id));
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in
            ["", "1234", "07070707-0707-4707-8707-07070707070g", "070707070707-4707-8707-0707-07070707"]
        {
            assert!(RequestId::parse(text).is_err(), "{text}");
        }
        for text in ["", "12345678901", "1234567890123", "12345678901a", "１２３４"] {
            assert!(AccountId::parse(text).is_err(), "{text}");
        }
        for text in ["", "EU", "a b", "../x"] {
            assert!(Region::parse(text).is_err(), "{text}");
        }
    }
}
