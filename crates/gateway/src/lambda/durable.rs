//! Durable executions: none can be started yet, since functions with durable settings are refused when they are
//! invoked. So every operation is checked as it will be, and finds nothing.
//!
//! Source: Lambda API reference, `GetDurableExecution` and its kin.

use http::Response;
use model::error::ServiceError;
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

pub async fn get_durable_execution(
    _: &Asked<'_>,
    input: api::GetDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn get_durable_execution_history(
    _: &Asked<'_>,
    input: api::GetDurableExecutionHistoryRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn get_durable_execution_state(
    _: &Asked<'_>,
    _: api::GetDurableExecutionStateRequest,
) -> Result<Response<Body>, Failure> {
    no_checkpoint()
}

pub async fn checkpoint_durable_execution(
    _: &Asked<'_>,
    _: api::CheckpointDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_checkpoint()
}

pub async fn stop_durable_execution(
    _: &Asked<'_>,
    input: api::StopDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn pause_durable_execution(
    _: &Asked<'_>,
    input: api::PauseDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn resume_durable_execution(
    _: &Asked<'_>,
    input: api::ResumeDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn delete_durable_execution(
    _: &Asked<'_>,
    input: api::DeleteDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    no_execution(input.durable_execution_arn)
}

pub async fn send_durable_execution_callback_success(
    _: &Asked<'_>,
    input: api::SendDurableExecutionCallbackSuccessRequest,
) -> Result<Response<Body>, Failure> {
    no_callback(input.callback_id)
}

pub async fn send_durable_execution_callback_failure(
    _: &Asked<'_>,
    input: api::SendDurableExecutionCallbackFailureRequest,
) -> Result<Response<Body>, Failure> {
    no_callback(input.callback_id)
}

pub async fn send_durable_execution_callback_heartbeat(
    _: &Asked<'_>,
    input: api::SendDurableExecutionCallbackHeartbeatRequest,
) -> Result<Response<Body>, Failure> {
    no_callback(input.callback_id)
}

/// The executions of a function, of which there are none.
pub async fn list_durable_executions_by_function(
    asked: &Asked<'_>,
    input: api::ListDurableExecutionsByFunctionRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    asked.app.parts.functions.get(&asked.who.scope, &reference, qualifier.as_ref())?;
    if let (Some(after), Some(before)) = (input.started_after, input.started_before)
        && after > before
    {
        let message = "StartedAfter must not be later than StartedBefore.".to_owned();
        return Err(ServiceError::InvalidParameterValue(message).into());
    }
    if request::marker(input.marker.as_deref()).is_some() {
        let message = "Invalid Marker. Use NextMarker of the last page.".to_owned();
        return Err(ServiceError::InvalidParameterValue(message).into());
    }
    let response = api::ListDurableExecutionsByFunctionResponse {
        durable_executions: Some(Vec::new()),
        ..api::ListDurableExecutionsByFunctionResponse::default()
    };
    Ok(respond::<api::ListDurableExecutionsByFunctionRequest, _>(&response))
}

fn no_execution(arn: Option<String>) -> Result<Response<Body>, Failure> {
    let message = format!("Durable execution not found: {}", arn.unwrap_or_default());
    Err(ServiceError::ResourceNotFound(message).into())
}

fn no_callback(id: Option<String>) -> Result<Response<Body>, Failure> {
    let shown: String = id.unwrap_or_default().chars().take(200).collect();
    Err(ServiceError::ResourceNotFound(format!("Callback not found: {shown}")).into())
}

/// A checkpoint token proves that its holder runs the execution; nobody has one.
fn no_checkpoint() -> Result<Response<Body>, Failure> {
    Err(ServiceError::InvalidParameterValue("Invalid checkpoint token.".to_owned()).into())
}
