//! What each operation needs the caller's leave for.
//!
//! What only a queue's owner may do is asked without the queue's policy, so that no policy lets anybody else do it. Source:
//! Service Authorization Reference, "Actions, resources, and condition keys for Amazon SQS"; SQS Developer Guide, "Overview of
//! managing access".

use model::arn::ResourceArn;
use model::error::ServiceError;
use model::sqs::{QueueId, SERVICE};
use policy::Need;
use wire::sqs::Input;

use super::{Caller, Sqs, moves, name, queue};

/// What a move of messages does with the queue that it empties, and what is asked of whoever begins, sees or ends one.
///
/// Source: SQS Developer Guide, "Learn how to configure a dead-letter queue redrive in Amazon SQS".
const MOVES: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];

/// Actions that a queue's policy has no say in.
const OWNERS: [&str; 10] = [
    "AddPermission",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
    "StartMessageMoveTask",
    "CancelMessageMoveTask",
];

impl Sqs {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a queue is named by something that names none.
    pub fn needs(&self, caller: &Caller, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        // A batch needs what one of it needs.
        let action = operation.strip_suffix("Batch").unwrap_or(operation);
        let scope = &caller.scope;
        let at = |url: &Option<String>| name::of_url(scope, url.as_deref().unwrap_or_default());
        let id = match input {
            Input::ListQueues(_) => return Ok(vec![Need::of(format!("{SERVICE}:{action}"), "*")]),
            Input::CreateQueue(input) => {
                let name = input.queue_name.as_deref().unwrap_or_default();
                let arn = format!("arn:aws:{SERVICE}:{}:{}:{name}", scope.region, scope.account);
                let mut need = Need::of(format!("{SERVICE}:{action}"), arn);
                let tags = input.tags.as_ref().filter(|tags| !tags.is_empty());
                need.facts.set_request_tags(tags.into_iter().flatten());
                let tag = tags.map(|_| Need { action: format!("{SERVICE}:TagQueue"), ..need.clone() });
                return Ok(std::iter::once(need).chain(tag).collect());
            }
            Input::GetQueueUrl(input) => queue::owned_id(scope, input)?.ok_or_else(super::error::no_queue)?,
            Input::StartMessageMoveTask(input) => {
                let source = name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?;
                let destinations = match &input.destination_arn {
                    Some(destination) => vec![name::of_arn("DestinationArn", destination)?],
                    None => self.sources_of(&source),
                };
                let sends = destinations.iter().map(|id| self.need(id, "SendMessage"));
                return Ok(self.of_move(&source, action).into_iter().chain(sends).collect());
            }
            Input::ListMessageMoveTasks(input) => {
                let source = name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?;
                return Ok(self.of_move(&source, action));
            }
            Input::CancelMessageMoveTask(input) => {
                let (source, _) = moves::read_handle(input.task_handle.as_deref().unwrap_or_default())?;
                return Ok(self.of_move(&source, action));
            }
            Input::AddPermission(input) => at(&input.queue_url)?,
            Input::ChangeMessageVisibility(input) => at(&input.queue_url)?,
            Input::ChangeMessageVisibilityBatch(input) => at(&input.queue_url)?,
            Input::DeleteMessage(input) => at(&input.queue_url)?,
            Input::DeleteMessageBatch(input) => at(&input.queue_url)?,
            Input::DeleteQueue(input) => at(&input.queue_url)?,
            Input::GetQueueAttributes(input) => at(&input.queue_url)?,
            Input::ListDeadLetterSourceQueues(input) => at(&input.queue_url)?,
            Input::ListQueueTags(input) => at(&input.queue_url)?,
            Input::PurgeQueue(input) => at(&input.queue_url)?,
            Input::ReceiveMessage(input) => at(&input.queue_url)?,
            Input::RemovePermission(input) => at(&input.queue_url)?,
            Input::SendMessage(input) => at(&input.queue_url)?,
            Input::SendMessageBatch(input) => at(&input.queue_url)?,
            Input::SetQueueAttributes(input) => at(&input.queue_url)?,
            Input::TagQueue(input) => {
                let mut need = self.need(&at(&input.queue_url)?, action);
                need.facts.set_request_tags(input.tags.iter().flatten());
                return Ok(vec![need]);
            }
            Input::UntagQueue(input) => {
                let mut need = self.need(&at(&input.queue_url)?, action);
                need.facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default());
                return Ok(vec![need]);
            }
        };
        Ok(vec![self.need(&id, action)])
    }

    fn of_move(&self, source: &QueueId, action: &str) -> Vec<Need> {
        std::iter::once(action).chain(MOVES).map(|action| self.need(source, action)).collect()
    }

    /// The right to send to the queue of an ARN, for whoever delivers.
    #[must_use]
    pub fn need_to_send(&self, queue: &ResourceArn) -> Option<Need> {
        Some(self.need(&QueueId::of_arn(queue)?, "SendMessage"))
    }

    /// A right that is needed of a queue.
    pub(super) fn need(&self, id: &QueueId, action: &str) -> Need {
        let queue = self.there(id).ok();
        let policy =
            queue.as_ref().filter(|_| !OWNERS.contains(&action)).and_then(|queue| self.policy(queue));
        let mut need = Need { policy, ..Need::of(format!("{SERVICE}:{action}"), id.arn()) };
        need.facts.set_resource_tags(queue.iter().flat_map(|queue| &queue.tags));
        need
    }
}
