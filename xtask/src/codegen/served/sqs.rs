//! What is served of Amazon Simple Queue Service.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon Simple Queue Service.
pub(super) const SQS: Service = Service {
    name: "sqs",
    api_version: "2012-11-05",
    operations: &[
        ("AddPermission", Coverage::Partial),
        ("CancelMessageMoveTask", Coverage::Partial),
        ("ChangeMessageVisibility", Coverage::Partial),
        ("ChangeMessageVisibilityBatch", Coverage::Partial),
        ("CreateQueue", Coverage::Partial),
        ("DeleteMessage", Coverage::Partial),
        ("DeleteMessageBatch", Coverage::Partial),
        ("DeleteQueue", Coverage::Partial),
        ("GetQueueAttributes", Coverage::Partial),
        ("GetQueueUrl", Coverage::Partial),
        ("ListDeadLetterSourceQueues", Coverage::Partial),
        ("ListMessageMoveTasks", Coverage::Partial),
        ("ListQueueTags", Coverage::Partial),
        ("ListQueues", Coverage::Partial),
        ("PurgeQueue", Coverage::Partial),
        ("ReceiveMessage", Coverage::Partial),
        ("RemovePermission", Coverage::Partial),
        ("SendMessage", Coverage::Partial),
        ("SendMessageBatch", Coverage::Partial),
        ("SetQueueAttributes", Coverage::Partial),
        ("StartMessageMoveTask", Coverage::Partial),
        ("TagQueue", Coverage::Partial),
        ("UntagQueue", Coverage::Partial),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[],
    patterns: &[],
};
