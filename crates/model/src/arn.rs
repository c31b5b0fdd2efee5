//! Amazon resource names of the things that Dormouse serves. Only the forms that AWS documents can be written.
//!
//! An ARN is made from parts that were parsed before, so writing one cannot fail; reading one is `name`'s matter.

use std::fmt;

use crate::id::{AccountId, Region};
use crate::name::{FunctionName, Qualifier};

/// Account and region: the namespace in which names are unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The owning account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

/// A function within its scope, without qualifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    /// Where the name is unique.
    pub scope: Scope,
    /// The function's name.
    pub name: FunctionName,
}

impl FunctionId {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn arn(&self) -> FunctionArn<'_> {
        FunctionArn { function: self, qualifier: None }
    }

    /// The ARN followed by `:qualifier`.
    #[must_use]
    pub fn qualified_arn<'a>(&'a self, qualifier: &'a Qualifier) -> FunctionArn<'a> {
        FunctionArn { function: self, qualifier: Some(qualifier) }
    }
}

/// A function's ARN, written by its `Display`.
#[derive(Debug, Clone, Copy)]
pub struct FunctionArn<'a> {
    function: &'a FunctionId,
    qualifier: Option<&'a Qualifier>,
}

impl fmt::Display for FunctionArn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FunctionId { scope: Scope { account, region }, name } = self.function;
        write!(f, "arn:aws:lambda:{region}:{account}:function:{name}")?;
        self.qualifier.map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Version;

    #[test]
    fn arns_are_written_as_aws_writes_them() {
        let function = FunctionId {
            scope: Scope { account: AccountId::DEFAULT, region: Region::default_region() },
            name: FunctionName::parse("hello").expect("a legal name"),
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:hello";
        assert_eq!(function.arn().to_string(), arn);
        let latest = Qualifier::Version(Version::Latest);
        assert_eq!(function.qualified_arn(&latest).to_string(), format!("{arn}:$LATEST"));
    }
}
