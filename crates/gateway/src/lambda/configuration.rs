//! From domain types to wire types: how a function is shown to callers.
//!
//! Source: Lambda API reference, `FunctionConfiguration`, and what the service really sends: members that say
//! nothing are absent, and lists leave out all that concerns state and the runtime's version.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::function::{Functions, is_resolved};
use model::function::{Code, Function, LogFormat, Settings, Start, State, TracingMode, UpdateStatus};
use model::name::Qualifier;
use model::noted::DirectRead;
use wire::lambda as api;

/// What AWS says while a change is being prepared, of new functions and changed ones alike.
const CREATING_REASON: &str = "The function is being created.";
const CREATING_CODE: &str = "Creating";

/// A function whole; its ARN ends in the qualifier if the caller gave one.
pub fn configuration(
    functions: &Functions,
    function: &Function,
    qualifier: Option<&Qualifier>,
) -> api::FunctionConfiguration {
    let mut shown = listed(function, qualifier);
    shown.runtime_version_config = functions
        .runtime_version(function)
        .map(|arn| api::RuntimeVersionConfig { runtime_version_arn: Some(arn), error: None });
    match &function.state {
        State::Pending => {
            shown.state = Some(api::State::Pending);
            shown.state_reason = Some(CREATING_REASON.to_owned());
            shown.state_reason_code = Some(api::StateReasonCode::Creating);
            // What comes after creation has not been yet.
            return shown;
        }
        State::Active => shown.state = Some(api::State::Active),
        State::Failed { reason } => {
            shown.state = Some(api::State::Failed);
            shown.state_reason = Some(reason.clone());
            shown.state_reason_code = Some(match function.code {
                Code::Zip(_) => api::StateReasonCode::InternalError,
                Code::Image(_) => api::StateReasonCode::InvalidImage,
            });
        }
    }
    match &function.last_update {
        UpdateStatus::Successful => shown.last_update_status = Some(api::LastUpdateStatus::Successful),
        UpdateStatus::InProgress => {
            shown.last_update_status = Some(api::LastUpdateStatus::InProgress);
            shown.last_update_status_reason = Some(CREATING_REASON.to_owned());
            // The service sends this code although its model lists it for the state only.
            shown.last_update_status_reason_code = Some(CREATING_CODE.into());
        }
        UpdateStatus::Failed { reason } => {
            shown.last_update_status = Some(api::LastUpdateStatus::Failed);
            shown.last_update_status_reason = Some(reason.clone());
            shown.last_update_status_reason_code = Some(match function.code {
                Code::Zip(_) => api::LastUpdateStatusReasonCode::InternalError,
                Code::Image(_) => api::LastUpdateStatusReasonCode::InvalidImage,
            });
        }
    }
    shown
}

/// A function as lists show it.
pub fn listed(function: &Function, qualifier: Option<&Qualifier>) -> api::FunctionConfiguration {
    let settings = &function.settings;
    let arn = qualifier.map_or_else(|| function.id.arn(), |q| function.id.qualified_arn(q));
    let variables = &settings.environment.0;
    let environment = (!variables.is_empty())
        .then(|| api::EnvironmentResponse { variables: Some(variables.to_map()), error: None });
    let tracing = match settings.tracing {
        TracingMode::Active => api::TracingMode::Active,
        TracingMode::PassThrough => api::TracingMode::PassThrough,
    };
    api::FunctionConfiguration {
        function_name: Some(function.id.name.to_string()),
        function_arn: Some(arn.to_string()),
        runtime: settings.runtime().map(|runtime| runtime.as_str().into()),
        role: Some(settings.role.clone()),
        handler: settings.handler().map(str::to_owned),
        // 0 for images, as at AWS: their registry keeps them.
        code_size: i64::try_from(function.code.stored_bytes()).ok(),
        description: Some(settings.description.clone()),
        timeout: i32::try_from(settings.timeout_s).ok(),
        memory_size: i32::try_from(settings.memory_mb).ok(),
        last_modified: Some(wire::time::last_modified(function.last_modified)),
        code_sha256: code_sha256(&function.code),
        version: Some(function.version.to_string()),
        environment,
        tracing_config: Some(api::TracingConfigResponse { mode: Some(tracing) }),
        revision_id: Some(function.revision.to_string()),
        package_type: Some(match function.code {
            Code::Zip(_) => api::PackageType::Zip,
            Code::Image(_) => api::PackageType::Image,
        }),
        image_config_response: image_config(settings),
        layers: layers(settings),
        file_system_configs: file_systems(settings),
        tenancy_config: settings.tenant_isolation.then_some(api::TenancyConfig {
            tenant_isolation_mode: Some(api::TenantIsolationMode::PerTenant),
        }),
        capacity_provider_config: capacity(settings),
        architectures: Some(vec![settings.architecture.as_str().into()]),
        ephemeral_storage: Some(api::EphemeralStorage { size: i32::try_from(settings.ephemeral_mb).ok() }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some(match settings.noted.snap_start {
                true => api::SnapStartApplyOn::PublishedVersions,
                false => api::SnapStartApplyOn::None,
            }),
            // No snapshots are made.
            optimization_status: Some(api::SnapStartOptimizationStatus::Off),
        }),
        vpc_config: settings.noted.vpc.as_deref().map(vpc),
        dead_letter_config: (settings.noted.dead_letter.clone())
            .map(|target| api::DeadLetterConfig { target_arn: Some(target) }),
        kms_key_arn: settings.noted.kms_key.clone(),
        durable_config: settings.noted.durable.as_deref().map(durable),
        runtime_config: settings.noted.custom_runtime.as_deref().map(|runtime| api::FunctionRuntimeConfig {
            runtime_arn: Some(runtime.arn.clone()),
            runtime_alias: Some(runtime.alias.clone()),
        }),
        accelerator_config: settings
            .noted
            .accelerator_gb
            .map(|gb| api::AcceleratorConfig { accelerator_memory_size: i32::try_from(gb).ok() }),
        logging_config: Some(logging(function)),
        ..api::FunctionConfiguration::default()
    }
}

/// Base64 for a zip, hexadecimal for an image, as AWS has it; nothing as long as it is not known which image is meant.
fn code_sha256(code: &Code) -> Option<String> {
    match code {
        Code::Zip(zip) => Some(STANDARD.encode(zip.digest.as_bytes())),
        Code::Image(image) => is_resolved(image).then(|| image.digest.to_string()),
    }
}

fn image_config(settings: &Settings) -> Option<api::ImageConfigResponse> {
    let Start::Image(config) = &settings.start else { return None };
    let list = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let shown = api::ImageConfig {
        entry_point: list(&config.entry_point),
        command: list(&config.command),
        working_directory: config.working_directory.clone(),
    };
    (shown != api::ImageConfig::default())
        .then_some(api::ImageConfigResponse { image_config: Some(shown), error: None })
}

fn layers(settings: &Settings) -> Option<Vec<api::Layer>> {
    let layer = |layer: &model::function::Layer| api::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.zip.size_bytes).ok(),
        ..api::Layer::default()
    };
    (!settings.layers.is_empty()).then(|| settings.layers.iter().map(layer).collect())
}

fn file_systems(settings: &Settings) -> Option<Vec<api::FileSystemConfig>> {
    let mount = |mount: &model::function::FileSystem| api::FileSystemConfig {
        arn: Some(mount.arn.clone()),
        local_mount_path: Some(mount.local_path.clone()),
        s3_files_config: mount.direct_read.map(|mode| api::S3FilesConfig {
            direct_s3_read: Some(match mode {
                DirectRead::Auto => api::DirectS3Read::Auto,
                DirectRead::Enabled => api::DirectS3Read::Enabled,
                DirectRead::Disabled => api::DirectS3Read::Disabled,
            }),
        }),
    };
    (!settings.file_systems.is_empty()).then(|| settings.file_systems.iter().map(mount).collect())
}

/// There are no networks here that could have an id.
fn vpc(vpc: &model::noted::Vpc) -> api::VpcConfigResponse {
    api::VpcConfigResponse {
        subnet_ids: Some(vpc.subnets.clone()),
        security_group_ids: Some(vpc.security_groups.clone()),
        vpc_id: Some(String::new()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6),
    }
}

fn durable(durable: &model::noted::Durable) -> api::DurableConfig {
    api::DurableConfig {
        kms_key_arn: durable.kms_key.clone(),
        retention_period_in_days: durable.retention_days.and_then(|days| i32::try_from(days).ok()),
        execution_timeout: durable.timeout_s.and_then(|seconds| i32::try_from(seconds).ok()),
    }
}

fn capacity(settings: &Settings) -> Option<api::CapacityProviderConfig> {
    let provider = settings.capacity.as_ref()?;
    let config = api::LambdaManagedInstancesCapacityProviderConfig {
        capacity_provider_arn: Some(provider.arn.clone()),
        per_execution_environment_max_concurrency: provider.concurrency.and_then(|n| i32::try_from(n).ok()),
        execution_environment_memory_gi_b_per_v_cpu: provider.memory_gib_per_vcpu,
    };
    Some(api::CapacityProviderConfig { lambda_managed_instances_capacity_provider_config: Some(config) })
}

fn logging(function: &Function) -> api::LoggingConfig {
    let logging = &function.settings.logging;
    let format = match logging.format {
        LogFormat::Text => api::LogFormat::Text,
        LogFormat::Json => api::LogFormat::Json,
    };
    api::LoggingConfig {
        log_format: Some(format),
        application_log_level: logging.application_level.as_deref().map(Into::into),
        system_log_level: logging.system_level.as_deref().map(Into::into),
        log_group: Some(function.log_group()),
    }
}
