//! Tags: labels of functions and of everything else that Lambda tags by ARN.
//!
//! A thing keeps its tags in its own record, so that they come and go with it. To give a new kind of thing tags, its
//! owner implements [`Tagged`], with [`TagChange::apply`] for the rules that hold for all, and the gateway's `tags.rs`
//! gets one more arm that says who keeps that kind.
//!
//! Source: Lambda API reference, `TagResource`; AWS General Reference, "Tag naming and usage conventions".

use std::collections::BTreeMap;
use std::fmt;

use model::arn::Scope;
use model::error::ServiceError;
use model::id::{AccountId, MappingUuid, Region};
use model::limits;
use model::port::Pending;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// Whoever keeps the tags of one kind of thing.
pub trait Tagged: Send + Sync {
    /// The tags of the thing of this id, which is what its ARN ends in.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    fn tags(&self, scope: &Scope, id: &str) -> Result<Tags, ServiceError>;

    /// Changes them.
    ///
    /// # Errors
    /// `ResourceNotFound`; those of [`TagChange::apply`].
    fn change_tags(
        &self,
        scope: &Scope,
        id: &str,
        change: TagChange,
    ) -> Pending<'_, Result<(), ServiceError>>;
}

/// What becomes of tags.
#[derive(Debug, Clone)]
pub enum TagChange {
    /// These are added, or get these values.
    Add(Tags),
    /// Those of these keys go; it is no error if there are none.
    Remove(Vec<String>),
}

impl TagChange {
    /// The tags with this change applied.
    ///
    /// # Errors
    /// `InvalidParameterValue` naming the tag.
    pub fn apply(self, mut tags: Tags) -> Result<Tags, ServiceError> {
        match self {
            Self::Add(added) if added.is_empty() => {
                return invalid("An error occurred and the request cannot be processed.");
            }
            Self::Add(added) => {
                tags.extend(added);
                check_labels(&tags)?;
            }
            Self::Remove(keys) => tags.retain(|key, _| !keys.contains(key)),
        }
        Ok(tags)
    }
}

/// Checks what holds for the tags of every kind of thing.
///
/// # Errors
/// `InvalidParameterValue` naming the tag.
pub fn check_labels(tags: &Tags) -> Result<(), ServiceError> {
    if tags.len() > limits::TAGS_MAX {
        return invalid(&format!(
            "Number of tags exceeds resource tag limit. A resource can have at most {} tags.",
            limits::TAGS_MAX
        ));
    }
    for (key, value) in tags {
        let is_long = key.chars().count() > TAG_KEY_CHARS_MAX || value.chars().count() > TAG_VALUE_CHARS_MAX;
        if key.is_empty() || is_long {
            let shown: String = key.chars().take(40).collect();
            return invalid(&format!("The tag {shown:?} is empty or too long."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return invalid(&format!("The tag {key:?} is reserved: keys must not begin with aws:"));
        }
    }
    Ok(())
}

/// What the ARN of a thing with tags names. Displayed as that ARN, which is the same for every way to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedArn {
    /// Where it lies.
    pub scope: Scope,
    /// Its kind, as the ARN has it: `function`, `code-signing-config`, …
    pub kind: String,
    /// What follows: its name or id.
    pub id: String,
}

impl TaggedArn {
    /// Reads an ARN whose thing lies where the caller can reach it.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what is no ARN of Lambda's, or that of a version or alias; `AccessDenied` for
    /// another account's; `ResourceNotFound` for another region's.
    pub fn parse(caller: &Scope, arn: &str) -> Result<Self, ServiceError> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let &["arn", partition, "lambda", region, account, kind, id] = parts.as_slice() else {
            return invalid("The resource is not the ARN of something that Lambda tags.");
        };
        let (Ok(region), Ok(account)) = (Region::parse(region), AccountId::parse(account)) else {
            return invalid("The resource is not the ARN of something that Lambda tags.");
        };
        if kind == "function" && id.contains(':') {
            return invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            );
        }
        if account != caller.account {
            return Err(ServiceError::AccessDenied(format!(
                "The caller's account is {}; resources of other accounts grant it nothing.",
                caller.account
            )));
        }
        if partition != "aws" || region != caller.region {
            let message = format!("Resource not found: {arn} is not in this region ('{}')", caller.region);
            return Err(ServiceError::ResourceNotFound(message));
        }
        // Looked up with letters of either case, so decided on with one.
        let id = match MappingUuid::parse(id) {
            Ok(uuid) if kind == "event-source-mapping" => uuid.to_string(),
            _ => id.to_owned(),
        };
        Ok(Self { scope: caller.clone(), kind: kind.to_owned(), id })
    }
}

impl fmt::Display for TaggedArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope: Scope { account, region }, kind, id } = self;
        write!(f, "arn:aws:lambda:{region}:{account}:{kind}:{id}")
    }
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_are_added_replaced_and_removed() {
        let before = || tags(&[("a", "1"), ("b", "2")]);
        let added = TagChange::Add(tags(&[("b", "3"), ("c", "4")])).apply(before());
        assert_eq!(added, Ok(tags(&[("a", "1"), ("b", "3"), ("c", "4")])));
        let removed = TagChange::Remove(vec!["a".to_owned(), "z".to_owned()]).apply(before());
        assert_eq!(removed, Ok(tags(&[("b", "2")])));
        assert!(TagChange::Add(Tags::new()).apply(before()).is_err());
    }

    #[test]
    fn bounds_hold_for_old_and_new_tags_together() {
        let many =
            |from: usize, to: usize| (from..to).map(|n| (n.to_string(), String::new())).collect::<Tags>();
        assert!(TagChange::Add(many(25, 50)).apply(many(0, 25)).is_ok());
        let error = TagChange::Add(many(25, 51)).apply(many(0, 25)).expect_err("one too many");
        assert!(error.to_string().starts_with("Number of tags exceeds resource tag limit."), "{error}");
        for key in ["aws:x", "AWS:x", "", &"k".repeat(129)] {
            assert!(TagChange::Add(tags(&[(key, "")])).apply(Tags::new()).is_err(), "{key}");
        }
        assert!(TagChange::Add(tags(&[("k", &"v".repeat(257))])).apply(Tags::new()).is_err());
    }

    #[test]
    fn arns_say_what_is_meant_and_where() {
        let caller = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let parse = |rest: &str| TaggedArn::parse(&caller, &format!("arn:aws:lambda:{rest}"));
        let found = parse("us-east-1:000000000000:function:f").expect("a function");
        assert_eq!((found.kind.as_str(), found.id.as_str()), ("function", "f"));
        let upper = parse("us-east-1:000000000000:event-source-mapping:0000000A-0000-400A-8000-00000000000A");
        let lower =
            "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:0000000a-0000-400a-8000-00000000000a";
        assert_eq!(upper.map(|arn| arn.to_string()).as_deref(), Ok(lower));
        let kind_of = |error| match error {
            Err(ServiceError::InvalidParameterValue(_)) => "invalid",
            Err(ServiceError::AccessDenied(_)) => "denied",
            Err(ServiceError::ResourceNotFound(_)) => "missing",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind_of(parse("us-east-1:000000000000:function:f:1")), "invalid");
        assert_eq!(kind_of(parse("us-east-1:000000000000:function")), "invalid");
        assert_eq!(kind_of(parse("us-east-1:123456789012:function:f")), "denied");
        assert_eq!(kind_of(parse("eu-west-1:000000000000:function:f")), "missing");
    }
}
