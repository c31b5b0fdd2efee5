//! The stored forms of what is set for log groups, of log streams that were made by themselves, of subscriptions, and of
//! policies. Version 1 of each; `golden/log-group-v1.json`, `golden/log-stream-v1.json`, `golden/log-subscription-v1.json` and
//! `golden/log-policy-v1.json` are examples.
//!
//! The events are files of their own, which `logs` writes.

use std::collections::BTreeMap;

use model::arn::{ResourceArn, Scope};
use model::log::{LogGroup, LogPolicy, LogSettings, LogStream, Mark, Subscription};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfScope, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::{Owner, Stored};
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupForm {
    v: u32,
    of: OfScope,
    name: String,
    created_ms: i64,
    class: String,
    retention_days: Option<u32>,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamForm {
    v: u32,
    of: OfScope,
    group: String,
    name: String,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionForm {
    v: u32,
    of: OfScope,
    group: String,
    name: String,
    pattern: String,
    destination: String,
    distribution: String,
    created_ms: i64,
    file: u64,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    v: u32,
    of: OfScope,
    name: String,
    document: String,
    updated_ms: i64,
}

impl Owner for LogGroup {
    fn scope(&self) -> String {
        Owner::scope(&self.scope)
    }
    /// No group's name has a colon.
    fn prefix(&self) -> String {
        format!("{}:", self.name)
    }
}

impl Stored for LogSettings {
    type Owner = Scope;
    const KIND: &'static str = "log-group";

    fn owner(&self) -> Scope {
        self.group.scope.clone()
    }

    fn name(&self) -> String {
        self.group.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = GroupForm {
            v: VERSION,
            of: (&self.group.scope).into(),
            name: self.group.name.clone(),
            created_ms: self.created.as_millis(),
            class: self.class.clone(),
            retention_days: self.retention_days,
            tags: self.tags.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: GroupForm = versioned(VERSION, bytes)?;
        Ok(Self {
            group: LogGroup { scope: scope_of(&form.of)?, name: form.name },
            created: Timestamp::from_millis(form.created_ms),
            class: form.class,
            retention_days: form.retention_days,
            tags: form.tags,
        })
    }
}

impl Stored for LogStream {
    type Owner = LogGroup;
    const KIND: &'static str = "log-stream";

    fn owner(&self) -> LogGroup {
        self.group.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = StreamForm {
            v: VERSION,
            of: (&self.group.scope).into(),
            group: self.group.name.clone(),
            name: self.name.clone(),
            created_ms: self.created.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: StreamForm = versioned(VERSION, bytes)?;
        Ok(Self {
            group: LogGroup { scope: scope_of(&form.of)?, name: form.group },
            name: form.name,
            created: Timestamp::from_millis(form.created_ms),
        })
    }
}

impl Stored for Subscription {
    type Owner = LogGroup;
    const KIND: &'static str = "log-subscription";

    fn owner(&self) -> LogGroup {
        self.group.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = SubscriptionForm {
            v: VERSION,
            of: (&self.group.scope).into(),
            group: self.group.name.clone(),
            name: self.name.clone(),
            pattern: self.pattern.clone(),
            destination: self.destination.as_str().to_owned(),
            distribution: self.distribution.clone(),
            created_ms: self.created.as_millis(),
            file: self.mark.file,
            offset: self.mark.offset,
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: SubscriptionForm = versioned(VERSION, bytes)?;
        Ok(Self {
            group: LogGroup { scope: scope_of(&form.of)?, name: form.group },
            name: form.name,
            pattern: form.pattern,
            destination: ResourceArn::parse(&form.destination)
                .map_err(|_| SchemaError::IllegalValue { field: "destination" })?,
            distribution: form.distribution,
            created: Timestamp::from_millis(form.created_ms),
            mark: Mark { file: form.file, offset: form.offset },
        })
    }
}

impl Stored for LogPolicy {
    type Owner = Scope;
    const KIND: &'static str = "log-policy";

    fn owner(&self) -> Scope {
        self.scope.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = PolicyForm {
            v: VERSION,
            of: (&self.scope).into(),
            name: self.name.clone(),
            document: self.document.clone(),
            updated_ms: self.updated.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: PolicyForm = versioned(VERSION, bytes)?;
        Ok(Self {
            scope: scope_of(&form.of)?,
            name: form.name,
            document: form.document,
            updated: Timestamp::from_millis(form.updated_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_scope;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let group = LogGroup { scope: sample_scope(), name: "/shop/orders".to_owned() };
        let created = Timestamp::from_millis(1_764_000_000_123);
        let settings = LogSettings {
            group: group.clone(),
            created,
            class: "STANDARD".to_owned(),
            retention_days: Some(7),
            tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        };
        check_golden(&settings, include_str!("../../golden/log-group-v1.json"));
        let stream = LogStream { group: group.clone(), name: "2026/11/[1]a".to_owned(), created };
        check_golden(&stream, include_str!("../../golden/log-stream-v1.json"));
        let destination = "arn:aws:lambda:us-east-1:000000000000:function:watch:live";
        let subscription = Subscription {
            group,
            name: "errors of the shop".to_owned(),
            pattern: "{ $.level = \"ERROR\" }".to_owned(),
            destination: ResourceArn::parse(destination).unwrap(),
            distribution: "ByLogStream".to_owned(),
            created,
            mark: Mark { file: 3, offset: 4_711 },
        };
        check_golden(&subscription, include_str!("../../golden/log-subscription-v1.json"));
        let policy = LogPolicy {
            scope: sample_scope(),
            name: "events to logs".to_owned(),
            document: r#"{"Statement":[]}"#.to_owned(),
            updated: created,
        };
        check_golden(&policy, include_str!("../../golden/log-policy-v1.json"));
    }
}
