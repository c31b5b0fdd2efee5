//! Whether a queue can wake a function: it is there, the function's role may read it, and its messages stay hidden for as
//! long as the function may run.
//!
//! Asked when a mapping is made or changed. What becomes of these later is the poller's matter.
//! Source: Lambda Developer Guide, "Creating and configuring an Amazon SQS event source mapping".

use std::sync::Arc;

use model::arn::ResourceArn;
use model::delivery::Sender;
use model::error::ServiceError;
use model::event_source::EventSource;
use model::function::Function;
use model::sqs::Sources;

use crate::policy::{Admission, Need};

/// What pollers do with a queue, as the function's role.
const ACTIONS: [(&str, &str); 3] = [
    ("sqs:ReceiveMessage", "ReceiveMessage"),
    ("sqs:DeleteMessage", "DeleteMessage"),
    ("sqs:GetQueueAttributes", "GetQueueAttributes"),
];

/// The queues that functions can be mapped to, and what roles may do with them.
pub struct Queues {
    /// Finds queues.
    pub sources: Arc<dyn Sources>,
    /// What roles may do.
    pub admission: Arc<dyn Admission>,
}

impl Queues {
    /// # Errors
    /// `InvalidParameterValue` that says what is missing.
    pub(super) fn check(&self, source: &EventSource, function: &Function) -> Result<(), ServiceError> {
        let refuse = |message: String| Err(ServiceError::InvalidParameterValue(message));
        let arn = ResourceArn::parse(&source.arn).ok();
        let Some(queue) = arn.and_then(|arn| self.sources.queue(&arn)) else {
            return refuse(format!(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS \
                 Error Message: The specified queue does not exist. There is no queue {}: create it first.",
                source.arn
            ));
        };
        let role = &function.settings.role;
        let sender = Sender::lambda(&function.id, Some(role.clone()));
        let may = |action: &str| self.admission.admits(&sender, &Need::of(action, source.arn.as_str()));
        let denied = ACTIONS.iter().find(|(action, _)| !may(action));
        if let Some((action, operation)) = denied {
            return refuse(format!(
                "The provided execution role does not have permissions to call {operation} on SQS. Allow {role} to do \
                 {action} on {}.",
                source.arn
            ));
        }
        let (visibility_s, timeout_s) = (queue.visibility.as_secs(), u64::from(function.settings.timeout_s));
        if visibility_s < timeout_s {
            return refuse(format!(
                "Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {timeout_s} seconds"
            ));
        }
        Ok(())
    }
}
