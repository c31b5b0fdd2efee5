//! Buses: made, described, changed, deleted. The default bus is there without a record; the first change makes one.
//!
//! A bus goes only when it has no rules. Encryption and logging are kept and given back, not carried out.

use std::sync::Arc;

use model::arn::Scope;
use model::bus::{BusId, BusLog, EventBus};
use model::error::ServiceError;
use store::records::table::Entry;
use wire::events as api;

use super::error::{exists, invalid, no_bus, not_served, of_records, too_many};
use super::page::Page;
use super::{Events, name, tags, target};

/// Buses of one account in one region (EventBridge User Guide, "Quotas").
const BUSES_MAX: usize = 100;

impl Events {
    pub(super) async fn create_bus(
        &self,
        scope: &Scope,
        input: &api::CreateEventBusRequest,
    ) -> Result<api::CreateEventBusResponse, ServiceError> {
        let name = input.name.clone().unwrap_or_default();
        if input.event_source_name.is_some() {
            return Err(not_served("EventSourceName (partner event sources)"));
        }
        if name.contains('/') {
            return Err(invalid("Event bus name must not contain '/'."));
        }
        let id = BusId { scope: scope.clone(), name };
        let now = self.clock.now();
        let bus = EventBus {
            description: input.description.clone(),
            kms_key: input.kms_key_identifier.clone(),
            dead_letter: dead_letter(input.dead_letter_config.as_ref())?,
            log: input.log_config.as_ref().map(log_of),
            tags: tags::added(Default::default(), input.tags.as_deref().unwrap_or_default())?,
            created: Some(now),
            modified: Some(now),
            ..unmade(id)
        };
        let _turn = self.changing.lock().await;
        if self.bus(&bus.id).is_ok() {
            return Err(exists("Event bus", &bus.id.name));
        }
        if self.buses.count(scope) >= BUSES_MAX {
            return Err(too_many());
        }
        let bus = self.buses.put(bus, None).await.map_err(of_records)?;
        Ok(api::CreateEventBusResponse {
            event_bus_arn: Some(bus.id.arn()),
            description: bus.description.clone(),
            kms_key_identifier: bus.kms_key.clone(),
            dead_letter_config: bus.dead_letter.clone().map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
            log_config: bus.log.as_ref().map(log),
        })
    }

    pub(super) async fn delete_bus(
        &self,
        scope: &Scope,
        input: &api::DeleteEventBusRequest,
    ) -> Result<(), ServiceError> {
        let id = name::bus(scope, input.name.as_deref())?;
        if id.is_default() {
            return Err(invalid("Cannot delete event bus default."));
        }
        let _turn = self.changing.lock().await;
        // What is not there need not be deleted.
        let Some(Entry { stored, .. }) = self.buses.get(&id.scope, &id.name) else { return Ok(()) };
        if self.rules.count(&id) > 0 || self.has_archives(&id) {
            return Err(invalid("Event bus can't be deleted since it has rules."));
        }
        self.buses.remove(&id.scope, &id.name, stored).await.map_err(of_records)?;
        self.routes.forget(&id);
        Ok(())
    }

    pub(super) fn describe_bus(
        &self,
        scope: &Scope,
        input: &api::DescribeEventBusRequest,
    ) -> Result<api::DescribeEventBusResponse, ServiceError> {
        let bus = self.bus(&name::bus(scope, input.name.as_deref())?)?;
        Ok(api::DescribeEventBusResponse {
            name: Some(bus.id.name.clone()),
            arn: Some(bus.id.arn()),
            description: bus.description.clone(),
            kms_key_identifier: bus.kms_key.clone(),
            dead_letter_config: bus.dead_letter.clone().map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
            policy: bus.policy.as_deref().map(|policy| self.admission.shown(policy)),
            log_config: bus.log.as_ref().map(log),
            creation_time: bus.created,
            last_modified_time: bus.modified,
            managed_by: None,
        })
    }

    pub(super) fn list_buses(
        &self,
        scope: &Scope,
        input: &api::ListEventBusesRequest,
    ) -> Result<api::ListEventBusesResponse, ServiceError> {
        let mut buses: Vec<_> = self.buses.all(scope).into_iter().map(|entry| entry.value).collect();
        if !buses.iter().any(|bus| bus.id.is_default()) {
            buses.push(Arc::new(unmade(BusId::default_of(scope.clone()))));
            buses.sort_by(|one, other| one.id.name.cmp(&other.id.name));
        }
        let page = Page {
            prefix: input.name_prefix.as_deref(),
            token: input.next_token.as_deref(),
            limit: input.limit,
        };
        let (buses, next_token) = page.cut(buses, |bus| bus.id.name.clone())?;
        let listed = |bus: Arc<EventBus>| api::EventBus {
            name: Some(bus.id.name.clone()),
            arn: Some(bus.id.arn()),
            description: bus.description.clone(),
            policy: bus.policy.as_deref().map(|policy| self.admission.shown(policy)),
            creation_time: bus.created,
            last_modified_time: bus.modified,
            managed_by: None,
        };
        Ok(api::ListEventBusesResponse {
            event_buses: Some(buses.into_iter().map(listed).collect()),
            next_token,
        })
    }

    pub(super) async fn update_bus(
        &self,
        scope: &Scope,
        input: &api::UpdateEventBusRequest,
    ) -> Result<api::UpdateEventBusResponse, ServiceError> {
        let id = name::bus(scope, input.name.as_deref())?;
        let dead_letter = dead_letter(input.dead_letter_config.as_ref())?;
        let bus = self
            .change_bus(&id, |bus| {
                let EventBus { description, kms_key, dead_letter: lost, log, .. } = bus;
                keep(description, input.description.clone());
                keep(kms_key, input.kms_key_identifier.clone());
                keep(log, input.log_config.as_ref().map(log_of));
                if input.dead_letter_config.is_some() {
                    *lost = dead_letter;
                }
                Ok(())
            })
            .await?;
        Ok(api::UpdateEventBusResponse {
            arn: Some(bus.id.arn()),
            name: Some(bus.id.name.clone()),
            kms_key_identifier: bus.kms_key.clone(),
            description: bus.description.clone(),
            dead_letter_config: bus.dead_letter.clone().map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
            log_config: bus.log.as_ref().map(log),
        })
    }

    /// A bus that is there.
    pub(super) fn bus(&self, id: &BusId) -> Result<Arc<EventBus>, ServiceError> {
        match self.buses.get(&id.scope, &id.name) {
            Some(entry) => Ok(entry.value),
            None if id.is_default() => Ok(Arc::new(unmade(id.clone()))),
            None => Err(no_bus(&id.name)),
        }
    }

    /// Changes a bus, in turn with all other changes.
    pub(super) async fn change_bus(
        &self,
        id: &BusId,
        change: impl FnOnce(&mut EventBus) -> Result<(), ServiceError>,
    ) -> Result<Arc<EventBus>, ServiceError> {
        let _turn = self.changing.lock().await;
        let mut bus = EventBus::clone(&*self.bus(id)?);
        let stored = self.buses.get(&id.scope, &id.name).map(|entry| entry.stored);
        change(&mut bus)?;
        bus.modified = Some(self.clock.now());
        let bus = self.buses.put(bus, stored).await.map_err(of_records)?;
        self.routes.forget(id);
        Ok(bus)
    }
}

/// A bus of which nothing is known but its name.
fn unmade(id: BusId) -> EventBus {
    EventBus {
        id,
        description: None,
        kms_key: None,
        dead_letter: None,
        log: None,
        policy: None,
        tags: Default::default(),
        created: None,
        modified: None,
    }
}

fn keep<T>(kept: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *kept = given;
    }
}

fn dead_letter(config: Option<&api::DeadLetterConfig>) -> Result<Option<String>, ServiceError> {
    config.and_then(|config| config.arn.as_deref()).map(target::queue_arn).transpose()
}

fn log_of(config: &api::LogConfig) -> BusLog {
    BusLog {
        detail: config.include_detail.as_ref().map(ToString::to_string),
        level: config.level.as_ref().map(ToString::to_string),
    }
}

fn log(log: &BusLog) -> api::LogConfig {
    api::LogConfig {
        include_detail: log.detail.as_deref().map(Into::into),
        level: log.level.as_deref().map(Into::into),
    }
}
