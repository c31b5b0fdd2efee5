//! The operations on functions themselves: create, get, list, update, delete.
//!
//! Each follows one order: name the function, authorize, refuse what is not served, convert, ask `control`, convert
//! back. Nothing is decided here that `control` could decide.

use control::function::{Create, UpdateCode, UpdateSettings, is_resolved};
use http::Response;
use model::arn::FunctionId;
use model::error::ServiceError;
use model::function::Code;
use model::name::{FunctionReference, Qualifier, Version};
use wire::lambda as api;

use super::configuration::{configuration, listed};
use super::{Asked, request, respond, source, told, unserved};
use crate::own::code;
use crate::respond::{Body, Failure};

pub async fn create(asked: &Asked<'_>, input: api::CreateFunctionRequest) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    unserved::check_create(&input)?;
    let settings = request::settings_of_create(&input)?;
    let dead_letter = input.dead_letter_config.as_ref().and_then(|config| config.target_arn.as_deref());
    let id = FunctionId { scope: asked.who.scope.clone(), name: reference.name.clone() };
    told::check_dead_letter(asked, &id, input.role.as_deref().unwrap_or_default(), dead_letter)?;
    let code = input.code.unwrap_or_default();
    let origin = source::origin(&code)?;
    let source = source::of_create(code, input.package_type.as_ref())?;
    let (tags, publish) = (input.tags.unwrap_or_default(), input.publish == Some(true));
    let code_signing = input.code_signing_config_arn.filter(|arn| !arn.is_empty());
    let create = Create { reference, source, origin, settings, code_signing, tags, publish };
    let functions = &asked.app.parts.functions;
    let function = functions.create(&asked.who.scope, create).await?;
    Ok(respond::<api::CreateFunctionRequest, _>(&configuration(functions, &function, None)))
}

pub fn get(asked: &Asked<'_>, input: &api::GetFunctionRequest) -> Result<Response<Body>, Failure> {
    let (reference, qualifier) = named(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let function = functions.get(&asked.who.scope, &reference, qualifier.as_ref())?;
    let shown = qualifier.as_ref().or(reference.qualifier.as_ref());
    let code = match &function.code {
        Code::Zip(zip) => api::FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(code::address(asked.app, &asked.call.head, asked.call.local, zip.digest)),
            resolved_s3_object: function.origin.object.as_deref().map(source::resolved),
            source_kms_key_arn: function.origin.kms_key.clone(),
            ..api::FunctionCodeLocation::default()
        },
        Code::Image(image) => api::FunctionCodeLocation {
            repository_type: Some("ECR".to_owned()),
            image_uri: Some(image.uri.clone()),
            resolved_image_uri: is_resolved(image).then(|| image.resolved_uri.clone()),
            ..api::FunctionCodeLocation::default()
        },
    };
    let response = api::GetFunctionResponse {
        configuration: Some(configuration(functions, &function, shown)),
        code: Some(code),
        tags: (!function.tags.is_empty()).then(|| function.tags.to_map()),
        concurrency: functions.reserved_concurrency(&asked.who.scope, &own(&reference))?.map(|executions| {
            api::Concurrency { reserved_concurrent_executions: i32::try_from(executions).ok() }
        }),
        ..api::GetFunctionResponse::default()
    };
    Ok(respond::<api::GetFunctionRequest, _>(&response))
}

pub fn get_configuration(
    asked: &Asked<'_>,
    input: &api::GetFunctionConfigurationRequest,
) -> Result<Response<Body>, Failure> {
    let (reference, qualifier) = named(input.function_name.as_deref(), input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    let function = functions.get(&asked.who.scope, &reference, qualifier.as_ref())?;
    let shown = qualifier.as_ref().or(reference.qualifier.as_ref());
    Ok(respond::<api::GetFunctionConfigurationRequest, _>(&configuration(functions, &function, shown)))
}

pub fn list(asked: &Asked<'_>, input: &api::ListFunctionsRequest) -> Result<Response<Body>, Failure> {
    if let Some(region) = input.master_region.as_deref() {
        if input.function_version.is_none() {
            let message = "FunctionVersion must be set to ALL if MasterRegion is specified.".to_owned();
            return Err(ServiceError::InvalidParameterValue(message).into());
        }
        if region != "ALL" {
            // Functions are not copied to other regions, so none has its master anywhere.
            let none = api::ListFunctionsResponse { next_marker: None, functions: Some(Vec::new()) };
            return Ok(respond::<api::ListFunctionsRequest, _>(&none));
        }
    }
    let count_max = request::count_max(input.max_items);
    let marker = request::marker(input.marker.as_deref());
    let all_versions = input.function_version.is_some();
    let page = asked.app.parts.functions.list(&asked.who.scope, marker, count_max, all_versions)?;
    let shown = page.functions.iter().map(|function| {
        // Where all versions are asked for, each is named by its own ARN.
        let qualifier = all_versions.then_some(Qualifier::Version(function.version));
        listed(function, qualifier.as_ref())
    });
    let functions = shown.collect();
    let response = api::ListFunctionsResponse { next_marker: page.next, functions: Some(functions) };
    Ok(respond::<api::ListFunctionsRequest, _>(&response))
}

pub async fn update_code(
    asked: &Asked<'_>,
    input: api::UpdateFunctionCodeRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    unserved::check_update_code(&input)?;
    let code = api::FunctionCode {
        zip_file: input.zip_file,
        s3_bucket: input.s3_bucket,
        s3_key: input.s3_key,
        s3_object_version: input.s3_object_version,
        s3_object_storage_mode: input.s3_object_storage_mode,
        image_uri: input.image_uri,
        source_kms_key_arn: input.source_kms_key_arn,
    };
    let update = UpdateCode {
        reference,
        origin: source::origin(&code)?,
        source: source::of_update(code)?,
        architecture: request::architecture(input.architectures.as_deref())?,
        revision: input.revision_id,
        dry_run: input.dry_run.unwrap_or(false),
        publish: input.publish == Some(true),
    };
    let functions = &asked.app.parts.functions;
    let function = functions.update_code(&asked.who.scope, update).await?;
    let qualifier = (function.version != Version::Latest).then_some(Qualifier::Version(function.version));
    Ok(respond::<api::UpdateFunctionCodeRequest, _>(&configuration(functions, &function, qualifier.as_ref())))
}

pub async fn update_configuration(
    asked: &Asked<'_>,
    input: api::UpdateFunctionConfigurationRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let settings = request::settings_of_update(&input)?;
    told::check_changed(asked, &reference, &input)?;
    let update = UpdateSettings { reference, settings, revision: input.revision_id };
    let functions = &asked.app.parts.functions;
    let function = functions.update_settings(&asked.who.scope, update).await?;
    Ok(respond::<api::UpdateFunctionConfigurationRequest, _>(&configuration(functions, &function, None)))
}

pub async fn delete(
    asked: &Asked<'_>,
    input: &api::DeleteFunctionRequest,
) -> Result<Response<Body>, Failure> {
    let (reference, qualifier) = named(input.function_name.as_deref(), input.qualifier.as_deref())?;
    asked.app.parts.functions.delete(&asked.who.scope, &reference, qualifier.as_ref()).await?;
    // The service has always answered 204, whatever its model says.
    let deleted = api::DeleteFunctionResponse { status_code: Some(204) };
    Ok(respond::<api::DeleteFunctionRequest, _>(&deleted))
}

/// The function itself, whichever of its versions was named.
fn own(reference: &FunctionReference) -> FunctionReference {
    FunctionReference { qualifier: None, ..reference.clone() }
}

pub fn named(
    name: Option<&str>,
    qualifier: Option<&str>,
) -> Result<(FunctionReference, Option<Qualifier>), ServiceError> {
    Ok((request::reference(name)?, request::qualifier(qualifier)?))
}
