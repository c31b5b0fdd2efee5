//! Tags of groups, in the operations' newer and older forms.
//!
//! Sources: API Reference, `TagResource`, `TagLogGroup`; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::error::ServiceError;
use model::limits;
use model::log::LogGroup;
use wire::logs::{self as api, errors};

use super::error::{invalid, no_group};
use super::{Logs, name};

type Tags = BTreeMap<String, String>;

impl Logs {
    pub(super) async fn tag(
        &self,
        scope: &Scope,
        input: &api::TagResourceRequest,
    ) -> Result<(), ServiceError> {
        self.add_tags(&of_arn(scope, input.resource_arn.as_deref())?, input.tags.as_ref()).await
    }

    pub(super) async fn tag_group(
        &self,
        scope: &Scope,
        input: &api::TagLogGroupRequest,
    ) -> Result<(), ServiceError> {
        self.add_tags(&name::group(scope, input.log_group_name.as_deref()), input.tags.as_ref()).await
    }

    pub(super) async fn untag(
        &self,
        scope: &Scope,
        input: &api::UntagResourceRequest,
    ) -> Result<(), ServiceError> {
        self.remove_tags(&of_arn(scope, input.resource_arn.as_deref())?, input.tag_keys.as_deref()).await
    }

    pub(super) async fn untag_group(
        &self,
        scope: &Scope,
        input: &api::UntagLogGroupRequest,
    ) -> Result<(), ServiceError> {
        self.remove_tags(&name::group(scope, input.log_group_name.as_deref()), input.tags.as_deref()).await
    }

    pub(super) async fn list_tags(
        &self,
        scope: &Scope,
        input: &api::ListTagsForResourceRequest,
    ) -> Result<api::ListTagsForResourceResponse, ServiceError> {
        let tags = self.tags_of(&of_arn(scope, input.resource_arn.as_deref())?).await?;
        Ok(api::ListTagsForResourceResponse { tags: Some(tags) })
    }

    pub(super) async fn list_group_tags(
        &self,
        scope: &Scope,
        input: &api::ListTagsLogGroupRequest,
    ) -> Result<api::ListTagsLogGroupResponse, ServiceError> {
        let tags = self.tags_of(&name::group(scope, input.log_group_name.as_deref())).await?;
        Ok(api::ListTagsLogGroupResponse { tags: Some(tags) })
    }

    async fn tags_of(&self, group: &LogGroup) -> Result<Tags, ServiceError> {
        Ok(self.group_of(group).await?.ok_or_else(no_group)?.tags)
    }

    async fn add_tags(&self, group: &LogGroup, given: Option<&Tags>) -> Result<(), ServiceError> {
        self.change(group, |settings| {
            settings.tags = added(std::mem::take(&mut settings.tags), given)?;
            Ok(())
        })
        .await
    }

    async fn remove_tags(&self, group: &LogGroup, keys: Option<&[String]>) -> Result<(), ServiceError> {
        self.change(group, |settings| {
            settings.tags.retain(|key, _| !keys.unwrap_or_default().contains(key));
            Ok(())
        })
        .await
    }
}

fn of_arn(scope: &Scope, arn: Option<&str>) -> Result<LogGroup, ServiceError> {
    name::of_arn(scope, arn.unwrap_or_default())
}

/// The tags with these added, or given new values.
pub(super) fn added(mut tags: Tags, given: Option<&Tags>) -> Result<Tags, ServiceError> {
    for (key, value) in given.into_iter().flatten() {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("aws: prefixed tag key names are not allowed for external use."));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() <= limits::TAGS_MAX {
        return Ok(tags);
    }
    Err(errors::TOO_MANY_TAGS_EXCEPTION.error("The maximum number of tags for a log group is 50."))
}
