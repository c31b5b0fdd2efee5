//! Version 1 of the stored form. The field names are the format; `golden/function-v1.json` is one whole example.
//! No `Debug`: environment variables are secrets.

use std::collections::BTreeMap;

use model::arn::{FunctionId, Scope};
use model::function as domain;
use model::id::{AccountId, Digest, Region, RevisionId};
use model::name::{self, FunctionName, Qualifier};
use model::runtime::RuntimeName;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::SchemaError;

pub(super) const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    v: u32,
    account: String,
    region: String,
    name: String,
    /// `$LATEST` or a number.
    version: String,
    revision: String,
    last_modified_ms: i64,
    state: State,
    last_update: UpdateStatus,
    code: Code,
    settings: Settings,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    /// SHA-256 in hexadecimal; names the blob.
    digest: String,
    size_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    runtime: String,
    handler: String,
    role: String,
    description: String,
    timeout_s: u32,
    memory_mb: u32,
    ephemeral_mb: u32,
    environment: BTreeMap<String, String>,
    architecture: Architecture,
    tracing: TracingMode,
    logging: Logging,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logging {
    format: LogFormat,
    application_level: Option<String>,
    system_level: Option<String>,
    group: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending,
    Active,
    Failed { reason: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UpdateStatus {
    Successful,
    InProgress,
    Failed { reason: String },
}

#[derive(Serialize, Deserialize)]
enum Architecture {
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TracingMode {
    Active,
    PassThrough,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LogFormat {
    Text,
    Json,
}

impl From<&domain::Function> for Function {
    fn from(function: &domain::Function) -> Self {
        let FunctionId { scope, name } = &function.id;
        Self {
            v: VERSION,
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            name: name.to_string(),
            version: function.version.to_string(),
            revision: function.revision.to_string(),
            last_modified_ms: function.last_modified.as_millis(),
            state: match &function.state {
                domain::State::Pending => State::Pending,
                domain::State::Active => State::Active,
                domain::State::Failed { reason } => State::Failed { reason: reason.clone() },
            },
            last_update: match &function.last_update {
                domain::UpdateStatus::Successful => UpdateStatus::Successful,
                domain::UpdateStatus::InProgress => UpdateStatus::InProgress,
                domain::UpdateStatus::Failed { reason } => UpdateStatus::Failed { reason: reason.clone() },
            },
            code: Code { digest: function.code.digest.to_string(), size_bytes: function.code.size_bytes },
            settings: Settings::from(&function.settings),
            tags: function.tags.clone(),
        }
    }
}

impl From<&domain::Settings> for Settings {
    fn from(settings: &domain::Settings) -> Self {
        Self {
            runtime: settings.runtime.to_string(),
            handler: settings.handler.clone(),
            role: settings.role.clone(),
            description: settings.description.clone(),
            timeout_s: settings.timeout_s,
            memory_mb: settings.memory_mb,
            ephemeral_mb: settings.ephemeral_mb,
            environment: settings.environment.0.clone(),
            architecture: match settings.architecture {
                domain::Architecture::X86_64 => Architecture::X86_64,
                domain::Architecture::Arm64 => Architecture::Arm64,
            },
            tracing: match settings.tracing {
                domain::TracingMode::Active => TracingMode::Active,
                domain::TracingMode::PassThrough => TracingMode::PassThrough,
            },
            logging: Logging {
                format: match settings.logging.format {
                    domain::LogFormat::Text => LogFormat::Text,
                    domain::LogFormat::Json => LogFormat::Json,
                },
                application_level: settings.logging.application_level.clone(),
                system_level: settings.logging.system_level.clone(),
                group: settings.logging.group.clone(),
            },
        }
    }
}

impl TryFrom<Function> for domain::Function {
    type Error = SchemaError;

    fn try_from(stored: Function) -> Result<Self, SchemaError> {
        fn illegal<E>(field: &'static str) -> impl FnOnce(E) -> SchemaError {
            move |_| SchemaError::IllegalValue { field }
        }
        let scope = Scope {
            account: AccountId::parse(&stored.account).map_err(illegal("account"))?,
            region: Region::parse(&stored.region).map_err(illegal("region"))?,
        };
        let name = FunctionName::parse(&stored.name).map_err(illegal("name"))?;
        Ok(Self {
            id: FunctionId { scope, name },
            version: parse_version(&stored.version).ok_or(SchemaError::IllegalValue { field: "version" })?,
            revision: RevisionId::parse(&stored.revision).map_err(illegal("revision"))?,
            last_modified: Timestamp::from_millis(stored.last_modified_ms),
            state: match stored.state {
                State::Pending => domain::State::Pending,
                State::Active => domain::State::Active,
                State::Failed { reason } => domain::State::Failed { reason },
            },
            last_update: match stored.last_update {
                UpdateStatus::Successful => domain::UpdateStatus::Successful,
                UpdateStatus::InProgress => domain::UpdateStatus::InProgress,
                UpdateStatus::Failed { reason } => domain::UpdateStatus::Failed { reason },
            },
            code: domain::Code {
                digest: Digest::parse(&stored.code.digest).map_err(illegal("code.digest"))?,
                size_bytes: stored.code.size_bytes,
            },
            settings: stored.settings.into(),
            tags: stored.tags,
        })
    }
}

impl From<Settings> for domain::Settings {
    fn from(stored: Settings) -> Self {
        Self {
            runtime: RuntimeName::new(&stored.runtime),
            handler: stored.handler,
            role: stored.role,
            description: stored.description,
            timeout_s: stored.timeout_s,
            memory_mb: stored.memory_mb,
            ephemeral_mb: stored.ephemeral_mb,
            environment: domain::Environment(stored.environment),
            architecture: match stored.architecture {
                Architecture::X86_64 => domain::Architecture::X86_64,
                Architecture::Arm64 => domain::Architecture::Arm64,
            },
            tracing: match stored.tracing {
                TracingMode::Active => domain::TracingMode::Active,
                TracingMode::PassThrough => domain::TracingMode::PassThrough,
            },
            logging: domain::Logging {
                format: match stored.logging.format {
                    LogFormat::Text => domain::LogFormat::Text,
                    LogFormat::Json => domain::LogFormat::Json,
                },
                application_level: stored.logging.application_level,
                system_level: stored.logging.system_level,
                group: stored.logging.group,
            },
        }
    }
}

/// `$LATEST` or a number; an alias is no version.
fn parse_version(text: &str) -> Option<name::Version> {
    match Qualifier::parse(text) {
        Ok(Qualifier::Version(version)) => Some(version),
        _ => None,
    }
}
