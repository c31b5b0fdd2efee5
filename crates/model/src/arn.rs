//! Amazon resource names of the things that Dormouse serves. Only the forms that AWS documents can be written.
//!
//! An ARN is made from parts that were parsed before, so writing one cannot fail; reading one of a function is `name`'s
//! matter.

use std::fmt;
use std::sync::Arc;

use crate::id::{AccountId, IdError, Region};
use crate::name::{FunctionName, Qualifier};

/// The one partition that there is. An ARN of another means nothing here: if it meant the same, it would be a second name
/// for everything, of which no policy has heard.
pub const PARTITION: &str = "aws";

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

/// The ARN of a resource of any service that lies in an account and a region. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceArn {
    scope: Scope,
    text: Arc<str>,
    /// Where the service begins and ends.
    service: (usize, usize),
    /// Where the resource begins.
    resource: usize,
}

impl ResourceArn {
    /// Longest ARN (the longest that any of AWS's models lets through).
    const BYTES_MAX: usize = 2_048;

    /// Takes `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE` in printable ASCII without blanks.
    ///
    /// # Errors
    /// [`IdError`] for everything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refused =
            || IdError { text: text.chars().take(200).collect(), expected: "the ARN of a resource" };
        if text.len() > Self::BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused());
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", PARTITION, service, region, account, resource] = parts[..] else { return Err(refused()) };
        if service.is_empty() || resource.is_empty() {
            return Err(refused());
        }
        let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
        let begin = "arn:".len() + PARTITION.len() + 1;
        let resource = text.len() - resource.len();
        Ok(Self { scope, text: text.into(), service: (begin, begin + service.len()), resource })
    }

    /// The ARN of a resource: `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`.
    ///
    /// # Errors
    /// [`IdError`] if the resource or service has what no ARN may have.
    pub fn of(service: &str, scope: &Scope, resource: &str) -> Result<Self, IdError> {
        Self::parse(&format!("arn:aws:{service}:{}:{}:{resource}", scope.region, scope.account))
    }

    /// Account and region.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The service: `sqs`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.text[self.service.0..self.service.1]
    }

    /// What follows the account: a queue's name, `function:NAME`, `event-bus/NAME`.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.text[self.resource..]
    }

    /// The whole ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceArn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Version;

    #[test]
    fn arns_of_resources_are_taken_apart() {
        let arn = ResourceArn::parse("arn:aws:events:us-east-1:000000000000:rule/bus/x:y").expect("an ARN");
        assert_eq!((arn.service(), arn.resource()), ("events", "rule/bus/x:y"));
        assert_eq!(arn.scope().account, AccountId::DEFAULT);
        assert_eq!(ResourceArn::of("events", arn.scope(), arn.resource()), Ok(arn.clone()));
        assert_eq!(arn.to_string(), arn.as_str());
        for text in [
            "",
            "arn:aws:sqs:us-east-1:000000000000",
            "arn:aws:sqs:us-east-1:1:q",
            "arn:x:sqs:us-east-1:000000000000:q",
            "arn:aws-cn:sqs:us-east-1:000000000000:q",
            "arn:awss:sqs:us-east-1:000000000000:q",
        ] {
            assert!(ResourceArn::parse(text).is_err(), "{text}");
        }
        for text in [
            "arn:aws::us-east-1:000000000000:q",
            "arn:aws:sqs:us-east-1:000000000000:",
            "arn:aws:sqs:us-east-1:000000000000:a b",
        ] {
            assert!(ResourceArn::parse(text).is_err(), "{text}");
        }
    }

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
