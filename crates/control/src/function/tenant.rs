//! Whom an invocation is for: a tenant where the function isolates tenants, and nobody in particular elsewhere.
//!
//! Source: Lambda Developer Guide, "Troubleshooting tenant isolation for Lambda functions".

use model::error::ServiceError;
use model::function::Function;
use model::name::TenantId;

/// The tenant that an invocation names.
///
/// # Errors
/// `InvalidParameterValue` if the function isolates tenants and none is named, or the other way round.
pub fn tenant_of(function: &Function, named: Option<&str>) -> Result<Option<TenantId>, ServiceError> {
    let invalid = |message: &str| Err(ServiceError::InvalidParameterValue(message.to_owned()));
    match (function.settings.tenant_isolation, named) {
        (false, None) => Ok(None),
        (true, Some(named)) => match TenantId::parse(named) {
            Ok(tenant) => Ok(Some(tenant)),
            Err(_) => invalid(
                "The tenant ID must have 1 to 256 characters: letters, digits, spaces and any of . _ : / = + - @",
            ),
        },
        (true, None) => invalid(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try \
             again.",
        ),
        (false, Some(_)) => invalid(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request \
             and try again.",
        ),
    }
}
