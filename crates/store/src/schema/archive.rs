//! The stored forms of event archives and of replays from them. Version 1 of each; `golden/event-archive-v1.json` and
//! `golden/event-replay-v1.json` are examples.
//!
//! The archived events themselves are records of their own, which `services::events` writes.

use model::arn::Scope;
use model::bus::{Archive, BusId, Replay, ReplayState};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfScope, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveForm {
    v: u32,
    of: OfScope,
    name: String,
    serial: String,
    bus: String,
    description: Option<String>,
    pattern: Option<String>,
    retention_days: u32,
    kms_key: Option<String>,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayForm {
    v: u32,
    of: OfScope,
    name: String,
    description: Option<String>,
    archive: String,
    serial: String,
    bus: String,
    rules: Vec<String>,
    from_ms: i64,
    to_ms: i64,
    state: StateForm,
    reason: Option<String>,
    last_ms: Option<i64>,
    started_ms: i64,
    ended_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateForm {
    Starting,
    Running,
    Cancelling,
    Completed,
    Cancelled,
    Failed,
}

impl Stored for Archive {
    type Owner = Scope;
    const KIND: &'static str = "event-archive";

    fn owner(&self) -> Scope {
        self.scope.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ArchiveForm {
            v: VERSION,
            of: (&self.scope).into(),
            name: self.name.clone(),
            serial: self.serial.clone(),
            bus: self.source.name.clone(),
            description: self.description.clone(),
            pattern: self.pattern.clone(),
            retention_days: self.retention_days,
            kms_key: self.kms_key.clone(),
            created_ms: self.created.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ArchiveForm = versioned(VERSION, bytes)?;
        let scope = scope_of(&form.of)?;
        Ok(Self {
            source: BusId { scope: scope.clone(), name: form.bus },
            scope,
            name: form.name,
            serial: form.serial,
            description: form.description,
            pattern: form.pattern,
            retention_days: form.retention_days,
            kms_key: form.kms_key,
            created: Timestamp::from_millis(form.created_ms),
        })
    }
}

impl Stored for Replay {
    type Owner = Scope;
    const KIND: &'static str = "event-replay";

    fn owner(&self) -> Scope {
        self.scope.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ReplayForm {
            v: VERSION,
            of: (&self.scope).into(),
            name: self.name.clone(),
            description: self.description.clone(),
            archive: self.archive.clone(),
            serial: self.serial.clone(),
            bus: self.bus.name.clone(),
            rules: self.rules.clone(),
            from_ms: self.from.as_millis(),
            to_ms: self.to.as_millis(),
            state: self.state.into(),
            reason: self.reason.clone(),
            last_ms: self.last.map(Timestamp::as_millis),
            started_ms: self.started.as_millis(),
            ended_ms: self.ended.map(Timestamp::as_millis),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ReplayForm = versioned(VERSION, bytes)?;
        let scope = scope_of(&form.of)?;
        Ok(Self {
            bus: BusId { scope: scope.clone(), name: form.bus },
            scope,
            name: form.name,
            description: form.description,
            archive: form.archive,
            serial: form.serial,
            rules: form.rules,
            from: Timestamp::from_millis(form.from_ms),
            to: Timestamp::from_millis(form.to_ms),
            state: form.state.into(),
            reason: form.reason,
            last: form.last_ms.map(Timestamp::from_millis),
            started: Timestamp::from_millis(form.started_ms),
            ended: form.ended_ms.map(Timestamp::from_millis),
        })
    }
}

impl From<ReplayState> for StateForm {
    fn from(state: ReplayState) -> Self {
        match state {
            ReplayState::Starting => Self::Starting,
            ReplayState::Running => Self::Running,
            ReplayState::Cancelling => Self::Cancelling,
            ReplayState::Completed => Self::Completed,
            ReplayState::Cancelled => Self::Cancelled,
            ReplayState::Failed => Self::Failed,
        }
    }
}

impl From<StateForm> for ReplayState {
    fn from(form: StateForm) -> Self {
        match form {
            StateForm::Starting => Self::Starting,
            StateForm::Running => Self::Running,
            StateForm::Cancelling => Self::Cancelling,
            StateForm::Completed => Self::Completed,
            StateForm::Cancelled => Self::Cancelled,
            StateForm::Failed => Self::Failed,
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
        let scope = sample_scope();
        let bus = BusId { scope: scope.clone(), name: "orders".to_owned() };
        let at = Timestamp::from_millis;
        let archive = Archive {
            scope: scope.clone(),
            name: "kept".to_owned(),
            serial: "0b0c".to_owned(),
            source: bus.clone(),
            description: Some("for a while".to_owned()),
            pattern: Some("{\"source\":[\"shop\"]}".to_owned()),
            retention_days: 7,
            kms_key: Some("alias/k".to_owned()),
            created: at(1_764_000_000_123),
        };
        check_golden(&archive, include_str!("../../golden/event-archive-v1.json"));
        let replay = Replay {
            scope,
            name: "again".to_owned(),
            description: Some("what was lost".to_owned()),
            archive: "kept".to_owned(),
            serial: "0b0c".to_owned(),
            bus,
            rules: vec!["arn:aws:events:eu-central-1:123456789012:rule/orders/paid".to_owned()],
            from: at(1_764_000_000_000),
            to: at(1_764_000_001_000),
            state: ReplayState::Cancelling,
            reason: Some("asked for".to_owned()),
            last: Some(at(1_764_000_000_500)),
            started: at(1_764_000_002_000),
            ended: Some(at(1_764_000_003_000)),
        };
        check_golden(&replay, include_str!("../../golden/event-replay-v1.json"));
    }
}
