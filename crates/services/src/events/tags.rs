//! Tags of buses and rules: labels that go with them, in their own records.
//!
//! Source: EventBridge API Reference, `TagResource`; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;

use model::error::ServiceError;
use model::limits;
use wire::events as api;

use super::error::{invalid, too_many};
use super::name::Tagged;
use super::{Events, name};

type Tags = BTreeMap<String, String>;

impl Events {
    pub(super) async fn tag(
        &self,
        input: &api::TagResourceRequest,
    ) -> Result<api::TagResourceResponse, ServiceError> {
        let given = input.tags.as_deref().unwrap_or_default();
        self.change_tags(input.resource_arn.as_deref(), |tags| {
            *tags = added(std::mem::take(tags), given)?;
            Ok(())
        })
        .await?;
        Ok(api::TagResourceResponse {})
    }

    pub(super) async fn untag(
        &self,
        input: &api::UntagResourceRequest,
    ) -> Result<api::UntagResourceResponse, ServiceError> {
        let keys = input.tag_keys.as_deref().unwrap_or_default();
        self.change_tags(input.resource_arn.as_deref(), |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(api::UntagResourceResponse {})
    }

    pub(super) fn list_tags(
        &self,
        input: &api::ListTagsForResourceRequest,
    ) -> Result<api::ListTagsForResourceResponse, ServiceError> {
        let tags = match name::tagged(input.resource_arn.as_deref().unwrap_or_default())? {
            Tagged::Bus(id) => self.bus(&id)?.tags.clone(),
            Tagged::Rule(bus, rule) => {
                self.shown_rule(&bus.scope, Some(&bus.name), Some(&rule))?.rule.tags.clone()
            }
        };
        let tag = |(key, value)| api::Tag { key: Some(key), value: Some(value) };
        Ok(api::ListTagsForResourceResponse { tags: Some(tags.into_iter().map(tag).collect()) })
    }

    async fn change_tags(
        &self,
        arn: Option<&str>,
        change: impl FnOnce(&mut Tags) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        match name::tagged(arn.unwrap_or_default())? {
            Tagged::Bus(id) => self.change_bus(&id, |bus| change(&mut bus.tags)).await.map(drop),
            Tagged::Rule(bus, rule) => {
                self.change_rule(&bus, &rule, |rule| change(&mut rule.tags)).await.map(drop)
            }
        }
    }
}

/// The tags with these added, or given new values.
pub(super) fn added(mut tags: Tags, given: &[api::Tag]) -> Result<Tags, ServiceError> {
    for tag in given {
        let key = tag.key.clone().unwrap_or_default();
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "Tag key {key} is not valid. Reason: Tag keys cannot begin with aws:."
            )));
        }
        tags.insert(key, tag.value.clone().unwrap_or_default());
    }
    if tags.len() > limits::TAGS_MAX { Err(too_many()) } else { Ok(tags) }
}
