//! The rules of each kind of source, as tables: the least that it needs, what it has not, which values it takes.
//!
//! Pure: no store, no function and no clock; what needs these is tested through the conformance tables.

use model::event_source::{DocumentDbSettings, KafkaSettings, SourceAccess};

use super::super::PollersChange;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn arn(kind: SourceKind) -> Option<String> {
    let rest = match kind {
        SourceKind::Sqs => "sqs:us-east-1:123456789012:q",
        SourceKind::SqsFifo => "sqs:us-east-1:123456789012:q.fifo",
        SourceKind::Kinesis => "kinesis:us-east-1:123456789012:stream/s",
        SourceKind::DynamoDb => "dynamodb:us-east-1:123456789012:table/t/stream/1",
        SourceKind::Msk => "kafka:us-east-1:123456789012:cluster/c/1",
        SourceKind::Mq => "mq:us-east-1:123456789012:broker:b:b-1",
        SourceKind::DocumentDb => "rds:us-east-1:123456789012:cluster:d",
        SourceKind::Kafka => return None,
    };
    Some(format!("arn:aws:{rest}"))
}

const ALL: [SourceKind; 8] = [
    SourceKind::Sqs,
    SourceKind::SqsFifo,
    SourceKind::Kinesis,
    SourceKind::DynamoDb,
    SourceKind::Msk,
    SourceKind::Kafka,
    SourceKind::Mq,
    SourceKind::DocumentDb,
];

/// The least that a source of this kind needs.
fn asked(kind: SourceKind) -> AskedSource {
    let list = |is: bool| is.then(|| vec!["one".to_owned()]);
    AskedSource {
        arn: arn(kind),
        endpoints: (kind == SourceKind::Kafka).then(|| vec!["h:9092".to_owned()]),
        topics: list(kind.is_kafka()),
        queues: list(kind == SourceKind::Mq),
        start: (!kind.is_sqs() && kind != SourceKind::Mq).then_some(StartingPosition::Latest),
        has_start_time: false,
    }
}

fn access_list(kinds: &[&str]) -> Vec<SourceAccess> {
    let uri = |kind: &str| (!kind.starts_with("IAM_")).then(|| "u".to_owned());
    kinds.iter().map(|kind| SourceAccess { kind: (*kind).to_owned(), uri: uri(kind) }).collect()
}

fn least(kind: SourceKind) -> MappingChange {
    MappingChange {
        access: match kind {
            SourceKind::Mq | SourceKind::DocumentDb => Some(access_list(&["BASIC_AUTH"])),
            _ => None,
        },
        document_db: (kind == SourceKind::DocumentDb)
            .then(|| DocumentDbSettings { database: Some("d".to_owned()), ..Default::default() }),
        ..MappingChange::default()
    }
}

fn found(source: AskedSource, change: &MappingChange) -> Result<EventSource, ServiceError> {
    super::source(source, change, &Region::default_region(), NOW)
}

fn said<T>(outcome: Result<T, ServiceError>) -> String {
    match outcome {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_kind_of_source_is_taken_with_the_least_that_it_needs() {
    for kind in ALL {
        let change = least(kind);
        assert_eq!(found(asked(kind), &change).map(|source| source.kind), Ok(kind));
        let settings = change.first(kind).unwrap();
        assert_eq!(settings.batch_size, if kind.is_sqs() { 10 } else { 100 }, "{kind:?}");
        assert_eq!(settings.window_s, (kind.is_sqs() || kind.is_stream()).then_some(0), "{kind:?}");
        assert_eq!(settings.retries, (kind.is_kafka() || kind.is_stream()).then_some(-1), "{kind:?}");
    }
}

#[test]
fn sources_are_checked() {
    let check = |kind: SourceKind, edit: &dyn Fn(&mut AskedSource), expect: &str| {
        let mut asked = asked(kind);
        edit(&mut asked);
        let said = said(found(asked, &least(kind)));
        assert!(!said.is_empty() && said.contains(expect), "{kind:?}: {said:?}, not {expect:?}");
    };
    let at = |ms| Some(StartingPosition::AtTimestamp(Timestamp::from_millis(ms)));
    check(SourceKind::Sqs, &|it| it.arn = None, "Unrecognized event source.");
    check(SourceKind::Sqs, &|it| it.arn = Some("arn:aws:s3:::b".to_owned()), "Unrecognized event source.");
    check(SourceKind::Sqs, &|it| it.arn = Some("arn:aws:sqs:eu-west-1:1:q".to_owned()), "same region");
    check(SourceKind::Sqs, &|it| it.endpoints = Some(vec!["h:1".to_owned()]), "together");
    check(SourceKind::Sqs, &|it| it.start = Some(StartingPosition::Latest), "not valid for SQS");
    check(SourceKind::Sqs, &|it| it.topics = Some(vec!["t".to_owned()]), "Unsupported Topics");
    check(SourceKind::Sqs, &|it| it.has_start_time = true, "only valid when");
    check(SourceKind::Kinesis, &|it| it.start = None, "startingPosition");
    check(SourceKind::Kinesis, &|it| it.start = at(0), "must be specified");
    check(SourceKind::Kinesis, &|it| it.has_start_time = true, "only valid when");
    let future = |it: &mut AskedSource| (it.start, it.has_start_time) = (at(1_000_001), true);
    check(SourceKind::Kinesis, &future, "in the future");
    check(SourceKind::DynamoDb, &future, "Unsupported starting position for arn type: arn:aws:dynamodb");
    check(SourceKind::Msk, &|it| it.topics = None, "Topics must be specified");
    check(SourceKind::Kafka, &|it| it.queues = Some(vec!["q".to_owned()]), "Unsupported Queues");
    check(SourceKind::Kafka, &|it| it.endpoints = Some(Vec::new()), "Unrecognized");
    check(SourceKind::Mq, &|it| it.queues = None, "Queues must be specified");
    check(SourceKind::Mq, &|it| it.start = Some(StartingPosition::Latest), "Unsupported StartingPosition");
    check(SourceKind::DocumentDb, &|it| it.start = None, "startingPosition");
}

/// Which kinds take a setting.
fn takers(edit: impl Fn(&mut MappingChange)) -> Vec<SourceKind> {
    let takes = |kind: &SourceKind| {
        let mut change = least(*kind);
        edit(&mut change);
        fields(*kind, &change).is_ok()
    };
    ALL.into_iter().filter(takes).collect()
}

#[test]
fn settings_belong_to_kinds_of_sources() {
    use SourceKind::{DocumentDb, DynamoDb, Kafka, Kinesis, Mq, Msk, Sqs, SqsFifo};
    let retried = vec![Kinesis, DynamoDb, Msk, Kafka];
    let reporting = vec![Sqs, SqsFifo, Kinesis, DynamoDb, Msk, Kafka];
    assert_eq!(takers(|it| it.concurrency_max = Some(Some(2))), [Sqs, SqsFifo]);
    assert_eq!(takers(|it| it.parallelization = Some(2)), [Kinesis, DynamoDb]);
    assert_eq!(takers(|it| it.tumbling_s = Some(2)), [Kinesis, DynamoDb]);
    assert_eq!(takers(|it| it.on_failure = Some(None)), retried);
    assert_eq!(takers(|it| it.record_age_s = Some(60)), retried);
    assert_eq!(takers(|it| it.bisect = Some(true)), retried);
    assert_eq!(takers(|it| it.retries = Some(1)), retried);
    assert_eq!(takers(|it| it.partial_failures = Some(true)), reporting);
    assert_eq!(takers(|it| it.metrics = Some(vec!["EventCount".to_owned()])), reporting);
    assert_eq!(takers(|it| it.log_level = Some(None)), [Msk, Kafka]);
    assert_eq!(takers(|it| it.pollers = Some(PollersChange::default())), [Sqs, SqsFifo, Msk, Kafka]);
    assert_eq!(takers(|it| it.msk = Some(KafkaChange::default())), [Msk]);
    assert_eq!(takers(|it| it.kafka = Some(KafkaChange::default())), [Kafka]);
    assert_eq!(takers(|it| it.document_db = Some(DocumentDbSettings::default())), [DocumentDb]);
    assert_eq!(takers(|it| it.access = Some(access_list(&["BASIC_AUTH"]))), [Msk, Kafka, Mq, DocumentDb]);
    assert_eq!(takers(|it| it.on_success = Some("arn:aws:sqs:::q".to_owned())), []);
}

#[test]
fn values_are_checked_together() {
    let check = |kind: SourceKind, edit: &dyn Fn(&mut MappingChange), expect: &str| {
        let mut change = least(kind);
        edit(&mut change);
        let said = said(change.first(kind));
        assert!(
            said.contains(expect) && said.is_empty() == expect.is_empty(),
            "{kind:?}: {said:?}, {expect:?}"
        );
    };
    let (sqs, fifo, kinesis) = (SourceKind::Sqs, SourceKind::SqsFifo, SourceKind::Kinesis);
    check(sqs, &|it| it.batch_size = Some(11), "Maximum batch window");
    check(sqs, &|it| (it.batch_size, it.window_s) = (Some(10_000), Some(1)), "");
    check(fifo, &|it| it.batch_size = Some(11), "at most 10");
    check(fifo, &|it| it.window_s = Some(1), "not supported for FIFO");
    check(kinesis, &|it| it.batch_size = Some(10_000), "");
    check(kinesis, &|it| it.record_age_s = Some(59), "-1 or between 60");
    check(kinesis, &|it| it.record_age_s = Some(-1), "");
    check(kinesis, &|it| it.filters = Some(vec!["{".to_owned()]), "Invalid filter pattern definition.");
    check(kinesis, &|it| it.filters = Some(vec![r#"{"a":[1]}"#.to_owned(); 6]), "must not exceed 5");
    check(kinesis, &|it| it.metrics = Some(vec!["KafkaMetrics".to_owned()]), "Only the EventCount");
    check(kinesis, &|it| it.on_failure = Some(Some("kafka://t".to_owned())), "is not valid");
    check(kinesis, &|it| it.on_failure = Some(Some("arn:aws:s3:::b".to_owned())), "");
    check(SourceKind::Msk, &|it| it.on_failure = Some(Some("kafka://t".to_owned())), "");
    let pollers = |min, max| Some(PollersChange { min, max, group: None });
    check(sqs, &|it| it.pollers = pollers(Some(1), None), "between 2 and 10000");
    check(sqs, &|it| it.pollers = pollers(Some(9), Some(8)), "less than or equal");
    check(SourceKind::Msk, &|it| it.pollers = pollers(None, Some(2_001)), "between 1 and 2000");
    let both = |it: &mut MappingChange| {
        (it.pollers, it.concurrency_max) = (pollers(Some(2), Some(9)), Some(Some(5)));
    };
    check(sqs, &both, "cannot be specified together");
    check(SourceKind::DocumentDb, &|it| it.document_db = None, "DatabaseName");
    let kafka = SourceKind::Kafka;
    let access = |kinds: &'static [&str]| move |it: &mut MappingChange| it.access = Some(access_list(kinds));
    check(SourceKind::Mq, &access(&[]), "BASIC_AUTH");
    check(SourceKind::Mq, &access(&["BASIC_AUTH", "VIRTUAL_HOST"]), "");
    check(SourceKind::Mq, &access(&["BASIC_AUTH", "IAM_AUTH"]), "IAM_AUTH is not supported");
    check(kafka, &access(&["VPC_SUBNET"]), "together");
    check(kafka, &access(&["VPC_SUBNET", "VPC_SUBNET", "VPC_SECURITY_GROUP"]), "");
    check(kafka, &access(&["BASIC_AUTH", "BASIC_AUTH"]), "Only one");
    check(kafka, &access(&["OAUTHBEARER_SCOPE"]), "requires OAUTHBEARER_AUTH");
    check(kafka, &access(&["OAUTHBEARER_AUDIENCE"]), "requires");
    check(kafka, &access(&["IAM_OAUTHBEARER_AUTH"]), "requires OAUTHBEARER_AUDIENCE");
    check(kafka, &access(&["IAM_OAUTHBEARER_AUTH", "OAUTHBEARER_AUDIENCE"]), "");
    let queue = |it: &mut MappingChange| {
        it.kafka = Some(KafkaChange { mode: Some(QUEUE_MODE.to_owned()), ..KafkaChange::default() });
    };
    check(kafka, &queue, "");
    let forever = |it: &mut MappingChange| {
        queue(it);
        it.retries = Some(-1);
    };
    check(kafka, &forever, "MaximumRetryAttempts of -1");
}

#[test]
fn what_a_mapping_is_does_not_change() {
    let before = MappingSettings {
        kafka: Some(KafkaSettings { group: Some("a".to_owned()), ..KafkaSettings::default() }),
        ..MappingSettings::default()
    };
    let kafka = |group: Option<&str>, mode: Option<&str>| MappingChange {
        kafka: Some(KafkaChange {
            group: group.map(str::to_owned),
            mode: mode.map(str::to_owned),
            registry: None,
        }),
        ..MappingChange::default()
    };
    assert_eq!(unchanging(&kafka(Some("a"), Some("Stream")), &before), Ok(()));
    assert!(said(unchanging(&kafka(Some("b"), None), &before)).contains("ConsumerGroupId"));
    assert!(said(unchanging(&kafka(None, Some("Queue")), &before)).contains("ConsumptionMode"));
    let host = MappingChange { access: Some(access_list(&["VIRTUAL_HOST"])), ..MappingChange::default() };
    assert!(said(unchanging(&host, &before)).contains("VIRTUAL_HOST"));
}

#[test]
fn changes_keep_what_they_do_not_name_and_empty_ones_remove() {
    let first = MappingChange {
        concurrency_max: Some(Some(5)),
        filters: Some(vec![r#"{"a":[1]}"#.to_owned()]),
        batch_size: Some(7),
        ..MappingChange::default()
    };
    let before = first.first(SourceKind::Sqs).unwrap();
    assert_eq!(MappingChange::default().again(SourceKind::Sqs, &before), Ok(before.clone()));
    let removal =
        MappingChange { concurrency_max: Some(None), filters: Some(Vec::new()), ..MappingChange::default() };
    let after = removal.again(SourceKind::Sqs, &before).unwrap();
    assert_eq!((after.batch_size, after.concurrency_max, after.filters.len()), (7, None, 0));
}
