//! Topics: made, listed, changed, removed together with their subscriptions.
//!
//! Source: SNS API Reference, `CreateTopic`, `SetTopicAttributes`, `GetTopicAttributes`.

use std::sync::Arc;

use model::error::ServiceError;
use model::topic::{Subscription, Topic, TopicId};
use store::records::table::Entry;
use wire::sns::{self as api, errors};

use super::attributes::{self, FIFO, MESSAGE_BYTES, SIZE};
use super::error::{invalid, no_topic, not_served, of_records};
use super::permission::POLICY;
use super::{Caller, Sns, name, page, tags};

/// Subscriptions of a topic of large messages.
pub(super) const LARGE_SUBSCRIPTIONS_MAX: usize = 100;

impl Sns {
    pub(super) async fn create_topic(
        &self,
        caller: &Caller,
        input: &api::CreateTopicInput,
    ) -> Result<api::CreateTopicResponse, ServiceError> {
        let scope = &caller.scope;
        let id = TopicId { scope: scope.clone(), name: input.name.clone().unwrap_or_default() };
        let given = input.attributes.clone().unwrap_or_default();
        check_name(&id, given.get(FIFO).map(String::as_str))?;
        if input.data_protection_policy.is_some() {
            return Err(not_served("DataProtectionPolicy"));
        }
        let mut attributes = attributes::given(&id, &given)?;
        if let Some(policy) = attributes.get_mut(POLICY) {
            *policy = self.admission.meant(policy);
        }
        let given_tags = input.tags.as_deref().unwrap_or_default();
        let tags = tags::added(Default::default(), given_tags)?;
        let arn = id.arn();
        let _turn = self.changing.lock().await;
        if let Some(known) = self.topics.get(scope, &id.name) {
            let is_same = |(name, value)| known.value.attributes.get(name) == Some(value);
            if !attributes.iter().all(is_same) {
                return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
            }
            if !given_tags.is_empty() && tags != known.value.tags {
                return Err(invalid("Tags Reason: Topic already exists with different tags"));
            }
            return Ok(api::CreateTopicResponse { topic_arn: Some(arn) });
        }
        if self.topics.count(scope) >= self.quotas.topics {
            return Err(errors::TOPIC_LIMIT_EXCEEDED_EXCEPTION.error("Topic limit exceeded"));
        }
        self.topics.put(Topic { id, attributes, tags }, None).await.map_err(of_records)?;
        Ok(api::CreateTopicResponse { topic_arn: Some(arn) })
    }

    /// All at once: a topic never outlives some of its subscriptions.
    pub(super) async fn delete_topic(&self, input: &api::DeleteTopicInput) -> Result<(), ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let _turn = self.changing.lock().await;
        let Some(known) = self.topics.get(&id.scope, &id.name) else { return Ok(()) };
        let all = self.subscriptions.all(&id);
        let of_one =
            |entry: &Entry<Subscription>| self.subscriptions.removal(&id, &entry.value.id, entry.stored);
        let mut writes: Vec<_> = all.iter().map(of_one).collect();
        writes.push(self.topics.removal(&id.scope, &id.name, known.stored));
        self.records.commit(writes).await.map_err(of_records)?;
        all.iter().for_each(|entry| self.subscriptions.forget_one(&id, &entry.value.id));
        self.topics.forget_one(&id.scope, &id.name);
        self.changed(&id);
        Ok(())
    }

    pub(super) fn topic_attributes(
        &self,
        input: &api::GetTopicAttributesInput,
    ) -> Result<api::GetTopicAttributesResponse, ServiceError> {
        let topic = self.topic(&name::topic("TopicArn", input.topic_arn.as_ref())?)?;
        let all = self.subscriptions.all(&topic.id);
        let pending = all.iter().filter(|entry| entry.value.is_pending()).count();
        let mut shown = attributes::shown(&topic, all.len() - pending, pending);
        if let Some(policy) = shown.get_mut(POLICY) {
            *policy = self.admission.shown(policy);
        }
        Ok(api::GetTopicAttributesResponse { attributes: Some(shown) })
    }

    pub(super) async fn set_attributes(
        &self,
        input: &api::SetTopicAttributesInput,
    ) -> Result<(), ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let name = input.attribute_name.clone().unwrap_or_default();
        let value = input.attribute_value.clone().unwrap_or_default();
        self.topic(&id)?;
        attributes::check(&id, &name, &value)?;
        let value = if name == POLICY { self.admission.meant(&value) } else { value };
        self.change_topic(&id, no_topic, |topic| {
            if name == SIZE && value.parse().is_ok_and(|bytes: usize| bytes > MESSAGE_BYTES) {
                let all = self.subscriptions.all(&id);
                let is_fit = |one: &Subscription| matches!(one.protocol.as_str(), "sqs" | "lambda");
                if all.len() > LARGE_SUBSCRIPTIONS_MAX || !all.iter().all(|entry| is_fit(&entry.value)) {
                    return Err(of_size());
                }
            }
            if value.is_empty() {
                topic.attributes.remove(&name);
            } else {
                topic.attributes.insert(name, value);
            }
            Ok(())
        })
        .await
    }

    pub(super) fn list_topics(
        &self,
        caller: &Caller,
        input: &api::ListTopicsInput,
    ) -> Result<api::ListTopicsResponse, ServiceError> {
        let after = page::after(input.next_token.as_ref())?;
        let (topics, more) = self.topics.page(&caller.scope, after.as_deref(), page::PAGE_MAX, |_| true);
        let next_token = page::token(topics.last().map(|topic| topic.id.name.as_str()), more);
        let topics = topics.iter().map(|topic| api::Topic { topic_arn: Some(topic.id.arn()) }).collect();
        Ok(api::ListTopicsResponse { topics: Some(topics), next_token })
    }

    pub(super) fn topic(&self, id: &TopicId) -> Result<Arc<Topic>, ServiceError> {
        self.topics.get(&id.scope, &id.name).map(|entry| entry.value).ok_or_else(no_topic)
    }

    /// Changes a topic, in turn with all others who change something.
    pub(super) async fn change_topic(
        &self,
        id: &TopicId,
        missing: fn() -> ServiceError,
        change: impl FnOnce(&mut Topic) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let _turn = self.changing.lock().await;
        let known = self.topics.get(&id.scope, &id.name).ok_or_else(missing)?;
        let mut topic = Topic::clone(&known.value);
        change(&mut topic)?;
        let kept = self.topics.put(topic, Some(known.stored)).await;
        self.changed(id);
        kept.map(drop).map_err(of_records)
    }
}

/// A topic of large messages has few subscriptions, all of a kind that can take them.
pub(super) fn of_size() -> ServiceError {
    invalid(format_args!(
        "{SIZE} Reason: a topic with a value above {MESSAGE_BYTES} has at most {LARGE_SUBSCRIPTIONS_MAX} subscriptions, of \
         the protocols sqs and lambda"
    ))
}

fn check_name(id: &TopicId, fifo: Option<&str>) -> Result<(), ServiceError> {
    let rest = "made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be \
                between 1 and 256 characters long.";
    match fifo {
        None | Some("true" | "false") => {}
        Some(_) => return Err(invalid(format_args!("Attributes Reason: {FIFO} must be true or false"))),
    }
    match (fifo == Some("true"), id.is_fifo()) {
        (true, is_fifo) if !is_fifo || !name::is_name(&id.name) => {
            Err(invalid(format_args!("Fifo Topic names must end with .fifo and must be {rest}")))
        }
        (false, true) => Err(invalid("Topic Name")),
        _ if !name::is_name(&id.name) => Err(invalid(format_args!("Topic names must be {rest}"))),
        _ => Ok(()),
    }
}
