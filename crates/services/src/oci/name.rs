//! Names of repositories and tags. Parsing is the only way to get one, so neither can name a path outside its
//! folder or break out of a URL.

use std::fmt;

/// Longest repository name: ECR's limit.
pub const REPOSITORY_LENGTH_MAX: usize = 256;
/// Longest tag (OCI Distribution Specification, "Pulling manifests").
pub const TAG_LENGTH_MAX: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NameError {
    /// The text, shortened.
    pub text: String,
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

fn refused(text: &str, expected: &'static str) -> NameError {
    NameError { text: text.chars().take(80).collect(), expected }
}

/// A repository's name, such as `team/app`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Parses components of lower-case letters and digits, joined within by one of `.`, `_`, `__` or any
    /// number of `-`, and with each other by `/`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let whole = !text.is_empty() && text.len() <= REPOSITORY_LENGTH_MAX;
        if whole && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        Err(refused(text, "a repository name: lower-case letters and digits, separated by . _ __ - or /"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let framed =
        bytes.first().copied().is_some_and(alphanumeric) && bytes.last().copied().is_some_and(alphanumeric);
    let separators = bytes.split(|byte| alphanumeric(*byte)).filter(|run| !run.is_empty());
    framed
        && separators
            .into_iter()
            .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

/// A tag, such as `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Parses up to 128 letters, digits, `_`, `.` and `-`, not starting with one of the latter two.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let first = text.as_bytes().first().copied();
        let starts = first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if starts && text.len() <= TAG_LENGTH_MAX && text.bytes().all(inside) {
            return Ok(Self(text.to_owned()));
        }
        Err(refused(text, "a tag: up to 128 letters, digits, _ . and -"))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names() {
        for name in ["a", "app", "team/app", "a.b_c__d-e--f/0", "library/debian"] {
            assert!(RepositoryName::parse(name).is_ok(), "{name}");
        }
        for name in
            ["", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a.-b", "-a", "a-", "../a", "a b", "ä"]
        {
            assert!(RepositoryName::parse(name).is_err(), "{name}");
        }
        assert!(RepositoryName::parse(&"a".repeat(REPOSITORY_LENGTH_MAX)).is_ok());
        assert!(RepositoryName::parse(&"a".repeat(REPOSITORY_LENGTH_MAX + 1)).is_err());
    }

    #[test]
    fn tags() {
        for tag in ["latest", "1.0", "_", "A-b_c.d", "0"] {
            assert!(Tag::parse(tag).is_ok(), "{tag}");
        }
        for tag in ["", ".", "-a", "a/b", "a:b", "a b", &"a".repeat(129)] {
            assert!(Tag::parse(tag).is_err(), "{tag}");
        }
    }
}
