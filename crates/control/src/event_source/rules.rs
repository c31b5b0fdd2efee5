//! Which settings belong to which kind of source, and what values they may have: AWS's rules beyond its model.
//!
//! Pure; knows neither functions nor other mappings.
//! Source: Lambda API reference, `CreateEventSourceMapping`; Lambda Developer Guide, the page of each source.

use model::error::ServiceError;
use model::event_source::{EventSource, MappingSettings, Pollers, SourceKind, StartingPosition};
use model::id::Region;
use model::limits;
use model::time::Timestamp;
use pattern::{Dialect, Pattern};

use super::AskedSource;
use super::change::{KafkaChange, MappingChange};

/// Several consumers share a partition's records.
pub(super) const QUEUE_MODE: &str = "Queue";
/// The virtual host of RabbitMQ: a part of what the source is, so it never changes.
pub(super) const VIRTUAL_HOST: &str = "VIRTUAL_HOST";
/// Pollers at most, where nothing is asked for.
pub(super) const POLLERS_DEFAULT_MAX: u32 = 200;
const RECORD_AGE_S_MIN: i32 = 60;
const FIFO_BATCH_MAX: u32 = 10;

type Checked = Result<(), ServiceError>;

/// The source that is asked for, complete and of a kind that there is.
pub(super) fn source(
    asked: AskedSource,
    change: &MappingChange,
    region: &Region,
    now: Timestamp,
) -> Result<EventSource, ServiceError> {
    let kind = match (&asked.arn, &asked.endpoints) {
        (Some(_), Some(_)) => {
            return refuse("EventSourceArn and SelfManagedEventSource cannot be specified together.");
        }
        (None, Some(endpoints)) if endpoints.is_empty() => None,
        (None, Some(_)) => Some(SourceKind::Kafka),
        (Some(arn), None) => SourceKind::of_arn(arn),
        (None, None) => None,
    };
    let Some(kind) = kind else { return refuse("Unrecognized event source.") };
    let place = asked.arn.as_deref().and_then(|arn| arn.split(':').nth(3));
    if place.is_some_and(|place| place != region.as_str()) {
        return refuse("The event source must be in the same region as the function.");
    }
    listed("Topics", kind.is_kafka(), asked.topics.as_deref())?;
    listed("Queues", kind == SourceKind::Mq, asked.queues.as_deref())?;
    start(kind, &asked, change, now)?;
    Ok(EventSource {
        kind,
        arn: asked.arn.unwrap_or_default(),
        endpoints: asked.endpoints.unwrap_or_default(),
        topics: asked.topics.unwrap_or_default(),
        queues: asked.queues.unwrap_or_default(),
        start: asked.start,
    })
}

/// A list that sources of some kinds need and others have not.
fn listed(name: &str, is_needed: bool, items: Option<&[String]>) -> Checked {
    match (is_needed, items.is_some_and(|items| !items.is_empty())) {
        (true, false) => refuse(format!("{name} must be specified for given event source mapping type.")),
        (false, true) => unsupported(name),
        _ => Ok(()),
    }
}

fn start(kind: SourceKind, asked: &AskedSource, change: &MappingChange, now: Timestamp) -> Checked {
    let is_queue = change.kafka.as_ref().is_some_and(KafkaChange::is_queue);
    let has_start = kind.is_stream() || kind.is_kafka() || kind == SourceKind::DocumentDb;
    match asked.start {
        Some(_) if is_queue => refuse("StartingPosition is not supported when ConsumptionMode is Queue."),
        Some(_) if kind.is_sqs() => refuse("StartingPosition is not valid for SQS event sources."),
        Some(_) if !has_start => unsupported("StartingPosition"),
        None if has_start && !is_queue => refuse(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member \
             must not be null.",
        ),
        Some(StartingPosition::AtTimestamp(_)) if kind == SourceKind::DynamoDb => {
            let arn = asked.arn.as_deref().unwrap_or_default();
            refuse(format!("Unsupported starting position for arn type: {arn}"))
        }
        Some(StartingPosition::AtTimestamp(_)) if !asked.has_start_time => {
            refuse("StartingPositionTimestamp must be specified when StartingPosition is AT_TIMESTAMP.")
        }
        Some(StartingPosition::AtTimestamp(time)) if time > now => {
            refuse("Timestamp specified in StartingPositionTimestamp cannot be in the future.")
        }
        Some(StartingPosition::AtTimestamp(_)) => Ok(()),
        _ if asked.has_start_time => {
            refuse("StartingPositionTimestamp is only valid when StartingPosition is AT_TIMESTAMP.")
        }
        _ => Ok(()),
    }
}

/// Refuses settings that sources of a kind have not.
pub(super) fn fields(kind: SourceKind, change: &MappingChange) -> Checked {
    let is_retried = kind.is_stream() || kind.is_kafka();
    if change.on_success.as_ref().is_some_and(|place| !place.is_empty()) {
        return refuse(
            "Unsupported DestinationConfig parameter OnSuccess for given event source mapping type.",
        );
    }
    let rows = [
        ("ScalingConfig", change.concurrency_max.is_some(), kind.is_sqs()),
        ("ParallelizationFactor", change.parallelization.is_some(), kind.is_stream()),
        ("TumblingWindowInSeconds", change.tumbling_s.is_some(), kind.is_stream()),
        ("DestinationConfig", change.on_failure.is_some(), is_retried),
        ("MaximumRecordAgeInSeconds", change.record_age_s.is_some(), is_retried),
        ("BisectBatchOnFunctionError", change.bisect.is_some(), is_retried),
        ("MaximumRetryAttempts", change.retries.is_some(), is_retried),
        ("FunctionResponseTypes", change.partial_failures == Some(true), is_retried || kind.is_sqs()),
        ("MetricsConfig", is_filled(change.metrics.as_deref()), is_retried || kind.is_sqs()),
        ("LoggingConfig", change.log_level.is_some(), kind.is_kafka()),
        ("ProvisionedPollerConfig", change.pollers.is_some(), kind.is_sqs() || kind.is_kafka()),
        ("AmazonManagedKafkaEventSourceConfig", change.msk.is_some(), kind == SourceKind::Msk),
        ("SelfManagedKafkaEventSourceConfig", change.kafka.is_some(), kind == SourceKind::Kafka),
        ("DocumentDBEventSourceConfig", change.document_db.is_some(), kind == SourceKind::DocumentDb),
        ("SourceAccessConfigurations", is_filled(change.access.as_deref()), !access_types(kind).is_empty()),
    ];
    match rows.iter().find(|(_, is_asked, has)| *is_asked && !has) {
        Some((name, ..)) => unsupported(name),
        None => Ok(()),
    }
}

/// Refuses changes of what a mapping keeps for ever.
pub(super) fn unchanging(change: &MappingChange, before: &MappingSettings) -> Checked {
    let kafka = change.msk.as_ref().or(change.kafka.as_ref());
    if let (Some(change), Some(before)) = (kafka, &before.kafka) {
        if change.group.is_some() && change.group != before.group {
            return refuse("ConsumerGroupId cannot be updated.");
        }
        let was_queue = before.mode.as_deref() == Some(QUEUE_MODE);
        if change.mode.is_some() && change.is_queue() != was_queue {
            return refuse("ConsumptionMode cannot be updated.");
        }
    }
    if change.access.iter().flatten().any(|access| access.kind == VIRTUAL_HOST) {
        return refuse("VIRTUAL_HOST cannot be updated.");
    }
    Ok(())
}

/// Checks settings as a whole: what one may be depends on others.
pub(super) fn whole(kind: SourceKind, settings: &MappingSettings) -> Checked {
    batch(kind, settings)?;
    if settings.record_age_s.is_some_and(|age| (0..RECORD_AGE_S_MIN).contains(&age)) {
        return refuse("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800.");
    }
    if settings.filters.len() > limits::EVENT_FILTERS_MAX {
        return refuse(format!(
            "The number of filters must not exceed {} for one event source mapping.",
            limits::EVENT_FILTERS_MAX
        ));
    }
    if !settings.filters.iter().all(|text| Pattern::parse(text, Dialect::LambdaFilter).is_ok()) {
        return refuse("Invalid filter pattern definition.");
    }
    if !kind.is_kafka() && settings.metrics.iter().any(|metric| metric != "EventCount") {
        return refuse("Only the EventCount metric is supported for given event source mapping type.");
    }
    if let Some(place) = &settings.on_failure {
        let service = place.split(':').nth(2).unwrap_or_default();
        let is_topic = place.starts_with("kafka://");
        if !(["sqs", "sns", "s3"].contains(&service) || is_topic && kind.is_kafka()) {
            return refuse(format!(
                "The provided destination config DestinationConfig.OnFailure {place} is not valid."
            ));
        }
    }
    access(kind, settings)?;
    kafka(settings)?;
    if kind == SourceKind::DocumentDb
        && settings.document_db.as_ref().and_then(|settings| settings.database.as_ref()).is_none()
    {
        return refuse("DatabaseName must be specified in DocumentDBEventSourceConfig.");
    }
    settings.pollers.as_ref().map_or(Ok(()), |asked| pollers(kind, asked, settings))
}

fn batch(kind: SourceKind, settings: &MappingSettings) -> Checked {
    let window_s = settings.window_s.unwrap_or(0);
    match kind {
        SourceKind::SqsFifo if settings.batch_size > FIFO_BATCH_MAX => {
            refuse(format!("Batch size must be at most {FIFO_BATCH_MAX} for FIFO queues."))
        }
        SourceKind::SqsFifo if window_s > 0 => refuse("Batching window is not supported for FIFO queues."),
        SourceKind::Sqs if settings.batch_size > FIFO_BATCH_MAX && window_s == 0 => refuse(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        _ => Ok(()),
    }
}

fn kafka(settings: &MappingSettings) -> Checked {
    let Some(kafka) = &settings.kafka else { return Ok(()) };
    if kafka.mode.as_deref() == Some(QUEUE_MODE) {
        if settings.retries == Some(-1) {
            return refuse("MaximumRetryAttempts of -1 is not supported when ConsumptionMode is Queue.");
        }
        if settings.window_s.is_some() {
            let message = "MaximumBatchingWindowInSeconds is not supported when ConsumptionMode is Queue.";
            return refuse(message);
        }
    }
    let Some(registry) = &kafka.registry else { return Ok(()) };
    if registry.uri.is_none() || registry.format.is_none() || registry.attributes.is_empty() {
        return refuse(
            "SchemaRegistryConfig needs SchemaRegistryURI, EventRecordFormat and SchemaValidationConfigs.",
        );
    }
    if registry.access.len() > 4 || registry.attributes.len() > 2 {
        return refuse("SchemaRegistryConfig has too many AccessConfigs or SchemaValidationConfigs.");
    }
    if settings.pollers.is_none() {
        return refuse("SchemaRegistryConfig is only available with ProvisionedPollerConfig.");
    }
    Ok(())
}

fn pollers(kind: SourceKind, asked: &Pollers, settings: &MappingSettings) -> Checked {
    let (least, most) = if kind.is_sqs() { (2, 10_000) } else { (1, 2_000) };
    if asked.min < least || asked.max < least || asked.max > most {
        return refuse(format!("MinimumPollers and MaximumPollers must be between {least} and {most}."));
    }
    if asked.min > asked.max {
        return refuse("MinimumPollers must be less than or equal to MaximumPollers.");
    }
    if kind.is_sqs() && asked.group.is_some() {
        return unsupported("PollerGroupName");
    }
    if settings.concurrency_max.is_some() {
        return refuse("ProvisionedPollerConfig and ScalingConfig cannot be specified together.");
    }
    Ok(())
}

/// How sources of a kind can be got at.
fn access_types(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Mq => &["BASIC_AUTH", VIRTUAL_HOST],
        SourceKind::DocumentDb => &["BASIC_AUTH"],
        SourceKind::Msk => &["SASL_SCRAM_512_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH"],
        SourceKind::Kafka => &[
            "BASIC_AUTH",
            "VPC_SUBNET",
            "VPC_SECURITY_GROUP",
            "SASL_SCRAM_512_AUTH",
            "SASL_SCRAM_256_AUTH",
            "CLIENT_CERTIFICATE_TLS_AUTH",
            "SERVER_ROOT_CA_CERTIFICATE",
            "OAUTHBEARER_AUTH",
            "OAUTHBEARER_SCOPE",
            "OAUTHBEARER_AUDIENCE",
            "OAUTHBEARER_LOGICAL_CLUSTER",
            "OAUTHBEARER_IDENTITY_POOL",
            "IAM_AUTH",
            "IAM_OAUTHBEARER_AUTH",
        ],
        SourceKind::Sqs | SourceKind::SqsFifo | SourceKind::Kinesis | SourceKind::DynamoDb => &[],
    }
}

fn access(kind: SourceKind, settings: &MappingSettings) -> Checked {
    let (known, list) = (access_types(kind), &settings.access);
    if let Some(other) = list.iter().find(|access| !known.contains(&access.kind.as_str())) {
        return refuse(format!(
            "SourceAccessConfiguration of type {} is not supported for given event source mapping type.",
            other.kind
        ));
    }
    for access in list {
        let needs_uri = !access.kind.starts_with("IAM_");
        if needs_uri != access.uri.is_some() {
            let verb = if needs_uri { "needs a" } else { "takes no" };
            return refuse(format!("SourceAccessConfiguration of type {} {verb} URI.", access.kind));
        }
    }
    let count = |kind: &str| list.iter().filter(|access| access.kind == kind).count();
    let is_several = |kind: &&&str| !kind.starts_with("VPC_") && count(kind) > 1;
    if let Some(several) = known.iter().find(is_several) {
        return refuse(format!("Only one SourceAccessConfiguration of type {several} is allowed."));
    }
    let has = |kind: &str| count(kind) > 0;
    match kind {
        SourceKind::Mq | SourceKind::DocumentDb if !has("BASIC_AUTH") => {
            refuse("SourceAccessConfigurations must have one of type BASIC_AUTH.")
        }
        SourceKind::Kafka if has("VPC_SUBNET") != has("VPC_SECURITY_GROUP") => {
            refuse("VPC_SUBNET and VPC_SECURITY_GROUP must be specified together.")
        }
        SourceKind::Kafka => tokens(&has),
        _ => Ok(()),
    }
}

/// What access by token needs beside it.
fn tokens(has: &dyn Fn(&str) -> bool) -> Checked {
    const OF_SECRET: [&str; 3] =
        ["OAUTHBEARER_SCOPE", "OAUTHBEARER_LOGICAL_CLUSTER", "OAUTHBEARER_IDENTITY_POOL"];
    let (by_secret, by_role, audience) =
        (has("OAUTHBEARER_AUTH"), has("IAM_OAUTHBEARER_AUTH"), has("OAUTHBEARER_AUDIENCE"));
    if !by_secret && let Some(alone) = OF_SECRET.iter().find(|kind| has(kind)) {
        return refuse(format!("{alone} requires OAUTHBEARER_AUTH."));
    }
    if audience && !by_secret && !by_role {
        return refuse("OAUTHBEARER_AUDIENCE requires OAUTHBEARER_AUTH or IAM_OAUTHBEARER_AUTH.");
    }
    if by_role && (!audience || by_secret) {
        return refuse("IAM_OAUTHBEARER_AUTH requires OAUTHBEARER_AUDIENCE and no OAUTHBEARER_AUTH.");
    }
    Ok(())
}

fn is_filled<T>(list: Option<&[T]>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

fn unsupported<T>(name: &str) -> Result<T, ServiceError> {
    refuse(format!("Unsupported {name} parameter for given event source mapping type."))
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.into()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
