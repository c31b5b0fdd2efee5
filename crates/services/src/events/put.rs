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

use super::error::{bad_pattern, invalid, not_matched, not_served};
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

    /// Whether a pattern picks an event. A large one is looked at as those on buses are.
    pub(super) async fn test(
        &self,
        scope: &Scope,
        input: &api::TestEventPatternRequest,
    ) -> Result<api::TestEventPatternResponse, ServiceError> {
        let text = input.event_pattern.as_deref().unwrap_or_default();
        let pattern = Pattern::parse(text, Dialect::EventBridge).map_err(|error| bad_pattern(&error))?;
        let event = input.event.clone().unwrap_or_default();
        let result = if event.len() < event::LARGE_BYTES {
            picks(&pattern, &event)
        } else {
            let whose = format!("test/{}/{}", scope.account, scope.region);
            self.aside.run(&whose, move || picks(&pattern, &event)).await.map_err(not_matched)?
        };
        let result = result.ok_or_else(|| invalid("Parameter Event is not valid."))?;
        Ok(api::TestEventPatternResponse { result: Some(result) })
    }

    /// An event in its envelope; none, if the detail is no object.
    pub(super) fn enveloped(
        &self,
        bus: &BusId,
        envelope: &Envelope<'_>,
        origin: Origin,
        trace: Option<String>,
    ) -> Option<Event> {
        let mut event = Event::of(bus, envelope.text()?, self.clock.now(), origin)?;
        (event.id, event.time, event.trace) = (envelope.id.to_string(), envelope.time, trace);
        Some(event)
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

/// Whether a pattern picks an event; none, if that is none.
fn picks(pattern: &Pattern, event: &str) -> Option<bool> {
    let event: Value = serde_json::from_str(event).ok()?;
    let required = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    required.iter().all(|member| event.get(member).is_some()).then(|| pattern.matches(&event))
}
