//! Aliases.
//!
//! As in [`super::function`]: nothing is decided here that `control` could decide.

use std::collections::BTreeMap;

use control::function::{CreateAlias, Routing, UpdateAlias};
use http::Response;
use model::alias::Alias;
use model::error::ServiceError;
use model::name::Qualifier;
use wire::lambda as api;

use super::{Asked, request, respond};
use crate::respond::{Body, Failure};

pub async fn create_alias(
    asked: &Asked<'_>,
    input: api::CreateAliasRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let create = CreateAlias {
        version: request::version(&reference, input.function_version.as_deref().unwrap_or_default())?,
        reference,
        name: input.name.unwrap_or_default(),
        description: input.description.unwrap_or_default(),
        routing: input.routing_config.map(routing).transpose()?.unwrap_or_default(),
    };
    let alias = asked.app.parts.functions.create_alias(&asked.who.scope, create).await?;
    Ok(respond::<api::CreateAliasRequest, _>(&shown(&alias)))
}

pub async fn get_alias(asked: &Asked<'_>, input: api::GetAliasRequest) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    let alias = asked.app.parts.functions.alias(&asked.who.scope, &reference, &name)?;
    Ok(respond::<api::GetAliasRequest, _>(&shown(&alias)))
}

pub async fn update_alias(
    asked: &Asked<'_>,
    input: api::UpdateAliasRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let version = input.function_version.as_deref();
    let update = UpdateAlias {
        version: version.map(|version| request::version(&reference, version)).transpose()?,
        reference,
        name: input.name.unwrap_or_default(),
        description: input.description,
        routing: input.routing_config.map(routing).transpose()?,
        revision: input.revision_id,
    };
    let alias = asked.app.parts.functions.update_alias(&asked.who.scope, update).await?;
    Ok(respond::<api::UpdateAliasRequest, _>(&shown(&alias)))
}

pub async fn delete_alias(
    asked: &Asked<'_>,
    input: api::DeleteAliasRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    asked.app.parts.functions.delete_alias(&asked.who.scope, &reference, name).await?;
    Ok(respond::<api::DeleteAliasRequest, _>(&()))
}

pub async fn list_aliases(
    asked: &Asked<'_>,
    input: api::ListAliasesRequest,
) -> Result<Response<Body>, Failure> {
    let reference = request::reference(input.function_name.as_deref())?;
    let version = input.function_version.as_deref();
    let version = version.map(|version| request::version(&reference, version)).transpose()?;
    let (marker, count_max) = (request::marker(input.marker.as_deref()), request::count_max(input.max_items));
    let functions = &asked.app.parts.functions;
    let page = functions.aliases(&asked.who.scope, &reference, version, marker, count_max)?;
    let aliases = page.aliases.iter().map(|alias| shown(alias)).collect();
    let response = api::ListAliasesResponse { next_marker: page.next, aliases: Some(aliases) };
    Ok(respond::<api::ListAliasesRequest, _>(&response))
}

fn shown(alias: &Alias) -> api::AliasConfiguration {
    let qualifier = Qualifier::Alias(alias.name.clone());
    let weights = alias.additional.map(|additional| {
        let weights = BTreeMap::from([(additional.version.to_string(), additional.weight)]);
        api::AliasRoutingConfiguration { additional_version_weights: Some(weights) }
    });
    api::AliasConfiguration {
        alias_arn: Some(alias.function.qualified_arn(&qualifier).to_string()),
        name: Some(alias.name.clone()),
        function_version: Some(alias.version.to_string()),
        description: Some(alias.description.clone()),
        routing_config: weights,
        revision_id: Some(alias.revision.to_string()),
    }
}

fn routing(asked: api::AliasRoutingConfiguration) -> Result<Routing, ServiceError> {
    let weights = asked.additional_version_weights.unwrap_or_default();
    let weighted = |(version, weight): (String, f64)| Ok((request::version_number(&version)?, weight));
    weights.into_iter().map(weighted).collect()
}
