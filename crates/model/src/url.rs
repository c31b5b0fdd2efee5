//! Function URLs: an HTTP address of a function's `$LATEST` or of an alias.
//!
//! Source: Lambda Developer Guide, "Creating and managing Lambda function URLs".

use std::fmt;

use crate::arn::FunctionId;
use crate::id::IdError;
use crate::name::Qualifier;
use crate::time::Timestamp;

/// The configuration of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUrl {
    /// The function.
    pub function: FunctionId,
    /// `$LATEST` or an alias.
    pub qualifier: Qualifier,
    /// Names the address; no other function ever has the same.
    pub id: UrlId,
    /// Who may call it.
    pub auth: UrlAuth,
    /// What browsers are told of other sites' pages.
    pub cors: Option<Cors>,
    /// Whether the response is sent as it comes.
    pub streams: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// Who may call an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlAuth {
    /// Whoever signs the request and may.
    Iam,
    /// Everybody whom the function's resource policy lets in.
    None,
}

impl UrlAuth {
    /// As AWS writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iam => "AWS_IAM",
            Self::None => "NONE",
        }
    }
}

/// Cross-origin resource sharing. Empty lists were not set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// Whether cookies and the like may be sent.
    pub allow_credentials: Option<bool>,
    /// Headers that may be sent.
    pub allow_headers: Vec<String>,
    /// Methods that may be used.
    pub allow_methods: Vec<String>,
    /// Sites whose pages may call.
    pub allow_origins: Vec<String>,
    /// Headers that pages may read.
    pub expose_headers: Vec<String>,
    /// How long browsers may remember all this.
    pub max_age_s: Option<u32>,
}

/// The first label of an address's host: 32 letters in lower case and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UrlId(String);

impl UrlId {
    /// Its length.
    pub const LENGTH: usize = 32;

    /// Makes an id from random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::LENGTH]) -> Self {
        const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        Self(bytes.iter().map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect())
    }

    /// Parses an id.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.len() != Self::LENGTH || !text.bytes().all(legal) {
            return Err(IdError {
                text: text.chars().take(80).collect(),
                expected: "the id of a function URL",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UrlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_as_they_are_read() {
        let bytes = std::array::from_fn(|at| u8::try_from(at * 8).unwrap_or(255));
        let id = UrlId::from_random(bytes);
        assert_eq!(UrlId::parse(id.as_str()), Ok(id));
        for text in ["", "abc", &"A".repeat(32), &"a".repeat(33), &"-".repeat(32)] {
            assert!(UrlId::parse(text).is_err(), "{text}");
        }
    }
}
