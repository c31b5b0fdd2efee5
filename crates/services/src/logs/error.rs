//! CloudWatch Logs' errors in its words. Knows no operation.
//!
//! Failures on our own side are logged here; callers are told no paths.

use model::error::ServiceError;
use store::logs::LogError;
use store::records::RecordError;
use wire::logs::errors;

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    errors::INVALID_PARAMETER_EXCEPTION.error(message)
}

pub(super) fn operation_not_served(name: &str) -> ServiceError {
    ServiceError::NotServed(format!("Amazon CloudWatch Logs' operation {name} is not served by Dormouse."))
}

/// A member of a served operation that would need what is not there.
pub(super) fn not_served(what: &str) -> ServiceError {
    invalid(format!("{what} is not served by Dormouse."))
}

pub(super) fn no_group() -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error("The specified log group does not exist.")
}

pub(super) fn no_stream() -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error("The specified log stream does not exist.")
}

pub(super) fn no_subscription() -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error("The specified subscription filter does not exist.")
}

/// `kind`: `group` or `stream`.
pub(super) fn exists(kind: &str) -> ServiceError {
    errors::RESOURCE_ALREADY_EXISTS_EXCEPTION.error(format!("The specified log {kind} already exists"))
}

pub(super) fn too_many() -> ServiceError {
    errors::LIMIT_EXCEEDED_EXCEPTION.error("Resource limit exceeded.")
}

pub(super) fn of_records(error: RecordError) -> ServiceError {
    match error {
        RecordError::Conflict { .. } | RecordError::Missing { .. } => errors::OPERATION_ABORTED_EXCEPTION
            .error(
                "A conflicting operation is currently in progress against this resource. Please try again.",
            ),
        RecordError::TooLarge { .. } => too_many(),
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "what was asked of the logs was not kept");
            ServiceError::Internal("The change could not be kept.".to_owned())
        }
    }
}

pub(super) fn of_files(error: LogError) -> ServiceError {
    match error {
        LogError::Io { .. } => {
            tracing::error!(%error, "a log was not read or written");
            ServiceError::Internal("The log could not be read or written.".to_owned())
        }
        LogError::Full | LogError::Stopping | LogError::TooManyFollowers => {
            ServiceError::Unavailable(error.to_string())
        }
    }
}

/// A search broke off; the log has why.
pub(super) fn broke_off() -> ServiceError {
    ServiceError::Internal("The log group could not be searched.".to_owned())
}
