//! Version 2 of the stored form of functions, which added container images, layers, shared directories, tenant
//! isolation and capacity: read, and led to version 3; and the way from version 1. The field names are the format:
//! `golden/function-v2*.json` are whole examples. No `Debug`: environment variables are secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::v1;
pub(super) use super::v1::{Architecture, LogFormat, Logging, State, TracingMode, UpdateStatus};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    #[serde(rename = "v")]
    _v: u32,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) name: String,
    /// `$LATEST` or a number.
    pub(super) version: String,
    pub(super) revision: String,
    pub(super) last_modified_ms: i64,
    pub(super) state: State,
    pub(super) last_update: UpdateStatus,
    pub(super) code: Code,
    pub(super) settings: Settings,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    Zip(Zip),
    Image(Image),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zip {
    /// SHA-256 in hexadecimal; names the blob.
    pub(super) digest: String,
    pub(super) size_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub(super) uri: String,
    pub(super) resolved_uri: String,
    /// SHA-256 of the manifest in hexadecimal.
    pub(super) digest: String,
    pub(super) size_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) start: Start,
    pub(super) role: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mb: u32,
    pub(super) ephemeral_mb: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) architecture: Architecture,
    pub(super) tracing: TracingMode,
    pub(super) logging: Logging,
    pub(super) layers: Vec<Layer>,
    pub(super) file_systems: Vec<FileSystem>,
    pub(super) tenant_isolation: bool,
    pub(super) capacity: Option<Capacity>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start {
    Handler(Handler),
    Image(ImageConfig),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handler {
    pub(super) runtime: String,
    pub(super) handler: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageConfig {
    pub(super) entry_point: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) working_directory: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) arn: String,
    pub(super) zip: Zip,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSystem {
    pub(super) arn: String,
    pub(super) local_path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Capacity {
    pub(super) arn: String,
    pub(super) concurrency: Option<u32>,
    pub(super) memory_gib_per_vcpu: Option<f64>,
}

impl From<v1::Function> for Function {
    fn from(old: v1::Function) -> Self {
        Self {
            _v: 2,
            account: old.account,
            region: old.region,
            name: old.name,
            version: old.version,
            revision: old.revision,
            last_modified_ms: old.last_modified_ms,
            state: old.state,
            last_update: old.last_update,
            code: Code::Zip(Zip { digest: old.code.digest, size_bytes: old.code.size_bytes }),
            settings: old.settings.into(),
            tags: old.tags,
        }
    }
}

impl From<v1::Settings> for Settings {
    fn from(old: v1::Settings) -> Self {
        Self {
            start: Start::Handler(Handler { runtime: old.runtime, handler: old.handler }),
            role: old.role,
            description: old.description,
            timeout_s: old.timeout_s,
            memory_mb: old.memory_mb,
            ephemeral_mb: old.ephemeral_mb,
            environment: old.environment,
            architecture: old.architecture,
            tracing: old.tracing,
            logging: old.logging,
            layers: Vec::new(),
            file_systems: Vec::new(),
            tenant_isolation: false,
            capacity: None,
        }
    }
}
