//! Published versions.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::Publish;
use http::Response;
use model::name::Qualifier;
use wire::lambda as api;

use super::configuration::{configuration, listed};
use super::{Asked, request, respond, unserved};
use crate::respond::{Body, Failure};

pub async fn publish_version(
    asked: &Asked<'_>,
    input: api::PublishVersionRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    unserved::check_publish(&input)?;
    let publish = Publish {
        reference,
        description: input.description,
        code_sha256: input.code_sha256.filter(|hash| !hash.is_empty()),
        revision: input.revision_id,
    };
    let version = asked.app.parts.functions.publish(&asked.who.scope, publish).await?;
    let qualifier = Qualifier::Version(version.version);
    Ok(respond::<api::PublishVersionRequest, _>(&configuration(
        &asked.app.parts.functions,
        &version,
        Some(&qualifier),
    )))
}

pub async fn list_versions_by_function(
    asked: &Asked<'_>,
    input: api::ListVersionsByFunctionRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.functions.versions(&asked.who.scope, &reference, marker, count_max)?;
    let shown = page.functions.iter().map(|version| {
        let qualifier = Qualifier::Version(version.version);
        listed(version, Some(&qualifier))
    });
    let versions = Some(shown.collect());
    let response = api::ListVersionsByFunctionResponse { next_marker: page.next, versions };
    Ok(respond::<api::ListVersionsByFunctionRequest, _>(&response))
}
