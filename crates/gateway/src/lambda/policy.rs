//! Resource policies of functions and layers.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::Place;
use control::permission::{LayerPermission, Permission};
use http::Response;
use model::error::ServiceError;
use model::layer::LayerReference;
use model::name::{FunctionReference, Qualifier};
use wire::lambda as api;

use super::{Asked, layer, request, respond};
use crate::respond::{Body, Failure};

pub async fn add_permission(
    asked: &Asked<'_>,
    input: api::AddPermissionRequest,
) -> Result<Response<Body>, Failure> {
    let named = Named::of(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let permission = Permission {
        sid: input.statement_id.unwrap_or_default(),
        action: input.action.unwrap_or_default(),
        principal: input.principal.unwrap_or_default(),
        source_arn: input.source_arn,
        source_account: input.source_account,
        event_source_token: input.event_source_token,
        organization: input.principal_org_id,
        url_auth: input.function_url_auth_type.map(|auth| auth.as_ref().to_owned()),
        via_url: input.invoked_via_function_url,
    };
    let functions = &asked.app.parts.functions;
    let added = functions.add_permission(&asked.who.scope, named.place(), permission, input.revision_id);
    let response = api::AddPermissionResponse { statement: Some(added.await?) };
    Ok(respond::<api::AddPermissionRequest, _>(&response))
}

pub async fn remove_permission(
    asked: &Asked<'_>,
    input: api::RemovePermissionRequest,
) -> Result<Response<Body>, Failure> {
    let named = Named::of(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let (sid, functions) = (input.statement_id.unwrap_or_default(), &asked.app.parts.functions);
    functions.remove_permission(&asked.who.scope, named.place(), sid, input.revision_id).await?;
    Ok(respond::<api::RemovePermissionRequest, _>(&()))
}

pub async fn get_policy(asked: &Asked<'_>, input: api::GetPolicyRequest) -> Result<Response<Body>, Failure> {
    let named = Named::of(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let policy = asked.app.parts.functions.policy(&asked.who.scope, named.place())?;
    let response = api::GetPolicyResponse {
        policy: Some(policy.text.clone()),
        revision_id: Some(policy.revision.to_string()),
    };
    Ok(respond::<api::GetPolicyRequest, _>(&response))
}

pub async fn put_resource_policy(
    asked: &Asked<'_>,
    input: api::PutResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    let named = Named::by_arn(input.resource_arn.as_deref())?;
    let (text, functions) = (input.policy.unwrap_or_default(), &asked.app.parts.functions);
    let policy = functions.put_policy(&asked.who.scope, named.place(), text, input.revision_id).await?;
    let response = api::PutResourcePolicyResponse {
        policy: Some(policy.text.clone()),
        revision_id: Some(policy.revision.to_string()),
    };
    Ok(respond::<api::PutResourcePolicyRequest, _>(&response))
}

pub async fn get_resource_policy(
    asked: &Asked<'_>,
    input: api::GetResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    let named = Named::by_arn(input.resource_arn.as_deref())?;
    let policy = asked.app.parts.functions.policy(&asked.who.scope, named.place())?;
    let response = api::GetResourcePolicyResponse {
        policy: Some(policy.text.clone()),
        revision_id: Some(policy.revision.to_string()),
    };
    Ok(respond::<api::GetResourcePolicyRequest, _>(&response))
}

pub async fn delete_resource_policy(
    asked: &Asked<'_>,
    input: api::DeleteResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    let named = Named::by_arn(input.resource_arn.as_deref())?;
    let functions = &asked.app.parts.functions;
    functions.delete_policy(&asked.who.scope, named.place(), input.revision_id).await?;
    Ok(respond::<api::DeleteResourcePolicyRequest, _>(&()))
}

pub async fn add_layer_version_permission(
    asked: &Asked<'_>,
    input: api::AddLayerVersionPermissionRequest,
) -> Result<Response<Body>, Failure> {
    let (layer, number) = layer_version(input.layer_name.as_deref(), input.version_number)?;
    let permission = LayerPermission {
        sid: input.statement_id.unwrap_or_default(),
        action: input.action.unwrap_or_default(),
        principal: input.principal.unwrap_or_default(),
        organization: input.organization_id,
    };
    let layers = &asked.app.parts.layers;
    let added = layers.add_permission(&asked.who.scope, (&layer, number), permission, input.revision_id);
    let (statement, revision) = added.await?;
    let response = api::AddLayerVersionPermissionResponse {
        statement: Some(statement),
        revision_id: revision.map(|revision| revision.to_string()),
    };
    Ok(respond::<api::AddLayerVersionPermissionRequest, _>(&response))
}

pub async fn remove_layer_version_permission(
    asked: &Asked<'_>,
    input: api::RemoveLayerVersionPermissionRequest,
) -> Result<Response<Body>, Failure> {
    let (layer, number) = layer_version(input.layer_name.as_deref(), input.version_number)?;
    let (sid, layers) = (input.statement_id.unwrap_or_default(), &asked.app.parts.layers);
    layers.remove_permission(&asked.who.scope, (&layer, number), sid, input.revision_id).await?;
    Ok(respond::<api::RemoveLayerVersionPermissionRequest, _>(&()))
}

pub async fn get_layer_version_policy(
    asked: &Asked<'_>,
    input: api::GetLayerVersionPolicyRequest,
) -> Result<Response<Body>, Failure> {
    let (layer, number) = layer_version(input.layer_name.as_deref(), input.version_number)?;
    let policy = asked.app.parts.layers.policy(&asked.who.scope, (&layer, number))?;
    let response = api::GetLayerVersionPolicyResponse {
        policy: Some(policy.text.clone()),
        revision_id: Some(policy.revision.to_string()),
    };
    Ok(respond::<api::GetLayerVersionPolicyRequest, _>(&response))
}

/// The resource whose policy is meant.
struct Named {
    reference: FunctionReference,
    qualifier: Option<Qualifier>,
}

impl Named {
    fn of(name: Option<&str>, qualifier: Option<&str>) -> Result<Self, ServiceError> {
        Ok(Self { reference: request::reference(name)?, qualifier: request::qualifier(qualifier)? })
    }

    /// The model's pattern has the ARNs of runtimes too, which are no resources here.
    fn by_arn(arn: Option<&str>) -> Result<Self, ServiceError> {
        let reference = FunctionReference::parse(arn.unwrap_or_default()).map_err(|_| {
            ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned())
        })?;
        Ok(Self { reference, qualifier: None })
    }

    fn place(&self) -> Place<'_> {
        Place { reference: &self.reference, qualifier: self.qualifier.as_ref() }
    }
}

fn layer_version(name: Option<&str>, number: Option<i64>) -> Result<(LayerReference, i64), ServiceError> {
    Ok((layer::reference(name)?, number.unwrap_or_default()))
}
