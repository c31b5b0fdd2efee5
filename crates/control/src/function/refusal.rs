//! What callers are told when a function is not there or not ready: AWS's words, in one place.
//!
//! Pure. Refusals of settings, code and layers stand with the checks that make them.

use model::arn::FunctionId;
use model::error::ServiceError;
use model::function::State;
use model::name::Qualifier;

pub(super) fn not_found(id: &FunctionId, qualifier: Option<&Qualifier>) -> ServiceError {
    let arn = qualifier.map_or_else(|| id.arn(), |qualifier| id.qualified_arn(qualifier));
    ServiceError::ResourceNotFound(format!("Function not found: {arn}"))
}

pub(super) fn in_progress(id: &FunctionId) -> ServiceError {
    ServiceError::ResourceConflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {}",
        id.arn()
    ))
}

pub(super) fn in_state(state: &State) -> ServiceError {
    let (name, reason) = match state {
        State::Pending => ("Pending", String::new()),
        State::Active => ("Active", String::new()),
        State::Failed { reason } => ("Failed", format!(". {reason}")),
    };
    ServiceError::ResourceConflict(format!(
        "The operation cannot be performed at this time. The function is currently in the following state: \
         {name}{reason}"
    ))
}
