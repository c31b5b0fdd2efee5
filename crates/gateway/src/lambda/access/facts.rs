//! What is known of a call to Lambda, as condition keys.
//!
//! Made for callers only who are not the owner of what they ask for. A key that no call here can have (an organization,
//! a VPC endpoint) is not known, so that conditions on it fail.
//! Source: Service Authorization Reference, "Condition keys for AWS Lambda"; IAM User Guide, "AWS global condition
//! context keys".

use std::collections::BTreeMap;

use control::function::Place;
use model::name::Qualifier;
use policy::Context;
use wire::lambda::{self as api, Input};

use super::super::{Asked, request};
use super::needs;

const URL_AUTH: &str = "lambda:FunctionUrlAuthType";

/// Of what it asks for.
pub(super) fn of_input(context: &mut Context, input: &Input) {
    match input {
        Input::CreateFunction(input) => {
            context.set_some("lambda:CodeSigningConfigArn", input.code_signing_config_arn.as_deref());
            layers(context, input.layers.as_deref());
            vpc(context, input.vpc_config.as_ref());
            tags(context, input.tags.as_ref());
        }
        Input::UpdateFunctionConfiguration(input) => {
            layers(context, input.layers.as_deref());
            vpc(context, input.vpc_config.as_ref());
        }
        Input::PutFunctionCodeSigningConfig(input) => {
            context.set_some("lambda:CodeSigningConfigArn", input.code_signing_config_arn.as_deref());
        }
        Input::AddPermission(input) => {
            context.set_some("lambda:Principal", input.principal.as_deref());
            let auth = input.function_url_auth_type.as_ref();
            context.set_some(URL_AUTH, auth.map(AsRef::as_ref));
        }
        Input::CreateFunctionUrlConfig(input) => {
            context.set_some(URL_AUTH, input.auth_type.as_ref().map(AsRef::as_ref));
        }
        Input::UpdateFunctionUrlConfig(input) => {
            context.set_some(URL_AUTH, input.auth_type.as_ref().map(AsRef::as_ref));
        }
        Input::CreateEventSourceMapping(input) => tags(context, input.tags.as_ref()),
        Input::CreateCodeSigningConfig(input) => tags(context, input.tags.as_ref()),
        Input::CreateCapacityProvider(input) => tags(context, input.tags.as_ref()),
        Input::TagResource(input) => tags(context, input.tags.as_ref()),
        Input::UntagResource(input) => {
            context.set_tag_keys(input.tag_keys.clone().unwrap_or_default());
        }
        Input::Invoke(_) | Input::InvokeAsync(_) | Input::InvokeWithResponseStream(_) => {
            context.set("lambda:InvokedViaFunctionUrl", "false");
        }
        _ => {}
    }
}

/// Of the function URL that it leaves as open as it is, and of the statement that it removes.
pub(super) fn of_what_it_changes(context: &mut Context, asked: &Asked<'_>, input: &Input) {
    let (functions, scope) = (&asked.app.parts.functions, &asked.who.scope);
    let read = |name: Option<&str>, qualifier: Option<&str>| {
        let qualifier = qualifier.and_then(|text| Qualifier::parse(text).ok());
        request::reference(name).ok().map(|reference| (reference, qualifier))
    };
    if let Some((name, qualifier)) = needs::address(input)
        && let Some((reference, qualifier)) = read(name, qualifier)
        && let Ok(url) = functions.url(scope, &reference, qualifier.as_ref())
    {
        context.set(URL_AUTH, url.auth.as_str());
    }
    if let Input::RemovePermission(input) = input
        && let Some((reference, qualifier)) = read(input.function_name.as_deref(), input.qualifier.as_deref())
        && let Some(sid) = &input.statement_id
    {
        let place = Place { reference: &reference, qualifier: qualifier.as_ref() };
        let granted = functions.granted(scope, place, sid);
        context.set_some("lambda:Principal", granted.principal);
        context.set_some(URL_AUTH, granted.url_auth);
    }
}

/// Of the function that it is asked of.
pub(super) fn of_resource(context: &mut Context, tags: &BTreeMap<String, String>) {
    context.set_resource_tags(tags);
}

fn layers(context: &mut Context, layers: Option<&[String]>) {
    if let Some(layers) = layers {
        context.set_all("lambda:Layer", layers.to_vec());
    }
}

fn vpc(context: &mut Context, vpc: Option<&api::VpcConfig>) {
    let Some(vpc) = vpc else { return };
    for (key, ids) in
        [("lambda:SubnetIds", &vpc.subnet_ids), ("lambda:SecurityGroupIds", &vpc.security_group_ids)]
    {
        if let Some(ids) = ids.as_ref().filter(|ids| !ids.is_empty()) {
            context.set_all(key, ids.clone());
        }
    }
}

fn tags(context: &mut Context, tags: Option<&BTreeMap<String, String>>) {
    context.set_request_tags(tags.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())));
}
