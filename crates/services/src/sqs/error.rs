//! The service's errors in its own words. Knows no operation.
//!
//! Failures on our own side are logged here; callers are told no paths.

use model::error::ServiceError;
use model::id::IdError;
use model::queue::QueueError;
use store::records::RecordError;
use wire::sqs::{MISSING_PARAMETER, errors};

/// `InvalidParameterValue`.
pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::InvalidParameterValue(message.into())
}

/// The same of a parameter's value.
pub(super) fn value(parameter: &str, value: impl std::fmt::Display, reason: &str) -> ServiceError {
    let shown: String = value.to_string().chars().take(1_024).collect();
    invalid(format!("Value {shown} for parameter {parameter} is invalid. Reason: {reason}"))
}

pub(super) fn missing(parameter: &str) -> ServiceError {
    MISSING_PARAMETER.error(format!("The request must contain the parameter {parameter}."))
}

pub(super) fn no_queue() -> ServiceError {
    errors::QUEUE_DOES_NOT_EXIST.error("The specified queue does not exist.")
}

pub(super) fn unknown_attribute(name: &str) -> ServiceError {
    let shown: String = name.chars().take(100).collect();
    errors::INVALID_ATTRIBUTE_NAME.error(format!("Unknown Attribute {shown}."))
}

pub(super) fn attribute(name: &str, reason: &str) -> ServiceError {
    errors::INVALID_ATTRIBUTE_VALUE.error(format!("Invalid value for the parameter {name}. Reason: {reason}"))
}

pub(super) fn receipt(handle: &str) -> ServiceError {
    let shown: String = handle.chars().take(1_024).collect();
    errors::RECEIPT_HANDLE_IS_INVALID
        .error(format!("The input receipt handle \"{shown}\" is not a valid receipt handle."))
}

pub(super) fn of_records(error: RecordError) -> ServiceError {
    match error {
        RecordError::Conflict { .. } | RecordError::Missing { .. } => {
            errors::REQUEST_THROTTLED.error("The queue is being changed. Try the request again.")
        }
        RecordError::TooLarge { .. } => errors::OVER_LIMIT.error("The queue has more settings than it may."),
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "what was asked of queues was not kept");
            ServiceError::Internal("The change could not be kept.".to_owned())
        }
    }
}

pub(super) fn of_messages(error: QueueError) -> ServiceError {
    match error {
        QueueError::TooManyWaiting(_) => {
            errors::OVER_LIMIT.error("Too many calls wait for messages of this queue.")
        }
        QueueError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error @ (QueueError::Disk(_) | QueueError::TooLarge(_)) => {
            tracing::error!(%error, "messages were not kept");
            ServiceError::Internal("The messages could not be kept.".to_owned())
        }
    }
}

/// Of names that are made from parts which were parsed before.
pub(super) fn of_name(error: IdError) -> ServiceError {
    tracing::error!(%error, "a queue has no place for its messages");
    ServiceError::Internal("The queue has no place for its messages.".to_owned())
}
