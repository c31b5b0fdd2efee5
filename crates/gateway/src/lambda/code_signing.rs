//! Code signing configurations.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn create_code_signing_config(
    _: &Asked<'_>,
    _: api::CreateCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("CreateCodeSigningConfig")
}

pub async fn get_code_signing_config(
    _: &Asked<'_>,
    _: api::GetCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetCodeSigningConfig")
}

pub async fn update_code_signing_config(
    _: &Asked<'_>,
    _: api::UpdateCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateCodeSigningConfig")
}

pub async fn delete_code_signing_config(
    _: &Asked<'_>,
    _: api::DeleteCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteCodeSigningConfig")
}

pub async fn list_code_signing_configs(
    _: &Asked<'_>,
    _: api::ListCodeSigningConfigsRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListCodeSigningConfigs")
}

pub async fn list_functions_by_code_signing_config(
    _: &Asked<'_>,
    _: api::ListFunctionsByCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListFunctionsByCodeSigningConfig")
}

pub async fn put_function_code_signing_config(
    _: &Asked<'_>,
    _: api::PutFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PutFunctionCodeSigningConfig")
}

pub async fn get_function_code_signing_config(
    _: &Asked<'_>,
    _: api::GetFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetFunctionCodeSigningConfig")
}

pub async fn delete_function_code_signing_config(
    _: &Asked<'_>,
    _: api::DeleteFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteFunctionCodeSigningConfig")
}
