//! Durable executions.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn checkpoint_durable_execution(
    _: &Asked<'_>,
    _: api::CheckpointDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("CheckpointDurableExecution")
}

pub async fn delete_durable_execution(
    _: &Asked<'_>,
    _: api::DeleteDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteDurableExecution")
}

pub async fn get_durable_execution(
    _: &Asked<'_>,
    _: api::GetDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetDurableExecution")
}

pub async fn get_durable_execution_history(
    _: &Asked<'_>,
    _: api::GetDurableExecutionHistoryRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetDurableExecutionHistory")
}

pub async fn get_durable_execution_state(
    _: &Asked<'_>,
    _: api::GetDurableExecutionStateRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetDurableExecutionState")
}

pub async fn list_durable_executions_by_function(
    _: &Asked<'_>,
    _: api::ListDurableExecutionsByFunctionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListDurableExecutionsByFunction")
}

pub async fn pause_durable_execution(
    _: &Asked<'_>,
    _: api::PauseDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PauseDurableExecution")
}

pub async fn resume_durable_execution(
    _: &Asked<'_>,
    _: api::ResumeDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ResumeDurableExecution")
}

pub async fn send_durable_execution_callback_failure(
    _: &Asked<'_>,
    _: api::SendDurableExecutionCallbackFailureRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("SendDurableExecutionCallbackFailure")
}

pub async fn send_durable_execution_callback_heartbeat(
    _: &Asked<'_>,
    _: api::SendDurableExecutionCallbackHeartbeatRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("SendDurableExecutionCallbackHeartbeat")
}

pub async fn send_durable_execution_callback_success(
    _: &Asked<'_>,
    _: api::SendDurableExecutionCallbackSuccessRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("SendDurableExecutionCallbackSuccess")
}

pub async fn stop_durable_execution(
    _: &Asked<'_>,
    _: api::StopDurableExecutionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("StopDurableExecution")
}
