//! Version 3 of the stored form of functions, which seals environment variables and added what is noted about things
//! beside the code; and the way from version 2. The field names are the format: `golden/function-v3*.json` are whole
//! examples. No `Debug`: environment variables are secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::v2;
pub(super) use super::v2::{
    Architecture, Capacity, Code, Handler, Image, ImageConfig, Layer, LogFormat, Logging, Start, State,
    TracingMode, UpdateStatus, Zip,
};

pub(super) const VERSION: u32 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function<'a> {
    pub(super) v: u32,
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
    pub(super) origin: Option<Origin>,
    #[serde(borrow)]
    pub(super) settings: Settings<'a>,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    pub(super) kms_key: Option<String>,
    pub(super) object: Option<Object>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Object {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings<'a> {
    #[serde(borrow)]
    pub(super) start: Start<'a>,
    pub(super) role: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mb: u32,
    pub(super) ephemeral_mb: u32,
    #[serde(borrow)]
    pub(super) environment: Variables<'a>,
    pub(super) architecture: Architecture,
    pub(super) tracing: TracingMode,
    pub(super) logging: Logging,
    #[serde(borrow)]
    pub(super) layers: Vec<Layer<'a>>,
    pub(super) file_systems: Vec<FileSystem>,
    pub(super) tenant_isolation: bool,
    pub(super) capacity: Option<Capacity>,
    pub(super) noted: Option<Noted>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Variables<'a> {
    None,
    /// A JSON object, sealed for the function's version.
    #[serde(borrow)]
    Sealed(Cow<'a, str>),
    /// As earlier versions had them; never written.
    #[serde(skip)]
    Clear(BTreeMap<String, String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSystem {
    pub(super) arn: String,
    pub(super) local_path: String,
    pub(super) direct_read: Option<DirectRead>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DirectRead {
    Auto,
    Enabled,
    Disabled,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted {
    pub(super) vpc: Option<Vpc>,
    pub(super) dead_letter: Option<String>,
    pub(super) kms_key: Option<String>,
    pub(super) snap_start: bool,
    pub(super) durable: Option<Durable>,
    pub(super) custom_runtime: Option<CustomRuntime>,
    pub(super) accelerator_gb: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vpc {
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) ipv6: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Durable {
    pub(super) kms_key: Option<String>,
    pub(super) retention_days: Option<u32>,
    pub(super) timeout_s: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomRuntime {
    pub(super) arn: String,
    pub(super) alias: String,
}

impl<'a> From<v2::Function<'a>> for Function<'a> {
    fn from(old: v2::Function<'a>) -> Self {
        Self {
            v: VERSION,
            account: old.account,
            region: old.region,
            name: old.name,
            version: old.version,
            revision: old.revision,
            last_modified_ms: old.last_modified_ms,
            state: old.state,
            last_update: old.last_update,
            code: old.code,
            origin: None,
            settings: old.settings.into(),
            tags: old.tags,
        }
    }
}

impl<'a> From<v2::Settings<'a>> for Settings<'a> {
    fn from(old: v2::Settings<'a>) -> Self {
        let file_system = |mount: v2::FileSystem| FileSystem {
            arn: mount.arn,
            local_path: mount.local_path,
            direct_read: None,
        };
        Self {
            start: old.start,
            role: old.role,
            description: old.description,
            timeout_s: old.timeout_s,
            memory_mb: old.memory_mb,
            ephemeral_mb: old.ephemeral_mb,
            environment: Variables::Clear(old.environment),
            architecture: old.architecture,
            tracing: old.tracing,
            logging: old.logging,
            layers: old.layers,
            file_systems: old.file_systems.into_iter().map(file_system).collect(),
            tenant_isolation: old.tenant_isolation,
            capacity: old.capacity,
            noted: None,
        }
    }
}
