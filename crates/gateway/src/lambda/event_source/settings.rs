//! The settings of event source mappings between the wire and the domain, written out.
//!
//! Pure. What is shown of which kind of source follows what AWS shows: a setting that a kind of source has not is absent.

use control::event_source::{KafkaChange, MappingChange, PollersChange};
use model::event_source::{
    DocumentDbSettings, EventSourceMapping, KafkaSettings, MappingSettings, SchemaRegistry, SourceAccess,
    SourceKind, StartingPosition,
};
use wire::lambda as api;

/// Both requests have the same settings, by the same names.
macro_rules! change {
    ($input:ident) => {
        MappingChange {
            batch_size: unsigned($input.batch_size),
            window_s: unsigned($input.maximum_batching_window_in_seconds),
            filters: $input.filter_criteria.take().map(|criteria| {
                let filters = criteria.filters.unwrap_or_default();
                filters.into_iter().map(|filter| filter.pattern.unwrap_or_default()).collect()
            }),
            kms_key: $input.kms_key_arn.take(),
            metrics: $input.metrics_config.take().map(|config| words(config.metrics.as_deref())),
            log_level: $input
                .logging_config
                .take()
                .map(|config| config.system_log_level.map(|level| level.to_string())),
            concurrency_max: $input.scaling_config.take().map(|config| unsigned(config.maximum_concurrency)),
            parallelization: unsigned($input.parallelization_factor),
            on_success: $input
                .destination_config
                .as_mut()
                .and_then(|config| config.on_success.take())
                .and_then(|place| place.destination),
            on_failure: $input
                .destination_config
                .take()
                .map(|config| config.on_failure.and_then(|place| place.destination)),
            record_age_s: $input.maximum_record_age_in_seconds,
            bisect: $input.bisect_batch_on_function_error,
            retries: $input.maximum_retry_attempts,
            tumbling_s: unsigned($input.tumbling_window_in_seconds),
            access: $input.source_access_configurations.take().map(|list| {
                list.into_iter().map(|access| access_of(access.r#type.as_ref(), access.uri)).collect()
            }),
            // The model has one type only.
            partial_failures: $input.function_response_types.take().map(|types| !types.is_empty()),
            msk: $input.amazon_managed_kafka_event_source_config.take().map(|config| KafkaChange {
                group: config.consumer_group_id,
                registry: config.schema_registry_config.map(registry_of),
                mode: None,
            }),
            kafka: $input.self_managed_kafka_event_source_config.take().map(|config| KafkaChange {
                group: config.consumer_group_id,
                registry: config.schema_registry_config.map(registry_of),
                mode: config.consumption_mode.map(|mode| mode.to_string()),
            }),
            document_db: $input.document_db_event_source_config.take().map(|config| DocumentDbSettings {
                database: config.database_name,
                collection: config.collection_name,
                full_document: config.full_document.map(|full| full.to_string()),
            }),
            pollers: $input.provisioned_poller_config.take().map(|config| PollersChange {
                min: unsigned(config.minimum_pollers),
                max: unsigned(config.maximum_pollers),
                group: config.poller_group_name,
            }),
        }
    };
}

/// Takes the settings out of a request.
pub(super) fn of_create(input: &mut api::CreateEventSourceMappingRequest) -> MappingChange {
    change!(input)
}

/// The same of a change.
pub(super) fn of_update(input: &mut api::UpdateEventSourceMappingRequest) -> MappingChange {
    change!(input)
}

fn registry_of(config: api::KafkaSchemaRegistryConfig) -> SchemaRegistry {
    let access = config.access_configs.unwrap_or_default().into_iter();
    let checked = config.schema_validation_configs.unwrap_or_default().into_iter();
    SchemaRegistry {
        uri: config.schema_registry_uri,
        format: config.event_record_format.map(|format| format.to_string()),
        access: access.map(|access| access_of(access.r#type.as_ref(), access.uri)).collect(),
        attributes: checked.filter_map(|check| check.attribute).map(|name| name.to_string()).collect(),
    }
}

fn access_of(kind: Option<&impl ToString>, uri: Option<String>) -> SourceAccess {
    SourceAccess { kind: kind.map(ToString::to_string).unwrap_or_default(), uri }
}

fn words<T: ToString>(list: Option<&[T]>) -> Vec<String> {
    list.unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The model allows no negative number.
fn unsigned(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn signed(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

fn filled<T>(list: &[T]) -> Option<&[T]> {
    Some(list).filter(|list| !list.is_empty())
}

/// A mapping in this state.
pub(super) fn shown(mapping: &EventSourceMapping, state: &str) -> api::EventSourceMappingConfiguration {
    let EventSourceMapping { source, settings, .. } = mapping;
    let (kind, user_action) = match source.kind {
        kind if kind.is_stream() => (kind, "User action"),
        kind => (kind, "USER_INITIATED"),
    };
    let kafka = settings.kafka.as_ref();
    let owned = |list: &[String]| filled(list).map(<[String]>::to_vec);
    let time = match source.start {
        Some(StartingPosition::AtTimestamp(time)) => Some(time),
        _ => None,
    };
    api::EventSourceMappingConfiguration {
        uuid: Some(mapping.id.uuid.to_string()),
        event_source_mapping_arn: Some(mapping.id.to_string()),
        starting_position: source.start.map(|start| match start {
            StartingPosition::TrimHorizon => api::EventSourcePosition::TrimHorizon,
            StartingPosition::Latest => api::EventSourcePosition::Latest,
            StartingPosition::AtTimestamp(_) => api::EventSourcePosition::AtTimestamp,
        }),
        starting_position_timestamp: time,
        event_source_arn: Some(source.arn.clone()).filter(|arn| !arn.is_empty()),
        function_arn: Some(mapping.function_arn()),
        last_modified: Some(mapping.last_modified),
        // Nothing fetches records yet, so none was ever processed.
        last_processing_result: (!kind.is_sqs()).then(|| "No records processed".to_owned()),
        state: Some(state.to_owned()),
        state_transition_reason: Some(user_action.to_owned()),
        topics: owned(&source.topics),
        queues: owned(&source.queues),
        self_managed_event_source: filled(&source.endpoints).map(|endpoints| api::SelfManagedEventSource {
            endpoints: Some([(super::BOOTSTRAP.to_owned(), endpoints.to_vec())].into()),
        }),
        amazon_managed_kafka_event_source_config: kafka.filter(|_| kind == SourceKind::Msk).map(|kafka| {
            api::AmazonManagedKafkaEventSourceConfig {
                consumer_group_id: kafka.group.clone(),
                schema_registry_config: kafka.registry.as_ref().map(shown_registry),
            }
        }),
        self_managed_kafka_event_source_config: kafka
            .filter(|_| kind == SourceKind::Kafka)
            .map(shown_own_kafka),
        ..shown_settings(settings)
    }
}

fn shown_settings(settings: &MappingSettings) -> api::EventSourceMappingConfiguration {
    api::EventSourceMappingConfiguration {
        batch_size: signed(settings.batch_size),
        maximum_batching_window_in_seconds: settings.window_s.and_then(signed),
        parallelization_factor: settings.parallelization.and_then(signed),
        filter_criteria: filled(&settings.filters).map(|patterns| {
            let filter = |pattern: &String| api::Filter { pattern: Some(pattern.clone()) };
            api::FilterCriteria { filters: Some(patterns.iter().map(filter).collect()) }
        }),
        kms_key_arn: settings.kms_key.clone(),
        metrics_config: filled(&settings.metrics).map(|metrics| api::EventSourceMappingMetricsConfig {
            metrics: Some(metrics.iter().map(|metric| metric.as_str().into()).collect()),
        }),
        logging_config: settings
            .log_level
            .as_deref()
            .map(|level| api::EventSourceMappingLoggingConfig { system_log_level: Some(level.into()) }),
        scaling_config: settings
            .concurrency_max
            .map(|count| api::ScalingConfig { maximum_concurrency: signed(count) }),
        // What has retries has a place for what they do not help.
        destination_config: settings.retries.map(|_| api::DestinationConfig {
            on_success: None,
            on_failure: Some(api::OnFailure { destination: settings.on_failure.clone() }),
        }),
        source_access_configurations: filled(&settings.access).map(|list| {
            list.iter()
                .map(|access| api::SourceAccessConfiguration {
                    r#type: Some(access.kind.as_str().into()),
                    uri: access.uri.clone(),
                })
                .collect()
        }),
        maximum_record_age_in_seconds: settings.record_age_s,
        bisect_batch_on_function_error: settings.bisect,
        maximum_retry_attempts: settings.retries,
        tumbling_window_in_seconds: settings.tumbling_s.and_then(signed),
        function_response_types: settings.partial_failures.map(|is_on| {
            is_on.then_some(api::FunctionResponseType::ReportBatchItemFailures).into_iter().collect()
        }),
        document_db_event_source_config: settings.document_db.as_ref().map(|config| {
            api::DocumentDBEventSourceConfig {
                database_name: config.database.clone(),
                collection_name: config.collection.clone(),
                full_document: Some(config.full_document.as_deref().unwrap_or("Default").into()),
            }
        }),
        provisioned_poller_config: settings.pollers.as_ref().map(|pollers| api::ProvisionedPollerConfig {
            minimum_pollers: signed(pollers.min),
            maximum_pollers: signed(pollers.max),
            poller_group_name: pollers.group.clone(),
        }),
        ..api::EventSourceMappingConfiguration::default()
    }
}

fn shown_own_kafka(kafka: &KafkaSettings) -> api::SelfManagedKafkaEventSourceConfig {
    api::SelfManagedKafkaEventSourceConfig {
        consumer_group_id: kafka.group.clone(),
        schema_registry_config: kafka.registry.as_ref().map(shown_registry),
        consumption_mode: kafka.mode.as_deref().map(Into::into),
    }
}

fn shown_registry(registry: &SchemaRegistry) -> api::KafkaSchemaRegistryConfig {
    let access = registry.access.iter().map(|access| api::KafkaSchemaRegistryAccessConfig {
        r#type: Some(access.kind.as_str().into()),
        uri: access.uri.clone(),
    });
    let checked = registry
        .attributes
        .iter()
        .map(|name| api::KafkaSchemaValidationConfig { attribute: Some(name.as_str().into()) });
    api::KafkaSchemaRegistryConfig {
        schema_registry_uri: registry.uri.clone(),
        event_record_format: registry.format.as_deref().map(Into::into),
        access_configs: Some(access.collect()),
        schema_validation_configs: Some(checked.collect()),
    }
}
