//! What each operation needs the caller's leave for.
//!
//! What only a queue's owner may do is asked without the queue's policy, so that no policy lets anybody else do it. Source:
//! Service Authorization Reference, "Actions, resources, and condition keys for Amazon SQS"; SQS Developer Guide, "Overview of
//! managing access".

use model::error::ServiceError;
use model::sqs::{QueueId, SERVICE};
use wire::sqs::Input;

use super::{Caller, Sqs, moves, name, queue};
use crate::need::Need;

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
                return Ok(vec![Need::of(format!("{SERVICE}:{action}"), arn)]);
            }
            Input::GetQueueUrl(input) => queue::owned_id(scope, input)?.ok_or_else(super::error::no_queue)?,
            Input::StartMessageMoveTask(input) => {
                let source = name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?;
                let mut needs = vec![self.need(&source, action)];
                if let Some(destination) = &input.destination_arn {
                    let destination = name::of_arn("DestinationArn", destination)?;
                    needs.push(self.need(&destination, "SendMessage"));
                }
                return Ok(needs);
            }
            Input::ListMessageMoveTasks(input) => {
                name::of_arn("SourceArn", input.source_arn.as_deref().unwrap_or_default())?
            }
            Input::CancelMessageMoveTask(input) => {
                moves::read_handle(input.task_handle.as_deref().unwrap_or_default())?.0
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
            Input::TagQueue(input) => at(&input.queue_url)?,
            Input::UntagQueue(input) => at(&input.queue_url)?,
        };
        Ok(vec![self.need(&id, action)])
    }

    fn need(&self, id: &QueueId, action: &str) -> Need {
        let queue = self.there(id).ok();
        let policy =
            queue.as_ref().filter(|_| !OWNERS.contains(&action)).and_then(|queue| self.policy(queue));
        let tags = queue.iter().flat_map(|queue| &queue.tags);
        let facts = tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone())).collect();
        Need { policy, facts, ..Need::of(format!("{SERVICE}:{action}"), id.arn()) }
    }
}
