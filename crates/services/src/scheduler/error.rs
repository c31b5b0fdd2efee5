//! EventBridge Scheduler's errors in its words. Knows no operation.
//!
//! Failures on our own side are logged here; callers are told no paths.

use model::error::ServiceError;
use store::records::RecordError;
use wire::scheduler::errors;

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::Validation(message.into())
}

/// A member of a served operation that would need what is not there.
pub(super) fn not_served(what: &str) -> ServiceError {
    invalid(format!("{what} is not served by Dormouse."))
}

pub(super) fn no_schedule(name: &str) -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error(format!("Schedule {name} does not exist."))
}

pub(super) fn no_group(name: &str) -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error(format!("Schedule group {name} does not exist."))
}

pub(super) fn conflict(message: impl Into<String>) -> ServiceError {
    errors::CONFLICT_EXCEPTION.error(message)
}

pub(super) fn too_many(what: &str) -> ServiceError {
    errors::SERVICE_QUOTA_EXCEEDED_EXCEPTION.error(format!("The maximum number of {what} is reached."))
}

pub(super) fn of_records(error: RecordError) -> ServiceError {
    match error {
        RecordError::Conflict { .. } | RecordError::Missing { .. } => {
            conflict("The resource was changed by another request at the same time. Try the request again.")
        }
        RecordError::TooLarge { .. } => {
            errors::SERVICE_QUOTA_EXCEEDED_EXCEPTION.error("The schedule is larger than 256 KB.")
        }
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "what was asked of the scheduler was not kept");
            ServiceError::Internal("The change could not be kept.".to_owned())
        }
    }
}
