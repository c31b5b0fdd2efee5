//! Function URL configurations; what the addresses themselves answer is in `crate::url`.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use control::function::UrlChange;
use http::Response;
use http::header::HOST;
use model::name::Qualifier;
use model::time::Timestamp;
use model::url::{Cors, FunctionUrl, UrlAuth};
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};
use crate::url::DOMAIN;

pub async fn create_function_url_config(
    asked: &Asked<'_>,
    input: api::CreateFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let change = change(input.auth_type.as_ref(), input.cors, input.invoke_mode.as_ref());
    let functions = &asked.app.parts.functions;
    let url = functions.create_url(&asked.who.scope, &reference, qualifier.as_ref(), change).await?;
    let shown = shown(asked, &url);
    let response = api::CreateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    };
    Ok(respond::<api::CreateFunctionUrlConfigRequest, _>(&response))
}

pub async fn get_function_url_config(
    asked: &Asked<'_>,
    input: api::GetFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let url = asked.app.parts.functions.url(&asked.who.scope, &reference, qualifier.as_ref())?;
    let shown = shown(asked, &url);
    let response = api::GetFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    };
    Ok(respond::<api::GetFunctionUrlConfigRequest, _>(&response))
}

pub async fn update_function_url_config(
    asked: &Asked<'_>,
    input: api::UpdateFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let change = change(input.auth_type.as_ref(), input.cors, input.invoke_mode.as_ref());
    let functions = &asked.app.parts.functions;
    let url = functions.update_url(&asked.who.scope, &reference, qualifier.as_ref(), change).await?;
    let shown = shown(asked, &url);
    let response = api::UpdateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    };
    Ok(respond::<api::UpdateFunctionUrlConfigRequest, _>(&response))
}

pub async fn delete_function_url_config(
    asked: &Asked<'_>,
    input: api::DeleteFunctionUrlConfigRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let qualifier = request::qualifier(input.qualifier.as_deref())?;
    let functions = &asked.app.parts.functions;
    functions.delete_url(&asked.who.scope, &reference, qualifier.as_ref()).await?;
    Ok(respond::<api::DeleteFunctionUrlConfigRequest, _>(&()))
}

pub async fn list_function_url_configs(
    asked: &Asked<'_>,
    input: api::ListFunctionUrlConfigsRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let page = asked.app.parts.functions.urls(&asked.who.scope, &reference, marker, count_max)?;
    let response = api::ListFunctionUrlConfigsResponse {
        function_url_configs: Some(page.urls.iter().map(|url| shown(asked, url)).collect()),
        next_marker: page.next,
    };
    Ok(respond::<api::ListFunctionUrlConfigsRequest, _>(&response))
}

fn change(
    auth: Option<&api::FunctionUrlAuthType>,
    cors: Option<api::Cors>,
    mode: Option<&api::InvokeMode>,
) -> UrlChange {
    UrlChange {
        // The model has these two values, and its constraint was checked.
        auth: auth.map(|auth| match auth {
            api::FunctionUrlAuthType::None => UrlAuth::None,
            _ => UrlAuth::Iam,
        }),
        cors: cors.map(|cors| Cors {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers.unwrap_or_default(),
            allow_methods: cors.allow_methods.unwrap_or_default(),
            allow_origins: cors.allow_origins.unwrap_or_default(),
            expose_headers: cors.expose_headers.unwrap_or_default(),
            max_age_s: cors.max_age.and_then(|seconds| u32::try_from(seconds).ok()),
        }),
        streams: mode.map(|mode| *mode == api::InvokeMode::ResponseStream),
    }
}

fn shown(asked: &Asked<'_>, url: &FunctionUrl) -> api::FunctionUrlConfig {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.to_vec());
    let cors = url.cors.as_ref().map(|cors| api::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: list(&cors.allow_headers),
        allow_methods: list(&cors.allow_methods),
        allow_origins: list(&cors.allow_origins),
        expose_headers: list(&cors.expose_headers),
        max_age: cors.max_age_s.and_then(|seconds| i32::try_from(seconds).ok()),
    });
    let time = |time: Timestamp| Some(wire::time::rfc3339(time));
    let arn = match &url.qualifier {
        Qualifier::Version(_) => url.function.arn(),
        alias @ Qualifier::Alias(_) => url.function.qualified_arn(alias),
    };
    api::FunctionUrlConfig {
        function_url: Some(address(asked, url)),
        function_arn: Some(arn.to_string()),
        creation_time: time(url.created),
        last_modified_time: time(url.modified),
        cors,
        auth_type: Some(match url.auth {
            UrlAuth::Iam => api::FunctionUrlAuthType::AwsIam,
            UrlAuth::None => api::FunctionUrlAuthType::None,
        }),
        invoke_mode: Some(if url.streams {
            api::InvokeMode::ResponseStream
        } else {
            api::InvokeMode::Buffered
        }),
    }
}

/// An address of which every resolver knows that it is this machine, on the port that the caller used.
fn address(asked: &Asked<'_>, url: &FunctionUrl) -> String {
    let region = &url.function.scope.region;
    let host = asked.call.head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
    let port = port.unwrap_or_else(|| asked.call.local.port());
    format!("http://{}{DOMAIN}{region}.localhost:{port}/", url.id)
}
