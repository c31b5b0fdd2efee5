//! From domain types to wire types: how a function is shown to callers.
//!
//! Source: Lambda API reference, `FunctionConfiguration`, and what the service really sends: members that say
//! nothing are absent, and `ListFunctions` leaves out all that concerns state.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::function::{Function, LogFormat, State, TracingMode, UpdateStatus};
use model::name::Qualifier;
use wire::lambda as api;

/// What AWS says while a change is being prepared, of new functions and changed ones alike.
const CREATING_REASON: &str = "The function is being created.";
const CREATING_CODE: &str = "Creating";

/// A function whole; its ARN ends in the qualifier if the caller gave one.
pub fn configuration(function: &Function, qualifier: Option<&Qualifier>) -> api::FunctionConfiguration {
    let mut shown = listed(function, qualifier);
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
            shown.state_reason_code = Some(api::StateReasonCode::InternalError);
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
            shown.last_update_status_reason_code = Some(api::LastUpdateStatusReasonCode::InternalError);
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
        .then(|| api::EnvironmentResponse { variables: Some(variables.clone()), error: None });
    let tracing = match settings.tracing {
        TracingMode::Active => api::TracingMode::Active,
        TracingMode::PassThrough => api::TracingMode::PassThrough,
    };
    api::FunctionConfiguration {
        function_name: Some(function.id.name.to_string()),
        function_arn: Some(arn.to_string()),
        runtime: Some(settings.runtime.as_str().into()),
        role: Some(settings.role.clone()),
        handler: Some(settings.handler.clone()),
        code_size: i64::try_from(function.code.size_bytes).ok(),
        description: Some(settings.description.clone()),
        timeout: i32::try_from(settings.timeout_s).ok(),
        memory_size: i32::try_from(settings.memory_mb).ok(),
        last_modified: Some(wire::time::last_modified(function.last_modified)),
        code_sha256: Some(STANDARD.encode(function.code.digest.as_bytes())),
        version: Some(function.version.to_string()),
        environment,
        tracing_config: Some(api::TracingConfigResponse { mode: Some(tracing) }),
        revision_id: Some(function.revision.to_string()),
        package_type: Some(api::PackageType::Zip),
        architectures: Some(vec![settings.architecture.as_str().into()]),
        ephemeral_storage: Some(api::EphemeralStorage { size: i32::try_from(settings.ephemeral_mb).ok() }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some(api::SnapStartApplyOn::None),
            optimization_status: Some(api::SnapStartOptimizationStatus::Off),
        }),
        logging_config: Some(logging(function)),
        ..api::FunctionConfiguration::default()
    }
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
