//! What each operation needs the caller's leave for. Rights on one stream are asked for as `GROUP-ARN:log-stream:STREAM`,
//! those on a group as `GROUP-ARN:log-stream:`, so that a policy for `GROUP-ARN:*` gives both; those to see and change the
//! tags of a resource as `GROUP-ARN`. Tags are those of the group.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs"; CloudWatch
//! Logs API Reference, `LogGroup` (`arn` and `logGroupArn`: which of them policies name); the wording of AWS's denials.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::error::ServiceError;
use model::log::LogGroup;
use policy::{Context, Need};
use wire::logs::Input;

use super::{Logs, SERVICE, name};

impl Logs {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a group is named by something that is no ARN of one.
    pub fn needs(&self, scope: &Scope, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        if matches!(
            input,
            Input::DeleteResourcePolicy(_) | Input::DescribeResourcePolicies(_) | Input::PutResourcePolicy(_)
        ) {
            return Ok(vec![Need::of(format!("{SERVICE}:{operation}"), "*")]);
        }
        let (group, stream) = asked_of(scope, input)?;
        let arn = match input {
            Input::ListTagsForResource(_) | Input::TagResource(_) | Input::UntagResource(_) => group.arn(),
            _ => group.stream_arn(stream.unwrap_or_default()),
        };
        let mut need = Need { facts: facts(input), ..Need::of(format!("{SERVICE}:{operation}"), arn) };
        need.facts.set_resource_tags(&self.known_tags(&group));
        let makes_tags = matches!(input, Input::CreateLogGroup(input) if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()));
        let tag = makes_tags.then(|| Need {
            action: format!("{SERVICE}:TagResource"),
            resource: group.arn(),
            ..need.clone()
        });
        Ok(std::iter::once(need).chain(tag).collect())
    }

    /// The tags of a group, of which conditions may speak; none if there is no such group.
    #[must_use]
    pub fn known_tags(&self, group: &LogGroup) -> BTreeMap<String, String> {
        self.settings.get(&group.scope, &group.name).map(|known| known.value.tags.clone()).unwrap_or_default()
    }
}

/// The group, and the stream of it, if one is meant.
fn asked_of<'i>(scope: &Scope, input: &'i Input) -> Result<(LogGroup, Option<&'i str>), ServiceError> {
    let named = |group: &Option<String>| name::group(scope, group.as_deref());
    let of_arn = |arn: &Option<String>| name::of_arn(scope, arn.as_deref().unwrap_or_default());
    let either = |given: &Option<String>, identifier: &Option<String>| {
        name::either(scope, given.as_deref(), identifier.as_deref())
    };
    let stream = |stream: &'i Option<String>| Some(stream.as_deref().unwrap_or_default());
    Ok(match input {
        Input::CreateLogGroup(input) => (named(&input.log_group_name), None),
        Input::CreateLogStream(input) => (named(&input.log_group_name), stream(&input.log_stream_name)),
        Input::DeleteLogGroup(input) => (named(&input.log_group_name), None),
        Input::DeleteLogStream(input) => (named(&input.log_group_name), stream(&input.log_stream_name)),
        Input::DeleteRetentionPolicy(input) => (named(&input.log_group_name), None),
        Input::DeleteSubscriptionFilter(input) => (named(&input.log_group_name), None),
        // Those of policies are asked for on no resource at all.
        Input::DescribeLogGroups(_)
        | Input::DeleteResourcePolicy(_)
        | Input::DescribeResourcePolicies(_)
        | Input::PutResourcePolicy(_) => (name::group(scope, None), None),
        Input::DescribeLogStreams(input) => {
            (either(&input.log_group_name, &input.log_group_identifier)?, None)
        }
        Input::DescribeSubscriptionFilters(input) => (named(&input.log_group_name), None),
        Input::FilterLogEvents(input) => (either(&input.log_group_name, &input.log_group_identifier)?, None),
        Input::GetLogEvents(input) => {
            (either(&input.log_group_name, &input.log_group_identifier)?, stream(&input.log_stream_name))
        }
        Input::ListTagsForResource(input) => (of_arn(&input.resource_arn)?, None),
        Input::ListTagsLogGroup(input) => (named(&input.log_group_name), None),
        Input::PutLogEvents(input) => (named(&input.log_group_name), stream(&input.log_stream_name)),
        Input::PutRetentionPolicy(input) => (named(&input.log_group_name), None),
        Input::PutSubscriptionFilter(input) => (named(&input.log_group_name), None),
        Input::TagLogGroup(input) => (named(&input.log_group_name), None),
        Input::TagResource(input) => (of_arn(&input.resource_arn)?, None),
        Input::UntagLogGroup(input) => (named(&input.log_group_name), None),
        Input::UntagResource(input) => (of_arn(&input.resource_arn)?, None),
    })
}

/// What is known of the request.
fn facts(input: &Input) -> Context {
    let mut facts = Context::new();
    match input {
        Input::CreateLogGroup(input) => facts.set_request_tags(input.tags.iter().flatten()),
        Input::TagLogGroup(input) => facts.set_request_tags(input.tags.iter().flatten()),
        Input::TagResource(input) => facts.set_request_tags(input.tags.iter().flatten()),
        Input::UntagLogGroup(input) => facts.set_tag_keys(input.tags.clone().unwrap_or_default()),
        Input::UntagResource(input) => facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default()),
        Input::PutSubscriptionFilter(input) => {
            facts.set_some("logs:DestinationArn", input.destination_arn.as_deref());
        }
        _ => {}
    }
    facts
}
