//! Tags of repositories: the owner's labels, not those of images.
//!
//! They live in the repository's settings and are changed as a whole; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::arn::{PARTITION, Scope};
use model::error::ServiceError;
use wire::ecr::{self as api, errors};

use super::Ecr;
use super::error::{invalid, of_catalog};
use crate::registry::catalog::Repository;

/// Tags on one repository (ECR API Reference, TagResource).
const TAGS_MAX: usize = 50;

impl Ecr {
    pub(super) async fn label(
        &self,
        scope: &Scope,
        input: &api::TagResourceRequest,
    ) -> Result<api::TagResourceResponse, ServiceError> {
        let repository = self.by_arn(scope, input.resource_arn.as_deref())?;
        let tags = merged(repository.settings().tags, input.tags.as_deref().unwrap_or_default())?;
        self.set_labels(&repository, move |kept| *kept = tags).await?;
        Ok(api::TagResourceResponse {})
    }

    pub(super) async fn unlabel(
        &self,
        scope: &Scope,
        input: &api::UntagResourceRequest,
    ) -> Result<api::UntagResourceResponse, ServiceError> {
        let repository = self.by_arn(scope, input.resource_arn.as_deref())?;
        let keys = input.tag_keys.clone().unwrap_or_default();
        self.set_labels(&repository, move |kept| kept.retain(|key, _| !keys.contains(key))).await?;
        Ok(api::UntagResourceResponse {})
    }

    pub(super) fn list_labels(
        &self,
        scope: &Scope,
        input: &api::ListTagsForResourceRequest,
    ) -> Result<api::ListTagsForResourceResponse, ServiceError> {
        let repository = self.by_arn(scope, input.resource_arn.as_deref())?;
        let tag = |(key, value)| api::Tag { key: Some(key), value: Some(value) };
        Ok(api::ListTagsForResourceResponse {
            tags: Some(repository.settings().tags.into_iter().map(tag).collect()),
        })
    }

    async fn set_labels(
        &self,
        repository: &Arc<Repository>,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let updated = repository.update(move |settings| change(&mut settings.tags)).await;
        let account = repository.scope.account;
        updated.map(drop).map_err(|error| of_catalog(error, repository.name.as_str(), account.as_str()))
    }

    fn by_arn(&self, scope: &Scope, arn: Option<&str>) -> Result<Arc<Repository>, ServiceError> {
        let Named { region, account, name } = Named::parse(arn)?;
        if region != scope.region.as_str() {
            return Err(super::error::no_repository(name, account));
        }
        self.repository(scope, Some(account), Some(name))
    }
}

/// What an ARN names: `arn:aws:ecr:REGION:ACCOUNT:repository/NAME`.
pub(super) struct Named<'a> {
    region: &'a str,
    pub account: &'a str,
    pub name: &'a str,
}

impl<'a> Named<'a> {
    pub(super) fn parse(arn: Option<&'a str>) -> Result<Self, ServiceError> {
        let read = || {
            let parts: Vec<&str> = arn?.splitn(6, ':').collect();
            let ["arn", PARTITION, "ecr", region, account, resource] = parts[..] else { return None };
            Some(Self { region, account, name: resource.strip_prefix("repository/")? })
        };
        read().ok_or_else(|| invalid("resourceArn", "Invalid ARN"))
    }
}

/// The labels with more added to them, if they are not too many then.
pub(super) fn merged(
    mut tags: BTreeMap<String, String>,
    more: &[api::Tag],
) -> Result<BTreeMap<String, String>, ServiceError> {
    for tag in more {
        let key = tag.key.clone().unwrap_or_default();
        if key.is_empty() || key.starts_with("aws:") {
            let message = "A tag key is empty, or begins with aws:, which is reserved";
            return Err(errors::INVALID_TAG_PARAMETER_EXCEPTION.error(message));
        }
        tags.insert(key, tag.value.clone().unwrap_or_default());
    }
    if tags.len() > TAGS_MAX {
        let message = format!(
            "The list of tags on the repository is over the limit. The maximum number is {TAGS_MAX}."
        );
        return Err(errors::TOO_MANY_TAGS_EXCEPTION.error(message));
    }
    Ok(tags)
}
