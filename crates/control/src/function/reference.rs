//! Which function a caller means, and whether it lies where the caller can reach it: in the region that it calls.
//!
//! Pure: knows names, and no function. Whether the caller may do anything to a function of another account has been
//! decided before anybody comes here ([`crate::access`]).

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::name::{FunctionReference, Qualifier, Version};

/// The function that a reference names, in the caller's own account or the one that it names.
pub(super) fn own_id(caller: &Scope, reference: &FunctionReference) -> Result<FunctionId, ServiceError> {
    if let Some(region) = reference.region.as_ref().filter(|region| **region != caller.region) {
        let message =
            format!("Functions from '{region}' are not reachable in this region ('{}')", caller.region);
        return Err(ServiceError::ResourceNotFound(message));
    }
    let scope = Scope { account: reference.account.unwrap_or(caller.account), region: caller.region.clone() };
    Ok(FunctionId { scope, name: reference.name.clone() })
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

/// As [`own_id`], for operations on what a function has as a whole, of which its versions and aliases have nothing.
pub(super) fn own_whole(caller: &Scope, reference: &FunctionReference) -> Result<FunctionId, ServiceError> {
    match reference.qualifier {
        None | Some(Qualifier::Version(Version::Latest)) => own_id(caller, reference),
        Some(_) => Err(not_whole()),
    }
}

fn not_whole() -> ServiceError {
    ServiceError::InvalidParameterValue(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
         Please specify either a function name or an unqualified function ARN."
            .to_owned(),
    )
}

/// As [`own_whole`], where not even `$LATEST` may be named.
pub(super) fn own_unqualified(
    caller: &Scope,
    reference: &FunctionReference,
) -> Result<FunctionId, ServiceError> {
    if reference.qualifier.is_some() {
        return Err(not_whole());
    }
    own_id(caller, reference)
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
