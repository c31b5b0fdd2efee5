//! Amazon Elastic Container Registry's API: the generated types, targets and errors, and how this service words the
//! constraints that a request violates.
//!
//! A server finds the operation with [`route`], reads and checks its input with [`Input::accept`], writes the answer
//! with [`json_rpc::Output::reply`](crate::json_rpc::Output::reply) and errors with
//! [`json_rpc::error_reply`](crate::json_rpc::error_reply).

#[cfg(test)]
mod tests;

use model::error::ServiceError;

use crate::check::Refused;
pub use crate::generated::ecr::*;

/// The pattern that ECR shows for a repository's name; the model's is another spelling of it.
const REPOSITORY_NAME_PATTERN: &str = "(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*";

/// What ECR answers to a request that it cannot take: only the first violation, in words of its own.
#[must_use]
pub fn refused(refused: Refused) -> ServiceError {
    let Refused::Invalid(violations) = &refused else { return refused.into() };
    let Some(first) = violations.first() else { return refused.into() };
    let failure = match (first.member, first.failure) {
        ("repositoryName", failure) if failure.contains("regular expression") => {
            format!("must satisfy regular expression '{REPOSITORY_NAME_PATTERN}'")
        }
        ("repositoryName", failure) => failure.trim_start_matches("Member ").to_owned(),
        (_, failure) => failure.to_owned(),
    };
    errors::INVALID_PARAMETER_EXCEPTION
        .error(format!("Invalid parameter at '{}' failed to satisfy constraint: '{failure}'", first.member))
}
