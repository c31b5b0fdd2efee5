//! Tags of groups: labels that go with them, in their own records. Schedules have none.
//!
//! Source: EventBridge Scheduler API Reference, `TagResource`; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::error::ServiceError;
use model::limits;
use wire::scheduler as api;

use super::error::{invalid, too_many};
use super::{Scheduler, name};

type Tags = BTreeMap<String, String>;

impl Scheduler {
    pub(super) async fn tag(
        &self,
        scope: &Scope,
        input: &api::TagResourceInput,
    ) -> Result<api::TagResourceOutput, ServiceError> {
        let given = input.tags.as_deref().unwrap_or_default();
        let id = name::group_of_arn(scope, input.resource_arn.as_deref())?;
        let changed = self.change_group(&id, |group| {
            group.tags = added(std::mem::take(&mut group.tags), given)?;
            Ok(())
        });
        changed.await?;
        Ok(api::TagResourceOutput {})
    }

    pub(super) async fn untag(
        &self,
        scope: &Scope,
        input: &api::UntagResourceInput,
    ) -> Result<api::UntagResourceOutput, ServiceError> {
        let keys = input.tag_keys.as_deref().unwrap_or_default();
        let id = name::group_of_arn(scope, input.resource_arn.as_deref())?;
        let changed = self.change_group(&id, |group| {
            group.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        });
        changed.await?;
        Ok(api::UntagResourceOutput {})
    }

    pub(super) fn list_tags(
        &self,
        scope: &Scope,
        input: &api::ListTagsForResourceInput,
    ) -> Result<api::ListTagsForResourceOutput, ServiceError> {
        let tags = self.group(&name::group_of_arn(scope, input.resource_arn.as_deref())?)?.tags.clone();
        let tag = |(key, value)| api::Tag { key: Some(key), value: Some(value) };
        Ok(api::ListTagsForResourceOutput { tags: Some(tags.into_iter().map(tag).collect()) })
    }
}

/// The tags with these added, or given new values.
pub(super) fn added(mut tags: Tags, given: &[api::Tag]) -> Result<Tags, ServiceError> {
    for tag in given {
        let key = tag.key.clone().unwrap_or_default();
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag key {key} is not valid. Tag keys cannot begin with aws:.")));
        }
        tags.insert(key, tag.value.clone().unwrap_or_default());
    }
    if tags.len() > limits::TAGS_MAX { Err(too_many("tags of a schedule group")) } else { Ok(tags) }
}
