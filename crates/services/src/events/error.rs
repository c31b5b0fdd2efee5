//! EventBridge's errors in EventBridge's words. Knows no operation.
//!
//! Failures on our own side are logged here; callers are told no paths.

use aside::BrokeOff;
use model::bus::BusId;
use model::error::ServiceError;
use store::records::RecordError;
use wire::events::errors;

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::Validation(message.into())
}

pub(super) fn parameter(name: &str, reason: &str) -> ServiceError {
    invalid(format!("Parameter {name} is not valid. Reason: {reason}"))
}

/// A member of a served operation that would need what is not there.
pub(super) fn not_served(what: &str) -> ServiceError {
    invalid(format!("{what} is not served by Dormouse."))
}

pub(super) fn no_bus(name: &str) -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error(format!("Event bus {name} does not exist."))
}

pub(super) fn no_rule(bus: &BusId, name: &str) -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION
        .error(format!("Rule {name} does not exist on EventBus {}.", bus.name))
}

/// Users may not change it.
pub(super) fn managed(rule: &str) -> ServiceError {
    errors::MANAGED_RULE_EXCEPTION
        .error(format!("{rule} is a managed rule. Set 'force' parameter to true to override."))
}

/// `kind` as a sentence begins: `Archive`.
pub(super) fn no_such(kind: &str, name: &str) -> ServiceError {
    errors::RESOURCE_NOT_FOUND_EXCEPTION.error(format!("{kind} {name} does not exist."))
}

pub(super) fn exists(kind: &str, name: &str) -> ServiceError {
    errors::RESOURCE_ALREADY_EXISTS_EXCEPTION.error(format!("{kind} {name} already exists."))
}

pub(super) fn too_many() -> ServiceError {
    errors::LIMIT_EXCEEDED_EXCEPTION.error("The requested resource exceeds the maximum number allowed.")
}

pub(super) fn bad_pattern(error: &pattern::Malformed) -> ServiceError {
    errors::INVALID_EVENT_PATTERN_EXCEPTION.error(format!("Event pattern is not valid. Reason: {error}"))
}

pub(super) fn of_records(error: RecordError) -> ServiceError {
    match error {
        RecordError::Conflict { .. } | RecordError::Missing { .. } => {
            errors::CONCURRENT_MODIFICATION_EXCEPTION
                .error("There is concurrent modification on a resource. Try the request again.")
        }
        RecordError::TooLarge { .. } => too_many(),
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%error, "what was asked of the event bus was not kept");
            ServiceError::Internal("The change could not be kept.".to_owned())
        }
    }
}

/// A look at an event broke off; the log has why.
pub(super) fn not_matched(BrokeOff: BrokeOff) -> ServiceError {
    ServiceError::Internal("The event could not be matched.".to_owned())
}
