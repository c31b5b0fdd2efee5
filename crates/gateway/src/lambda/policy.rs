//! Resource policies of functions and layers.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn add_permission(_: &Asked<'_>, _: api::AddPermissionRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("AddPermission")
}

pub async fn remove_permission(
    _: &Asked<'_>,
    _: api::RemovePermissionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("RemovePermission")
}

pub async fn get_policy(_: &Asked<'_>, _: api::GetPolicyRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("GetPolicy")
}

pub async fn put_resource_policy(
    _: &Asked<'_>,
    _: api::PutResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("PutResourcePolicy")
}

pub async fn get_resource_policy(
    _: &Asked<'_>,
    _: api::GetResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetResourcePolicy")
}

pub async fn delete_resource_policy(
    _: &Asked<'_>,
    _: api::DeleteResourcePolicyRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteResourcePolicy")
}

pub async fn add_layer_version_permission(
    _: &Asked<'_>,
    _: api::AddLayerVersionPermissionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("AddLayerVersionPermission")
}

pub async fn remove_layer_version_permission(
    _: &Asked<'_>,
    _: api::RemoveLayerVersionPermissionRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("RemoveLayerVersionPermission")
}

pub async fn get_layer_version_policy(
    _: &Asked<'_>,
    _: api::GetLayerVersionPolicyRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetLayerVersionPolicy")
}
