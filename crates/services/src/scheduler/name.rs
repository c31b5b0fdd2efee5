//! How operations name groups and schedules, tokens of requests, and places in lists.
//!
//! Pure. That a name has the right characters was checked by the API's model.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::arn::{ResourceArn, Scope};
use model::error::ServiceError;
use model::scheduler::{DEFAULT_GROUP, GroupId, Made};
use sha2::{Digest, Sha256};

use super::SERVICE;
use super::error::{invalid, no_group};

/// Items on a page where none is asked for, and at most.
const PAGE_MAX: usize = 100;

pub(super) fn group(scope: &Scope, named: Option<&str>) -> GroupId {
    GroupId { scope: scope.clone(), name: named.unwrap_or(DEFAULT_GROUP).to_owned() }
}

/// The group of an ARN that tags are asked of or given to; one of the caller's own.
pub(super) fn group_of_arn(scope: &Scope, arn: Option<&str>) -> Result<GroupId, ServiceError> {
    let arn = arn.unwrap_or_default();
    let parsed = ResourceArn::parse(arn).ok().filter(|arn| arn.service() == SERVICE && arn.scope() == scope);
    let named = parsed.as_ref().and_then(|arn| arn.resource().strip_prefix("schedule-group/"));
    named.map(|name| group(scope, Some(name))).ok_or_else(|| no_group(arn))
}

/// The group and the name in a schedule's ARN.
pub(super) fn schedule_of_arn(arn: &str) -> Option<(GroupId, String)> {
    let arn = ResourceArn::parse(arn).ok()?;
    let (of, name) = arn.resource().strip_prefix("schedule/")?.split_once('/')?;
    Some((group(arn.scope(), Some(of)), name.to_owned()))
}

/// By which request something is made: its token, and a digest of all that it asks for.
pub(super) fn made(token: Option<&str>, input: &impl Debug) -> Option<Made> {
    let digest = Sha256::digest(format!("{input:?}"));
    let digest = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    token.map(|token| Made { token: token.to_owned(), digest })
}

pub(super) fn limit(limit: Option<i32>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// A place in a list. It names the last item before, so that it stays right while items come and go.
pub(super) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

pub(super) fn read_token(token: Option<&str>) -> Result<Option<String>, ServiceError> {
    let read = |token: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| invalid("Invalid NextToken."))
    };
    token.map(read).transpose()
}
