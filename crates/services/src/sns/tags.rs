//! Tags of topics: labels that go with them.
//!
//! Source: SNS API Reference, `TagResource`; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;

use model::error::ServiceError;
use model::limits;
use wire::sns::{self as api, errors};

use super::error::{invalid, no_resource};
use super::{Sns, name};

type Tags = BTreeMap<String, String>;

impl Sns {
    pub(super) async fn tag(
        &self,
        input: &api::TagResourceRequest,
    ) -> Result<api::TagResourceResponse, ServiceError> {
        let id = name::topic("ResourceArn", input.resource_arn.as_ref())?;
        let given = input.tags.as_deref().unwrap_or_default();
        let tagged = self.change_topic(&id, no_resource, |topic| {
            topic.tags = added(std::mem::take(&mut topic.tags), given)?;
            Ok(())
        });
        tagged.await.map(|()| api::TagResourceResponse {})
    }

    pub(super) async fn untag(
        &self,
        input: &api::UntagResourceRequest,
    ) -> Result<api::UntagResourceResponse, ServiceError> {
        let id = name::topic("ResourceArn", input.resource_arn.as_ref())?;
        let keys = input.tag_keys.as_deref().unwrap_or_default();
        let untagged = self.change_topic(&id, no_resource, |topic| {
            topic.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        });
        untagged.await.map(|()| api::UntagResourceResponse {})
    }

    pub(super) fn list_tags(
        &self,
        input: &api::ListTagsForResourceRequest,
    ) -> Result<api::ListTagsForResourceResponse, ServiceError> {
        let id = name::topic("ResourceArn", input.resource_arn.as_ref())?;
        let topic = self.topics.get(&id.scope, &id.name).ok_or_else(no_resource)?.value;
        let tag = |(key, value): (&String, &String)| api::Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        Ok(api::ListTagsForResourceResponse { tags: Some(topic.tags.iter().map(tag).collect()) })
    }
}

/// The tags with these added, or given new values.
pub(super) fn added(mut tags: Tags, given: &[api::Tag]) -> Result<Tags, ServiceError> {
    let mut seen = Tags::new();
    for tag in given {
        let key = tag.key.clone().unwrap_or_default();
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format_args!("Tag key {key}: keys cannot begin with aws:")));
        }
        if seen.insert(key, tag.value.clone().unwrap_or_default()).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    tags.append(&mut seen);
    if tags.len() > limits::TAGS_MAX {
        let message = "Could not complete request: tag quota of per resource exceeded";
        return Err(errors::TAG_LIMIT_EXCEEDED_EXCEPTION.error(message));
    }
    Ok(tags)
}
