//! Aliases: names for versions of a function that callers keep while what stands behind them changes.
//!
//! Source: Lambda Developer Guide, "Create an alias for a Lambda function" and "Implement Lambda canary deployments
//! using a weighted alias".

use crate::arn::FunctionId;
use crate::id::RevisionId;
use crate::name::Version;

/// An alias of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// Whose it is.
    pub function: FunctionId,
    /// Unique within the function; not digits only, so that no version has the same.
    pub name: String,
    /// What it stands for.
    pub version: Version,
    /// A second version that gets a share of the invocations.
    pub additional: Option<Weighted>,
    /// Free text of up to 256 characters.
    pub description: String,
    /// Changes with every change.
    pub revision: RevisionId,
}

/// A version and its share of invocations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// A published version.
    pub version: Version,
    /// From 0 to 1.
    pub weight: f64,
}

impl Alias {
    /// The version that an invocation runs, for a number drawn evenly from all there are.
    #[must_use]
    pub fn choose(&self, drawn: u32) -> Version {
        match self.additional {
            Some(Weighted { version, weight }) if f64::from(drawn) < weight * f64::from(u32::MAX) => version,
            _ => self.version,
        }
    }

    /// Whether invocations of the alias may run a version.
    #[must_use]
    pub fn refers_to(&self, version: Version) -> bool {
        self.version == version || self.additional.is_some_and(|additional| additional.version == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::Scope;
    use crate::id::{AccountId, Region};
    use crate::name::FunctionName;

    fn check(weight: Option<f64>, drawn: u32, expect: u64) {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let alias = Alias {
            function: FunctionId { scope, name: FunctionName::parse("hello").expect("a legal name") },
            name: "live".to_owned(),
            version: Version::Published(1),
            additional: weight.map(|weight| Weighted { version: Version::Published(2), weight }),
            description: String::new(),
            revision: RevisionId::from_random([1; 16]),
        };
        assert_eq!(alias.choose(drawn), Version::Published(expect), "{weight:?} {drawn}");
    }

    #[test]
    fn the_second_version_gets_its_share() {
        check(None, 0, 1);
        check(Some(0.0), 0, 1);
        check(Some(0.25), 0, 2);
        check(Some(0.25), u32::MAX / 4 - 1, 2);
        check(Some(0.25), u32::MAX / 4 + 1, 1);
        check(Some(1.0), u32::MAX - 1, 2);
    }
}
