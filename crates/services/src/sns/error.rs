//! SNS's errors in SNS's words.
//!
//! Knows no operation. Failures on our own side are logged here; callers are told no paths. Source: SNS API Reference,
//! "Common Error Types" and the errors of each operation.

use model::error::ServiceError;
use model::queue::QueueError;
use store::records::RecordError;
use wire::sns::errors;

pub(super) fn invalid(reason: impl std::fmt::Display) -> ServiceError {
    errors::INVALID_PARAMETER_EXCEPTION.error(format!("Invalid parameter: {reason}"))
}

pub(super) fn not_served(what: impl std::fmt::Display) -> ServiceError {
    invalid(format_args!("{what} is not served by Dormouse."))
}

pub(super) fn no_topic() -> ServiceError {
    errors::NOT_FOUND_EXCEPTION.error("Topic does not exist")
}

pub(super) fn no_resource() -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error("Resource does not exist")
}

pub(super) fn no_subscription() -> ServiceError {
    errors::NOT_FOUND_EXCEPTION.error("Subscription does not exist")
}

pub(super) fn of_records(error: RecordError) -> ServiceError {
    match error {
        RecordError::Conflict { .. } | RecordError::Missing { .. } => errors::CONCURRENT_ACCESS_EXCEPTION
            .error("Somebody else changed this at the same time. Try the request again."),
        RecordError::TooLarge { .. } => invalid("The attributes are too large."),
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "what was asked of a topic was not kept");
            ServiceError::Internal("The change could not be kept.".to_owned())
        }
    }
}

pub(super) fn of_deliveries(error: QueueError) -> ServiceError {
    match error {
        QueueError::TooLarge(_) => invalid("Message too long"),
        error => ServiceError::Unavailable(error.to_string()),
    }
}
