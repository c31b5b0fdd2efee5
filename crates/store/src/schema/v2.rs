//! Version 2 of the stored form of functions, which added container images, layers, shared directories, tenant
//! isolation and capacity: read, and led to version 3; and the way from version 1. The field names are the format:
//! `golden/function-v2*.json` are whole examples. No `Debug`: environment variables are secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::v1;
pub(super) use super::v1::{Architecture, LogFormat, Logging, State, TracingMode, UpdateStatus};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function<'a> {
    #[serde(rename = "v")]
    _v: u32,
    #[serde(borrow)]
    pub(super) account: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) region: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    /// `$LATEST` or a number.
    #[serde(borrow)]
    pub(super) version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) revision: Cow<'a, str>,
    pub(super) last_modified_ms: i64,
    pub(super) state: State,
    pub(super) last_update: UpdateStatus,
    #[serde(borrow)]
    pub(super) code: Code<'a>,
    #[serde(borrow)]
    pub(super) settings: Settings<'a>,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code<'a> {
    #[serde(borrow)]
    Zip(Zip<'a>),
    #[serde(borrow)]
    Image(Image<'a>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zip<'a> {
    /// SHA-256 in hexadecimal; names the blob.
    #[serde(borrow)]
    pub(super) digest: Cow<'a, str>,
    pub(super) size_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image<'a> {
    pub(super) uri: String,
    pub(super) resolved_uri: String,
    /// SHA-256 of the manifest in hexadecimal.
    #[serde(borrow)]
    pub(super) digest: Cow<'a, str>,
    pub(super) size_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings<'a> {
    #[serde(borrow)]
    pub(super) start: Start<'a>,
    pub(super) role: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mb: u32,
    pub(super) ephemeral_mb: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) architecture: Architecture,
    pub(super) tracing: TracingMode,
    pub(super) logging: Logging,
    #[serde(borrow)]
    pub(super) layers: Vec<Layer<'a>>,
    pub(super) file_systems: Vec<FileSystem>,
    pub(super) tenant_isolation: bool,
    pub(super) capacity: Option<Capacity>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start<'a> {
    #[serde(borrow)]
    Handler(Handler<'a>),
    Image(ImageConfig),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handler<'a> {
    #[serde(borrow)]
    pub(super) runtime: Cow<'a, str>,
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
pub(super) struct Layer<'a> {
    pub(super) arn: String,
    #[serde(borrow)]
    pub(super) zip: Zip<'a>,
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

impl<'a> From<v1::Function<'a>> for Function<'a> {
    fn from(old: v1::Function<'a>) -> Self {
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

impl<'a> From<v1::Settings<'a>> for Settings<'a> {
    fn from(old: v1::Settings<'a>) -> Self {
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
