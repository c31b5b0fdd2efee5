//! From wire types to domain types: what a request asks for, in `control`'s words.
//!
//! The model's constraints have been checked when a value gets here. What the API allows and Dormouse cannot
//! honour is refused in [`super::unserved`]; nothing is dropped silently.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::function::{Change, LoggingChange, NotedChange, VpcChange};
use model::error::ServiceError;
use model::function::{
    Architecture, CapacityProvider, Environment, FileSystem, ImageConfig, LogFormat, TracingMode,
};
use model::limits;
use model::name::{FunctionName, FunctionReference, Qualifier, Version};
use model::noted::{CustomRuntime, DirectRead, Durable};
use model::runtime::RuntimeName;
use serde::de::IgnoredAny;
use wire::lambda::{self as api, unknown_runtime_message};

/// The function that a request names.
///
/// # Errors
/// `Validation` for what the model's pattern lets through and no function can be called.
pub fn reference(text: Option<&str>) -> Result<FunctionReference, ServiceError> {
    let text = text.unwrap_or_default();
    FunctionReference::parse(text).map_err(|_| {
        let name = text.rsplit(':').next().unwrap_or_default();
        let constraint = if name.len() > FunctionName::LENGTH_MAX {
            format!("Member must have length less than or equal to {}", FunctionName::LENGTH_MAX)
        } else {
            "Member must be a function name, a partial ARN or an ARN of a function".to_owned()
        };
        let shown: String = text.chars().take(200).collect();
        ServiceError::Validation(format!(
            "1 validation error detected: Value '{shown}' at 'functionName' failed to satisfy constraint: \
             {constraint}"
        ))
    })
}

/// The version or alias that a request names apart from the function.
///
/// # Errors
/// `Validation`.
pub fn qualifier(text: Option<&str>) -> Result<Option<Qualifier>, ServiceError> {
    let parse = |text: &str| {
        Qualifier::parse(text).map_err(|error| {
            ServiceError::Validation(format!(
                "1 validation error detected: Value '{}' at 'qualifier' failed to satisfy constraint: Member must \
                 be {}",
                error.text, error.expected
            ))
        })
    };
    text.map(parse).transpose()
}

/// The version that an alias of a function is to stand for.
///
/// # Errors
/// `ResourceNotFound` for one that the model allows and no function has.
pub fn version(reference: &FunctionReference, text: &str) -> Result<Version, ServiceError> {
    Version::parse(text).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        ServiceError::ResourceNotFound(format!("Function not found: {}:{shown}", reference.name))
    })
}

/// The version that gets a share of an alias.
///
/// # Errors
/// `InvalidParameterValue` for a number that no version can have.
pub fn version_number(text: &str) -> Result<Version, ServiceError> {
    Version::parse(text).map_err(|error| {
        ServiceError::InvalidParameterValue(format!(
            "{} in AdditionalVersionWeights is not the number of a version.",
            error.text
        ))
    })
}

/// The settings that a new function asks for.
///
/// # Errors
/// `InvalidParameterValue` for a runtime or architecture that is none.
pub fn settings_of_create(input: &api::CreateFunctionRequest) -> Result<Change, ServiceError> {
    Ok(Change {
        runtime: runtime(input.runtime.as_ref())?,
        handler: input.handler.clone(),
        role: input.role.clone(),
        description: input.description.clone(),
        timeout_s: number(input.timeout),
        memory_mb: number(input.memory_size),
        ephemeral_mb: input.ephemeral_storage.as_ref().and_then(|storage| number(storage.size)),
        environment: input.environment.as_ref().map(environment),
        architecture: architecture(input.architectures.as_deref())?,
        tracing: input.tracing_config.as_ref().and_then(tracing),
        logging: input.logging_config.as_ref().map(logging),
        image: input.image_config.as_ref().map(image_config),
        layers: input.layers.clone(),
        file_systems: input.file_system_configs.as_deref().map(file_systems),
        tenant_isolation: Some(input.tenancy_config.is_some()),
        capacity: input.capacity_provider_config.as_ref().and_then(capacity),
        noted: NotedChange {
            vpc: input.vpc_config.as_ref().map(vpc),
            dead_letter: input.dead_letter_config.as_ref().map(dead_letter),
            kms_key: input.kms_key_arn.clone(),
            snap_start: input.snap_start.as_ref().and_then(snap_start),
            durable: input.durable_config.as_ref().map(durable),
            custom_runtime: input.runtime_config.as_ref().map(custom_runtime),
            accelerator_gb: input
                .accelerator_config
                .as_ref()
                .and_then(|config| config.accelerator_memory_size),
        },
    })
}

/// The settings that a change asks for.
///
/// # Errors
/// `InvalidParameterValue` for a runtime that is none.
pub fn settings_of_update(input: &api::UpdateFunctionConfigurationRequest) -> Result<Change, ServiceError> {
    Ok(Change {
        runtime: runtime(input.runtime.as_ref())?,
        handler: input.handler.clone(),
        role: input.role.clone(),
        description: input.description.clone(),
        timeout_s: number(input.timeout),
        memory_mb: number(input.memory_size),
        ephemeral_mb: input.ephemeral_storage.as_ref().and_then(|storage| number(storage.size)),
        environment: input.environment.as_ref().map(environment),
        architecture: None,
        tracing: input.tracing_config.as_ref().and_then(tracing),
        logging: input.logging_config.as_ref().map(logging),
        image: input.image_config.as_ref().map(image_config),
        layers: input.layers.clone(),
        file_systems: input.file_system_configs.as_deref().map(file_systems),
        tenant_isolation: None,
        capacity: input.capacity_provider_config.as_ref().and_then(capacity),
        noted: NotedChange {
            vpc: input.vpc_config.as_ref().map(vpc),
            dead_letter: input.dead_letter_config.as_ref().map(dead_letter),
            kms_key: input.kms_key_arn.clone(),
            snap_start: input.snap_start.as_ref().and_then(snap_start),
            durable: input.durable_config.as_ref().map(durable),
            custom_runtime: input.runtime_config.as_ref().map(custom_runtime),
            accelerator_gb: input
                .accelerator_config
                .as_ref()
                .and_then(|config| config.accelerator_memory_size),
        },
    })
}

/// The one instruction set that is asked for.
///
/// # Errors
/// `InvalidParameterValue` for several, or one that no Lambda has.
pub fn architecture(asked: Option<&[api::Architecture]>) -> Result<Option<Architecture>, ServiceError> {
    match asked.unwrap_or_default() {
        [] => Ok(None),
        [one] if one_architecture(one).is_some() => Ok(one_architecture(one)),
        _ => Err(ServiceError::InvalidParameterValue(
            "Architectures must hold exactly one of x86_64 and arm64.".to_owned(),
        )),
    }
}

/// One instruction set; none for one that no Lambda has, which the model's constraints have refused.
pub fn one_architecture(asked: &api::Architecture) -> Option<Architecture> {
    match asked {
        api::Architecture::X86_64 => Some(Architecture::X86_64),
        api::Architecture::Arm64 => Some(Architecture::Arm64),
        api::Architecture::Unknown(_) => None,
    }
}

/// How many items a page may have.
pub fn count_max(asked: Option<i32>) -> usize {
    asked.and_then(|count| usize::try_from(count).ok()).unwrap_or(limits::LIST_PAGE_MAX)
}

/// Where a page begins. Tools send back an empty marker when there was none.
pub fn marker(asked: Option<&str>) -> Option<&str> {
    asked.filter(|marker| !marker.is_empty())
}

/// The event of an invocation: JSON, and `{}` where none is sent, as Lambda has it.
///
/// # Errors
/// `InvalidRequestContent`, which says where it stops being JSON.
pub fn event(payload: Option<Bytes>) -> Result<Bytes, ServiceError> {
    let Some(payload) = payload else { return Ok(Bytes::from_static(b"{}")) };
    // Skipping over a value does not look into its strings, so the text is checked first.
    let text = std::str::from_utf8(&payload).map_err(|error| error.to_string());
    let checked = text.and_then(|text| {
        serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| error.to_string())
    });
    match checked {
        Ok(()) => Ok(payload),
        Err(error) => Err(ServiceError::InvalidRequestContent(format!(
            "Could not parse request body into json: {error}"
        ))),
    }
}

/// The client context as JSON.
///
/// # Errors
/// `InvalidRequestContent` if it is too long, not Base64 or not JSON.
pub fn client_context(encoded: &str) -> Result<String, ServiceError> {
    let refuse = |why: &str| ServiceError::InvalidRequestContent(format!("Client context {why}"));
    if encoded.len() > limits::CLIENT_CONTEXT_BYTES_MAX {
        let most = limits::CLIENT_CONTEXT_BYTES_MAX;
        return Err(refuse(&format!("must be no more than {most} bytes when base64-encoded.")));
    }
    let text = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
        .ok_or_else(|| refuse("must be a valid Base64-encoded JSON object."))
}

fn runtime(asked: Option<&api::Runtime>) -> Result<Option<RuntimeName>, ServiceError> {
    match asked {
        Some(api::Runtime::Unknown(name)) => {
            Err(ServiceError::InvalidParameterValue(unknown_runtime_message(name)))
        }
        known => Ok(known.map(|runtime| RuntimeName::new(runtime.as_ref()))),
    }
}

fn image_config(asked: &api::ImageConfig) -> ImageConfig {
    ImageConfig {
        entry_point: asked.entry_point.clone().unwrap_or_default(),
        command: asked.command.clone().unwrap_or_default(),
        working_directory: asked.working_directory.clone().filter(|directory| !directory.is_empty()),
    }
}

fn file_systems(asked: &[api::FileSystemConfig]) -> Vec<FileSystem> {
    let mount = |mount: &api::FileSystemConfig| FileSystem {
        arn: mount.arn.clone().unwrap_or_default(),
        local_path: mount.local_mount_path.clone().unwrap_or_default(),
        direct_read: mount.s3_files_config.as_ref().map(direct_read),
    };
    asked.iter().map(mount).collect()
}

/// The default where nothing else is said.
fn direct_read(asked: &api::S3FilesConfig) -> DirectRead {
    match asked.direct_s3_read {
        Some(api::DirectS3Read::Enabled) => DirectRead::Enabled,
        Some(api::DirectS3Read::Disabled) => DirectRead::Disabled,
        // Any other mode has failed the model's constraint.
        None | Some(api::DirectS3Read::Auto | api::DirectS3Read::Unknown(_)) => DirectRead::Auto,
    }
}

fn vpc(asked: &api::VpcConfig) -> VpcChange {
    VpcChange {
        subnets: asked.subnet_ids.clone(),
        security_groups: asked.security_group_ids.clone(),
        ipv6: asked.ipv6_allowed_for_dual_stack,
    }
}

/// Empty for none.
fn dead_letter(asked: &api::DeadLetterConfig) -> String {
    asked.target_arn.clone().unwrap_or_default()
}

fn snap_start(asked: &api::SnapStart) -> Option<bool> {
    asked.apply_on.as_ref().map(|on| *on == api::SnapStartApplyOn::PublishedVersions)
}

fn durable(asked: &api::DurableConfig) -> Durable {
    Durable {
        kms_key: asked.kms_key_arn.clone(),
        retention_days: number(asked.retention_period_in_days),
        timeout_s: number(asked.execution_timeout),
    }
}

fn custom_runtime(asked: &api::FunctionRuntimeConfig) -> CustomRuntime {
    CustomRuntime {
        arn: asked.runtime_arn.clone().unwrap_or_default(),
        alias: asked.runtime_alias.clone().unwrap_or_default(),
    }
}

fn capacity(asked: &api::CapacityProviderConfig) -> Option<CapacityProvider> {
    let config = asked.lambda_managed_instances_capacity_provider_config.as_ref()?;
    Some(CapacityProvider {
        arn: config.capacity_provider_arn.clone().unwrap_or_default(),
        concurrency: number(config.per_execution_environment_max_concurrency),
        memory_gib_per_vcpu: config.execution_environment_memory_gi_b_per_v_cpu,
    })
}

/// Ranges are the model's; what is negative after all fails the limits behind it.
fn number(value: Option<i32>) -> Option<u32> {
    value.map(|value| u32::try_from(value).unwrap_or(0))
}

fn environment(asked: &api::Environment) -> Environment {
    Environment(asked.variables.clone().unwrap_or_default().into())
}

fn tracing(asked: &api::TracingConfig) -> Option<TracingMode> {
    match asked.mode.as_ref()? {
        api::TracingMode::Active => Some(TracingMode::Active),
        // Any third mode has failed the model's constraint.
        api::TracingMode::PassThrough | api::TracingMode::Unknown(_) => Some(TracingMode::PassThrough),
    }
}

fn logging(asked: &api::LoggingConfig) -> LoggingChange {
    let format = asked.log_format.as_ref().map(|format| match format {
        api::LogFormat::Json => LogFormat::Json,
        api::LogFormat::Text | api::LogFormat::Unknown(_) => LogFormat::Text,
    });
    LoggingChange {
        format,
        application_level: asked.application_log_level.as_ref().map(ToString::to_string),
        system_level: asked.system_log_level.as_ref().map(ToString::to_string),
        group: asked.log_group.clone(),
    }
}
