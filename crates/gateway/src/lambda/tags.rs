//! Tags.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn tag_resource(_: &Asked<'_>, _: api::TagResourceRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("TagResource")
}

pub async fn untag_resource(_: &Asked<'_>, _: api::UntagResourceRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("UntagResource")
}

pub async fn list_tags(_: &Asked<'_>, _: api::ListTagsRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("ListTags")
}
