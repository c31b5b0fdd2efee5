//! Everything that a service can answer instead of what was asked for, free of transport. The AWS error code,
//! HTTP status and retryability of each variant stand in one exhaustive match in `wire`.
//!
//! A message is for the caller: it says what was wrong and what to do, in AWS's wording where AWS has one.

/// A refused or failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The named resource does not exist.
    #[error("{0}")]
    ResourceNotFound(String),
    /// The resource exists already, or is being changed.
    #[error("{0}")]
    ResourceConflict(String),
    /// A parameter is well formed but cannot be honoured.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// Constraints of the API model are violated.
    #[error("{0}")]
    Validation(String),
    /// The body is not what the operation takes.
    #[error("{0}")]
    Serialization(String),
    /// The payload of an invocation is not JSON.
    #[error("{0}")]
    InvalidRequestContent(String),
    /// Code cannot be unzipped.
    #[error("{0}")]
    InvalidZipFile(String),
    /// The request or its payload is too large.
    #[error("{0}")]
    RequestTooLarge(String),
    /// The payload's content type is not JSON.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The `RevisionId` given is not the current one.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The policy of a resource would be too large.
    #[error("{0}")]
    PolicyLengthExceeded(String),
    /// The policy of a resource would let everybody in where nobody may.
    #[error("{0}")]
    PublicPolicy(String),
    /// A function has as many aliases as it may.
    #[error("{0}")]
    AliasLimitExceeded(String),
    /// An account has as many capacity providers as it may.
    #[error("{0}")]
    CapacityProviderLimitExceeded(String),
    /// A capacity provider has as many versions of functions as it may.
    #[error("{0}")]
    ProviderVersionsLimitExceeded(String),
    /// The account's code storage is full.
    #[error("{0}")]
    CodeStorageExceeded(String),
    /// There is no such code signing configuration.
    #[error("{0}")]
    CodeSigningConfigNotFound(String),
    /// The code is not signed by anybody who may.
    #[error("{0}")]
    CodeVerificationFailed(String),
    /// Nothing is provisioned for this version or alias.
    #[error("{0}")]
    ProvisionedConcurrencyConfigNotFound(String),
    /// Too much at once.
    #[error("{message}")]
    TooManyRequests {
        /// AWS's reason, told to the caller.
        reason: ThrottleReason,
        /// For the caller.
        message: String,
    },
    /// The function cannot run yet or any more.
    #[error("{0}")]
    ResourceNotReady(String),
    /// An error that one service alone has, by its code in that service's API model; status and fault follow from
    /// the code. Made by the error tables of `wire`, so that no code is spelled by hand.
    #[error("{message}")]
    Modeled {
        /// The code in the service's model.
        code: &'static str,
        /// For the caller.
        message: String,
    },
    /// The caller may not do this.
    #[error("{0}")]
    AccessDenied(String),
    /// No operation answers to this method and path.
    #[error("{0}")]
    UnknownOperation(String),
    /// The operation exists at AWS but is not served by this version.
    #[error("{0}")]
    NotServed(String),
    /// Something failed on our side. The message holds no detail; the log does.
    #[error("{0}")]
    Internal(String),
    /// The server is stopping or overloaded; the same request can be tried again.
    #[error("{0}")]
    Unavailable(String),
}

/// Which limit was hit. Source: Lambda API reference, `TooManyRequestsException.Reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleReason {
    /// The account's unreserved concurrency is in use.
    ConcurrentInvocationLimitExceeded,
    /// The function's reserved concurrency is in use.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// New environments may not be made this fast.
    FunctionInvocationRateLimitExceeded,
    /// The caller makes too many control calls.
    CallerRateLimitExceeded,
}

impl ThrottleReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
            Self::CallerRateLimitExceeded => "CallerRateLimitExceeded",
        }
    }
}
