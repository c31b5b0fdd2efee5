//! Version 1 of the stored form of functions: read, and led to version 2. The field names are the format;
//! `golden/function-v1.json` is one whole example. No `Debug`: environment variables are secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code<'a> {
    /// SHA-256 in hexadecimal; names the blob.
    #[serde(borrow)]
    pub(super) digest: Cow<'a, str>,
    pub(super) size_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings<'a> {
    #[serde(borrow)]
    pub(super) runtime: Cow<'a, str>,
    pub(super) handler: String,
    pub(super) role: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mb: u32,
    pub(super) ephemeral_mb: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) architecture: Architecture,
    pub(super) tracing: TracingMode,
    pub(super) logging: Logging,
}

// The forms below are part of later versions as well.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logging {
    pub(super) format: LogFormat,
    pub(super) application_level: Option<String>,
    pub(super) system_level: Option<String>,
    pub(super) group: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Pending,
    Active,
    Failed { reason: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UpdateStatus {
    Successful,
    InProgress,
    Failed { reason: String },
}

#[derive(Serialize, Deserialize)]
pub(super) enum Architecture {
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TracingMode {
    Active,
    PassThrough,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LogFormat {
    Text,
    Json,
}
