//! Event source mappings: which source's records a function is to get, and how.
//!
//! Words that only the source's own machinery understands (authentication types, metrics, log levels) stay the strings
//! that the API model allows. Which setting belongs to which source is decided in `control`.
//! Source: Lambda API reference, `EventSourceMappingConfiguration`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::arn::{FunctionId, PARTITION, Scope};
use crate::error::ServiceError;
use crate::function::Function;
use crate::id::MappingUuid;
use crate::name::Qualifier;
use crate::port::Pending;
use crate::time::Timestamp;

/// A mapping's name. Shown as its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MappingId {
    /// Where it lies.
    pub scope: Scope,
    /// Unique there.
    pub uuid: MappingUuid,
}

impl fmt::Display for MappingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope: Scope { account, region }, uuid } = self;
        write!(f, "arn:aws:lambda:{region}:{account}:event-source-mapping:{uuid}")
    }
}

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSourceMapping {
    /// Its name.
    pub id: MappingId,
    /// The function that gets the records. The mapping stays when that one is deleted.
    pub function: FunctionId,
    /// The version or alias of it that was asked for.
    pub qualifier: Option<Qualifier>,
    /// Where the records come from; never changes.
    pub source: EventSource,
    /// Whether records are to be fetched.
    pub enabled: bool,
    /// How.
    pub settings: MappingSettings,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// The owner's labels.
    pub tags: BTreeMap<String, String>,
}

impl EventSourceMapping {
    /// The ARN of what gets the records.
    #[must_use]
    pub fn function_arn(&self) -> String {
        match &self.qualifier {
            None => self.function.arn().to_string(),
            Some(qualifier) => self.function.qualified_arn(qualifier).to_string(),
        }
    }
}

/// What sort of source: it decides which settings there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A standard queue of SQS.
    Sqs,
    /// A FIFO queue of SQS.
    SqsFifo,
    /// A stream of Kinesis or a consumer of one.
    Kinesis,
    /// A stream of DynamoDB.
    DynamoDb,
    /// Kafka that AWS manages.
    Msk,
    /// Any other Kafka.
    Kafka,
    /// A broker of Amazon MQ.
    Mq,
    /// A cluster of DocumentDB.
    DocumentDb,
}

impl SourceKind {
    /// The kind that an ARN names, if records can come from there.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", PARTITION, service, _, _, resource] = parts.as_slice() else { return None };
        let begins = |prefix: &str| resource.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        match service {
            "sqs" if resource.is_empty() || resource.contains([':', '/']) => None,
            "sqs" if resource.ends_with(".fifo") => Some(Self::SqsFifo),
            "sqs" => Some(Self::Sqs),
            "kinesis" if begins("stream/") => Some(Self::Kinesis),
            "dynamodb" if begins("table/") && resource.contains("/stream/") => Some(Self::DynamoDb),
            "kafka" if begins("cluster/") || begins("vpc-connection/") => Some(Self::Msk),
            "mq" if begins("broker:") => Some(Self::Mq),
            "rds" if begins("cluster:") => Some(Self::DocumentDb),
            _ => None,
        }
    }

    /// Shards of records in their order.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Kafka, whoever runs it.
    #[must_use]
    pub const fn is_kafka(self) -> bool {
        matches!(self, Self::Msk | Self::Kafka)
    }

    /// A queue of SQS.
    #[must_use]
    pub const fn is_sqs(self) -> bool {
        matches!(self, Self::Sqs | Self::SqsFifo)
    }
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    /// What sort.
    pub kind: SourceKind,
    /// Its ARN; empty for Kafka of one's own.
    pub arn: String,
    /// Bootstrap servers of Kafka of one's own; empty otherwise.
    pub endpoints: Vec<String>,
    /// Kafka's topics.
    pub topics: Vec<String>,
    /// The queues of Amazon MQ.
    pub queues: Vec<String>,
    /// Where reading starts.
    pub start: Option<StartingPosition>,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// With the oldest record that is there.
    TrimHorizon,
    /// With the next record.
    Latest,
    /// With the first record after this time.
    AtTimestamp(Timestamp),
}

/// How records are fetched and handed over. `None` is what the kind of source has not, or where the source's own default
/// holds that no number says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappingSettings {
    /// Records in a batch at most.
    pub batch_size: u32,
    /// How long records are gathered.
    pub window_s: Option<u32>,
    /// Patterns, one of which a record has to match; none: all records.
    pub filters: Vec<String>,
    /// The key that the filters are encrypted with.
    pub kms_key: Option<String>,
    /// Metrics that are wanted.
    pub metrics: Vec<String>,
    /// Level of the log that is wanted.
    pub log_level: Option<String>,
    /// Invocations at once.
    pub concurrency_max: Option<u32>,
    /// Batches of one shard at once.
    pub parallelization: Option<u32>,
    /// ARN of where discarded records go.
    pub on_failure: Option<String>,
    /// Age from which records are discarded; -1: never.
    pub record_age_s: Option<i32>,
    /// Whether a failed batch is split in two.
    pub bisect: Option<bool>,
    /// Attempts after which records are discarded; -1: never.
    pub retries: Option<i32>,
    /// Length of a processing window.
    pub tumbling_s: Option<u32>,
    /// How to get at the source.
    pub access: Vec<SourceAccess>,
    /// Whether the function says which records failed; nothing if the source has not that.
    pub partial_failures: Option<bool>,
    /// Of Kafka.
    pub kafka: Option<KafkaSettings>,
    /// Of DocumentDB.
    pub document_db: Option<DocumentDbSettings>,
    /// Pollers of its own.
    pub pollers: Option<Pollers>,
}

/// One way, or a part of one, to get at a source or a schema registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAccess {
    /// `BASIC_AUTH` and so on.
    pub kind: String,
    /// A secret, subnet, virtual host, …
    pub uri: Option<String>,
}

/// Settings of Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KafkaSettings {
    /// The consumer group; the mapping's id if none was given.
    pub group: Option<String>,
    /// Where schemas are.
    pub registry: Option<SchemaRegistry>,
    /// `Stream` or `Queue`.
    pub mode: Option<String>,
}

/// Where the schemas of records are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaRegistry {
    /// Its ARN or URL.
    pub uri: Option<String>,
    /// `JSON` or `SOURCE`.
    pub format: Option<String>,
    /// How to get at it.
    pub access: Vec<SourceAccess>,
    /// Attributes that are checked: `KEY`, `VALUE`.
    pub attributes: Vec<String>,
}

/// Settings of DocumentDB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentDbSettings {
    /// The database.
    pub database: Option<String>,
    /// The collection; all of them if none is named.
    pub collection: Option<String>,
    /// `UpdateLookup` or `Default`.
    pub full_document: Option<String>,
}

/// Provisioned pollers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pollers {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
    /// The group that they share with other mappings.
    pub group: Option<String>,
}

/// The mappings that are to be performed. Implemented by `control`.
pub trait Mappings: Send + Sync {
    /// All that are enabled, and how often mappings had changed by then.
    fn enabled(&self) -> (Vec<Arc<EventSourceMapping>>, u64);

    /// Waits until mappings have changed more often than that.
    fn changed(&self, since: u64) -> Pending<'_, ()>;

    /// What is to run now.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` while there is nothing that could run; `AccessDenied` if the function's
    /// role may not do `action` to the source.
    fn resolve(&self, mapping: &EventSourceMapping, action: &str) -> Result<Arc<Function>, ServiceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_what_kind_of_source_it_is() {
        let check =
            |rest: &str, kind| assert_eq!(SourceKind::of_arn(&format!("arn:aws:{rest}")), kind, "{rest}");
        check("sqs:us-east-1:123456789012:jobs", Some(SourceKind::Sqs));
        check("sqs:us-east-1:123456789012:jobs.fifo", Some(SourceKind::SqsFifo));
        check("kinesis:us-east-1:123456789012:stream/s", Some(SourceKind::Kinesis));
        check("kinesis:us-east-1:123456789012:stream/s/consumer/c:1", Some(SourceKind::Kinesis));
        check("dynamodb:us-east-1:123456789012:table/t/stream/2024", Some(SourceKind::DynamoDb));
        check("dynamodb:us-east-1:123456789012:table/t", None);
        check("kafka:us-east-1:123456789012:cluster/c/1", Some(SourceKind::Msk));
        check("kafka:us-east-1:123456789012:vpc-connection/1/c/2", Some(SourceKind::Msk));
        check("mq:us-east-1:123456789012:broker:b:b-1", Some(SourceKind::Mq));
        check("rds:us-east-1:123456789012:cluster:d", Some(SourceKind::DocumentDb));
        check("s3:::bucket", None);
        assert_eq!(SourceKind::of_arn("arn:aws-cn:sqs:us-east-1:123456789012:jobs"), None);
        check("sqs:us-east-1:123456789012:", None);
        check("sqs", None);
    }
}
