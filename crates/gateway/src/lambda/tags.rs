//! Tags: of functions and of whatever else has an ARN and keeps some. A new kind is one more arm in [`keeper`].
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use std::collections::BTreeMap;

use control::capacity::Capacity;
use control::code_signing::CodeSigning;
use control::event_source::EventSources;
use control::tags::{TagChange, Tagged, TaggedArn};
use http::Response;
use model::error::ServiceError;
use wire::lambda as api;

use super::{Asked, respond};
use crate::respond::{Body, Failure};

pub async fn tag_resource(
    asked: &Asked<'_>,
    input: api::TagResourceRequest,
) -> Result<Response<Body>, Failure> {
    let tags = TagChange::Add(input.tags.unwrap_or_default());
    change(asked, input.resource.as_deref(), tags).await?;
    Ok(respond::<api::TagResourceRequest, _>(&()))
}

pub async fn untag_resource(
    asked: &Asked<'_>,
    input: api::UntagResourceRequest,
) -> Result<Response<Body>, Failure> {
    let keys = TagChange::Remove(input.tag_keys.unwrap_or_default());
    change(asked, input.resource.as_deref(), keys).await?;
    Ok(respond::<api::UntagResourceRequest, _>(&()))
}

pub async fn list_tags(asked: &Asked<'_>, input: api::ListTagsRequest) -> Result<Response<Body>, Failure> {
    let arn = input.resource.unwrap_or_default();
    let meant = TaggedArn::parse(&asked.who.scope, &arn)?;
    let tags = keeper(asked, &meant, &arn)?.tags(&meant.scope, &meant.id)?;
    Ok(respond::<api::ListTagsRequest, _>(&api::ListTagsResponse { tags: Some(tags) }))
}

/// The tags of what an ARN of the caller's own names, of which conditions may speak.
pub(super) fn of_arn(asked: &Asked<'_>, arn: &str) -> Result<BTreeMap<String, String>, ServiceError> {
    let meant = TaggedArn::parse(&asked.who.scope, arn)?;
    keeper(asked, &meant, arn)?.tags(&meant.scope, &meant.id)
}

async fn change(asked: &Asked<'_>, arn: Option<&str>, change: TagChange) -> Result<(), ServiceError> {
    let arn = arn.unwrap_or_default();
    let meant = TaggedArn::parse(&asked.who.scope, arn)?;
    keeper(asked, &meant, arn)?.change_tags(&meant.scope, &meant.id, change).await
}

/// Who keeps the tags of things of this kind.
fn keeper(asked: &Asked<'_>, meant: &TaggedArn, arn: &str) -> Result<Box<dyn Tagged>, ServiceError> {
    let functions = &asked.app.parts.functions;
    match meant.kind.as_str() {
        "function" => Ok(Box::new(functions.clone())),
        "code-signing-config" => Ok(Box::new(CodeSigning::new(functions.clone()))),
        "event-source-mapping" => Ok(Box::new(EventSources::new(functions.clone()))),
        "capacity-provider" => Ok(Box::new(Capacity::new(functions.clone()))),
        _ => Err(ServiceError::ResourceNotFound(format!("Resource not found: {arn}"))),
    }
}
