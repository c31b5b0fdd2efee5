//! Capacity providers, and the words for them.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::capacity::{Capacity, CreateProvider, PropagatedChange, ProviderChange};
use http::Response;
use model::capacity::{
    InstanceTypes, PropagatedTags, Provider, ProviderLogLevel, ProviderLogging, ProviderState, ScalingMetric,
    ScalingMode, ScalingPolicy,
};
use model::function::{Architecture, Function, State};
use model::name::Qualifier;
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

pub async fn create_capacity_provider(
    asked: &Asked<'_>,
    input: api::CreateCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    let vpc = input.vpc_config.unwrap_or_default();
    let instances = input.instance_requirements.unwrap_or_default();
    let permissions = input.permissions_config.unwrap_or_default();
    let request = CreateProvider {
        name: input.capacity_provider_name.unwrap_or_default(),
        subnets: vpc.subnet_ids.unwrap_or_default(),
        security_groups: vpc.security_group_ids.unwrap_or_default(),
        operator_role: permissions.capacity_provider_operator_role_arn.unwrap_or_default(),
        architecture: request::architecture(instances.architectures.as_deref())?,
        allowed_types: instances.allowed_instance_types.unwrap_or_default(),
        excluded_types: instances.excluded_instance_types.unwrap_or_default(),
        kms_key: input.kms_key_arn,
        change: change(input.capacity_provider_scaling_config, input.propagate_tags, input.telemetry_config),
        tags: input.tags.unwrap_or_default(),
    };
    let provider = providers(asked).create(&asked.who.scope, request).await?;
    let capacity_provider = Some(shown(&provider, ProviderState::Active));
    let response = api::CreateCapacityProviderResponse { capacity_provider };
    Ok(respond::<api::CreateCapacityProviderRequest, _>(&response))
}

pub async fn get_capacity_provider(
    asked: &Asked<'_>,
    input: api::GetCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    let name = input.capacity_provider_name.unwrap_or_default();
    let provider = providers(asked).get(&asked.who.scope, &name)?;
    let capacity_provider = Some(shown(&provider, ProviderState::Active));
    let response = api::GetCapacityProviderResponse { capacity_provider };
    Ok(respond::<api::GetCapacityProviderRequest, _>(&response))
}

pub async fn update_capacity_provider(
    asked: &Asked<'_>,
    input: api::UpdateCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    let name = input.capacity_provider_name.unwrap_or_default();
    let change = change(input.capacity_provider_scaling_config, input.propagate_tags, input.telemetry_config);
    let provider = providers(asked).update(&asked.who.scope, &name, change).await?;
    let capacity_provider = Some(shown(&provider, ProviderState::Active));
    let response = api::UpdateCapacityProviderResponse { capacity_provider };
    Ok(respond::<api::UpdateCapacityProviderRequest, _>(&response))
}

pub async fn delete_capacity_provider(
    asked: &Asked<'_>,
    input: api::DeleteCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    let name = input.capacity_provider_name.unwrap_or_default();
    let provider = providers(asked).delete(&asked.who.scope, &name).await?;
    let capacity_provider = Some(shown(&provider, ProviderState::Deleting));
    let response = api::DeleteCapacityProviderResponse { capacity_provider };
    Ok(respond::<api::DeleteCapacityProviderRequest, _>(&response))
}

pub async fn list_capacity_providers(
    asked: &Asked<'_>,
    input: api::ListCapacityProvidersRequest,
) -> Result<Response<Body>, Failure> {
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let state = input.state.as_ref().and_then(state_asked);
    let page = providers(asked).list(&asked.who.scope, state, marker, count_max)?;
    let shown = page.providers.iter().map(|provider| shown(provider, ProviderState::Active));
    let response = api::ListCapacityProvidersResponse {
        capacity_providers: Some(shown.collect()),
        next_marker: page.next,
    };
    Ok(respond::<api::ListCapacityProvidersRequest, _>(&response))
}

pub async fn list_function_versions_by_capacity_provider(
    asked: &Asked<'_>,
    input: api::ListFunctionVersionsByCapacityProviderRequest,
) -> Result<Response<Body>, Failure> {
    let name = input.capacity_provider_name.unwrap_or_default();
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let (provider, page) = providers(asked).users(&asked.who.scope, &name, marker, count_max)?;
    let item = |function: &Function| api::FunctionVersionsByCapacityProviderListItem {
        function_arn: Some(version_arn(function)),
        state: Some(state_of(function)),
    };
    let response = api::ListFunctionVersionsByCapacityProviderResponse {
        capacity_provider_arn: Some(provider.id.to_string()),
        function_versions: Some(page.functions.iter().map(|function| item(function)).collect()),
        next_marker: page.next,
    };
    Ok(respond::<api::ListFunctionVersionsByCapacityProviderRequest, _>(&response))
}

/// The ARN of one version.
pub(super) fn version_arn(function: &Function) -> String {
    function.id.qualified_arn(&Qualifier::Version(function.version)).to_string()
}

pub(super) fn state_of(function: &Function) -> api::State {
    match function.state {
        State::Pending => api::State::Pending,
        State::Active => api::State::Active,
        State::Failed { .. } => api::State::Failed,
    }
}

fn providers(asked: &Asked<'_>) -> Capacity {
    Capacity::new(asked.app.parts.functions.clone())
}

/// Values that no model has have failed its constraints.
fn change(
    scaling: Option<api::CapacityProviderScalingConfig>,
    propagated: Option<api::PropagateTags>,
    telemetry: Option<api::CapacityProviderTelemetryConfig>,
) -> ProviderChange {
    let scaling = scaling.unwrap_or_default();
    let logging = telemetry.and_then(|telemetry| telemetry.logging_config);
    ProviderChange {
        vcpus_max: scaling.max_v_cpu_count.and_then(|count| u32::try_from(count).ok()),
        is_manual: scaling.scaling_mode.map(|mode| mode == api::CapacityProviderScalingMode::Manual),
        policies: scaling.scaling_policies.map(|policies| policies.iter().map(policy).collect()),
        propagated: propagated.map(|asked| PropagatedChange {
            is_explicit: asked.mode == Some(api::PropagateTagsMode::Explicit),
            tags: asked.explicit_tags,
        }),
        logging: logging.map(|logging| ProviderLogging {
            level: logging.system_log_level.as_ref().and_then(level),
            group: logging.log_group,
        }),
    }
}

fn policy(asked: &api::TargetTrackingScalingPolicy) -> ScalingPolicy {
    use api::CapacityProviderPredefinedMetricType as Metric;
    let metric = match asked.predefined_metric_type {
        Some(Metric::LambdaCapacityProviderAverageGPUUtilization) => ScalingMetric::Gpu,
        Some(Metric::LambdaCapacityProviderAverageCPUUtilization | Metric::Unknown(_)) | None => {
            ScalingMetric::Cpu
        }
    };
    ScalingPolicy { metric, target: asked.target_value.unwrap_or_default() }
}

fn level(asked: &api::SystemLogLevel) -> Option<ProviderLogLevel> {
    match asked {
        api::SystemLogLevel::Debug => Some(ProviderLogLevel::Debug),
        api::SystemLogLevel::Info => Some(ProviderLogLevel::Info),
        api::SystemLogLevel::Warn => Some(ProviderLogLevel::Warn),
        api::SystemLogLevel::Unknown(_) => None,
    }
}

fn state_asked(asked: &api::CapacityProviderState) -> Option<ProviderState> {
    match asked {
        api::CapacityProviderState::Pending => Some(ProviderState::Pending),
        api::CapacityProviderState::Active => Some(ProviderState::Active),
        api::CapacityProviderState::Failed => Some(ProviderState::Failed),
        api::CapacityProviderState::Deleting => Some(ProviderState::Deleting),
        api::CapacityProviderState::Unknown(_) => None,
    }
}

fn shown(provider: &Provider, state: ProviderState) -> api::CapacityProvider {
    api::CapacityProvider {
        capacity_provider_arn: Some(provider.id.to_string()),
        state: Some(match state {
            ProviderState::Pending => api::CapacityProviderState::Pending,
            ProviderState::Active => api::CapacityProviderState::Active,
            ProviderState::Failed => api::CapacityProviderState::Failed,
            ProviderState::Deleting => api::CapacityProviderState::Deleting,
        }),
        vpc_config: Some(api::CapacityProviderVpcConfig {
            subnet_ids: Some(provider.subnets.clone()),
            security_group_ids: Some(provider.security_groups.clone()),
        }),
        permissions_config: Some(api::CapacityProviderPermissionsConfig {
            capacity_provider_operator_role_arn: Some(provider.operator_role.clone()),
        }),
        instance_requirements: Some(shown_instances(provider)),
        capacity_provider_scaling_config: Some(shown_scaling(provider)),
        kms_key_arn: provider.kms_key.clone(),
        last_modified: Some(wire::time::last_modified(provider.last_modified)),
        propagate_tags: provider.propagated.as_ref().map(|propagated| match propagated {
            PropagatedTags::Nothing => {
                api::PropagateTags { mode: Some(api::PropagateTagsMode::None), explicit_tags: None }
            }
            PropagatedTags::Explicit(tags) => api::PropagateTags {
                mode: Some(api::PropagateTagsMode::Explicit),
                explicit_tags: Some(tags.clone()),
            },
        }),
        telemetry_config: provider.logging.as_ref().map(shown_telemetry),
    }
}

fn shown_instances(provider: &Provider) -> api::InstanceRequirements {
    let (allowed, excluded) = match &provider.instances {
        InstanceTypes::Any => (None, None),
        InstanceTypes::Allowed(types) => (Some(types.clone()), None),
        InstanceTypes::Excluded(types) => (None, Some(types.clone())),
    };
    let architecture = match provider.architecture {
        Architecture::X86_64 => api::Architecture::X86_64,
        Architecture::Arm64 => api::Architecture::Arm64,
    };
    api::InstanceRequirements {
        architectures: Some(vec![architecture]),
        allowed_instance_types: allowed,
        excluded_instance_types: excluded,
    }
}

fn shown_scaling(provider: &Provider) -> api::CapacityProviderScalingConfig {
    use api::CapacityProviderPredefinedMetricType as Metric;
    let policy = |policy: &ScalingPolicy| api::TargetTrackingScalingPolicy {
        predefined_metric_type: Some(match policy.metric {
            ScalingMetric::Cpu => Metric::LambdaCapacityProviderAverageCPUUtilization,
            ScalingMetric::Gpu => Metric::LambdaCapacityProviderAverageGPUUtilization,
        }),
        target_value: Some(policy.target),
    };
    let (mode, policies) = match &provider.scaling {
        ScalingMode::Auto => (api::CapacityProviderScalingMode::Auto, None),
        ScalingMode::Manual(policies) => {
            (api::CapacityProviderScalingMode::Manual, Some(policies.iter().map(policy).collect()))
        }
    };
    api::CapacityProviderScalingConfig {
        max_v_cpu_count: provider.vcpus_max.and_then(|count| i32::try_from(count).ok()),
        scaling_mode: Some(mode),
        scaling_policies: policies,
    }
}

fn shown_telemetry(logging: &ProviderLogging) -> api::CapacityProviderTelemetryConfig {
    let level = logging.level.map(|level| match level {
        ProviderLogLevel::Debug => api::SystemLogLevel::Debug,
        ProviderLogLevel::Info => api::SystemLogLevel::Info,
        ProviderLogLevel::Warn => api::SystemLogLevel::Warn,
    });
    let logging =
        api::CapacityProviderLoggingConfig { system_log_level: level, log_group: logging.group.clone() };
    api::CapacityProviderTelemetryConfig { logging_config: Some(logging) }
}
