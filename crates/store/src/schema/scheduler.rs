//! The stored forms of schedules and their groups. Version 1 of each; `golden/schedule-v1.json` and
//! `golden/schedule-group-v1.json` are examples.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::scheduler::{Group, GroupId, Made, Schedule, ScheduleTarget};
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
    tags: BTreeMap<String, String>,
    deleting: bool,
    created_ms: Option<i64>,
    modified_ms: Option<i64>,
    made: Option<MadeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MadeForm {
    token: String,
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleForm {
    v: u32,
    of: OfScope,
    group: String,
    name: String,
    expression: String,
    zone: Option<String>,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    description: Option<String>,
    enabled: bool,
    kms_key: Option<String>,
    window_minutes: Option<u32>,
    goes_after: Option<bool>,
    target: TargetForm,
    created_ms: i64,
    modified_ms: i64,
    since_ms: i64,
    completed_ms: Option<i64>,
    made: Option<MadeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetForm {
    arn: String,
    role: String,
    input: Option<String>,
    event: Option<EventForm>,
    group: Option<String>,
    retries_max: Option<u32>,
    age_max_s: Option<u32>,
    dead_letter: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventForm {
    detail_type: String,
    source: String,
}

impl Owner for GroupId {
    fn scope(&self) -> String {
        Owner::scope(&self.scope)
    }
    /// No group's name has a colon.
    fn prefix(&self) -> String {
        format!("{}:", self.name)
    }
}

impl Stored for Group {
    type Owner = Scope;
    const KIND: &'static str = "schedule-group";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = GroupForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            name: self.id.name.clone(),
            tags: self.tags.clone(),
            deleting: self.is_deleting,
            created_ms: self.created.map(Timestamp::as_millis),
            modified_ms: self.modified.map(Timestamp::as_millis),
            made: self.made.clone().map(MadeForm::from),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: GroupForm = versioned(VERSION, bytes)?;
        Ok(Self {
            id: GroupId { scope: scope_of(&form.of)?, name: form.name },
            tags: form.tags,
            is_deleting: form.deleting,
            created: form.created_ms.map(Timestamp::from_millis),
            modified: form.modified_ms.map(Timestamp::from_millis),
            made: form.made.map(Made::from),
        })
    }
}

impl Stored for Schedule {
    type Owner = GroupId;
    const KIND: &'static str = "schedule";

    fn owner(&self) -> GroupId {
        self.group.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ScheduleForm {
            v: VERSION,
            of: (&self.group.scope).into(),
            group: self.group.name.clone(),
            name: self.name.clone(),
            expression: self.expression.clone(),
            zone: self.zone.clone(),
            start_ms: self.start.map(Timestamp::as_millis),
            end_ms: self.end.map(Timestamp::as_millis),
            description: self.description.clone(),
            enabled: self.is_enabled,
            kms_key: self.kms_key.clone(),
            window_minutes: self.window_minutes,
            goes_after: self.goes_after,
            target: self.target.clone().into(),
            created_ms: self.created.as_millis(),
            modified_ms: self.modified.as_millis(),
            since_ms: self.since.as_millis(),
            completed_ms: self.completed.map(Timestamp::as_millis),
            made: self.made.clone().map(MadeForm::from),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ScheduleForm = versioned(VERSION, bytes)?;
        Ok(Self {
            group: GroupId { scope: scope_of(&form.of)?, name: form.group },
            name: form.name,
            expression: form.expression,
            zone: form.zone,
            start: form.start_ms.map(Timestamp::from_millis),
            end: form.end_ms.map(Timestamp::from_millis),
            description: form.description,
            is_enabled: form.enabled,
            kms_key: form.kms_key,
            window_minutes: form.window_minutes,
            goes_after: form.goes_after,
            target: form.target.into(),
            created: Timestamp::from_millis(form.created_ms),
            modified: Timestamp::from_millis(form.modified_ms),
            since: Timestamp::from_millis(form.since_ms),
            completed: form.completed_ms.map(Timestamp::from_millis),
            made: form.made.map(Made::from),
        })
    }
}

impl From<Made> for MadeForm {
    fn from(Made { token, digest }: Made) -> Self {
        Self { token, digest }
    }
}

impl From<MadeForm> for Made {
    fn from(MadeForm { token, digest }: MadeForm) -> Self {
        Self { token, digest }
    }
}

impl From<ScheduleTarget> for TargetForm {
    fn from(target: ScheduleTarget) -> Self {
        Self {
            arn: target.arn,
            role: target.role,
            input: target.input,
            event: target.event.map(|(detail_type, source)| EventForm { detail_type, source }),
            group: target.group,
            retries_max: target.retries_max,
            age_max_s: target.age_max_s,
            dead_letter: target.dead_letter,
        }
    }
}

impl From<TargetForm> for ScheduleTarget {
    fn from(form: TargetForm) -> Self {
        Self {
            arn: form.arn,
            role: form.role,
            input: form.input,
            event: form.event.map(|event| (event.detail_type, event.source)),
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
        let id = GroupId { scope: sample_scope(), name: "nightly".to_owned() };
        let text = |text: &str| Some(text.to_owned());
        let time = |millis: i64| Timestamp::from_millis(1_764_000_000_000 + millis);
        let made = || Some(Made { token: "t-1".to_owned(), digest: "ab12".to_owned() });
        let group = Group {
            id: id.clone(),
            tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
            is_deleting: true,
            created: Some(time(123)),
            modified: Some(time(456)),
            made: made(),
        };
        check_golden(&group, include_str!("../../golden/schedule-group-v1.json"));
        let target = ScheduleTarget {
            arn: "arn:aws:sqs:eu-central-1:123456789012:paid.fifo".to_owned(),
            role: "arn:aws:iam::123456789012:role/send".to_owned(),
            input: text("{}"),
            event: Some(("paid".to_owned(), "shop".to_owned())),
            group: text("orders"),
            retries_max: Some(3),
            age_max_s: Some(600),
            dead_letter: text("arn:aws:sqs:eu-central-1:123456789012:lost"),
        };
        let schedule = Schedule {
            group: id,
            name: "bill".to_owned(),
            expression: "cron(0 3 * * ? *)".to_owned(),
            zone: text("Europe/Berlin"),
            start: Some(time(1)),
            end: Some(time(2)),
            description: text("of the night"),
            is_enabled: true,
            kms_key: text("arn:aws:kms:eu-central-1:123456789012:key/k"),
            window_minutes: Some(15),
            goes_after: Some(true),
            target,
            created: time(3),
            modified: time(4),
            since: time(5),
            completed: Some(time(6)),
            made: made(),
        };
        check_golden(&schedule, include_str!("../../golden/schedule-v1.json"));
    }
}
