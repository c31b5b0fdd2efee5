//! Concurrency: reserved and provisioned, and the account as a whole.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::{Provision, ProvisionStatus};
use http::Response;
use model::capacity::ScalingBounds;
use model::limits;
use wire::lambda as api;

use super::{Asked, capacity, request, respond, unserved};
use crate::respond::{Body, Failure};

pub async fn put_function_concurrency(
    asked: &Asked<'_>,
    input: api::PutFunctionConcurrencyRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    // The model allows no negative number.
    let executions =
        input.reserved_concurrent_executions.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let functions = &asked.app.parts.functions;
    let kept = functions.reserve_concurrency(&asked.who.scope, &reference, executions).await?;
    let response = api::Concurrency { reserved_concurrent_executions: i32::try_from(kept).ok() };
    Ok(respond::<api::PutFunctionConcurrencyRequest, _>(&response))
}

pub async fn get_function_concurrency(
    asked: &Asked<'_>,
    input: api::GetFunctionConcurrencyRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let reserved = asked.app.parts.functions.reserved_concurrency(&asked.who.scope, &reference)?;
    let reserved = reserved.and_then(|executions| i32::try_from(executions).ok());
    let response = api::GetFunctionConcurrencyResponse { reserved_concurrent_executions: reserved };
    Ok(respond::<api::GetFunctionConcurrencyRequest, _>(&response))
}

pub async fn delete_function_concurrency(
    asked: &Asked<'_>,
    input: api::DeleteFunctionConcurrencyRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    asked.app.parts.functions.release_concurrency(&asked.who.scope, &reference).await?;
    Ok(respond::<api::DeleteFunctionConcurrencyRequest, _>(&()))
}

pub async fn put_provisioned_concurrency_config(
    asked: &Asked<'_>,
    input: api::PutProvisionedConcurrencyConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    // The model asks for at least one.
    let executions = input.provisioned_concurrent_executions.and_then(|n| u32::try_from(n).ok());
    let executions = executions.unwrap_or(1);
    let functions = &asked.app.parts.functions;
    let caller = &asked.who.scope;
    let provision = functions.provision(caller, &reference, qualifier.as_ref(), executions).await?;
    let shown = shown(&provision);
    let response = api::PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: shown.requested_provisioned_concurrent_executions,
        available_provisioned_concurrent_executions: shown.available_provisioned_concurrent_executions,
        allocated_provisioned_concurrent_executions: shown.allocated_provisioned_concurrent_executions,
        status: shown.status,
        status_reason: shown.status_reason,
        last_modified: shown.last_modified,
    };
    Ok(respond::<api::PutProvisionedConcurrencyConfigRequest, _>(&response))
}

pub async fn get_provisioned_concurrency_config(
    asked: &Asked<'_>,
    input: api::GetProvisionedConcurrencyConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let provision = functions.provisioned(&asked.who.scope, &reference, qualifier.as_ref())?;
    let shown = shown(&provision);
    let response = api::GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: shown.requested_provisioned_concurrent_executions,
        available_provisioned_concurrent_executions: shown.available_provisioned_concurrent_executions,
        allocated_provisioned_concurrent_executions: shown.allocated_provisioned_concurrent_executions,
        status: shown.status,
        status_reason: shown.status_reason,
        last_modified: shown.last_modified,
    };
    Ok(respond::<api::GetProvisionedConcurrencyConfigRequest, _>(&response))
}

pub async fn delete_provisioned_concurrency_config(
    asked: &Asked<'_>,
    input: api::DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    functions.unprovision(&asked.who.scope, &reference, qualifier.as_ref()).await?;
    Ok(respond::<api::DeleteProvisionedConcurrencyConfigRequest, _>(&()))
}

pub async fn list_provisioned_concurrency_configs(
    asked: &Asked<'_>,
    input: api::ListProvisionedConcurrencyConfigsRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.functions.provisions(&asked.who.scope, &reference, marker, count_max)?;
    let response = api::ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(page.provisions.iter().map(shown).collect()),
        next_marker: page.next,
    };
    Ok(respond::<api::ListProvisionedConcurrencyConfigsRequest, _>(&response))
}

/// What is provisioned, as every operation shows it.
fn shown(provision: &Provision) -> api::ProvisionedConcurrencyConfigListItem {
    let number = |count: u32| i32::try_from(count).ok();
    let config = &provision.config;
    let (status, reason) = match &provision.status {
        ProvisionStatus::InProgress => (api::ProvisionedConcurrencyStatusEnum::InProgress, None),
        ProvisionStatus::Ready => (api::ProvisionedConcurrencyStatusEnum::Ready, None),
        ProvisionStatus::Failed { reason } => {
            (api::ProvisionedConcurrencyStatusEnum::Failed, Some(reason.clone()))
        }
    };
    api::ProvisionedConcurrencyConfigListItem {
        function_arn: Some(config.function.qualified_arn(&config.qualifier).to_string()),
        requested_provisioned_concurrent_executions: number(config.executions),
        available_provisioned_concurrent_executions: number(provision.available),
        allocated_provisioned_concurrent_executions: number(provision.allocated),
        status: Some(status),
        status_reason: reason,
        last_modified: Some(wire::time::whole_seconds(config.modified)),
    }
}

pub async fn get_account_settings(
    asked: &Asked<'_>,
    _: api::GetAccountSettingsRequest,
) -> Result<Response<Body>, Failure> {
    let account = asked.app.parts.functions.account(&asked.who.scope);
    let response = api::GetAccountSettingsResponse {
        account_limit: Some(api::AccountLimit {
            total_code_size: i64::try_from(account.code_bytes_max).ok(),
            code_size_unzipped: i64::try_from(limits::UNZIPPED_BYTES_MAX).ok(),
            code_size_zipped: i64::try_from(limits::ZIP_BYTES_MAX).ok(),
            concurrent_executions: i32::try_from(account.concurrency).ok(),
            unreserved_concurrent_executions: i32::try_from(account.unreserved).ok(),
        }),
        account_usage: Some(api::AccountUsage {
            total_code_size: i64::try_from(account.code_bytes).ok(),
            function_count: i64::try_from(account.functions).ok(),
        }),
    };
    Ok(respond::<api::GetAccountSettingsRequest, _>(&response))
}

pub async fn put_function_scaling_config(
    asked: &Asked<'_>,
    input: api::PutFunctionScalingConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::check_published(input.qualifier.as_deref())?;
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let bounds = input.function_scaling_config.unwrap_or_default();
    // The model allows no negative numbers.
    let number = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok());
    let bounds = ScalingBounds {
        min: number(bounds.min_execution_environments),
        max: number(bounds.max_execution_environments),
    };
    let functions = &asked.app.parts.functions;
    let function = functions.bound_scaling(&asked.who.scope, &reference, qualifier.as_ref(), bounds).await?;
    let function_state = Some(capacity::state_of(&function));
    let response = api::PutFunctionScalingConfigResponse { function_state };
    Ok(respond::<api::PutFunctionScalingConfigRequest, _>(&response))
}

pub async fn get_function_scaling_config(
    asked: &Asked<'_>,
    input: api::GetFunctionScalingConfigRequest,
) -> Result<Response<Body>, Failure> {
    unserved::check_published(input.qualifier.as_deref())?;
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let (function, bounds) = functions.scaling_bounds(&asked.who.scope, &reference, qualifier.as_ref())?;
    let number = |count: Option<u32>| count.and_then(|count| i32::try_from(count).ok());
    let bounds = (bounds != ScalingBounds::default()).then(|| api::FunctionScalingConfig {
        min_execution_environments: number(bounds.min),
        max_execution_environments: number(bounds.max),
    });
    let response = api::GetFunctionScalingConfigResponse {
        function_arn: Some(capacity::version_arn(&function)),
        applied_function_scaling_config: bounds.clone(),
        requested_function_scaling_config: bounds,
    };
    Ok(respond::<api::GetFunctionScalingConfigRequest, _>(&response))
}
