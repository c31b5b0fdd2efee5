//! Runtime identifiers (`python3.12`, `nodejs20.x`, `provided.al2023`): what they say about the language, and where
//! the runtimes behind them come from.
//!
//! Source: AWS Lambda Developer Guide, "Lambda runtimes".

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::function::Image;

/// A runtime identifier. The list that AWS knows is part of the API model in `wire`; here any identifier of a
/// known family parses, so that a newer version needs no change. Clones share the
/// text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuntimeName(Arc<str>);

/// The language behind a runtime identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// CPython: `python3.12`.
    Python,
    /// Node.js: `nodejs20.x`.
    Node,
    /// Ruby: `ruby3.3`.
    Ruby,
    /// Java: `java8.al2`, `java21`.
    Java,
    /// .NET: `dotnet8`.
    Dotnet,
    /// An executable called `bootstrap` in the package itself.
    Provided,
    /// A language that is not served.
    Other,
}

/// A version as runtime identifiers have it: `3.12`, `20`, `8`. The second number is 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LanguageVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
}

/// A runtime that the owner of this machine adds or has added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The identifier that functions will use. The interpreter may be of another version on purpose.
    pub name: RuntimeName,
    /// What serves it.
    pub from: AddedFrom,
}

/// What an added runtime consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedFrom {
    /// A directory that holds the language's interpreter: `bin/ruby`, `bin/java`, `dotnet`.
    Path(PathBuf),
    /// An image whose file system holds the runtime with its own client of the Runtime API, such as a vendor's base
    /// image.
    Image(Image),
}

/// A runtime that functions can use on this machine, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Such as `ruby3.3`.
    pub name: RuntimeName,
    /// The interpreter's true version, such as `3.1.2`, where it is known.
    pub version: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a runtime comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An interpreter that was found on the host.
    Host {
        /// The interpreter.
        interpreter: PathBuf,
    },
    /// An interpreter in a directory that the owner added.
    Added {
        /// The directory.
        directory: PathBuf,
        /// The interpreter. `None` until the server starts again: sandboxes may not see the directory before.
        interpreter: Option<PathBuf>,
    },
    /// An image that the owner added.
    Image {
        /// The reference as the owner gave it.
        uri: String,
    },
    /// The function's package brings it: `provided.*`.
    Package,
}

/// When an added runtime takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// For every environment that is started from now on.
    Now,
    /// When the server starts again: what sandboxes may see is fixed while it runs.
    NextStart,
}

impl RuntimeName {
    /// Takes an identifier as it stands.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language that the identifier asks for.
    #[must_use]
    pub fn family(&self) -> Family {
        self.parse().0
    }

    /// The version that the identifier asks for; none where it names no language.
    #[must_use]
    pub fn version(&self) -> Option<LanguageVersion> {
        self.parse().1
    }

    fn parse(&self) -> (Family, Option<LanguageVersion>) {
        let text = self.as_str();
        if matches!(text, "provided" | "provided.al2" | "provided.al2023") {
            return (Family::Provided, None);
        }
        let languages = [
            ("python", Family::Python),
            ("nodejs", Family::Node),
            ("ruby", Family::Ruby),
            ("java", Family::Java),
            ("dotnet", Family::Dotnet),
        ];
        let known = languages.into_iter().find_map(|(prefix, family)| {
            let version = LanguageVersion::of_name(family, text.strip_prefix(prefix)?)?;
            Some((family, Some(version)))
        });
        known.unwrap_or((Family::Other, None))
    }
}

impl LanguageVersion {
    /// What follows the language in an identifier.
    fn of_name(family: Family, text: &str) -> Option<Self> {
        let whole = |text| Some(Self { major: digits(text)?, minor: 0 });
        match family {
            Family::Python | Family::Ruby => {
                let (major, minor) = text.split_once('.')?;
                let version = Self { major: digits(major)?, minor: digits(minor)? };
                // Python 2 is another language.
                (family == Family::Ruby || version.major == 3).then_some(version)
            }
            Family::Node => whole(text.strip_suffix(".x")?),
            Family::Java => whole(text.strip_suffix(".al2").unwrap_or(text)),
            Family::Dotnet => whole(text),
            Family::Provided | Family::Other => None,
        }
    }

    /// The first two numbers of an interpreter's own version, such as `3.1.2`; `1.8.0_392` is Java 8.
    #[must_use]
    pub fn of_interpreter(family: Family, text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(digits);
        let (major, minor) = (numbers.next()?, numbers.next().unwrap_or(0));
        Some(match (family, major) {
            (Family::Java, 1) => Self { major: minor, minor: 0 },
            (Family::Python | Family::Ruby, _) => Self { major, minor },
            _ => Self { major, minor: 0 },
        })
    }

    /// How far apart two versions of a language are: by the first number, then by the second.
    #[must_use]
    pub fn distance(self, other: Self) -> (u16, u16) {
        (self.major.abs_diff(other.major), self.minor.abs_diff(other.minor))
    }
}

impl fmt::Display for LanguageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "{}", self.major),
            minor => write!(f, "{}.{minor}", self.major),
        }
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Ruby => "Ruby",
            Self::Java => "Java",
            Self::Dotnet => ".NET",
            Self::Provided => "provided",
            Self::Other => "unknown",
        })
    }
}

/// Only digits, unlike `str::parse`, which takes a sign.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_identifiers() {
        let check = |text, family, version: Option<(u16, u16)>| {
            let name = RuntimeName::new(text);
            let version = version.map(|(major, minor)| LanguageVersion { major, minor });
            assert_eq!((name.family(), name.version()), (family, version), "{text}");
        };
        check("python3.12", Family::Python, Some((3, 12)));
        check("nodejs20.x", Family::Node, Some((20, 0)));
        check("ruby3.4", Family::Ruby, Some((3, 4)));
        check("java8.al2", Family::Java, Some((8, 0)));
        check("java21", Family::Java, Some((21, 0)));
        check("dotnet8", Family::Dotnet, Some((8, 0)));
        check("provided.al2023", Family::Provided, None);
        let others = [
            "python2.7",
            "python3",
            "nodejs",
            "nodejs20",
            "ruby3",
            "java",
            "java8.al",
            "java+8",
            "provided.al",
            "",
        ];
        for other in others {
            check(other, Family::Other, None);
        }
    }

    #[test]
    fn versions_of_interpreters() {
        let check = |family, text, expect: Option<&str>| {
            let seen = LanguageVersion::of_interpreter(family, text).map(|version| version.to_string());
            assert_eq!(seen.as_deref(), expect, "{text}");
        };
        check(Family::Ruby, "3.1.2", Some("3.1"));
        check(Family::Node, "20.19.2", Some("20"));
        check(Family::Java, "17.0.18", Some("17"));
        check(Family::Java, "1.8.0_392", Some("8"));
        check(Family::Dotnet, "8.0.11", Some("8"));
        check(Family::Python, "unknown", None);
    }

    #[test]
    fn the_first_number_weighs_more_than_the_second() {
        let version = |major, minor| LanguageVersion { major, minor };
        assert!(version(3, 4).distance(version(3, 1)) < version(3, 4).distance(version(4, 4)));
    }
}
