//! What each operation needs the caller's leave for: rights on a group are asked for as `GROUP-ARN:*`, those on one stream
//! as `GROUP-ARN:log-stream:STREAM`, so that a policy for `GROUP-ARN:*` gives both.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs".

use model::arn::Scope;
use model::error::ServiceError;
use wire::logs::Input;

use super::{Logs, SERVICE, name};
use crate::need::Need;

impl Logs {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a group is named by something that is no ARN of one.
    pub fn needs(scope: &Scope, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        let action = format!("{SERVICE}:{operation}");
        let group = |group: &str| format!("{}:*", name::arn(&name::group(scope, Some(group))));
        let named = |name: &Option<String>| group(name.as_deref().unwrap_or_default());
        let stream = |group: &Option<String>, stream: &Option<String>| {
            let group = name::group(scope, group.as_deref());
            name::stream_arn(&group, stream.as_deref().unwrap_or_default())
        };
        let of_arn = |arn: &Option<String>| {
            let group = name::of_arn(scope, arn.as_deref().unwrap_or_default())?;
            Ok::<_, ServiceError>(format!("{}:*", name::arn(&group)))
        };
        let either = |given: &Option<String>, identifier: &Option<String>| {
            name::either(scope, given.as_deref(), identifier.as_deref())
        };
        let resource = match input {
            Input::CreateLogGroup(input) => {
                let resource = named(&input.log_group_name);
                let mut needs = vec![Need::of(action, resource.clone())];
                if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
                    needs.push(Need::of(format!("{SERVICE}:TagResource"), resource));
                }
                return Ok(needs);
            }
            Input::CreateLogStream(input) => named(&input.log_group_name),
            Input::DeleteLogGroup(input) => named(&input.log_group_name),
            Input::DeleteLogStream(input) => stream(&input.log_group_name, &input.log_stream_name),
            Input::DeleteRetentionPolicy(input) => named(&input.log_group_name),
            Input::DeleteSubscriptionFilter(input) => named(&input.log_group_name),
            Input::DescribeLogGroups(_) => group("*"),
            Input::DescribeLogStreams(input) => {
                format!("{}:*", name::arn(&either(&input.log_group_name, &input.log_group_identifier)?))
            }
            Input::DescribeSubscriptionFilters(input) => named(&input.log_group_name),
            Input::FilterLogEvents(input) => {
                format!("{}:*", name::arn(&either(&input.log_group_name, &input.log_group_identifier)?))
            }
            Input::GetLogEvents(input) => {
                let group = either(&input.log_group_name, &input.log_group_identifier)?;
                name::stream_arn(&group, input.log_stream_name.as_deref().unwrap_or_default())
            }
            Input::ListTagsForResource(input) => of_arn(&input.resource_arn)?,
            Input::ListTagsLogGroup(input) => named(&input.log_group_name),
            Input::PutLogEvents(input) => stream(&input.log_group_name, &input.log_stream_name),
            Input::PutRetentionPolicy(input) => named(&input.log_group_name),
            Input::PutSubscriptionFilter(input) => named(&input.log_group_name),
            Input::TagLogGroup(input) => named(&input.log_group_name),
            Input::TagResource(input) => of_arn(&input.resource_arn)?,
            Input::UntagLogGroup(input) => named(&input.log_group_name),
            Input::UntagResource(input) => of_arn(&input.resource_arn)?,
        };
        Ok(vec![Need::of(action, resource)])
    }
}
