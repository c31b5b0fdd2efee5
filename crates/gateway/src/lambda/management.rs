//! What else is configured of a function: runtime updates and recursion.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::ManagedRuntime;
use http::Response;
use model::error::ServiceError;
use model::management::RuntimeUpdates;
use wire::lambda as api;

use super::function::named;
use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

pub async fn put_runtime_management_config(
    asked: &Asked<'_>,
    input: api::PutRuntimeManagementConfigRequest,
) -> Result<Response<Body>, Failure> {
    let (reference, qualifier) = named(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let updates = updates(input.update_runtime_on.as_ref(), input.runtime_version_arn)?;
    let functions = &asked.app.parts.functions;
    let kept = functions.manage_runtime(&asked.who.scope, &reference, qualifier.as_ref(), updates).await?;
    let (arn, update_runtime_on, runtime_version_arn) = shown(kept);
    let response = api::PutRuntimeManagementConfigResponse {
        function_arn: Some(arn),
        update_runtime_on: Some(update_runtime_on),
        runtime_version_arn,
    };
    Ok(respond::<api::PutRuntimeManagementConfigRequest, _>(&response))
}

pub async fn get_runtime_management_config(
    asked: &Asked<'_>,
    input: api::GetRuntimeManagementConfigRequest,
) -> Result<Response<Body>, Failure> {
    let (reference, qualifier) = named(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let kept = functions.managed_runtime(&asked.who.scope, &reference, qualifier.as_ref())?;
    let (arn, update_runtime_on, runtime_version_arn) = shown(kept);
    let response = api::GetRuntimeManagementConfigResponse {
        function_arn: Some(arn),
        update_runtime_on: Some(update_runtime_on),
        runtime_version_arn,
    };
    Ok(respond::<api::GetRuntimeManagementConfigRequest, _>(&response))
}

pub async fn put_function_recursion_config(
    asked: &Asked<'_>,
    input: api::PutFunctionRecursionConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let is_allowed = input.recursive_loop == Some(api::RecursiveLoop::Allow);
    let functions = &asked.app.parts.functions;
    let is_allowed = functions.allow_recursion(&asked.who.scope, &reference, is_allowed).await?;
    let response =
        api::PutFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop(is_allowed)) };
    Ok(respond::<api::PutFunctionRecursionConfigRequest, _>(&response))
}

pub async fn get_function_recursion_config(
    asked: &Asked<'_>,
    input: api::GetFunctionRecursionConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let is_allowed = asked.app.parts.functions.recursion_allowed(&asked.who.scope, &reference)?;
    let response =
        api::GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop(is_allowed)) };
    Ok(respond::<api::GetFunctionRecursionConfigRequest, _>(&response))
}

/// The mode with the one thing that one of the modes needs.
fn updates(on: Option<&api::UpdateRuntimeOn>, arn: Option<String>) -> Result<RuntimeUpdates, ServiceError> {
    let invalid = |message: &str| Err(ServiceError::InvalidParameterValue(message.to_owned()));
    match (on, arn) {
        (Some(api::UpdateRuntimeOn::Manual), Some(arn)) => Ok(RuntimeUpdates::Manual(arn)),
        (Some(api::UpdateRuntimeOn::Manual), None) => {
            invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual.")
        }
        (_, Some(_)) => invalid("RuntimeVersionArn can only be given when UpdateRuntimeOn is Manual."),
        (Some(api::UpdateRuntimeOn::FunctionUpdate), None) => Ok(RuntimeUpdates::FunctionUpdate),
        // Any other mode has failed the model's constraint.
        (_, None) => Ok(RuntimeUpdates::Auto),
    }
}

fn shown(managed: ManagedRuntime) -> (String, api::UpdateRuntimeOn, Option<String>) {
    match managed.updates {
        RuntimeUpdates::Auto => (managed.arn, api::UpdateRuntimeOn::Auto, None),
        RuntimeUpdates::FunctionUpdate => (managed.arn, api::UpdateRuntimeOn::FunctionUpdate, None),
        RuntimeUpdates::Manual(arn) => (managed.arn, api::UpdateRuntimeOn::Manual, Some(arn)),
    }
}

fn recursive_loop(is_allowed: bool) -> api::RecursiveLoop {
    if is_allowed { api::RecursiveLoop::Allow } else { api::RecursiveLoop::Terminate }
}
