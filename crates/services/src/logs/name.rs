//! How operations name groups: by a name in the caller's account and region, or by an ARN, with or without `:*`.
//!
//! Pure. That a name has the right characters was checked by the API's model.

use model::arn::{ResourceArn, Scope};
use model::error::ServiceError;
use model::log::LogGroup;

use super::error::{invalid, no_group};

/// The group of a name.
pub(super) fn group(scope: &Scope, name: Option<&str>) -> LogGroup {
    LogGroup { scope: scope.clone(), name: name.unwrap_or_default().to_owned() }
}

/// The group that one of two members names.
pub(super) fn either(
    scope: &Scope,
    name: Option<&str>,
    identifier: Option<&str>,
) -> Result<LogGroup, ServiceError> {
    match (name, identifier) {
        (Some(name), None) => Ok(group(scope, Some(name))),
        (None, Some(identifier)) => identified(scope, identifier),
        _ => Err(invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")),
    }
}

/// The group of a name or an ARN.
pub(super) fn identified(scope: &Scope, identifier: &str) -> Result<LogGroup, ServiceError> {
    if identifier.starts_with("arn:") {
        of_arn(scope, identifier)
    } else {
        Ok(group(scope, Some(identifier)))
    }
}

/// The group of an ARN: the caller's own, since no other can be shared with them.
pub(super) fn of_arn(scope: &Scope, arn: &str) -> Result<LogGroup, ServiceError> {
    let parsed = parsed(arn).ok_or_else(|| invalid(format!("The ARN {arn} is not that of a log group.")))?;
    if parsed.scope == *scope { Ok(parsed) } else { Err(no_group()) }
}

/// The group of any ARN of one.
pub(super) fn parsed(arn: &str) -> Option<LogGroup> {
    let arn = ResourceArn::parse(arn).ok().filter(|arn| arn.service() == super::SERVICE)?;
    let name = arn.resource().strip_prefix("log-group:")?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    let is_name = !name.is_empty() && !name.contains([':', '*']);
    is_name.then(|| LogGroup { scope: arn.scope().clone(), name: name.to_owned() })
}
