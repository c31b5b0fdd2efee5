//! Runtime identifiers (`python3.12`, `nodejs20.x`, `provided.al2023`) and what they say about the language.
//!
//! Source: AWS Lambda Developer Guide, "Lambda runtimes".

use std::fmt;

/// A runtime identifier. The list that AWS knows is part of the API model in `wire`; here any identifier of a
/// known family parses, so that a newer version needs no change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuntimeName(String);

/// The language behind a runtime identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// CPython `3.minor`.
    Python {
        /// The minor version.
        minor: u16,
    },
    /// Node.js, by its major version.
    Node {
        /// The major version.
        major: u16,
    },
    /// An executable called `bootstrap` in the package itself.
    Provided,
    /// A language that is not served yet.
    Other,
}

impl RuntimeName {
    /// Takes an identifier as it stands.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language and version that the identifier asks for.
    #[must_use]
    pub fn family(&self) -> Family {
        if matches!(self.0.as_str(), "provided" | "provided.al2" | "provided.al2023") {
            return Family::Provided;
        }
        if let Some(minor) = self.0.strip_prefix("python3.").and_then(|minor| minor.parse().ok()) {
            return Family::Python { minor };
        }
        let node = self.0.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x"));
        if let Some(major) = node.and_then(|major| major.parse().ok()) {
            return Family::Node { major };
        }
        Family::Other
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_identifiers() {
        let family = |text| RuntimeName::new(text).family();
        assert_eq!(family("python3.12"), Family::Python { minor: 12 });
        assert_eq!(family("nodejs20.x"), Family::Node { major: 20 });
        assert_eq!(family("provided.al2023"), Family::Provided);
        for other in ["python2.7", "nodejs", "nodejs20", "java21", "provided.al", ""] {
            assert_eq!(family(other), Family::Other, "{other}");
        }
    }
}
