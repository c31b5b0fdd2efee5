//! Aliases.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn create_alias(_: &Asked<'_>, _: api::CreateAliasRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("CreateAlias")
}

pub async fn get_alias(_: &Asked<'_>, _: api::GetAliasRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("GetAlias")
}

pub async fn update_alias(_: &Asked<'_>, _: api::UpdateAliasRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateAlias")
}

pub async fn delete_alias(_: &Asked<'_>, _: api::DeleteAliasRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteAlias")
}

pub async fn list_aliases(_: &Asked<'_>, _: api::ListAliasesRequest) -> Result<Response<Body>, Failure> {
    unserved::operation("ListAliases")
}
