//! The stored form of event source mappings. Version 1; `golden/event-source-mapping-v1.json` is an example.
//!
//! What a source is follows from its ARN, so it is not stored twice. Which settings fit the source is not known here.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::event_source::{
    DocumentDbSettings, EventSource, EventSourceMapping, KafkaSettings, MappingId, MappingSettings, Pollers,
    SchemaRegistry, SourceAccess, SourceKind, StartingPosition,
};
use model::id::MappingUuid;
use model::name::Qualifier;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, OfScope, function_of, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

/// A stored form that says the same as `T`, field by field.
trait Mirrors<T> {
    fn of(value: &T) -> Self;
    fn back(self) -> T;
}

/// Forms of plain values, which are stored as they are.
macro_rules! plain {
    ($($type:ty)*) => { $(impl Mirrors<$type> for $type {
        fn of(value: &$type) -> Self { value.clone() }
        fn back(self) -> $type { self }
    })* };
}

plain!(String u32 i32 bool);

impl<T, F: Mirrors<T>> Mirrors<Option<T>> for Option<F> {
    fn of(value: &Option<T>) -> Self {
        value.as_ref().map(F::of)
    }
    fn back(self) -> Option<T> {
        self.map(F::back)
    }
}

impl<T, F: Mirrors<T>> Mirrors<Vec<T>> for Vec<F> {
    fn of(value: &Vec<T>) -> Self {
        value.iter().map(F::of).collect()
    }
    fn back(self) -> Vec<T> {
        self.into_iter().map(F::back).collect()
    }
}

/// Declares the form of a struct. Its fields are those of the struct; a change to these is a new version of the form.
macro_rules! form {
    ($form:ident of $domain:ident { $($field:ident: $type:ty,)+ }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $form { $($field: $type,)+ }

        impl Mirrors<$domain> for $form {
            fn of(value: &$domain) -> Self {
                Self { $($field: Mirrors::of(&value.$field),)+ }
            }
            fn back(self) -> $domain {
                $domain { $($field: self.$field.back(),)+ }
            }
        }
    };
}

form!(SettingsForm of MappingSettings {
    batch_size: u32,
    window_s: Option<u32>,
    filters: Vec<String>,
    kms_key: Option<String>,
    metrics: Vec<String>,
    log_level: Option<String>,
    concurrency_max: Option<u32>,
    parallelization: Option<u32>,
    on_failure: Option<String>,
    record_age_s: Option<i32>,
    bisect: Option<bool>,
    retries: Option<i32>,
    tumbling_s: Option<u32>,
    access: Vec<AccessForm>,
    partial_failures: Option<bool>,
    kafka: Option<KafkaForm>,
    document_db: Option<DocumentDbForm>,
    pollers: Option<PollersForm>,
});
form!(AccessForm of SourceAccess { kind: String, uri: Option<String>, });
form!(KafkaForm of KafkaSettings {
    group: Option<String>,
    registry: Option<RegistryForm>,
    mode: Option<String>,
});
form!(RegistryForm of SchemaRegistry {
    uri: Option<String>,
    format: Option<String>,
    access: Vec<AccessForm>,
    attributes: Vec<String>,
});
form!(DocumentDbForm of DocumentDbSettings {
    database: Option<String>,
    collection: Option<String>,
    full_document: Option<String>,
});
form!(PollersForm of Pollers { min: u32, max: u32, group: Option<String>, });

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    v: u32,
    of: OfScope,
    uuid: String,
    function: OfFunction,
    qualifier: Option<String>,
    source: SourceForm,
    enabled: bool,
    settings: SettingsForm,
    last_modified_ms: i64,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceForm {
    arn: String,
    endpoints: Vec<String>,
    topics: Vec<String>,
    queues: Vec<String>,
    start: Option<StartForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StartForm {
    TrimHorizon,
    Latest,
    AtMs(i64),
}

impl Stored for EventSourceMapping {
    type Owner = Scope;
    const KIND: &'static str = "event-source-mapping";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.uuid.to_string()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = Form {
            v: VERSION,
            of: (&self.id.scope).into(),
            uuid: self.id.uuid.to_string(),
            function: (&self.function).into(),
            qualifier: self.qualifier.as_ref().map(ToString::to_string),
            source: store_source(&self.source),
            enabled: self.enabled,
            settings: SettingsForm::of(&self.settings),
            last_modified_ms: self.last_modified.as_millis(),
            tags: self.tags.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        let illegal = |field| SchemaError::IllegalValue { field };
        let qualifier = form.qualifier.as_deref().map(Qualifier::parse).transpose();
        Ok(Self {
            id: MappingId {
                scope: scope_of(&form.of)?,
                uuid: MappingUuid::parse(&form.uuid).map_err(|_| illegal("uuid"))?,
            },
            function: function_of(&form.function)?,
            qualifier: qualifier.map_err(|_| illegal("qualifier"))?,
            source: read_source(form.source)?,
            enabled: form.enabled,
            settings: form.settings.back(),
            last_modified: Timestamp::from_millis(form.last_modified_ms),
            tags: form.tags,
        })
    }
}

fn store_source(source: &EventSource) -> SourceForm {
    SourceForm {
        arn: source.arn.clone(),
        endpoints: source.endpoints.clone(),
        topics: source.topics.clone(),
        queues: source.queues.clone(),
        start: source.start.map(|start| match start {
            StartingPosition::TrimHorizon => StartForm::TrimHorizon,
            StartingPosition::Latest => StartForm::Latest,
            StartingPosition::AtTimestamp(time) => StartForm::AtMs(time.as_millis()),
        }),
    }
}

fn read_source(form: SourceForm) -> Result<EventSource, SchemaError> {
    let kind = match form.arn.as_str() {
        "" => Some(SourceKind::Kafka),
        arn => SourceKind::of_arn(arn),
    };
    Ok(EventSource {
        kind: kind.ok_or(SchemaError::IllegalValue { field: "source.arn" })?,
        arn: form.arn,
        endpoints: form.endpoints,
        topics: form.topics,
        queues: form.queues,
        start: form.start.map(|start| match start {
            StartForm::TrimHorizon => StartingPosition::TrimHorizon,
            StartForm::Latest => StartingPosition::Latest,
            StartForm::AtMs(time) => StartingPosition::AtTimestamp(Timestamp::from_millis(time)),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::{sample_function, sample_scope};

    /// A mapping in which everything is set, whether or not one source has all of it.
    fn sample() -> EventSourceMapping {
        let text = |text: &str| Some(text.to_owned());
        let access = |kind: &str, uri: Option<&str>| {
            vec![SourceAccess { kind: kind.to_owned(), uri: uri.map(str::to_owned) }]
        };
        EventSourceMapping {
            id: MappingId { scope: sample_scope(), uuid: MappingUuid::from_random([5; 16]) },
            function: sample_function(),
            qualifier: Some(Qualifier::Alias("live".to_owned())),
            source: EventSource {
                kind: SourceKind::Kafka,
                arn: String::new(),
                endpoints: vec!["one.example:9092".to_owned()],
                topics: vec!["orders".to_owned()],
                queues: vec!["jobs".to_owned()],
                start: Some(StartingPosition::AtTimestamp(Timestamp::from_millis(1_764_000_000_000))),
            },
            enabled: true,
            settings: MappingSettings {
                batch_size: 7,
                window_s: Some(8),
                filters: vec![r#"{"body":["x"]}"#.to_owned()],
                kms_key: text("arn:aws:kms:eu-central-1:123456789012:key/filters"),
                metrics: vec!["EventCount".to_owned()],
                log_level: text("WARN"),
                concurrency_max: Some(9),
                parallelization: Some(10),
                on_failure: text("arn:aws:sqs:eu-central-1:123456789012:failed"),
                record_age_s: Some(61),
                bisect: Some(true),
                retries: Some(-1),
                tumbling_s: Some(11),
                access: access("IAM_AUTH", None),
                partial_failures: Some(true),
                kafka: Some(KafkaSettings {
                    group: text("readers"),
                    registry: Some(SchemaRegistry {
                        uri: text("https://schemas.example"),
                        format: text("JSON"),
                        access: access("BASIC_AUTH", Some("arn:secret")),
                        attributes: vec!["KEY".to_owned()],
                    }),
                    mode: text("Stream"),
                }),
                document_db: Some(DocumentDbSettings {
                    database: text("shop"),
                    collection: text("orders"),
                    full_document: text("Default"),
                }),
                pollers: Some(Pollers { min: 2, max: 20, group: text("shared") }),
            },
            last_modified: Timestamp::from_millis(1_764_000_000_123),
            tags: BTreeMap::from([("team".to_owned(), "orders".to_owned())]),
        }
    }

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        check_golden(&sample(), include_str!("../../golden/event-source-mapping-v1.json"));
    }
}
