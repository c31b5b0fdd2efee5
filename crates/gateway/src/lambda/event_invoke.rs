//! Asynchronous invocation and how it is configured.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::EventInvokeChange;
use http::Response;
use model::error::ServiceError;
use model::event_invoke::EventInvokeConfig;
use wire::lambda as api;

use super::{Asked, invoke, request, respond, told};
use crate::respond::{Body, Failure};

pub async fn put_function_event_invoke_config(
    asked: &Asked<'_>,
    input: api::PutFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    told::check_destinations(asked, &reference, qualifier.as_ref(), input.destination_config.as_ref())?;
    let change =
        change(input.maximum_retry_attempts, input.maximum_event_age_in_seconds, input.destination_config)?;
    let functions = &asked.app.parts.functions;
    let config = functions.configure_events(&asked.who.scope, &reference, qualifier.as_ref(), change, false);
    Ok(respond::<api::PutFunctionEventInvokeConfigRequest, _>(&shown(&*config.await?)))
}

pub async fn update_function_event_invoke_config(
    asked: &Asked<'_>,
    input: api::UpdateFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    told::check_destinations(asked, &reference, qualifier.as_ref(), input.destination_config.as_ref())?;
    let change =
        change(input.maximum_retry_attempts, input.maximum_event_age_in_seconds, input.destination_config)?;
    let functions = &asked.app.parts.functions;
    let config = functions.configure_events(&asked.who.scope, &reference, qualifier.as_ref(), change, true);
    Ok(respond::<api::UpdateFunctionEventInvokeConfigRequest, _>(&shown(&*config.await?)))
}

pub async fn get_function_event_invoke_config(
    asked: &Asked<'_>,
    input: api::GetFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let config = functions.event_config(&asked.who.scope, &reference, qualifier.as_ref())?;
    Ok(respond::<api::GetFunctionEventInvokeConfigRequest, _>(&shown(&config)))
}

pub async fn delete_function_event_invoke_config(
    asked: &Asked<'_>,
    input: api::DeleteFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    functions.forget_events(&asked.who.scope, &reference, qualifier.as_ref()).await?;
    Ok(respond::<api::DeleteFunctionEventInvokeConfigRequest, _>(&()))
}

pub async fn list_function_event_invoke_configs(
    asked: &Asked<'_>,
    input: api::ListFunctionEventInvokeConfigsRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.functions.event_configs(&asked.who.scope, &reference, marker, count_max)?;
    let response = api::ListFunctionEventInvokeConfigsResponse {
        function_event_invoke_configs: Some(page.configs.iter().map(|config| shown(config)).collect()),
        next_marker: page.next,
    };
    Ok(respond::<api::ListFunctionEventInvokeConfigsRequest, _>(&response))
}

/// The oldest way to invoke without waiting.
pub async fn invoke_async(
    asked: &Asked<'_>,
    input: api::InvokeAsyncRequest,
) -> Result<Response<Body>, Failure> {
    let wanted = invoke::Wanted {
        name: input.function_name.as_deref(),
        qualifier: None,
        client_context: None,
        tenant: None,
        log_type: None,
        payload: input.invoke_args,
        streaming: false,
    };
    let (invocation, named) = invoke::prepare(asked, wanted)?;
    invoke::accept(asked, invocation, named).await
}

fn change(
    retries: Option<i32>,
    age: Option<i32>,
    destinations: Option<api::DestinationConfig>,
) -> Result<EventInvokeChange, ServiceError> {
    if retries.is_none() && age.is_none() && destinations.is_none() {
        let message = "You must specify at least one of error handling or destination setting.".to_owned();
        return Err(ServiceError::InvalidParameterValue(message));
    }
    let destinations = destinations.unwrap_or_default();
    // The model allows no negative number; a destination that is named without an ARN is taken away.
    Ok(EventInvokeChange {
        retries_max: retries.and_then(|count| u32::try_from(count).ok()),
        event_age_max_s: age.and_then(|seconds| u32::try_from(seconds).ok()),
        on_success: destinations.on_success.map(|on| on.destination.unwrap_or_default()),
        on_failure: destinations.on_failure.map(|on| on.destination.unwrap_or_default()),
    })
}

fn shown(config: &EventInvokeConfig) -> api::FunctionEventInvokeConfig {
    let destinations = api::DestinationConfig {
        on_success: Some(api::OnSuccess { destination: config.on_success.clone() }),
        on_failure: Some(api::OnFailure { destination: config.on_failure.clone() }),
    };
    api::FunctionEventInvokeConfig {
        last_modified: Some(config.last_modified),
        function_arn: Some(config.function.qualified_arn(&config.qualifier).to_string()),
        maximum_retry_attempts: config.retries_max.and_then(|count| i32::try_from(count).ok()),
        maximum_event_age_in_seconds: config.event_age_max_s.and_then(|seconds| i32::try_from(seconds).ok()),
        destination_config: Some(destinations),
    }
}
