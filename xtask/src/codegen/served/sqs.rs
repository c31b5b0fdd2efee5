//! What is served of Amazon Simple Queue Service.
//!
//! Data, as in [`super`].

use super::{Coverage, Service};

/// Amazon Simple Queue Service.
pub(super) const SQS: Service = Service {
    name: "sqs",
    api_version: "2012-11-05",
    operations: &[
        ("AddPermission", Coverage::Done),
        ("CancelMessageMoveTask", Coverage::Done),
        ("ChangeMessageVisibility", Coverage::Done),
        ("ChangeMessageVisibilityBatch", Coverage::Done),
        ("CreateQueue", Coverage::Done),
        ("DeleteMessage", Coverage::Done),
        ("DeleteMessageBatch", Coverage::Done),
        ("DeleteQueue", Coverage::Done),
        ("GetQueueAttributes", Coverage::Done),
        ("GetQueueUrl", Coverage::Done),
        ("ListDeadLetterSourceQueues", Coverage::Done),
        ("ListMessageMoveTasks", Coverage::Done),
        ("ListQueueTags", Coverage::Done),
        ("ListQueues", Coverage::Done),
        ("PurgeQueue", Coverage::Done),
        ("ReceiveMessage", Coverage::Done),
        ("RemovePermission", Coverage::Done),
        ("SendMessage", Coverage::Done),
        ("SendMessageBatch", Coverage::Done),
        ("SetQueueAttributes", Coverage::Done),
        ("StartMessageMoveTask", Coverage::Done),
        ("TagQueue", Coverage::Done),
        ("UntagQueue", Coverage::Done),
    ],
    sensitive: &[],
    enums_checked_by_operation: &[
        "CreateQueueRequest.Attributes",
        "GetQueueAttributesRequest.AttributeNames",
        "ReceiveMessageRequest.AttributeNames",
        "ReceiveMessageRequest.MessageSystemAttributeNames",
        "SendMessageBatchRequestEntry.MessageSystemAttributes",
        "SendMessageRequest.MessageSystemAttributes",
        "SetQueueAttributesRequest.Attributes",
    ],
    patterns: &[],
};
