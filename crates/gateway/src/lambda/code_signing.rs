//! Code signing configurations, and which function has which.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::code_signing::{CodeSigning, ConfigChange};
use http::Response;
use model::code_signing::{CodeSigningConfig, CodeSigningPolicy};
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

pub async fn create_code_signing_config(
    asked: &Asked<'_>,
    input: api::CreateCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let change = change(input.description, input.allowed_publishers, input.code_signing_policies.as_ref());
    let tags = input.tags.unwrap_or_default();
    let config = configs(asked).create(&asked.who.scope, change, tags).await?;
    let response = api::CreateCodeSigningConfigResponse { code_signing_config: Some(shown(&config)) };
    Ok(respond::<api::CreateCodeSigningConfigRequest, _>(&response))
}

pub async fn get_code_signing_config(
    asked: &Asked<'_>,
    input: api::GetCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let arn = input.code_signing_config_arn.unwrap_or_default();
    let config = configs(asked).get(&asked.who.scope, &arn)?;
    let response = api::GetCodeSigningConfigResponse { code_signing_config: Some(shown(&config)) };
    Ok(respond::<api::GetCodeSigningConfigRequest, _>(&response))
}

pub async fn update_code_signing_config(
    asked: &Asked<'_>,
    input: api::UpdateCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let arn = input.code_signing_config_arn.unwrap_or_default();
    let change = change(input.description, input.allowed_publishers, input.code_signing_policies.as_ref());
    let config = configs(asked).update(&asked.who.scope, &arn, change).await?;
    let response = api::UpdateCodeSigningConfigResponse { code_signing_config: Some(shown(&config)) };
    Ok(respond::<api::UpdateCodeSigningConfigRequest, _>(&response))
}

pub async fn delete_code_signing_config(
    asked: &Asked<'_>,
    input: api::DeleteCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let arn = input.code_signing_config_arn.unwrap_or_default();
    configs(asked).delete(&asked.who.scope, &arn).await?;
    Ok(respond::<api::DeleteCodeSigningConfigRequest, _>(&api::DeleteCodeSigningConfigResponse {}))
}

pub async fn list_code_signing_configs(
    asked: &Asked<'_>,
    input: api::ListCodeSigningConfigsRequest,
) -> Result<Response<Body>, Failure> {
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = configs(asked).list(&asked.who.scope, marker, count_max)?;
    let response = api::ListCodeSigningConfigsResponse {
        next_marker: page.next,
        code_signing_configs: Some(page.configs.iter().map(|config| shown(config)).collect()),
    };
    Ok(respond::<api::ListCodeSigningConfigsRequest, _>(&response))
}

pub async fn list_functions_by_code_signing_config(
    asked: &Asked<'_>,
    input: api::ListFunctionsByCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let arn = input.code_signing_config_arn.unwrap_or_default();
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = configs(asked).users(&asked.who.scope, &arn, marker, count_max)?;
    let response = api::ListFunctionsByCodeSigningConfigResponse {
        next_marker: page.next,
        function_arns: Some(page.arns),
    };
    Ok(respond::<api::ListFunctionsByCodeSigningConfigRequest, _>(&response))
}

pub async fn put_function_code_signing_config(
    asked: &Asked<'_>,
    input: api::PutFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let arn = input.code_signing_config_arn.unwrap_or_default();
    let config = asked.app.parts.functions.sign_with(&asked.who.scope, &reference, &arn).await?;
    let response = api::PutFunctionCodeSigningConfigResponse {
        code_signing_config_arn: Some(config.to_string()),
        function_name: Some(reference.name.to_string()),
    };
    Ok(respond::<api::PutFunctionCodeSigningConfigRequest, _>(&response))
}

pub async fn get_function_code_signing_config(
    asked: &Asked<'_>,
    input: api::GetFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let config = asked.app.parts.functions.signed_with(&asked.who.scope, &reference)?;
    // The service answers with nothing at all for a function that has none, whatever its model requires.
    let response = config.map_or_else(Default::default, |config| api::GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: Some(config.to_string()),
        function_name: Some(reference.name.to_string()),
    });
    Ok(respond::<api::GetFunctionCodeSigningConfigRequest, _>(&response))
}

pub async fn delete_function_code_signing_config(
    asked: &Asked<'_>,
    input: api::DeleteFunctionCodeSigningConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    asked.app.parts.functions.sign_no_more(&asked.who.scope, &reference).await?;
    Ok(respond::<api::DeleteFunctionCodeSigningConfigRequest, _>(&()))
}

fn configs(asked: &Asked<'_>) -> CodeSigning {
    CodeSigning::new(asked.app.parts.functions.clone())
}

fn change(
    description: Option<String>,
    publishers: Option<api::AllowedPublishers>,
    policies: Option<&api::CodeSigningPolicies>,
) -> ConfigChange {
    let policy = policies.and_then(|policies| policies.untrusted_artifact_on_deployment.as_ref());
    ConfigChange {
        description,
        publishers: publishers.map(|publishers| publishers.signing_profile_version_arns.unwrap_or_default()),
        policy: policy.map(|policy| match policy {
            api::CodeSigningPolicy::Enforce => CodeSigningPolicy::Enforce,
            // Any third policy has failed the model's constraint.
            api::CodeSigningPolicy::Warn | api::CodeSigningPolicy::Unknown(_) => CodeSigningPolicy::Warn,
        }),
    }
}

fn shown(config: &CodeSigningConfig) -> api::CodeSigningConfig {
    let policy = match config.policy {
        CodeSigningPolicy::Warn => api::CodeSigningPolicy::Warn,
        CodeSigningPolicy::Enforce => api::CodeSigningPolicy::Enforce,
    };
    api::CodeSigningConfig {
        code_signing_config_id: Some(config.id.id.clone()),
        code_signing_config_arn: Some(config.id.to_string()),
        description: Some(config.description.clone()),
        allowed_publishers: Some(api::AllowedPublishers {
            signing_profile_version_arns: Some(config.publishers.clone()),
        }),
        code_signing_policies: Some(api::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(policy),
        }),
        last_modified: Some(wire::time::last_modified(config.last_modified)),
    }
}
