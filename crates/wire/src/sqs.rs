//! Amazon Simple Queue Service: the generated types, operations and errors, and the names that its errors have in the query
//! protocol.
//!
//! What the operations mean is not known here.

use crate::error::ErrorShape;
pub use crate::generated::sqs::*;
use crate::json_rpc::QueryCompatible;
use crate::query::{Form, Forms};

/// A parameter that has to be there is not. The model does not list it.
pub const MISSING_PARAMETER: ErrorShape = ErrorShape::common("MissingParameter", 400);

/// How clients that know SQS from the query protocol are told of errors (the `awsQueryError` traits of its model).
pub(crate) static COMPATIBLE: QueryCompatible = QueryCompatible {
    namespace: "com.amazonaws.sqs",
    common: &[MISSING_PARAMETER],
    codes: &[
        ("AccessDeniedException", "AccessDenied"),
        ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
        ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
        ("ExpiredTokenException", "ExpiredToken"),
        ("IncompleteSignatureException", "IncompleteSignature"),
        ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
        ("InvalidParameterValueException", "InvalidParameterValue"),
        ("InvalidSignatureException", "SignatureDoesNotMatch"),
        ("KmsAccessDenied", "KMS.AccessDeniedException"),
        ("KmsDisabled", "KMS.DisabledException"),
        ("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"),
        ("KmsInvalidState", "KMS.InvalidStateException"),
        ("KmsNotFound", "KMS.NotFoundException"),
        ("KmsOptInRequired", "KMS.OptInRequired"),
        ("KmsThrottled", "KMS.ThrottlingException"),
        ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
        ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
        ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
        ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
        ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
        ("QueueNameExists", "QueueAlreadyExists"),
        ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
        ("UnknownOperationException", "InvalidAction"),
        ("UnrecognizedClientException", "InvalidClientTokenId"),
        ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
        ("ValidationException", "ValidationError"),
    ],
};

/// How requests and answers travel in forms, for older clients.
pub static FORMS: Forms = Forms {
    service: &SERVICE,
    namespace: "http://queue.amazonaws.com/doc/2012-11-05/",
    version: "2012-11-05",
    input: &INPUT_FORM,
    output: output_form,
    path_member: "QueueUrl",
};

const NAME_VALUE: [&str; 2] = ["Name", "Value"];
const KEY_VALUE: [&str; 2] = ["Key", "Value"];

static VALUE_FORM: Form = Form::Structure(&[
    ("StringValue", &Form::Text),
    ("BinaryValue", &Form::Blob),
    ("StringListValues", &Form::FlatList("StringListValue", &Form::Text)),
    ("BinaryListValues", &Form::FlatList("BinaryListValue", &Form::Blob)),
    ("DataType", &Form::Text),
]);

/// Members of messages and of entries of batches.
static ENTRY_FORM: Form = Form::Structure(&[
    ("Id", &Form::Text),
    ("MessageBody", &Form::Text),
    ("DelaySeconds", &Form::Whole),
    ("MessageAttributes", &Form::FlatMap("MessageAttribute", NAME_VALUE, &VALUE_FORM)),
    ("MessageSystemAttributes", &Form::FlatMap("MessageSystemAttribute", NAME_VALUE, &VALUE_FORM)),
    ("MessageDeduplicationId", &Form::Text),
    ("MessageGroupId", &Form::Text),
    ("ReceiptHandle", &Form::Text),
    ("VisibilityTimeout", &Form::Whole),
]);

static INPUT_FORM: Form = Form::Structure(&[
    ("QueueUrl", &Form::Text),
    ("QueueName", &Form::Text),
    ("QueueNamePrefix", &Form::Text),
    ("QueueOwnerAWSAccountId", &Form::Text),
    ("Label", &Form::Text),
    ("NextToken", &Form::Text),
    ("ReceiveRequestAttemptId", &Form::Text),
    ("SourceArn", &Form::Text),
    ("DestinationArn", &Form::Text),
    ("TaskHandle", &Form::Text),
    ("MaxResults", &Form::Whole),
    ("MaxNumberOfMessages", &Form::Whole),
    ("MaxNumberOfMessagesPerSecond", &Form::Whole),
    ("WaitTimeSeconds", &Form::Whole),
    ("MessageBody", &Form::Text),
    ("DelaySeconds", &Form::Whole),
    ("MessageAttributes", &Form::FlatMap("MessageAttribute", NAME_VALUE, &VALUE_FORM)),
    ("MessageSystemAttributes", &Form::FlatMap("MessageSystemAttribute", NAME_VALUE, &VALUE_FORM)),
    ("MessageDeduplicationId", &Form::Text),
    ("MessageGroupId", &Form::Text),
    ("ReceiptHandle", &Form::Text),
    ("VisibilityTimeout", &Form::Whole),
    ("Attributes", &Form::FlatMap("Attribute", NAME_VALUE, &Form::Text)),
    ("tags", &Form::FlatMap("Tag", KEY_VALUE, &Form::Text)),
    ("Tags", &Form::FlatMap("Tag", KEY_VALUE, &Form::Text)),
    ("TagKeys", &Form::FlatList("TagKey", &Form::Text)),
    ("AttributeNames", &Form::FlatList("AttributeName", &Form::Text)),
    ("MessageAttributeNames", &Form::FlatList("MessageAttributeName", &Form::Text)),
    ("MessageSystemAttributeNames", &Form::FlatList("MessageSystemAttributeName", &Form::Text)),
    ("AWSAccountIds", &Form::FlatList("AWSAccountId", &Form::Text)),
    ("Actions", &Form::FlatList("ActionName", &Form::Text)),
    ("Entries", &Form::FlatList("SendMessageBatchRequestEntry", &ENTRY_FORM)),
    ("Entries", &Form::FlatList("DeleteMessageBatchRequestEntry", &ENTRY_FORM)),
    ("Entries", &Form::FlatList("ChangeMessageVisibilityBatchRequestEntry", &ENTRY_FORM)),
]);

static RECEIVED_FORM: Form = Form::Structure(&[
    ("MessageId", &Form::Text),
    ("ReceiptHandle", &Form::Text),
    ("MD5OfBody", &Form::Text),
    ("Body", &Form::Text),
    ("Attributes", &Form::FlatMap("Attribute", NAME_VALUE, &Form::Text)),
    ("MD5OfMessageAttributes", &Form::Text),
    ("MessageAttributes", &Form::FlatMap("MessageAttribute", NAME_VALUE, &VALUE_FORM)),
]);

static FAILED_FORM: Form = Form::Structure(&[
    ("Id", &Form::Text),
    ("SenderFault", &Form::Truth),
    ("Code", &Form::Text),
    ("Message", &Form::Text),
]);

static SENT_FORM: Form = Form::Structure(&[
    ("Id", &Form::Text),
    ("MessageId", &Form::Text),
    ("MD5OfMessageBody", &Form::Text),
    ("MD5OfMessageAttributes", &Form::Text),
    ("MD5OfMessageSystemAttributes", &Form::Text),
    ("SequenceNumber", &Form::Text),
]);

static MOVE_FORM: Form = Form::Structure(&[
    ("TaskHandle", &Form::Text),
    ("Status", &Form::Text),
    ("SourceArn", &Form::Text),
    ("DestinationArn", &Form::Text),
    ("MaxNumberOfMessagesPerSecond", &Form::Whole),
    ("ApproximateNumberOfMessagesMoved", &Form::Whole),
    ("ApproximateNumberOfMessagesToMove", &Form::Whole),
    ("FailureReason", &Form::Text),
    ("StartedTimestamp", &Form::Whole),
]);

/// The members of all outputs but those of batches.
static OUTPUT_FORM: Form = Form::Structure(&[
    ("QueueUrl", &Form::Text),
    ("QueueUrls", &Form::FlatList("QueueUrl", &Form::Text)),
    ("queueUrls", &Form::FlatList("QueueUrl", &Form::Text)),
    ("NextToken", &Form::Text),
    ("Attributes", &Form::FlatMap("Attribute", NAME_VALUE, &Form::Text)),
    ("Tags", &Form::FlatMap("Tag", KEY_VALUE, &Form::Text)),
    ("Messages", &Form::FlatList("Message", &RECEIVED_FORM)),
    ("MessageId", &Form::Text),
    ("MD5OfMessageBody", &Form::Text),
    ("MD5OfMessageAttributes", &Form::Text),
    ("MD5OfMessageSystemAttributes", &Form::Text),
    ("SequenceNumber", &Form::Text),
    ("TaskHandle", &Form::Text),
    ("ApproximateNumberOfMessagesMoved", &Form::Whole),
    ("Results", &Form::FlatList("ListMessageMoveTasksResultEntry", &MOVE_FORM)),
]);

static SENT_BATCH_FORM: Form = Form::Structure(&[
    ("Successful", &Form::FlatList("SendMessageBatchResultEntry", &SENT_FORM)),
    ("Failed", &Form::FlatList("BatchResultErrorEntry", &FAILED_FORM)),
]);

static DELETED_BATCH_FORM: Form = Form::Structure(&[
    ("Successful", &Form::FlatList("DeleteMessageBatchResultEntry", &SENT_FORM)),
    ("Failed", &Form::FlatList("BatchResultErrorEntry", &FAILED_FORM)),
]);

static CHANGED_BATCH_FORM: Form = Form::Structure(&[
    ("Successful", &Form::FlatList("ChangeMessageVisibilityBatchResultEntry", &SENT_FORM)),
    ("Failed", &Form::FlatList("BatchResultErrorEntry", &FAILED_FORM)),
]);

fn output_form(operation: &str) -> Option<&'static Form> {
    match operation {
        "SendMessageBatch" => Some(&SENT_BATCH_FORM),
        "DeleteMessageBatch" => Some(&DELETED_BATCH_FORM),
        "ChangeMessageVisibilityBatch" => Some(&CHANGED_BATCH_FORM),
        "AddPermission"
        | "ChangeMessageVisibility"
        | "DeleteMessage"
        | "DeleteQueue"
        | "PurgeQueue"
        | "RemovePermission"
        | "SetQueueAttributes"
        | "TagQueue"
        | "UntagQueue" => None,
        _ => Some(&OUTPUT_FORM),
    }
}
