//! What is wanted of a mapping's settings, and what becomes of them: defaults first, then what was asked for, then the
//! checks of [`super::rules`] on the whole.
//!
//! Pure. Source: Lambda API reference, `CreateEventSourceMapping` and `UpdateEventSourceMapping`.

use model::error::ServiceError;
use model::event_source::{
    DocumentDbSettings, KafkaSettings, MappingSettings, Pollers, SchemaRegistry, SourceAccess, SourceKind,
};

use super::rules;

/// Settings as asked for; what is absent stays, or has its default.
#[derive(Debug, Clone, Default)]
pub struct MappingChange {
    /// Records in a batch.
    pub batch_size: Option<u32>,
    /// How long records are gathered.
    pub window_s: Option<u32>,
    /// Patterns; an empty list removes those that are there.
    pub filters: Option<Vec<String>>,
    /// The key of the filters; an empty one removes it.
    pub kms_key: Option<String>,
    /// Metrics.
    pub metrics: Option<Vec<String>>,
    /// Level of the log; an inner `None` removes it.
    pub log_level: Option<Option<String>>,
    /// Invocations at once; an inner `None` removes the bound.
    pub concurrency_max: Option<Option<u32>>,
    /// Batches of one shard at once.
    pub parallelization: Option<u32>,
    /// Where processed records would go: no source has that.
    pub on_success: Option<String>,
    /// Where discarded records go; an inner `None` or an empty one removes it.
    pub on_failure: Option<Option<String>>,
    /// Age from which records are discarded.
    pub record_age_s: Option<i32>,
    /// Whether a failed batch is split.
    pub bisect: Option<bool>,
    /// Attempts.
    pub retries: Option<i32>,
    /// Length of a processing window.
    pub tumbling_s: Option<u32>,
    /// How to get at the source.
    pub access: Option<Vec<SourceAccess>>,
    /// Whether the function says which records failed.
    pub partial_failures: Option<bool>,
    /// Of Kafka that AWS manages.
    pub msk: Option<KafkaChange>,
    /// Of any other Kafka.
    pub kafka: Option<KafkaChange>,
    /// Of DocumentDB.
    pub document_db: Option<DocumentDbSettings>,
    /// Pollers; an empty one removes them.
    pub pollers: Option<PollersChange>,
}

/// Settings of Kafka as asked for.
#[derive(Debug, Clone, Default)]
pub struct KafkaChange {
    /// The consumer group.
    pub group: Option<String>,
    /// Where schemas are; an empty one removes it.
    pub registry: Option<SchemaRegistry>,
    /// `Stream` or `Queue`.
    pub mode: Option<String>,
}

impl KafkaChange {
    /// Whether several consumers share a partition's records.
    pub(super) fn is_queue(&self) -> bool {
        self.mode.as_deref() == Some(rules::QUEUE_MODE)
    }
}

/// Pollers as asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollersChange {
    /// At least.
    pub min: Option<u32>,
    /// At most.
    pub max: Option<u32>,
    /// The group that they share.
    pub group: Option<String>,
}

impl MappingChange {
    /// The settings of a new mapping.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what does not fit the kind of source.
    pub(super) fn first(self, kind: SourceKind) -> Result<MappingSettings, ServiceError> {
        rules::fields(kind, &self)?;
        let is_queue = self.kafka.as_ref().is_some_and(KafkaChange::is_queue);
        let settings = self.apply(kind, defaults(kind, is_queue))?;
        rules::whole(kind, &settings)?;
        Ok(settings)
    }

    /// The settings of a mapping that had others.
    ///
    /// # Errors
    /// As [`MappingChange::first`]; what must not change.
    pub(super) fn again(
        self,
        kind: SourceKind,
        before: &MappingSettings,
    ) -> Result<MappingSettings, ServiceError> {
        rules::fields(kind, &self)?;
        rules::unchanging(&self, before)?;
        let access_is_new = self.access.is_some();
        let mut settings = self.apply(kind, before.clone())?;
        if access_is_new {
            settings
                .access
                .extend(before.access.iter().filter(|old| old.kind == rules::VIRTUAL_HOST).cloned());
        }
        rules::whole(kind, &settings)?;
        Ok(settings)
    }

    fn apply(self, kind: SourceKind, mut to: MappingSettings) -> Result<MappingSettings, ServiceError> {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        to.batch_size = self.batch_size.unwrap_or(to.batch_size);
        to.window_s = self.window_s.or(to.window_s);
        to.filters = self.filters.unwrap_or(to.filters);
        to.kms_key = self.kms_key.map_or(to.kms_key, filled);
        to.metrics = self.metrics.unwrap_or(to.metrics);
        to.log_level = self.log_level.unwrap_or(to.log_level);
        to.concurrency_max = self.concurrency_max.unwrap_or(to.concurrency_max);
        to.parallelization = self.parallelization.or(to.parallelization);
        to.on_failure = self.on_failure.map_or(to.on_failure, |place| place.and_then(filled));
        to.record_age_s = self.record_age_s.or(to.record_age_s);
        to.bisect = self.bisect.or(to.bisect);
        to.retries = self.retries.or(to.retries);
        to.tumbling_s = self.tumbling_s.or(to.tumbling_s);
        to.access = self.access.unwrap_or(to.access);
        to.partial_failures = self.partial_failures.or(to.partial_failures);
        to.document_db = self.document_db.or(to.document_db);
        if let (Some(change), Some(kafka)) = (self.msk.or(self.kafka), &mut to.kafka) {
            kafka.group = change.group.or(kafka.group.take());
            kafka.mode = change.mode.or(kafka.mode.take());
            let before = kafka.registry.take();
            kafka.registry = match change.registry {
                None => before,
                Some(registry) => Some(registry).filter(|registry| *registry != SchemaRegistry::default()),
            };
        }
        to.pollers = match self.pollers {
            None => to.pollers,
            Some(change) if change == PollersChange::default() => None,
            Some(change) => Some(pollers(kind, change, to.pollers)),
        };
        Ok(to)
    }
}

fn pollers(kind: SourceKind, change: PollersChange, before: Option<Pollers>) -> Pollers {
    let min = if kind.is_sqs() { 2 } else { 1 };
    let before = before.unwrap_or(Pollers { min, max: rules::POLLERS_DEFAULT_MAX, group: None });
    Pollers {
        min: change.min.unwrap_or(before.min),
        max: change.max.unwrap_or(before.max),
        group: change.group.or(before.group).filter(|group| !group.is_empty()),
    }
}

/// What a mapping has where nothing is asked for.
fn defaults(kind: SourceKind, is_queue: bool) -> MappingSettings {
    let has_retries = kind.is_stream() || kind.is_kafka();
    MappingSettings {
        batch_size: if kind.is_sqs() { 10 } else { 100 },
        window_s: (kind.is_stream() || kind.is_sqs()).then_some(0),
        parallelization: kind.is_stream().then_some(1),
        tumbling_s: kind.is_stream().then_some(0),
        record_age_s: has_retries.then_some(-1),
        bisect: has_retries.then_some(false),
        retries: has_retries.then_some(if is_queue { 0 } else { -1 }),
        partial_failures: (has_retries || kind.is_sqs()).then_some(false),
        kafka: kind.is_kafka().then(KafkaSettings::default),
        ..MappingSettings::default()
    }
}
