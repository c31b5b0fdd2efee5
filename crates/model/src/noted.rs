//! What an owner says about a function that concerns things beside its code: networks, keys, snapshots, where failed
//! events go. It is validated, stored and shown; what of it is performed here, and what not, stands in
//! `docs/reference/stored-only.md`.
//!
//! Source: Lambda API reference, `CreateFunction`, the members of these names.

/// The settings of a function that say something about what lies beside it. Absent means: never set, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Noted {
    /// `VpcConfig`.
    pub vpc: Option<Box<Vpc>>,
    /// `DeadLetterConfig.TargetArn`: a queue or a topic.
    pub dead_letter: Option<String>,
    /// `KMSKeyArn`.
    pub kms_key: Option<String>,
    /// Whether `SnapStart.ApplyOn` is `PublishedVersions`.
    pub snap_start: bool,
    /// `DurableConfig`.
    pub durable: Option<Box<Durable>>,
    /// `RuntimeConfig`.
    pub custom_runtime: Option<Box<CustomRuntime>>,
    /// `AcceleratorConfig.AcceleratorMemorySize`, in GB.
    pub accelerator_gb: Option<u32>,
}

/// `VpcConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vpc {
    /// Subnets; empty, as the security groups are, for no network at all.
    pub subnets: Vec<String>,
    /// Security groups.
    pub security_groups: Vec<String>,
    /// Whether IPv6 may go out of dual-stack subnets.
    pub ipv6: bool,
}

/// `DurableConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durable {
    /// Key for the payloads of executions.
    pub kms_key: Option<String>,
    /// How long the history of an execution that has ended is kept.
    pub retention_days: Option<u32>,
    /// The longest run of one execution.
    pub timeout_s: Option<u32>,
}

/// `RuntimeConfig`: a runtime that the customer manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRuntime {
    /// The runtime.
    pub arn: String,
    /// The alias that names one of its versions.
    pub alias: String,
}

/// What a caller said about where code comes from, beside the code itself. New code brings its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// `SourceKMSKeyArn`.
    pub kms_key: Option<String>,
    /// The object that is referred to, with `S3ObjectStorageMode` `REFERENCE`.
    pub object: Option<Box<Object>>,
}

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// One version of it.
    pub version: Option<String>,
}

/// `S3FilesConfig.DirectS3Read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectRead {
    /// Depends on the function's memory.
    Auto,
    /// Always from the bucket.
    Enabled,
    /// Always through the file system.
    Disabled,
}

impl Noted {
    /// What of these settings keeps a function from being run here, in words.
    #[must_use]
    pub const fn unperformed(&self) -> Option<&'static str> {
        if self.durable.is_some() {
            Some("durable functions (DurableConfig)")
        } else if self.custom_runtime.is_some() {
            Some("customer-managed runtimes (RuntimeConfig)")
        } else if self.accelerator_gb.is_some() {
            Some("accelerators (AcceleratorConfig)")
        } else {
            None
        }
    }
}
