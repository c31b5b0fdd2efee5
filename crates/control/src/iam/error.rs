//! Why IAM and STS refuse, in AWS's words.
//!
//! Codes and statuses are the wire's matter.

use model::error::ServiceError;

use crate::policy::Malformed;

/// See the module's description.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IamError {
    /// It is not there.
    #[error("{0}")]
    NoSuchEntity(String),
    /// The name is taken.
    #[error("{0}")]
    EntityAlreadyExists(String),
    /// Something still belongs to it.
    #[error("{0}")]
    DeleteConflict(String),
    /// There are as many as there may be.
    #[error("{0}")]
    LimitExceeded(String),
    /// A text is no policy.
    #[error("{0}")]
    MalformedPolicyDocument(String),
    /// A value makes no sense.
    #[error("{0}")]
    InvalidInput(String),
    /// The policies of a session are too large.
    #[error("{0}")]
    PackedPolicyTooLarge(String),
    /// A value breaks a rule of the interface.
    #[error("{0}")]
    Validation(String),
    /// The caller may not.
    #[error("{0}")]
    AccessDenied(String),
    /// The store, or something else that is the same for all services.
    #[error(transparent)]
    Failed(#[from] ServiceError),
}

impl From<Malformed> for IamError {
    fn from(malformed: Malformed) -> Self {
        Self::MalformedPolicyDocument(malformed.to_string())
    }
}
