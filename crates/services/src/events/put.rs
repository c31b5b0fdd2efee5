//! `PutEvents` and `TestEventPattern`.
//!
//! Events are matched now; everything that follows from them is on the disk before the answer. An entry that is no event is
//! told so and keeps no other back. An event for a bus that is not there is taken and goes nowhere, as at AWS.

use std::sync::Arc;

use model::arn::Scope;
use model::bus::BusId;
use model::error::ServiceError;
use model::id::EventId;
use pattern::{Dialect, Pattern};
use serde_json::Value;
use wire::events as api;

use super::error::{bad_pattern, invalid, not_served};
use super::event::{self, Envelope, Event, Origin};
use super::{Events, name};

/// All entries of one request (EventBridge API Reference, `PutEvents`: 1 MB).
const ENTRIES_BYTES_MAX: usize = 1024 * 1024;

impl Events {
    pub(super) async fn put_events(
        &self,
        scope: &Scope,
        input: &api::PutEventsRequest,
    ) -> Result<api::PutEventsResponse, ServiceError> {
        if input.endpoint_id.is_some() {
            return Err(not_served("EndpointId (global endpoints)"));
        }
        let entries = input.entries.as_deref().unwrap_or_default();
        if entries.iter().map(event::size).sum::<usize>() > ENTRIES_BYTES_MAX {
            return Err(invalid("Total size of the entries in the request is over the limit."));
        }
        let mut events = Vec::with_capacity(entries.len());
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let bus = name::bus(scope, entry.event_bus_name.as_deref())?;
            let (result, event) = match self.event_of(scope, &bus, entry) {
                Ok(event) => (
                    api::PutEventsResultEntry { event_id: Some(event.id.clone()), ..Default::default() },
                    Some(event),
                ),
                Err((code, message)) => (failed(code, message), None),
            };
            results.push(result);
            events.extend(event.filter(|event| self.bus(&event.bus).is_ok()).map(Arc::new));
        }
        if let Err(error) = self.publish(&events, None).await {
            tracing::warn!(%error, "events were not taken");
            let result = |entry: api::PutEventsResultEntry| match entry.event_id {
                Some(_) => failed("InternalFailure", "The event could not be kept.".to_owned()),
                None => entry,
            };
            results = results.into_iter().map(result).collect();
        }
        let failures = results.iter().filter(|result| result.error_code.is_some()).count();
        Ok(api::PutEventsResponse {
            failed_entry_count: i32::try_from(failures).ok(),
            entries: Some(results),
        })
    }

    fn event_of(
        &self,
        scope: &Scope,
        bus: &BusId,
        entry: &api::PutEventsRequestEntry,
    ) -> Result<Event, event::Refusal> {
        let (source, detail_type, detail) = event::checked(entry)?;
        let ingested = self.clock.now();
        let envelope = Envelope {
            id: self.event_id(),
            detail_type,
            source,
            scope,
            time: entry.time.unwrap_or(ingested),
            resources: entry.resources.as_deref().unwrap_or_default(),
            detail,
        };
        let event = self.enveloped(bus, &envelope, Origin::Put, entry.trace_header.clone());
        event.ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))
    }

    /// An event in its envelope; none, if the detail is no object.
    pub(super) fn enveloped(
        &self,
        bus: &BusId,
        envelope: &Envelope<'_>,
        origin: Origin,
        trace: Option<String>,
    ) -> Option<Event> {
        let text = envelope.text()?;
        let value = serde_json::from_str(&text).ok()?;
        Some(Event {
            bus: bus.clone(),
            id: envelope.id.to_string(),
            text,
            value,
            time: envelope.time,
            ingested: self.clock.now(),
            trace,
            origin,
        })
    }

    pub(super) fn event_id(&self) -> EventId {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        EventId::from_random(bytes)
    }
}

fn failed(code: &str, message: String) -> api::PutEventsResultEntry {
    api::PutEventsResultEntry {
        event_id: None,
        error_code: Some(code.to_owned()),
        error_message: Some(message),
    }
}

/// Whether a pattern picks an event.
pub(super) fn test(
    input: &api::TestEventPatternRequest,
) -> Result<api::TestEventPatternResponse, ServiceError> {
    let pattern = Pattern::parse(input.event_pattern.as_deref().unwrap_or_default(), Dialect::EventBridge)
        .map_err(|error| bad_pattern(&error))?;
    let event: Option<Value> = serde_json::from_str(input.event.as_deref().unwrap_or_default()).ok();
    let required = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    let event = event
        .filter(|event| required.iter().all(|member| event.get(member).is_some()))
        .ok_or_else(|| invalid("Parameter Event is not valid."))?;
    Ok(api::TestEventPatternResponse { result: Some(pattern.matches(&event)) })
}
