//! Function names and qualifiers, and the one rule by which a caller's text becomes a function: a plain name, a
//! partial ARN (`123456789012:function:name`) or a whole ARN, each with an optional `:qualifier`.
//!
//! Source: Lambda API reference, parameter `FunctionName` of `Invoke` and its kin.

use std::fmt;
use std::sync::Arc;

use crate::arn::PARTITION;
use crate::id::{AccountId, IdError, Region};

/// The name of a function: 1 to 64 letters, digits, hyphens and underscores. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionName(Arc<str>);

impl FunctionName {
    /// Longest function name.
    pub const LENGTH_MAX: usize = 64;

    /// Parses a bare name.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(legal) {
            return Err(IdError { text: text.chars().take(80).collect(), expected: "a function name" });
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom an environment of a function that isolates tenants serves: 1 to 256 letters, digits, spaces and any of
/// `._:/=+-@`.
///
/// Source: Lambda API reference, parameter `TenantId` of `Invoke`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(String);

impl TenantId {
    /// Longest tenant id.
    pub const LENGTH_MAX: usize = 256;

    /// Parses a tenant id.
    ///
    /// # Errors
    /// When it is empty, too long or holds other characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&b);
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(legal) {
            return Err(IdError { text: text.chars().take(80).collect(), expected: "a tenant id" });
        }
        Ok(Self(text.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A published version's number, or `$LATEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// The one version that can change.
    Latest,
    /// A published, immutable version, counted from 1.
    Published(u64),
}

impl Version {
    /// Parses `$LATEST` or a number.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match Qualifier::parse(text)? {
            Qualifier::Version(version) => Ok(version),
            Qualifier::Alias(text) => Err(IdError { text, expected: "a version" }),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Published(number) => number.fmt(f),
        }
    }
}

/// What follows the function in a reference: a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `$LATEST` or a number.
    Version(Version),
    /// An alias: 1 to 128 letters, digits, hyphens and underscores, not all digits.
    Alias(String),
}

impl Qualifier {
    /// `$LATEST`.
    pub const LATEST: Self = Self::Version(Version::Latest);

    /// Parses `$LATEST`, a version number or an alias name.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refuse = || IdError { text: text.chars().take(80).collect(), expected: "a version or alias" };
        if text == "$LATEST" {
            return Ok(Self::Version(Version::Latest));
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(legal) {
            return Err(refuse());
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            // One spelling for each: what is decided about `1` holds for version 1.
            let number = text.parse().ok().filter(|_| !text.starts_with('0') || text == "0");
            return number.map(|n| Self::Version(Version::Published(n))).ok_or_else(refuse);
        }
        Ok(Self::Alias(text.to_owned()))
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => f.write_str(alias),
        }
    }
}

/// A function as a caller wrote it; what is absent is filled in from the caller's own scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// Region of a whole ARN.
    pub region: Option<Region>,
    /// Account of a whole or partial ARN.
    pub account: Option<AccountId>,
    /// The function.
    pub name: FunctionName,
    /// The part after the name.
    pub qualifier: Option<Qualifier>,
}

impl FunctionReference {
    /// Parses a name, a partial ARN or a whole ARN, each with an optional qualifier.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refuse = || IdError { text: text.chars().take(80).collect(), expected: "a function name or ARN" };
        let parts: Vec<&str> = text.split(':').collect();
        let (region, account, rest) = match parts.as_slice() {
            ["arn", PARTITION, "lambda", region, account, "function", rest @ ..] => {
                (Some(Region::parse(region)?), Some(AccountId::parse(account)?), rest)
            }
            [region, account, "function", rest @ ..] if Region::parse(region).is_ok() => {
                (Some(Region::parse(region)?), Some(AccountId::parse(account)?), rest)
            }
            [account, "function", rest @ ..] => (None, Some(AccountId::parse(account)?), rest),
            ["function", rest @ ..] if !rest.is_empty() => (None, None, rest),
            [account, rest @ ..] if !rest.is_empty() && AccountId::parse(account).is_ok() => {
                (None, Some(AccountId::parse(account)?), rest)
            }
            rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (name, None),
            [name, qualifier] => (name, Some(Qualifier::parse(qualifier)?)),
            _ => return Err(refuse()),
        };
        Ok(Self { region, account, name: FunctionName::parse(name)?, qualifier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Region, account, name and qualifier.
    type Parts<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<&'a str>);

    fn check(text: &str, expect: Option<Parts<'_>>) {
        let parsed = FunctionReference::parse(text).ok();
        let seen = parsed.as_ref().map(|reference| {
            (
                reference.region.as_ref().map(Region::as_str),
                reference.account.as_ref().map(AccountId::as_str),
                reference.name.as_str(),
                reference.qualifier.as_ref().map(ToString::to_string),
            )
        });
        let expect = expect.map(|(r, a, n, q)| (r, a, n, q.map(str::to_owned)));
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn every_form_of_a_function_reference() {
        check("hello", Some((None, None, "hello", None)));
        check("hello:prod", Some((None, None, "hello", Some("prod"))));
        check("hello:$LATEST", Some((None, None, "hello", Some("$LATEST"))));
        check("hello:7", Some((None, None, "hello", Some("7"))));
        check("function:hello:prod", Some((None, None, "hello", Some("prod"))));
        check("123456789012:hello", Some((None, Some("123456789012"), "hello", None)));
        check("123456789012:hello:1", Some((None, Some("123456789012"), "hello", Some("1"))));
        let in_region = "eu-west-1:123456789012:function:hello";
        check(in_region, Some((Some("eu-west-1"), Some("123456789012"), "hello", None)));
        check("123456789012:function:hello", Some((None, Some("123456789012"), "hello", None)));
        check("123456789012:function:hello:1", Some((None, Some("123456789012"), "hello", Some("1"))));
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:hello";
        check(arn, Some((Some("eu-west-1"), Some("123456789012"), "hello", None)));
        check(&format!("{arn}:live"), Some((Some("eu-west-1"), Some("123456789012"), "hello", Some("live"))));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            ":",
            "a:b:c:d",
            "hello:",
            "hello:01",
            "function:",
            "hel lo",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda:eu-west-1:12:function:hello",
            "arn:aws-cn:lambda:eu-west-1:123456789012:function:hello",
            "arn:aws:lambda:eu-west-1:123456789012:layer:hello",
            "../etc",
            "x:y z",
        ] {
            check(text, None);
        }
        check(&"a".repeat(65), None);
        check(&format!("a:{}", "9".repeat(30)), None);
    }
}
