//! Function URL configurations.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn create_function_url_config(
    _: &Asked<'_>,
    _: api::CreateFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("CreateFunctionUrlConfig")
}

pub async fn get_function_url_config(
    _: &Asked<'_>,
    _: api::GetFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetFunctionUrlConfig")
}

pub async fn update_function_url_config(
    _: &Asked<'_>,
    _: api::UpdateFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateFunctionUrlConfig")
}

pub async fn delete_function_url_config(
    _: &Asked<'_>,
    _: api::DeleteFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteFunctionUrlConfig")
}

pub async fn list_function_url_configs(
    _: &Asked<'_>,
    _: api::ListFunctionUrlConfigsRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListFunctionUrlConfigs")
}
