//! What each operation needs the caller's leave for.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon SNS".

use model::error::ServiceError;
use model::topic::TopicId;
use wire::sns::{Input, Operation};

use super::{Caller, SERVICE, Sns, name};
use crate::need::Need;

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
        let mut facts = Vec::new();
        let id = match input {
            Input::ListSubscriptions(_) | Input::ListTopics(_) => return Ok(vec![Need::of(action, "*")]),
            Input::CreateTopic(input) => {
                let name = input.name.clone().unwrap_or_default();
                return Ok(vec![Need::of(action, TopicId { scope: caller.scope.clone(), name }.arn())]);
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
                facts.extend(input.protocol.iter().map(|it| ("sns:Protocol".to_owned(), it.clone())));
                facts.extend(input.endpoint.iter().map(|it| ("sns:Endpoint".to_owned(), it.clone())));
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
            Input::TagResource(input) => tagged(&input.resource_arn)?,
            Input::UntagResource(input) => tagged(&input.resource_arn)?,
        };
        let mut need = self.of_topic(action, &id);
        need.facts.extend(facts);
        Ok(vec![need])
    }

    fn of_topic(&self, action: String, id: &TopicId) -> Need {
        let known = self.topics.get(&id.scope, &id.name);
        let tags = known.iter().flat_map(|known| &known.value.tags);
        let facts = tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone())).collect();
        let policy = self.route(id).and_then(|route| route.policy.clone());
        Need { policy, facts, ..Need::of(action, id.arn()) }
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
