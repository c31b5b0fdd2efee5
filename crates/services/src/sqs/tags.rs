//! Tags of queues: labels that go with them.
//!
//! Source: SQS API Reference, `TagQueue`; `aws:` is reserved, fifty are the most.

use std::collections::BTreeMap;

use model::error::ServiceError;
use model::limits;
use wire::sqs as api;

use super::error::invalid;
use super::{Caller, Sqs, name};

type Tags = BTreeMap<String, String>;

/// Characters of a key and of a value.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

impl Sqs {
    pub(super) async fn tag(
        &self,
        caller: &Caller,
        input: &api::TagQueueRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        self.change(&id, |queue| {
            queue.tags = added(std::mem::take(&mut queue.tags), input.tags.as_ref())?;
            Ok(())
        })
        .await
    }

    pub(super) async fn untag(
        &self,
        caller: &Caller,
        input: &api::UntagQueueRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        let keys = input.tag_keys.as_deref().unwrap_or_default();
        self.change(&id, |queue| {
            queue.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    pub(super) fn list_tags(
        &self,
        caller: &Caller,
        input: &api::ListQueueTagsRequest,
    ) -> Result<api::ListQueueTagsResult, ServiceError> {
        let tags = self.at(caller, input.queue_url.as_deref())?.tags.clone();
        Ok(api::ListQueueTagsResult { tags: (!tags.is_empty()).then_some(tags) })
    }
}

/// The tags with these added, or given new values.
pub(super) fn added(mut tags: Tags, given: Option<&Tags>) -> Result<Tags, ServiceError> {
    for (key, value) in given.into_iter().flatten() {
        let is_legal = (1..=KEY_CHARS_MAX).contains(&key.chars().count())
            && value.chars().count() <= VALUE_CHARS_MAX
            && !key.to_ascii_lowercase().starts_with("aws:");
        if !is_legal {
            let key: String = key.chars().take(KEY_CHARS_MAX).collect();
            return Err(invalid(format!(
                "Tag {key} is invalid. Reason: Tag keys have 1 to 128 characters and do not begin with aws:, values \
                 have at most 256."
            )));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() > limits::TAGS_MAX {
        return Err(invalid(format!(
            "Too many tags added for queue. At most {} are allowed.",
            limits::TAGS_MAX
        )));
    }
    Ok(tags)
}
