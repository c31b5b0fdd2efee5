//! What each operation needs the caller's leave for.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon SNS".

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::topic::TopicId;
use policy::{Context, Need};
use wire::sns::{Input, Operation, Tag};

use super::{Caller, SERVICE, Sns, name};

impl Sns {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a topic is named by something that is no ARN of one.
    pub fn needs(
        &self,
        caller: &Caller,
        operation: Operation,
        input: &Input,
    ) -> Result<Vec<Need>, ServiceError> {
        // A batch needs what one of it needs.
        let action = operation.name().strip_suffix("Batch").unwrap_or(operation.name());
        let action = format!("{SERVICE}:{action}");
        let at = |arn: &Option<String>| name::topic("TopicArn", arn.as_ref());
        let tagged = |arn: &Option<String>| name::topic("ResourceArn", arn.as_ref());
        let mut facts = Context::new();
        let id = match input {
            Input::ListSubscriptions(_) | Input::ListTopics(_) => return Ok(vec![Need::of(action, "*")]),
            Input::CreateTopic(input) => {
                let name = input.name.clone().unwrap_or_default();
                let mut need = Need::of(action, TopicId { scope: caller.scope.clone(), name }.arn());
                need.facts.set_request_tags(pairs(input.tags.as_deref()));
                let has_tags = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
                let tag = has_tags.then(|| Need { action: format!("{SERVICE}:TagResource"), ..need.clone() });
                return Ok(std::iter::once(need).chain(tag).collect());
            }
            Input::GetSubscriptionAttributes(input) => {
                return self.of_subscription(caller, action, input.subscription_arn.as_ref());
            }
            Input::SetSubscriptionAttributes(input) => {
                return self.of_subscription(caller, action, input.subscription_arn.as_ref());
            }
            Input::Unsubscribe(input) => {
                return self.of_subscription(caller, action, input.subscription_arn.as_ref());
            }
            Input::Publish(input) => super::publish::topic(input)?,
            Input::Subscribe(input) => {
                facts.set_some("sns:Protocol", input.protocol.as_deref());
                facts.set_some("sns:Endpoint", input.endpoint.as_deref());
                at(&input.topic_arn)?
            }
            Input::AddPermission(input) => at(&input.topic_arn)?,
            Input::ConfirmSubscription(input) => at(&input.topic_arn)?,
            Input::DeleteTopic(input) => at(&input.topic_arn)?,
            Input::GetTopicAttributes(input) => at(&input.topic_arn)?,
            Input::ListSubscriptionsByTopic(input) => at(&input.topic_arn)?,
            Input::PublishBatch(input) => at(&input.topic_arn)?,
            Input::RemovePermission(input) => at(&input.topic_arn)?,
            Input::SetTopicAttributes(input) => at(&input.topic_arn)?,
            Input::ListTagsForResource(input) => tagged(&input.resource_arn)?,
            Input::TagResource(input) => {
                facts.set_request_tags(pairs(input.tags.as_deref()));
                tagged(&input.resource_arn)?
            }
            Input::UntagResource(input) => {
                facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default());
                tagged(&input.resource_arn)?
            }
        };
        let mut need = self.of_topic(action, &id);
        need.facts.extend(&facts);
        Ok(vec![need])
    }

    /// The right to publish to the topic of an ARN, for whoever delivers.
    #[must_use]
    pub fn need_to_publish(&self, topic: &ResourceArn) -> Option<Need> {
        Some(self.of_topic("sns:Publish", &name::topic_of(topic.as_str())?))
    }

    /// A right that is needed of a topic.
    pub(super) fn of_topic(&self, action: impl Into<String>, id: &TopicId) -> Need {
        let known = self.topics.get(&id.scope, &id.name);
        let policy = self.route(id).and_then(|route| route.policy.clone());
        let mut need = Need { policy, ..Need::of(action, id.arn()) };
        need.facts.set_resource_tags(known.iter().flat_map(|known| &known.value.tags));
        need
    }

    /// Whose subscription it is may do what its own account lets it, whatever the topic says.
    fn of_subscription(
        &self,
        caller: &Caller,
        action: String,
        arn: Option<&String>,
    ) -> Result<Vec<Need>, ServiceError> {
        let (topic, id) = name::subscription(arn)?;
        let owner = self.subscriptions.get(&topic, &id).map(|known| known.value.owner);
        let account = caller.scope.account;
        if topic.scope.account != account && owner == Some(account) {
            return Ok(vec![Need::of(action, "*")]);
        }
        Ok(vec![self.of_topic(action, &topic)])
    }
}

fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (String, String)> {
    let pair = |tag: &Tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
    tags.unwrap_or_default().iter().map(pair)
}
