//! Asynchronous invocation and how it is configured.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn put_function_event_invoke_config(
    _: &Asked<'_>,
    _: api::PutFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PutFunctionEventInvokeConfig")
}

pub async fn update_function_event_invoke_config(
    _: &Asked<'_>,
    _: api::UpdateFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateFunctionEventInvokeConfig")
}

pub async fn get_function_event_invoke_config(
    _: &Asked<'_>,
    _: api::GetFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetFunctionEventInvokeConfig")
}

pub async fn delete_function_event_invoke_config(
    _: &Asked<'_>,
    _: api::DeleteFunctionEventInvokeConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteFunctionEventInvokeConfig")
}

pub async fn list_function_event_invoke_configs(
    _: &Asked<'_>,
    _: api::ListFunctionEventInvokeConfigsRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListFunctionEventInvokeConfigs")
}

pub async fn invoke_async(_: &Asked<'_>, _: api::InvokeAsyncRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("InvokeAsync")
}
