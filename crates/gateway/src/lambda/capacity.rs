//! Capacity providers.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn create_capacity_provider(
    _: &Asked<'_>,
    _: api::CreateCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("CreateCapacityProvider")
}

pub async fn get_capacity_provider(
    _: &Asked<'_>,
    _: api::GetCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetCapacityProvider")
}

pub async fn update_capacity_provider(
    _: &Asked<'_>,
    _: api::UpdateCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateCapacityProvider")
}

pub async fn delete_capacity_provider(
    _: &Asked<'_>,
    _: api::DeleteCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteCapacityProvider")
}

pub async fn list_capacity_providers(
    _: &Asked<'_>,
    _: api::ListCapacityProvidersRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListCapacityProviders")
}

pub async fn list_function_versions_by_capacity_provider(
    _: &Asked<'_>,
    _: api::ListFunctionVersionsByCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListFunctionVersionsByCapacityProvider")
}
