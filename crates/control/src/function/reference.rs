//! Which function a caller means, and whether it lies where the caller can reach it: in its own account and region.
//!
//! Pure: knows names, and no function.

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::name::{FunctionReference, Qualifier, Version};

/// The function that a reference names, if it lies in the caller's own scope.
pub(super) fn own_id(caller: &Scope, reference: &FunctionReference) -> Result<FunctionId, ServiceError> {
    if let Some(region) = reference.region.as_ref().filter(|region| **region != caller.region) {
        let message =
            format!("Functions from '{region}' are not reachable in this region ('{}')", caller.region);
        return Err(ServiceError::ResourceNotFound(message));
    }
    if reference.account.is_some_and(|account| account != caller.account) {
        return Err(ServiceError::AccessDenied(format!(
            "The caller's account is {}; functions of other accounts grant it nothing.",
            caller.account
        )));
    }
    Ok(FunctionId { scope: caller.clone(), name: reference.name.clone() })
}

/// As [`own_id`], for operations that change `$LATEST` and can name nothing else.
pub(super) fn own_latest(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<FunctionId, ServiceError> {
    match one_qualifier(reference, qualifier)? {
        None | Some(Qualifier::Version(Version::Latest)) => own_id(caller, reference),
        Some(other) => Err(ServiceError::InvalidParameterValue(format!(
            "Only $LATEST can be changed, not {other}: published versions are immutable."
        ))),
    }
}

/// The qualifier of the name or of the parameter, which must not contradict each other.
pub(super) fn one_qualifier<'a>(
    reference: &'a FunctionReference,
    parameter: Option<&'a Qualifier>,
) -> Result<Option<&'a Qualifier>, ServiceError> {
    match (reference.qualifier.as_ref(), parameter) {
        (Some(derived), Some(given)) if derived != given => {
            let message =
                "The derived qualifier from the function name does not match the specified qualifier.";
            Err(ServiceError::InvalidParameterValue(message.to_owned()))
        }
        (derived, given) => Ok(derived.or(given)),
    }
}
