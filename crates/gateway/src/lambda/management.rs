//! What else is configured of a function: runtime updates and recursion.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn put_runtime_management_config(
    _: &Asked<'_>,
    _: api::PutRuntimeManagementConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PutRuntimeManagementConfig")
}

pub async fn get_runtime_management_config(
    _: &Asked<'_>,
    _: api::GetRuntimeManagementConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetRuntimeManagementConfig")
}

pub async fn put_function_recursion_config(
    _: &Asked<'_>,
    _: api::PutFunctionRecursionConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PutFunctionRecursionConfig")
}

pub async fn get_function_recursion_config(
    _: &Asked<'_>,
    _: api::GetFunctionRecursionConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetFunctionRecursionConfig")
}
