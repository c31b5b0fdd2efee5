//! The stored forms of users' queues and of moves out of dead-letter queues. Version 1 of each; `golden/queue-v1.json` and
//! `golden/message-move-v1.json` are examples.
//!
//! The messages themselves are not records: they lie in the durable queue.

use std::collections::BTreeMap;

use model::arn::{ResourceArn, Scope};
use model::sqs::{Fifo, MoveState, MoveTask, QueueId, Redrive, RedriveAllow, Settings, UserQueue};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfScope, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueForm {
    v: u32,
    of: OfScope,
    name: String,
    instance: String,
    delay_s: u32,
    message_bytes_max: u32,
    retention_s: u32,
    wait_s: u32,
    visibility_s: u32,
    policy: Option<String>,
    redrive: Option<RedriveForm>,
    redrive_allow: Option<AllowForm>,
    fifo: Option<FifoForm>,
    kms_key: Option<String>,
    kms_reuse_s: u32,
    sse: bool,
    tags: BTreeMap<String, String>,
    created_ms: i64,
    modified_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveForm {
    dead_letter: String,
    receives_max: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AllowForm {
    All,
    None,
    Queues(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FifoForm {
    by_content: bool,
    deduplicates_by_group: bool,
    limits_by_group: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveForm {
    v: u32,
    of: OfScope,
    source: String,
    id: String,
    destination: Option<String>,
    rate: Option<u32>,
    state: StateForm,
    moved: u64,
    to_move: u64,
    failure: Option<String>,
    started_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateForm {
    Running,
    Cancelling,
    Completed,
    Cancelled,
    Failed,
}

impl Stored for UserQueue {
    type Owner = Scope;
    const KIND: &'static str = "queue";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let settings = &self.settings;
        let form = QueueForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            name: self.id.name.clone(),
            instance: self.instance.clone(),
            delay_s: settings.delay_s,
            message_bytes_max: settings.message_bytes_max,
            retention_s: settings.retention_s,
            wait_s: settings.wait_s,
            visibility_s: settings.visibility_s,
            policy: settings.policy.clone(),
            redrive: settings.redrive.as_ref().map(|redrive| RedriveForm {
                dead_letter: redrive.dead_letter.to_string(),
                receives_max: redrive.receives_max,
            }),
            redrive_allow: settings.redrive_allow.as_ref().map(AllowForm::from),
            fifo: settings.fifo.map(|fifo| FifoForm {
                by_content: fifo.by_content,
                deduplicates_by_group: fifo.deduplicates_by_group,
                limits_by_group: fifo.limits_by_group,
            }),
            kms_key: settings.kms_key.clone(),
            kms_reuse_s: settings.kms_reuse_s,
            sse: settings.sse,
            tags: self.tags.clone(),
            created_ms: self.created.as_millis(),
            modified_ms: self.modified.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: QueueForm = versioned(VERSION, bytes)?;
        let id = queue_id(&form.of, &form.name, "name")?;
        let redrive = form.redrive.map(|redrive| {
            let dead_letter = arn(&redrive.dead_letter, "redrive")?;
            Ok(Redrive { dead_letter, receives_max: redrive.receives_max })
        });
        let settings = Settings {
            delay_s: form.delay_s,
            message_bytes_max: form.message_bytes_max,
            retention_s: form.retention_s,
            wait_s: form.wait_s,
            visibility_s: form.visibility_s,
            policy: form.policy,
            redrive: redrive.transpose()?,
            redrive_allow: form.redrive_allow.map(RedriveAllow::try_from).transpose()?,
            fifo: form.fifo.map(|fifo| Fifo {
                by_content: fifo.by_content,
                deduplicates_by_group: fifo.deduplicates_by_group,
                limits_by_group: fifo.limits_by_group,
            }),
            kms_key: form.kms_key,
            kms_reuse_s: form.kms_reuse_s,
            sse: form.sse,
        };
        let legal = !form.instance.is_empty() && form.instance.bytes().all(|b| b.is_ascii_alphanumeric());
        if !legal {
            return Err(SchemaError::IllegalValue { field: "instance" });
        }
        Ok(Self {
            id,
            instance: form.instance,
            settings,
            tags: form.tags,
            created: Timestamp::from_millis(form.created_ms),
            modified: Timestamp::from_millis(form.modified_ms),
        })
    }
}

/// Filed under its queue's name and its own.
impl Stored for MoveTask {
    type Owner = Scope;
    const KIND: &'static str = "message-move";

    fn owner(&self) -> Scope {
        self.source.scope.clone()
    }

    fn name(&self) -> String {
        format!("{}/{}", self.source.name, self.id)
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = MoveForm {
            v: VERSION,
            of: (&self.source.scope).into(),
            source: self.source.name.clone(),
            id: self.id.clone(),
            destination: self.destination.as_ref().map(ToString::to_string),
            rate: self.rate,
            state: self.state.into(),
            moved: self.moved,
            to_move: self.to_move,
            failure: self.failure.clone(),
            started_ms: self.started.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: MoveForm = versioned(VERSION, bytes)?;
        Ok(Self {
            source: queue_id(&form.of, &form.source, "source")?,
            id: form.id,
            destination: form.destination.map(|text| arn(&text, "destination")).transpose()?,
            rate: form.rate,
            state: form.state.into(),
            moved: form.moved,
            to_move: form.to_move,
            failure: form.failure,
            started: Timestamp::from_millis(form.started_ms),
        })
    }
}

fn queue_id(of: &OfScope, name: &str, field: &'static str) -> Result<QueueId, SchemaError> {
    QueueId::of(&scope_of(of)?, name).map_err(|_| SchemaError::IllegalValue { field })
}

fn arn(text: &str, field: &'static str) -> Result<ResourceArn, SchemaError> {
    ResourceArn::parse(text).map_err(|_| SchemaError::IllegalValue { field })
}

impl From<&RedriveAllow> for AllowForm {
    fn from(allow: &RedriveAllow) -> Self {
        match allow {
            RedriveAllow::All => Self::All,
            RedriveAllow::None => Self::None,
            RedriveAllow::Queues(queues) => Self::Queues(queues.iter().map(ToString::to_string).collect()),
        }
    }
}

impl TryFrom<AllowForm> for RedriveAllow {
    type Error = SchemaError;

    fn try_from(form: AllowForm) -> Result<Self, SchemaError> {
        Ok(match form {
            AllowForm::All => Self::All,
            AllowForm::None => Self::None,
            AllowForm::Queues(queues) => {
                let queues = queues.iter().map(|text| arn(text, "redrive_allow"));
                Self::Queues(queues.collect::<Result<_, _>>()?)
            }
        })
    }
}

impl From<MoveState> for StateForm {
    fn from(state: MoveState) -> Self {
        match state {
            MoveState::Running => Self::Running,
            MoveState::Cancelling => Self::Cancelling,
            MoveState::Completed => Self::Completed,
            MoveState::Cancelled => Self::Cancelled,
            MoveState::Failed => Self::Failed,
        }
    }
}

impl From<StateForm> for MoveState {
    fn from(form: StateForm) -> Self {
        match form {
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
        let at = Timestamp::from_millis;
        let queue = QueueId::of(&scope, "orders.fifo").unwrap();
        let dead = ResourceArn::parse("arn:aws:sqs:eu-central-1:123456789012:dead.fifo").unwrap();
        let settings = Settings {
            delay_s: 1,
            message_bytes_max: 1_024,
            retention_s: 60,
            wait_s: 20,
            visibility_s: 30,
            policy: Some("{}".to_owned()),
            redrive: Some(Redrive { dead_letter: dead.clone(), receives_max: 3 }),
            redrive_allow: Some(RedriveAllow::Queues(vec![dead.clone()])),
            fifo: Some(Fifo { by_content: true, deduplicates_by_group: false, limits_by_group: true }),
            kms_key: Some("alias/k".to_owned()),
            kms_reuse_s: 300,
            sse: false,
        };
        let value = UserQueue {
            id: queue.clone(),
            instance: "0b0c".to_owned(),
            settings,
            tags: [("team".to_owned(), "a".to_owned())].into(),
            created: at(1_764_000_000_123),
            modified: at(1_764_000_001_123),
        };
        check_golden(&value, include_str!("../../golden/queue-v1.json"));
        let task = MoveTask {
            source: queue,
            id: "0000019b00".to_owned(),
            destination: Some(dead),
            rate: Some(500),
            state: MoveState::Cancelling,
            moved: 7,
            to_move: 9,
            failure: Some("no such queue".to_owned()),
            started: at(1_764_000_002_000),
        };
        check_golden(&task, include_str!("../../golden/message-move-v1.json"));
    }
}
