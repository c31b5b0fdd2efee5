//! The operations on layers: publish, get, list, delete.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::layer::{Filter, Publish};
use http::Response;
use model::error::ServiceError;
use model::function::Architecture;
use model::layer::{LayerReference, LayerVersion, LayerVersionId};
use model::runtime::RuntimeName;
use wire::json::OpenEnum as _;
use wire::lambda as api;

use super::{Asked, request, respond, source, unserved};
use crate::own::code;
use crate::respond::{Body, Failure};

pub async fn publish(
    asked: &Asked<'_>,
    input: api::PublishLayerVersionRequest,
) -> Result<Response<Body>, Failure> {
    let layer = reference(input.layer_name.as_deref())?;
    let content = input.content.unwrap_or_default();
    unserved::check_layer(&content)?;
    let publish = Publish {
        layer,
        zip: source::of_layer(content)?,
        description: input.description.unwrap_or_default(),
        license: input.license_info,
        runtimes: runtimes(input.compatible_runtimes.as_deref().unwrap_or_default())?,
        architectures: architectures(input.compatible_architectures.as_deref().unwrap_or_default()),
    };
    let version = asked.app.parts.layers.publish(&asked.who.scope, publish).await?;
    let api::GetLayerVersionResponse {
        content,
        layer_arn,
        layer_version_arn,
        description,
        created_date,
        version,
        compatible_architectures,
        compatible_runtimes,
        license_info,
    } = shown(asked, &version);
    let response = api::PublishLayerVersionResponse {
        content,
        layer_arn,
        layer_version_arn,
        description,
        created_date,
        version,
        compatible_architectures,
        compatible_runtimes,
        license_info,
    };
    Ok(respond::<api::PublishLayerVersionRequest, _>(&response))
}

pub fn get(asked: &Asked<'_>, input: &api::GetLayerVersionRequest) -> Result<Response<Body>, Failure> {
    let layer = reference(input.layer_name.as_deref())?;
    let number = input.version_number.unwrap_or_default();
    let version = asked.app.parts.layers.get(&asked.who.scope, &layer, number)?;
    Ok(respond::<api::GetLayerVersionRequest, _>(&shown(asked, &version)))
}

pub fn get_by_arn(
    asked: &Asked<'_>,
    input: &api::GetLayerVersionByArnRequest,
) -> Result<Response<Body>, Failure> {
    let arn = input.arn.as_deref().unwrap_or_default();
    // The model's pattern has other ARNs too; none of these is here.
    let id = LayerVersionId::parse(arn).map_err(|_| {
        ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned())
    })?;
    let version = asked.app.parts.layers.get_by_id(&asked.who.scope, &id)?;
    Ok(respond::<api::GetLayerVersionByArnRequest, _>(&shown(asked, &version)))
}

pub async fn delete(
    asked: &Asked<'_>,
    input: &api::DeleteLayerVersionRequest,
) -> Result<Response<Body>, Failure> {
    let layer = reference(input.layer_name.as_deref())?;
    let number = input.version_number.unwrap_or_default();
    asked.app.parts.layers.delete(&asked.who.scope, &layer, number).await?;
    Ok(respond::<api::DeleteLayerVersionRequest, _>(&()))
}

pub fn list(asked: &Asked<'_>, input: &api::ListLayersRequest) -> Result<Response<Body>, Failure> {
    let filter = filter(input.compatible_runtime.as_ref(), input.compatible_architecture.as_ref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.layers.list(&asked.who.scope, &filter, marker, count_max)?;
    let item = |version: &LayerVersion| api::LayersListItem {
        layer_name: Some(version.id.layer.name.to_string()),
        layer_arn: Some(version.id.layer.to_string()),
        latest_matching_version: Some(listed(version)),
    };
    let layers = page.versions.iter().map(|version| item(version)).collect();
    let response = api::ListLayersResponse { next_marker: page.next, layers: Some(layers) };
    Ok(respond::<api::ListLayersRequest, _>(&response))
}

pub fn list_versions(
    asked: &Asked<'_>,
    input: &api::ListLayerVersionsRequest,
) -> Result<Response<Body>, Failure> {
    let layer = reference(input.layer_name.as_deref())?;
    let filter = filter(input.compatible_runtime.as_ref(), input.compatible_architecture.as_ref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.layers.list_versions(&asked.who.scope, &layer, &filter, marker, count_max)?;
    let versions = page.versions.iter().map(|version| listed(version)).collect();
    let response = api::ListLayerVersionsResponse { next_marker: page.next, layer_versions: Some(versions) };
    Ok(respond::<api::ListLayerVersionsRequest, _>(&response))
}

/// A version whole, with an address for its content that works for a while.
fn shown(asked: &Asked<'_>, version: &LayerVersion) -> api::GetLayerVersionResponse {
    let listed = listed(version);
    let content = api::LayerVersionContentOutput {
        location: Some(code::address(asked.app, &asked.call.head, asked.call.local, version.zip.digest)),
        code_sha256: Some(STANDARD.encode(version.zip.digest.as_bytes())),
        code_size: i64::try_from(version.zip.size_bytes).ok(),
        ..api::LayerVersionContentOutput::default()
    };
    api::GetLayerVersionResponse {
        content: Some(content),
        layer_arn: Some(version.id.layer.to_string()),
        layer_version_arn: listed.layer_version_arn,
        description: Some(version.description.clone()),
        created_date: listed.created_date,
        version: listed.version,
        compatible_architectures: listed.compatible_architectures,
        compatible_runtimes: listed.compatible_runtimes,
        license_info: listed.license_info,
    }
}

fn listed(version: &LayerVersion) -> api::LayerVersionsListItem {
    fn list<T, U>(items: &[T], shown: impl Fn(&T) -> U) -> Option<Vec<U>> {
        (!items.is_empty()).then(|| items.iter().map(shown).collect())
    }
    api::LayerVersionsListItem {
        layer_version_arn: Some(version.id.to_string()),
        version: i64::try_from(version.id.number).ok(),
        description: Some(version.description.clone()),
        created_date: Some(wire::time::last_modified(version.created)),
        compatible_architectures: list(&version.architectures, |one| one.as_str().into()),
        compatible_runtimes: list(&version.runtimes, |one| one.as_str().into()),
        license_info: version.license.clone(),
    }
}

pub(super) fn reference(text: Option<&str>) -> Result<LayerReference, ServiceError> {
    let text = text.unwrap_or_default();
    LayerReference::parse(text).map_err(|error| {
        ServiceError::Validation(format!(
            "1 validation error detected: Value '{}' at 'layerName' failed to satisfy constraint: Member must be {}",
            error.text, error.expected
        ))
    })
}

fn filter(
    runtime: Option<&api::Runtime>,
    architecture: Option<&api::Architecture>,
) -> Result<Filter, ServiceError> {
    let runtime = match runtime {
        None => None,
        Some(api::Runtime::Unknown(name)) => {
            return Err(ServiceError::InvalidParameterValue(api::unknown_runtime_message(name)));
        }
        Some(known) => Some(RuntimeName::new(known.as_ref())),
    };
    Ok(Filter { runtime, architecture: architecture.and_then(request::one_architecture) })
}

/// Unlike the runtime of a function, these are held to the model's list by the constraint as such.
fn runtimes(asked: &[api::Runtime]) -> Result<Vec<RuntimeName>, ServiceError> {
    if asked.iter().any(|runtime| matches!(runtime, api::Runtime::Unknown(_))) {
        let names: Vec<&str> = asked.iter().map(AsRef::as_ref).collect();
        let shown: String = names.join(", ").chars().take(200).collect();
        return Err(ServiceError::Validation(format!(
            "1 validation error detected: Value '[{shown}]' at 'compatibleRuntimes' failed to satisfy constraint: \
             Member must satisfy constraint: [Member must satisfy enum value set: [{}], Member must not be null]",
            api::Runtime::VALUES.join(", ")
        )));
    }
    Ok(asked.iter().map(|runtime| RuntimeName::new(runtime.as_ref())).collect())
}

fn architectures(asked: &[api::Architecture]) -> Vec<Architecture> {
    asked.iter().filter_map(request::one_architecture).collect()
}
