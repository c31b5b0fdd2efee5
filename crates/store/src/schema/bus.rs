//! The stored forms of event buses and rules with their targets. Version 1 of each; `golden/event-bus-v1.json` and
//! `golden/event-rule-v1.json` are examples.
//!
//! A rule's targets stand in its record, so that a rule and what it does change together.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::bus::{BusId, BusLog, EventBus, Rule, RuleState, RuleTarget, TargetInput};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfScope, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::{Owner, Stored};
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BusForm {
    v: u32,
    of: OfScope,
    name: String,
    description: Option<String>,
    kms_key: Option<String>,
    dead_letter: Option<String>,
    log: Option<LogForm>,
    policy: Option<String>,
    tags: BTreeMap<String, String>,
    created_ms: Option<i64>,
    modified_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogForm {
    detail: Option<String>,
    level: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    v: u32,
    of: OfScope,
    bus: String,
    name: String,
    pattern: Option<String>,
    schedule: Option<String>,
    state: StateForm,
    description: Option<String>,
    role: Option<String>,
    tags: BTreeMap<String, String>,
    since_ms: i64,
    targets: Vec<TargetForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateForm {
    Enabled,
    Disabled,
    EnabledWithAllManagementEvents,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetForm {
    id: String,
    arn: String,
    role: Option<String>,
    input: InputForm,
    group: Option<String>,
    retries_max: Option<u32>,
    age_max_s: Option<u32>,
    dead_letter: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InputForm {
    Whole,
    Constant(String),
    Path(String),
    Template { paths: BTreeMap<String, String>, template: String },
}

impl Owner for BusId {
    fn scope(&self) -> String {
        Owner::scope(&self.scope)
    }
    /// No bus's name has a colon.
    fn prefix(&self) -> String {
        format!("{}:", self.name)
    }
}

impl Stored for EventBus {
    type Owner = Scope;
    const KIND: &'static str = "event-bus";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = BusForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            name: self.id.name.clone(),
            description: self.description.clone(),
            kms_key: self.kms_key.clone(),
            dead_letter: self.dead_letter.clone(),
            log: self.log.clone().map(|log| LogForm { detail: log.detail, level: log.level }),
            policy: self.policy.clone(),
            tags: self.tags.clone(),
            created_ms: self.created.map(Timestamp::as_millis),
            modified_ms: self.modified.map(Timestamp::as_millis),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: BusForm = versioned(VERSION, bytes)?;
        Ok(Self {
            id: BusId { scope: scope_of(&form.of)?, name: form.name },
            description: form.description,
            kms_key: form.kms_key,
            dead_letter: form.dead_letter,
            log: form.log.map(|log| BusLog { detail: log.detail, level: log.level }),
            policy: form.policy,
            tags: form.tags,
            created: form.created_ms.map(Timestamp::from_millis),
            modified: form.modified_ms.map(Timestamp::from_millis),
        })
    }
}

impl Stored for Rule {
    type Owner = BusId;
    const KIND: &'static str = "event-rule";

    fn owner(&self) -> BusId {
        self.bus.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = RuleForm {
            v: VERSION,
            of: (&self.bus.scope).into(),
            bus: self.bus.name.clone(),
            name: self.name.clone(),
            pattern: self.pattern.clone(),
            schedule: self.schedule.clone(),
            state: match self.state {
                RuleState::Enabled => StateForm::Enabled,
                RuleState::Disabled => StateForm::Disabled,
                RuleState::EnabledWithAllManagementEvents => StateForm::EnabledWithAllManagementEvents,
            },
            description: self.description.clone(),
            role: self.role.clone(),
            tags: self.tags.clone(),
            since_ms: self.since.as_millis(),
            targets: self.targets.iter().cloned().map(TargetForm::from).collect(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: RuleForm = versioned(VERSION, bytes)?;
        Ok(Self {
            bus: BusId { scope: scope_of(&form.of)?, name: form.bus },
            name: form.name,
            pattern: form.pattern,
            schedule: form.schedule,
            state: match form.state {
                StateForm::Enabled => RuleState::Enabled,
                StateForm::Disabled => RuleState::Disabled,
                StateForm::EnabledWithAllManagementEvents => RuleState::EnabledWithAllManagementEvents,
            },
            description: form.description,
            role: form.role,
            tags: form.tags,
            since: Timestamp::from_millis(form.since_ms),
            targets: form.targets.into_iter().map(RuleTarget::from).collect(),
        })
    }
}

impl From<RuleTarget> for TargetForm {
    fn from(target: RuleTarget) -> Self {
        Self {
            id: target.id,
            arn: target.arn,
            role: target.role,
            input: match target.input {
                TargetInput::Whole => InputForm::Whole,
                TargetInput::Constant(json) => InputForm::Constant(json),
                TargetInput::Path(path) => InputForm::Path(path),
                TargetInput::Template { paths, template } => InputForm::Template { paths, template },
            },
            group: target.group,
            retries_max: target.retries_max,
            age_max_s: target.age_max_s,
            dead_letter: target.dead_letter,
        }
    }
}

impl From<TargetForm> for RuleTarget {
    fn from(form: TargetForm) -> Self {
        Self {
            id: form.id,
            arn: form.arn,
            role: form.role,
            input: match form.input {
                InputForm::Whole => TargetInput::Whole,
                InputForm::Constant(json) => TargetInput::Constant(json),
                InputForm::Path(path) => TargetInput::Path(path),
                InputForm::Template { paths, template } => TargetInput::Template { paths, template },
            },
            group: form.group,
            retries_max: form.retries_max,
            age_max_s: form.age_max_s,
            dead_letter: form.dead_letter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_scope;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let id = BusId { scope: sample_scope(), name: "orders".to_owned() };
        let text = |text: &str| Some(text.to_owned());
        let bus = EventBus {
            id: id.clone(),
            description: text("of the shop"),
            kms_key: text("alias/k"),
            dead_letter: text("arn:aws:sqs:eu-central-1:123456789012:lost"),
            log: Some(BusLog { detail: text("FULL"), level: text("INFO") }),
            policy: text("{}"),
            tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
            created: Some(Timestamp::from_millis(1_764_000_000_123)),
            modified: Some(Timestamp::from_millis(1_764_000_000_456)),
        };
        check_golden(&bus, include_str!("../../golden/event-bus-v1.json"));
        let target = |id: &str, input| RuleTarget {
            id: id.to_owned(),
            arn: "arn:aws:sqs:eu-central-1:123456789012:paid.fifo".to_owned(),
            role: text("arn:aws:iam::123456789012:role/send"),
            input,
            group: text("orders"),
            retries_max: Some(3),
            age_max_s: Some(600),
            dead_letter: text("arn:aws:sqs:eu-central-1:123456789012:lost"),
        };
        let paths = BTreeMap::from([("id".to_owned(), "$.detail.id".to_owned())]);
        let rule = Rule {
            bus: id,
            name: "paid".to_owned(),
            pattern: text("{\"source\":[\"shop\"]}"),
            schedule: text("rate(5 minutes)"),
            state: RuleState::EnabledWithAllManagementEvents,
            description: text("what was paid"),
            role: text("arn:aws:iam::123456789012:role/rule"),
            tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
            since: Timestamp::from_millis(1_764_000_000_123),
            targets: vec![
                target("a", TargetInput::Whole),
                target("b", TargetInput::Constant("{}".to_owned())),
                target("c", TargetInput::Path("$.detail".to_owned())),
                target("d", TargetInput::Template { paths, template: "\"<id>\"".to_owned() }),
            ],
        };
        check_golden(&rule, include_str!("../../golden/event-rule-v1.json"));
    }
}
