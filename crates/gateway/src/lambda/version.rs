//! Published versions.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn publish_version(
    _: &Asked<'_>,
    _: api::PublishVersionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PublishVersion")
}

pub async fn list_versions_by_function(
    _: &Asked<'_>,
    _: api::ListVersionsByFunctionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListVersionsByFunction")
}
