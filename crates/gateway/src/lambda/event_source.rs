//! Event source mappings.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use http::Response;
use wire::lambda as api;

use super::{Asked, unserved};
use crate::respond::{Body, Failure};

pub async fn create_event_source_mapping(
    _: &Asked<'_>,
    _: api::CreateEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("CreateEventSourceMapping")
}

pub async fn get_event_source_mapping(
    _: &Asked<'_>,
    _: api::GetEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("GetEventSourceMapping")
}

pub async fn update_event_source_mapping(
    _: &Asked<'_>,
    _: api::UpdateEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("UpdateEventSourceMapping")
}

pub async fn delete_event_source_mapping(
    _: &Asked<'_>,
    _: api::DeleteEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("DeleteEventSourceMapping")
}

pub async fn list_event_source_mappings(
    _: &Asked<'_>,
    _: api::ListEventSourceMappingsRequest,
) -> Result<Response<Body>, Failure> {
    unserved::operation("ListEventSourceMappings")
}
