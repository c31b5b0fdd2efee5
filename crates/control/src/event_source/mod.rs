//! What the operations on event source mappings mean: create, read, list, change, delete.
//!
//! A mapping lies beside functions, not with one: it stays when its function is deleted. All changes take turns, so that
//! of two mappings of one source and function the second sees the first. What fits which source is decided in [`rules`].
//! Whether
//! a queue can wake a function is decided in [`queue`]. Nothing here fetches a record. Transport-free.
//!
//! Source: Lambda API reference, `CreateEventSourceMapping` and its kin.

mod change;
mod performed;
mod queue;
mod rules;

use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::event_source::{EventSource, EventSourceMapping, MappingId, SourceKind, StartingPosition};
use model::id::MappingUuid;
use model::limits;
use model::name::{FunctionReference, Qualifier};
use model::port::Pending;
use store::records::RecordError;
use store::records::typed::TypedRecords;
use tokio::sync::{Mutex, watch};

pub use self::change::{KafkaChange, MappingChange, PollersChange};
pub use self::performed::PerformedMappings;
pub use self::queue::Queues;
use crate::durable::{not_written, to_the_end};
use crate::function::Functions;
use crate::marker;
use crate::table::{Entry, Table};
use crate::tags::{TagChange, Tagged, Tags, check_labels};

/// All mappings that are kept.
pub(crate) struct Mappings {
    table: Table<EventSourceMapping>,
    /// Held while any of them changes.
    turn: Mutex<()>,
    /// How often any of them has changed.
    changes: watch::Sender<u64>,
}

impl Mappings {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read.
    pub(crate) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self {
            table: Table::load(records).await?,
            turn: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }
}

/// The mappings of all accounts. Clones share them.
#[derive(Clone)]
pub struct EventSources {
    functions: Functions,
}

/// A mapping to be created.
#[derive(Debug, Clone)]
pub struct CreateMapping {
    /// What gets the records.
    pub function: FunctionReference,
    /// Where they come from.
    pub source: AskedSource,
    /// Whether they are to be fetched from the start.
    pub enabled: bool,
    /// How.
    pub change: MappingChange,
    /// Its labels.
    pub tags: Tags,
}

/// A source as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct AskedSource {
    /// Its ARN.
    pub arn: Option<String>,
    /// Bootstrap servers of Kafka of one's own.
    pub endpoints: Option<Vec<String>>,
    /// Kafka's topics.
    pub topics: Option<Vec<String>>,
    /// The queues of Amazon MQ.
    pub queues: Option<Vec<String>>,
    /// Where reading starts; its time is set apart.
    pub start: Option<StartingPosition>,
    /// Whether a time to start from was given.
    pub has_start_time: bool,
}

/// What is wanted of a mapping that is there.
#[derive(Debug, Clone, Default)]
pub struct UpdateMapping {
    /// What gets the records from now on.
    pub function: Option<FunctionReference>,
    /// Whether they are fetched from now on.
    pub enabled: Option<bool>,
    /// How.
    pub change: MappingChange,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct MappingFilter {
    /// This source.
    pub source_arn: Option<String>,
    /// This function, or this version or alias of it.
    pub function: Option<FunctionReference>,
}

/// One page of mappings.
pub struct MappingPage {
    /// By id.
    pub mappings: Vec<Arc<EventSourceMapping>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl EventSources {
    /// The mappings to these functions.
    #[must_use]
    pub fn new(functions: Functions) -> Self {
        Self { functions }
    }

    /// Creates a mapping.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what does not fit the source, or a queue that cannot wake the function;
    /// `ResourceNotFound` for the function;
    /// `ResourceConflict` if source and function are mapped already.
    pub async fn create(
        &self,
        caller: &Scope,
        request: CreateMapping,
    ) -> Result<Arc<EventSourceMapping>, ServiceError> {
        check_labels(&request.tags)?;
        let parts = self.functions.parts();
        let now = parts.clock.now();
        let source = rules::source(request.source, &request.change, &caller.region, now)?;
        let settings = request.change.first(source.kind)?;
        let (function, qualifier) = self.target(caller, &request.function, &source)?;
        let mut random = [0; 16];
        parts.entropy.fill(&mut random);
        let id = MappingId { scope: caller.clone(), uuid: MappingUuid::from_random(random) };
        let mut mapping = EventSourceMapping {
            id,
            function,
            qualifier,
            source,
            enabled: request.enabled,
            settings,
            last_modified: now,
            tags: request.tags,
        };
        if let Some(kafka) = &mut mapping.settings.kafka {
            kafka.group.get_or_insert_with(|| mapping.id.uuid.to_string());
        }
        self.in_turn(async move |sources| {
            let most = sources.functions.parts().quotas.event_source_mappings;
            if sources.mappings().table.count(&mapping.id.scope) >= most {
                return Err(ServiceError::InvalidParameterValue(format!(
                    "An account can have at most {most} event source mappings in one region."
                )));
            }
            sources.check_unmapped(&mapping)?;
            sources.put(mapping, None).await
        })
        .await
    }

    /// One mapping.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn get(&self, caller: &Scope, uuid: &str) -> Result<Arc<EventSourceMapping>, ServiceError> {
        self.find(caller, uuid).map(|entry| entry.value)
    }

    /// Changes a mapping.
    ///
    /// # Errors
    /// As [`EventSources::create`].
    pub async fn update(
        &self,
        caller: &Scope,
        uuid: &str,
        update: UpdateMapping,
    ) -> Result<Arc<EventSourceMapping>, ServiceError> {
        let (caller, uuid) = (caller.clone(), uuid.to_owned());
        self.in_turn(async move |sources| {
            let entry = sources.find(&caller, &uuid)?;
            let mut mapping = EventSourceMapping::clone(&entry.value);
            mapping.settings = update.change.again(mapping.source.kind, &mapping.settings)?;
            mapping.enabled = update.enabled.unwrap_or(mapping.enabled);
            mapping.last_modified = sources.functions.parts().clock.now();
            if let Some(reference) = &update.function {
                (mapping.function, mapping.qualifier) =
                    sources.target(&caller, reference, &mapping.source)?;
                sources.check_unmapped(&mapping)?;
            }
            sources.put(mapping, Some(entry)).await
        })
        .await
    }

    /// Deletes a mapping and gives back what it was.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn delete(&self, caller: &Scope, uuid: &str) -> Result<Arc<EventSourceMapping>, ServiceError> {
        let (caller, uuid) = (caller.clone(), uuid.to_owned());
        self.in_turn(async move |sources| {
            let Entry { value, stored } = sources.find(&caller, &uuid)?;
            let name = value.id.uuid.to_string();
            let removed = sources.mappings().table.remove(&caller, &name, stored).await;
            removed.map_err(|error| not_written(&value.id, &error))?;
            sources.mappings().changes.send_modify(|count| *count += 1);
            Ok(value)
        })
        .await
    }

    /// The mappings of the caller's scope, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here; `ResourceNotFound` for a function of another
    /// region. A function that is not there has as many mappings as it left behind.
    pub fn list(
        &self,
        caller: &Scope,
        filter: &MappingFilter,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<MappingPage, ServiceError> {
        let parse = |uuid: &str| MappingUuid::parse(uuid).ok().map(|uuid| uuid.to_string());
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::EVENT_SOURCE_MAPPINGS_PAGE_MAX);
        let function = filter.function.as_ref();
        let function = function
            .map(|meant| Ok::<_, ServiceError>((Functions::id_of(caller, meant)?, meant.qualifier.as_ref())))
            .transpose()?;
        let wanted = |mapping: &EventSourceMapping| {
            let by_source = filter.source_arn.as_ref().is_none_or(|arn| *arn == mapping.source.arn);
            let by_function = function.as_ref().is_none_or(|(id, qualifier)| {
                *id == mapping.function && *qualifier == mapping.qualifier.as_ref()
            });
            by_source && by_function
        };
        let table = &self.mappings().table;
        let (mappings, has_more) = table.page(caller, after.as_deref(), count_max, wanted);
        let last = mappings.last().filter(|_| has_more);
        let next = last.map(|last| marker::encode(&last.id.uuid.to_string()));
        Ok(MappingPage { mappings, next })
    }

    /// The function, version or alias that a mapping is to have, which must be there and fit its source.
    fn target(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        source: &EventSource,
    ) -> Result<(FunctionId, Option<Qualifier>), ServiceError> {
        let function = self.functions.get(caller, reference, None)?;
        if let Some(queues) = self.functions.parts().queues.as_ref().filter(|_| source.kind.is_sqs()) {
            queues.check(source, &function)?;
        }
        Ok((function.id.clone(), reference.qualifier.clone()))
    }

    /// Refuses what another mapping does already. Kafka and Amazon MQ have several topics or queues under one ARN.
    fn check_unmapped(&self, new: &EventSourceMapping) -> Result<(), ServiceError> {
        let is_same = |old: &EventSourceMapping| {
            let (a, b): (&EventSource, &EventSource) = (&old.source, &new.source);
            let places = |source: &EventSource| {
                (source.arn.clone(), source.endpoints.clone(), source.topics.clone(), source.queues.clone())
            };
            let same = old.id != new.id && old.function == new.function && old.qualifier == new.qualifier;
            (same && a.kind == b.kind && places(a) == places(b)).then_some(old.id.uuid)
        };
        let of_scope = self.mappings().table.all(&new.id.scope);
        let Some(uuid) = of_scope.iter().find_map(|entry| is_same(&entry.value)) else { return Ok(()) };
        let qualifier = new.qualifier.as_ref().map_or_else(String::new, |qualifier| format!(":{qualifier}"));
        let (arn, function) = (&new.source.arn, format!("{}{qualifier}", new.function.name));
        let what = match new.source.kind {
            SourceKind::Sqs | SourceKind::SqsFifo => format!(
                "An event source mapping with SQS arn (\" {arn} \") and function (\" {function} \") already exists."
            ),
            SourceKind::Kafka => format!(
                "An event source mapping with these bootstrap servers and topics and function (\" {function} \") \
                 already exists."
            ),
            _ => format!(
                "The event source arn (\" {arn} \") and function (\" {function} \") provided mapping already exists."
            ),
        };
        Err(ServiceError::ResourceConflict(format!(
            "{what} Please update or delete the existing mapping with UUID {uuid}"
        )))
    }

    fn find(&self, caller: &Scope, uuid: &str) -> Result<Entry<EventSourceMapping>, ServiceError> {
        // Stored with lower-case digits, asked for with either.
        let uuid = MappingUuid::parse(uuid).ok();
        let entry = uuid.and_then(|uuid| self.mappings().table.get(caller, &uuid.to_string()));
        let missing =
            || ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned());
        entry.ok_or_else(missing)
    }

    async fn put(
        &self,
        mapping: EventSourceMapping,
        before: Option<Entry<EventSourceMapping>>,
    ) -> Result<Arc<EventSourceMapping>, ServiceError> {
        let subject = mapping.id.clone();
        let kept = self.mappings().table.put(mapping, before.map(|entry| entry.stored)).await;
        let kept = kept.map_err(|error| not_written(subject, &error))?;
        self.mappings().changes.send_modify(|count| *count += 1);
        Ok(kept)
    }

    fn mappings(&self) -> &Mappings {
        self.functions.mappings()
    }

    /// Carries out a change in turn with all others, to its end even if the caller stops waiting.
    async fn in_turn<T: Send + 'static, F>(
        &self,
        change: impl FnOnce(EventSources) -> F + Send + 'static,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let sources = self.clone();
        to_the_end(async move {
            let functions = sources.functions.clone();
            let _turn = functions.mappings().turn.lock().await;
            change(sources).await
        })
        .await
    }
}

impl Tagged for EventSources {
    fn tags(&self, scope: &Scope, id: &str) -> Result<Tags, ServiceError> {
        Ok(self.get(scope, id)?.tags.clone())
    }

    fn change_tags(
        &self,
        scope: &Scope,
        id: &str,
        change: TagChange,
    ) -> Pending<'_, Result<(), ServiceError>> {
        let (scope, id) = (scope.clone(), id.to_owned());
        Box::pin(self.in_turn(async move |sources| {
            let entry = sources.find(&scope, &id)?;
            let mut mapping = EventSourceMapping::clone(&entry.value);
            mapping.tags = change.apply(mapping.tags)?;
            sources.put(mapping, Some(entry)).await.map(drop)
        }))
    }
}
