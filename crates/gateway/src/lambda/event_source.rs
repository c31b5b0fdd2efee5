//! Event source mappings. How settings look on the wire stands in [`settings`].
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

mod settings;

use control::event_source::{AskedSource, CreateMapping, EventSources, MappingFilter, UpdateMapping};
use http::Response;
use model::error::ServiceError;
use model::event_source::{EventSourceMapping, StartingPosition};
use model::limits;
use model::name::FunctionReference;
use model::time::Timestamp;
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

/// The name of Kafka's bootstrap servers, the only ones that the model has.
const BOOTSTRAP: &str = "KAFKA_BOOTSTRAP_SERVERS";

pub async fn create_event_source_mapping(
    asked: &Asked<'_>,
    mut input: api::CreateEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    let change = settings::of_create(&mut input);
    let request = CreateMapping {
        function: request::reference(input.function_name.as_deref())?,
        source: AskedSource {
            arn: input.event_source_arn,
            endpoints: input
                .self_managed_event_source
                .map(|own| own.endpoints.unwrap_or_default().remove(BOOTSTRAP).unwrap_or_default()),
            topics: input.topics,
            queues: input.queues,
            has_start_time: input.starting_position_timestamp.is_some(),
            start: start(input.starting_position.as_ref(), input.starting_position_timestamp),
        },
        enabled: input.enabled.unwrap_or(true),
        change,
        tags: input.tags.unwrap_or_default(),
    };
    let mapping = sources(asked).create(&asked.who.scope, request).await?;
    let response = settings::shown(&mapping, "Creating");
    Ok(respond::<api::CreateEventSourceMappingRequest, _>(&response))
}

pub async fn get_event_source_mapping(
    asked: &Asked<'_>,
    input: api::GetEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    let mapping = sources(asked).get(&asked.who.scope, input.uuid.as_deref().unwrap_or_default())?;
    let response = settings::shown(&mapping, settled(&mapping));
    Ok(respond::<api::GetEventSourceMappingRequest, _>(&response))
}

pub async fn update_event_source_mapping(
    asked: &Asked<'_>,
    mut input: api::UpdateEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    let change = settings::of_update(&mut input);
    let update = UpdateMapping {
        function: reference_if_any(input.function_name.as_deref())?,
        enabled: input.enabled,
        change,
    };
    let uuid = input.uuid.unwrap_or_default();
    let was_enabled = sources(asked).get(&asked.who.scope, &uuid).is_ok_and(|mapping| mapping.enabled);
    let mapping = sources(asked).update(&asked.who.scope, &uuid, update).await?;
    let state = match (was_enabled, mapping.enabled) {
        (true, false) => "Disabling",
        (false, true) => "Enabling",
        _ => "Updating",
    };
    let response = settings::shown(&mapping, state);
    Ok(respond::<api::UpdateEventSourceMappingRequest, _>(&response))
}

pub async fn delete_event_source_mapping(
    asked: &Asked<'_>,
    input: api::DeleteEventSourceMappingRequest,
) -> Result<Response<Body>, Failure> {
    let uuid = input.uuid.unwrap_or_default();
    let mapping = sources(asked).delete(&asked.who.scope, &uuid).await?;
    let response = settings::shown(&mapping, "Deleting");
    Ok(respond::<api::DeleteEventSourceMappingRequest, _>(&response))
}

pub async fn list_event_source_mappings(
    asked: &Asked<'_>,
    input: api::ListEventSourceMappingsRequest,
) -> Result<Response<Body>, Failure> {
    let filter = MappingFilter {
        source_arn: input.event_source_arn,
        function: reference_if_any(input.function_name.as_deref())?,
    };
    let count_max = input.max_items.and_then(|count| usize::try_from(count).ok());
    let count_max = count_max.unwrap_or(limits::EVENT_SOURCE_MAPPINGS_PAGE_MAX);
    let marker = request::marker(input.marker.as_deref());
    let page = sources(asked).list(&asked.who.scope, &filter, marker, count_max)?;
    let shown = page.mappings.iter().map(|mapping| settings::shown(mapping, settled(mapping)));
    let response = api::ListEventSourceMappingsResponse {
        next_marker: page.next,
        event_source_mappings: Some(shown.collect()),
    };
    Ok(respond::<api::ListEventSourceMappingsRequest, _>(&response))
}

fn sources(asked: &Asked<'_>) -> EventSources {
    EventSources::new(asked.app.parts.functions.clone())
}

fn reference_if_any(name: Option<&str>) -> Result<Option<FunctionReference>, ServiceError> {
    name.map(|name| request::reference(Some(name))).transpose()
}

fn start(position: Option<&api::EventSourcePosition>, time: Option<Timestamp>) -> Option<StartingPosition> {
    Some(match position? {
        api::EventSourcePosition::TrimHorizon => StartingPosition::TrimHorizon,
        api::EventSourcePosition::Latest => StartingPosition::Latest,
        api::EventSourcePosition::AtTimestamp => StartingPosition::AtTimestamp(time.unwrap_or_default()),
        // Any other position has failed the model's constraint.
        api::EventSourcePosition::Unknown(_) => return None,
    })
}

/// The state once a change has settled, which it has as soon as it is durable.
fn settled(mapping: &EventSourceMapping) -> &'static str {
    if mapping.enabled { "Enabled" } else { "Disabled" }
}
