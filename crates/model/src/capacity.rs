//! Capacity providers, and how far a function may spread on one.
//!
//! Functions run on this machine whatever a provider says: it is kept and shown, and nothing is launched for it. So it
//! is active from its creation to its deletion.
//!
//! Source: Lambda API reference, `CreateCapacityProvider` and `PutFunctionScalingConfig`.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::{FunctionId, Scope};
use crate::function::Architecture;
use crate::time::Timestamp;

/// A provider's name within its scope. Shown as its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderId {
    /// Where it lies.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

impl ProviderId {
    /// Characters that its ARN may have.
    pub const ARN_LENGTH_MAX: usize = 140;
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope: Scope { account, region }, name } = self;
        write!(f, "arn:aws:lambda:{region}:{account}:capacity-provider:{name}")
    }
}

/// A capacity provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name.
    pub id: ProviderId,
    /// Where instances would be launched.
    pub subnets: Vec<String>,
    /// What would guard them.
    pub security_groups: Vec<String>,
    /// ARN of the role that would launch them.
    pub operator_role: String,
    /// Their instruction set.
    pub architecture: Architecture,
    /// Their types.
    pub instances: InstanceTypes,
    /// How many vCPUs they may have together.
    pub vcpus_max: Option<u32>,
    /// How their number would follow the load.
    pub scaling: ScalingMode,
    /// ARN of the key.
    pub kms_key: Option<String>,
    /// Which labels they would get; none if nothing was said.
    pub propagated: Option<PropagatedTags>,
    /// What would be logged about them, if anything was said.
    pub logging: Option<ProviderLogging>,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// The owner's labels.
    pub tags: BTreeMap<String, String>,
}

/// Which instance types may be launched. The patterns are EC2's: `m7g.*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InstanceTypes {
    /// All that fit.
    #[default]
    Any,
    /// These.
    Allowed(Vec<String>),
    /// All but these.
    Excluded(Vec<String>),
}

/// `ScalingMode`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ScalingMode {
    /// As the service sees fit.
    #[default]
    Auto,
    /// By these policies.
    Manual(Vec<ScalingPolicy>),
}

/// A value to be held by launching and ending instances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalingPolicy {
    /// What is measured.
    pub metric: ScalingMetric,
    /// The value in percent.
    pub target: f64,
}

/// `PredefinedMetricType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalingMetric {
    /// Average use of vCPUs.
    Cpu,
    /// Average use of GPUs.
    Gpu,
}

/// `PropagateTags`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropagatedTags {
    /// No labels.
    Nothing,
    /// These.
    Explicit(BTreeMap<String, String>),
}

/// `TelemetryConfig.LoggingConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderLogging {
    /// How much is said.
    pub level: Option<ProviderLogLevel>,
    /// Where to.
    pub group: Option<String>,
}

/// `SystemLogLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderLogLevel {
    /// Everything.
    Debug,
    /// The usual.
    Info,
    /// What went wrong.
    Warn,
}

/// `CapacityProviderState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderState {
    /// It is being made: never seen here.
    Pending,
    /// It is there.
    Active,
    /// It could not be made: never seen here.
    Failed,
    /// It is going; seen in the answer to its deletion only.
    Deleting,
}

/// How many environments a version may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionScaling {
    /// The function.
    pub function: FunctionId,
    /// The version's number.
    pub qualifier: String,
    /// The bounds.
    pub bounds: ScalingBounds,
}

/// `FunctionScalingConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScalingBounds {
    /// At least.
    pub min: Option<u32>,
    /// At most.
    pub max: Option<u32>,
}
