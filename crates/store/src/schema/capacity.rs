//! The stored forms of capacity providers and of the bounds that versions have on them. Version 1 of each;
//! `golden/capacity-provider-v1.json` and `golden/function-scaling-v1.json` are examples.
//!
//! A mode or a choice that needs further values holds them, so that none is stored without the others.

use std::collections::BTreeMap;

use model::arn::{FunctionId, Scope};
use model::capacity::{
    FunctionScaling, InstanceTypes, PropagatedTags, Provider, ProviderId, ProviderLogLevel, ProviderLogging,
    ScalingBounds, ScalingMetric, ScalingMode, ScalingPolicy,
};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, OfScope, function_of, scope_of};
use super::v2::Architecture;
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderForm {
    v: u32,
    of: OfScope,
    name: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    operator_role: String,
    architecture: Architecture,
    instances: Instances,
    vcpus_max: Option<u32>,
    scaling: Scaling,
    kms_key: Option<String>,
    propagated: Option<Propagated>,
    logging: Option<Logging>,
    last_modified_ms: i64,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Instances {
    Any,
    Allowed(Vec<String>),
    Excluded(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scaling {
    Auto,
    Manual(Vec<Policy>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    metric: Metric,
    target: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Metric {
    Cpu,
    Gpu,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Propagated {
    Nothing,
    Explicit(BTreeMap<String, String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logging {
    level: Option<Level>,
    group: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Debug,
    Info,
    Warn,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScalingForm {
    v: u32,
    of: OfFunction,
    qualifier: String,
    min: Option<u32>,
    max: Option<u32>,
}

impl Stored for Provider {
    type Owner = Scope;
    const KIND: &'static str = "capacity-provider";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ProviderForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            name: self.id.name.clone(),
            subnets: self.subnets.clone(),
            security_groups: self.security_groups.clone(),
            operator_role: self.operator_role.clone(),
            architecture: self.architecture.into(),
            instances: store_instances(&self.instances),
            vcpus_max: self.vcpus_max,
            scaling: store_scaling(&self.scaling),
            kms_key: self.kms_key.clone(),
            propagated: self.propagated.as_ref().map(|tags| match tags {
                PropagatedTags::Nothing => Propagated::Nothing,
                PropagatedTags::Explicit(tags) => Propagated::Explicit(tags.clone()),
            }),
            logging: self.logging.as_ref().map(store_logging),
            last_modified_ms: self.last_modified.as_millis(),
            tags: self.tags.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ProviderForm = versioned(VERSION, bytes)?;
        Ok(Self {
            id: ProviderId { scope: scope_of(&form.of)?, name: form.name },
            subnets: form.subnets,
            security_groups: form.security_groups,
            operator_role: form.operator_role,
            architecture: form.architecture.into(),
            instances: match form.instances {
                Instances::Any => InstanceTypes::Any,
                Instances::Allowed(types) => InstanceTypes::Allowed(types),
                Instances::Excluded(types) => InstanceTypes::Excluded(types),
            },
            vcpus_max: form.vcpus_max,
            scaling: read_scaling(form.scaling),
            kms_key: form.kms_key,
            propagated: form.propagated.map(|tags| match tags {
                Propagated::Nothing => PropagatedTags::Nothing,
                Propagated::Explicit(tags) => PropagatedTags::Explicit(tags),
            }),
            logging: form.logging.map(read_logging),
            last_modified: Timestamp::from_millis(form.last_modified_ms),
            tags: form.tags,
        })
    }
}

impl Stored for FunctionScaling {
    type Owner = FunctionId;
    const KIND: &'static str = "function-scaling";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.qualifier.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let (of, qualifier) = ((&self.function).into(), self.qualifier.clone());
        let ScalingBounds { min, max } = self.bounds;
        serde_json::to_vec(&ScalingForm { v: VERSION, of, qualifier, min, max }).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ScalingForm = versioned(VERSION, bytes)?;
        let bounds = ScalingBounds { min: form.min, max: form.max };
        Ok(Self { function: function_of(&form.of)?, qualifier: form.qualifier, bounds })
    }
}

fn store_instances(types: &InstanceTypes) -> Instances {
    match types {
        InstanceTypes::Any => Instances::Any,
        InstanceTypes::Allowed(types) => Instances::Allowed(types.clone()),
        InstanceTypes::Excluded(types) => Instances::Excluded(types.clone()),
    }
}

fn store_scaling(mode: &ScalingMode) -> Scaling {
    let policy = |policy: &ScalingPolicy| Policy {
        metric: match policy.metric {
            ScalingMetric::Cpu => Metric::Cpu,
            ScalingMetric::Gpu => Metric::Gpu,
        },
        target: policy.target,
    };
    match mode {
        ScalingMode::Auto => Scaling::Auto,
        ScalingMode::Manual(policies) => Scaling::Manual(policies.iter().map(policy).collect()),
    }
}

fn read_scaling(mode: Scaling) -> ScalingMode {
    let policy = |policy: Policy| ScalingPolicy {
        metric: match policy.metric {
            Metric::Cpu => ScalingMetric::Cpu,
            Metric::Gpu => ScalingMetric::Gpu,
        },
        target: policy.target,
    };
    match mode {
        Scaling::Auto => ScalingMode::Auto,
        Scaling::Manual(policies) => ScalingMode::Manual(policies.into_iter().map(policy).collect()),
    }
}

fn store_logging(logging: &ProviderLogging) -> Logging {
    let level = logging.level.map(|level| match level {
        ProviderLogLevel::Debug => Level::Debug,
        ProviderLogLevel::Info => Level::Info,
        ProviderLogLevel::Warn => Level::Warn,
    });
    Logging { level, group: logging.group.clone() }
}

fn read_logging(logging: Logging) -> ProviderLogging {
    let level = logging.level.map(|level| match level {
        Level::Debug => ProviderLogLevel::Debug,
        Level::Info => ProviderLogLevel::Info,
        Level::Warn => ProviderLogLevel::Warn,
    });
    ProviderLogging { level, group: logging.group }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::{sample_function, sample_scope};

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let tags = |key: &str| BTreeMap::from([(key.to_owned(), "images".to_owned())]);
        let value = Provider {
            id: ProviderId { scope: sample_scope(), name: "pool".to_owned() },
            subnets: vec!["subnet-1".to_owned()],
            security_groups: vec!["sg-1".to_owned()],
            operator_role: "arn:aws:iam::123456789012:role/operator".to_owned(),
            architecture: model::function::Architecture::Arm64,
            instances: InstanceTypes::Excluded(vec!["m7g.*".to_owned()]),
            vcpus_max: Some(30),
            scaling: ScalingMode::Manual(vec![ScalingPolicy { metric: ScalingMetric::Gpu, target: 62.5 }]),
            kms_key: Some("arn:aws:kms:eu-central-1:123456789012:key/0a".to_owned()),
            propagated: Some(PropagatedTags::Explicit(tags("cost"))),
            logging: Some(ProviderLogging {
                level: Some(ProviderLogLevel::Warn),
                group: Some("/ours".to_owned()),
            }),
            last_modified: Timestamp::from_millis(1_764_000_000_123),
            tags: tags("team"),
        };
        check_golden(&value, include_str!("../../golden/capacity-provider-v1.json"));
        let bounds = ScalingBounds { min: Some(1), max: Some(5) };
        let value = FunctionScaling { function: sample_function(), qualifier: "7".to_owned(), bounds };
        check_golden(&value, include_str!("../../golden/function-scaling-v1.json"));
    }
}
