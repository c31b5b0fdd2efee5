//! The one table from what can go wrong to what AWS answers: error code, HTTP status, body and whether the same
//! request may be sent again. The matches have no wildcard, so a new error cannot be answered by accident.
//!
//! Codes, statuses and the spelling of the message member come from the API model where it has the error; the rest
//! are AWS's common errors (Lambda API Reference, "Common Error Types"). Other services' own errors travel as
//! `ServiceError::Modeled`, whose code their generated table explains; [`ErrorShape::error`] makes them, so that no
//! code is spelled by hand. How services of the JSON protocols write an error stands in `json_rpc`.

use http::HeaderValue;
use model::error::{ServiceError, ThrottleReason};

use crate::check::Refused;
use crate::json::{Malformed, write_text};
use crate::lambda::errors;
use crate::message::Reply;
use crate::sigv4::AuthError;

/// The header that carries the error code.
pub const ERROR_TYPE: &str = "x-amzn-errortype";

/// An error of a service's API model: its code, status and the spelling of its message member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorShape {
    /// The code, in `x-amzn-ErrorType` or `__type`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// `Message` or `message`.
    pub message_member: &'static str,
    /// The caller's fault rather than the service's.
    pub sender_fault: bool,
}

impl ErrorShape {
    /// This error with its message for the caller.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> ServiceError {
        ServiceError::Modeled { code: self.code, message: message.into() }
    }

    /// An error that no service's model lists.
    #[must_use]
    pub const fn common(code: &'static str, status: u16) -> Self {
        Self { code, status, message_member: "message", sender_fault: status < 500 }
    }
}

/// The error of a code in a service's generated table.
#[must_use]
pub fn find(table: &'static [ErrorShape], code: &str) -> Option<&'static ErrorShape> {
    table.iter().find(|shape| shape.code == code)
}

/// What an error is on the wire, apart from its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Code, status and the spelling of the message member.
    pub shape: ErrorShape,
    /// `Type` in the body, which only the service's own errors have.
    pub has_type: bool,
    /// The same request may succeed later.
    pub retryable: bool,
}

const fn of(shape: ErrorShape) -> Answer {
    Answer { shape, has_type: true, retryable: false }
}

const fn retryable(shape: ErrorShape) -> Answer {
    Answer { shape, has_type: true, retryable: true }
}

/// An error that is not in the model of the service.
const fn common(code: &'static str, status: u16) -> Answer {
    Answer { shape: ErrorShape::common(code, status), has_type: false, retryable: false }
}

/// Lambda's answer to a service error.
#[must_use]
pub fn answer(error: &ServiceError) -> Answer {
    match error {
        ServiceError::ResourceNotFound(_) => of(errors::RESOURCE_NOT_FOUND_EXCEPTION),
        ServiceError::ResourceConflict(_) => of(errors::RESOURCE_CONFLICT_EXCEPTION),
        ServiceError::InvalidParameterValue(_) => of(errors::INVALID_PARAMETER_VALUE_EXCEPTION),
        ServiceError::Validation(_) => common("ValidationException", 400),
        ServiceError::Serialization(_) => of(SERIALIZATION),
        ServiceError::InvalidRequestContent(_) => of(errors::INVALID_REQUEST_CONTENT_EXCEPTION),
        // The model's InvalidZipFileException (502) is for Invoke; a broken upload is the caller's mistake.
        ServiceError::InvalidZipFile(_) => of(errors::INVALID_PARAMETER_VALUE_EXCEPTION),
        ServiceError::RequestTooLarge(_) => of(errors::REQUEST_TOO_LARGE_EXCEPTION),
        ServiceError::UnsupportedMediaType(_) => of(errors::UNSUPPORTED_MEDIA_TYPE_EXCEPTION),
        ServiceError::PreconditionFailed(_) => of(errors::PRECONDITION_FAILED_EXCEPTION),
        ServiceError::PolicyLengthExceeded(_) => of(errors::POLICY_LENGTH_EXCEEDED_EXCEPTION),
        ServiceError::PublicPolicy(_) => of(errors::PUBLIC_POLICY_EXCEPTION),
        ServiceError::AliasLimitExceeded(_) => of(errors::ALIAS_LIMIT_EXCEEDED_EXCEPTION),
        ServiceError::CapacityProviderLimitExceeded(_) => {
            of(errors::CAPACITY_PROVIDER_LIMIT_EXCEEDED_EXCEPTION)
        }
        ServiceError::ProviderVersionsLimitExceeded(_) => {
            of(errors::FUNCTION_VERSIONS_PER_CAPACITY_PROVIDER_LIMIT_EXCEEDED_EXCEPTION)
        }
        ServiceError::CodeStorageExceeded(_) => of(errors::CODE_STORAGE_EXCEEDED_EXCEPTION),
        ServiceError::CodeSigningConfigNotFound(_) => of(errors::CODE_SIGNING_CONFIG_NOT_FOUND_EXCEPTION),
        ServiceError::ProvisionedConcurrencyConfigNotFound(_) => {
            of(errors::PROVISIONED_CONCURRENCY_CONFIG_NOT_FOUND_EXCEPTION)
        }
        ServiceError::CodeVerificationFailed(_) => of(errors::CODE_VERIFICATION_FAILED_EXCEPTION),
        ServiceError::TooManyRequests { .. } => retryable(errors::TOO_MANY_REQUESTS_EXCEPTION),
        ServiceError::ResourceNotReady(_) => retryable(errors::RESOURCE_NOT_READY_EXCEPTION),
        // A code that is not Lambda's is a mistake of ours.
        ServiceError::Modeled { code, .. } => {
            find(errors::ALL, code).map_or(retryable(errors::SERVICE_EXCEPTION), |shape| of(*shape))
        }
        ServiceError::AccessDenied(_) => common("AccessDeniedException", 403),
        ServiceError::UnknownOperation(_) => common("UnknownOperationException", 404),
        // No AWS code says this; the status keeps clients from trying again.
        ServiceError::NotServed(_) => common("NotImplementedException", 501),
        ServiceError::Internal(_) => retryable(errors::SERVICE_EXCEPTION),
        ServiceError::Unavailable(_) => {
            Answer { retryable: true, ..common("ServiceUnavailableException", 503) }
        }
    }
}

const SERIALIZATION: ErrorShape =
    ErrorShape { code: "SerializationException", status: 400, message_member: "Message", sender_fault: true };

/// The answer to a request that is not authenticated.
#[must_use]
pub const fn auth_answer(error: &AuthError) -> Answer {
    match error {
        AuthError::MissingAuthenticationToken => common("MissingAuthenticationTokenException", 403),
        AuthError::IncompleteSignature(_) => common("IncompleteSignatureException", 400),
        AuthError::UnrecognizedClient => common("UnrecognizedClientException", 403),
        AuthError::ExpiredToken => common("ExpiredTokenException", 403),
        AuthError::InvalidSignature(_) => common("InvalidSignatureException", 403),
        AuthError::ContentSha256Mismatch => common("XAmzContentSHA256Mismatch", 400),
    }
}

/// A service error as Lambda's HTTP answer.
#[must_use]
pub fn reply(error: &ServiceError) -> Reply {
    let mut reply = write(answer(error), &error.to_string(), throttle_reason(error));
    let wait_s = match error {
        ServiceError::TooManyRequests { reason, .. } => retry_after_s(*reason),
        _ => None,
    };
    if let Some(wait_s) = wait_s {
        reply.headers.insert(http::header::RETRY_AFTER, HeaderValue::from(wait_s));
    }
    reply
}

/// A failed authentication as Lambda's HTTP answer.
#[must_use]
pub fn auth_reply(error: &AuthError) -> Reply {
    write(auth_answer(error), &error.to_string(), None)
}

impl From<Malformed> for ServiceError {
    fn from(malformed: Malformed) -> Self {
        ServiceError::Serialization(malformed.0)
    }
}

impl From<Refused> for ServiceError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(malformed) => malformed.into(),
            Refused::Invalid(violations) => ServiceError::Validation(violations.to_string()),
        }
    }
}

fn throttle_reason(error: &ServiceError) -> Option<&'static str> {
    match error {
        ServiceError::TooManyRequests { reason, .. } => Some(reason.as_str()),
        _ => None,
    }
}

/// Rates recover with time; concurrency with the end of some invocation, which nobody can foresee.
const fn retry_after_s(reason: ThrottleReason) -> Option<u16> {
    match reason {
        ThrottleReason::FunctionInvocationRateLimitExceeded | ThrottleReason::CallerRateLimitExceeded => {
            Some(1)
        }
        ThrottleReason::ConcurrentInvocationLimitExceeded
        | ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded => None,
    }
}

fn write(answer: Answer, message: &str, reason: Option<&str>) -> Reply {
    let shape = answer.shape;
    let mut body = b"{".to_vec();
    let mut member = |name: &str, value: &str| {
        if body.len() > 1 {
            body.push(b',');
        }
        write_text(name, &mut body);
        body.push(b':');
        write_text(value, &mut body);
    };
    if let Some(reason) = reason {
        member("Reason", reason);
    }
    if answer.has_type {
        member("Type", if shape.sender_fault { "User" } else { "Service" });
    }
    member(shape.message_member, message);
    body.push(b'}');
    let mut reply = Reply::of_status(shape.status);
    reply.content_type("application/json");
    reply.headers.insert(ERROR_TYPE, HeaderValue::from_static(shape.code));
    reply.body = body.into();
    reply
}

/// An error as a client finds it in an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// The error code.
    pub code: String,
    /// The message, empty if there is none.
    pub message: String,
}

impl ErrorReply {
    /// Reads an answer whose status is not a success.
    #[must_use]
    pub fn read(reply: &Reply) -> ErrorReply {
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
        let header = reply.headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
        let code = header.or_else(|| text("__type")).or_else(|| text("code")).unwrap_or("UnknownError");
        // A namespace may stand before the code, an address behind it.
        let code = code.split(':').next().unwrap_or(code).rsplit('#').next().unwrap_or(code);
        let message = text("message").or_else(|| text("Message")).unwrap_or_default();
        ErrorReply { status: reply.status.as_u16(), code: code.to_owned(), message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: ServiceError, status: u16, code: &str, can_retry: bool, body: &str) {
        let reply = reply(&error);
        assert_eq!(reply.status.as_u16(), status, "{error:?}");
        assert_eq!(reply.headers[ERROR_TYPE], code);
        assert_eq!(String::from_utf8_lossy(&reply.body), body);
        assert_eq!(answer(&error).retryable, can_retry, "{error:?}");
        let read = ErrorReply::read(&reply);
        assert_eq!(read, ErrorReply { status, code: code.to_owned(), message: error.to_string() });
    }

    #[test]
    fn every_service_error() {
        use ServiceError as E;
        let m = || "m".to_owned();
        let user = r#"{"Type":"User","Message":"m"}"#;
        let user_lower = r#"{"Type":"User","message":"m"}"#;
        let common = r#"{"message":"m"}"#;
        check(E::ResourceNotFound(m()), 404, "ResourceNotFoundException", false, user);
        check(E::ResourceConflict(m()), 409, "ResourceConflictException", false, user_lower);
        check(E::InvalidParameterValue(m()), 400, "InvalidParameterValueException", false, user_lower);
        check(E::Validation(m()), 400, "ValidationException", false, common);
        check(E::Serialization(m()), 400, "SerializationException", false, user);
        check(E::InvalidRequestContent(m()), 400, "InvalidRequestContentException", false, user_lower);
        check(E::InvalidZipFile(m()), 400, "InvalidParameterValueException", false, user_lower);
        check(E::RequestTooLarge(m()), 413, "RequestTooLargeException", false, user_lower);
        check(E::UnsupportedMediaType(m()), 415, "UnsupportedMediaTypeException", false, user_lower);
        check(E::PreconditionFailed(m()), 412, "PreconditionFailedException", false, user_lower);
        check(E::AliasLimitExceeded(m()), 400, "AliasLimitExceededException", false, user_lower);
        let code = "CapacityProviderLimitExceededException";
        check(E::CapacityProviderLimitExceeded(m()), 400, code, false, user_lower);
        let code = "FunctionVersionsPerCapacityProviderLimitExceededException";
        check(E::ProviderVersionsLimitExceeded(m()), 400, code, false, user_lower);
        check(E::CodeStorageExceeded(m()), 400, "CodeStorageExceededException", false, user_lower);
        check(E::PolicyLengthExceeded(m()), 400, "PolicyLengthExceededException", false, user_lower);
        check(E::PublicPolicy(m()), 400, "PublicPolicyException", false, user);
        check(E::CodeSigningConfigNotFound(m()), 404, "CodeSigningConfigNotFoundException", false, user);
        let code = "ProvisionedConcurrencyConfigNotFoundException";
        check(E::ProvisionedConcurrencyConfigNotFound(m()), 404, code, false, user_lower);
        check(E::CodeVerificationFailed(m()), 400, "CodeVerificationFailedException", false, user);
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        let throttled = r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"m"}"#;
        let error = E::TooManyRequests { reason, message: m() };
        check(error, 429, "TooManyRequestsException", true, throttled);
        let service_lower = r#"{"Type":"Service","message":"m"}"#;
        check(E::ResourceNotReady(m()), 502, "ResourceNotReadyException", true, service_lower);
        let modeled = errors::POLICY_LENGTH_EXCEEDED_EXCEPTION.error("m");
        check(modeled, 400, "PolicyLengthExceededException", false, user_lower);
        let foreign = E::Modeled { code: "RepositoryNotFoundException", message: m() };
        check(foreign, 500, "ServiceException", true, r#"{"Type":"Service","Message":"m"}"#);
        check(E::AccessDenied(m()), 403, "AccessDeniedException", false, common);
        check(E::UnknownOperation(m()), 404, "UnknownOperationException", false, common);
        check(E::NotServed(m()), 501, "NotImplementedException", false, common);
        check(E::Internal(m()), 500, "ServiceException", true, r#"{"Type":"Service","Message":"m"}"#);
        check(E::Unavailable(m()), 503, "ServiceUnavailableException", true, common);
    }

    #[test]
    fn a_rate_says_when_to_come_back() {
        let throttled = |reason| reply(&ServiceError::TooManyRequests { reason, message: String::new() });
        let rate = throttled(ThrottleReason::CallerRateLimitExceeded);
        assert_eq!(rate.headers["retry-after"], "1");
        let concurrency = throttled(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        assert!(!concurrency.headers.contains_key("retry-after"));
    }

    #[test]
    fn every_authentication_error() {
        for (error, status, code) in [
            (AuthError::MissingAuthenticationToken, 403, "MissingAuthenticationTokenException"),
            (AuthError::IncompleteSignature("m".to_owned()), 400, "IncompleteSignatureException"),
            (AuthError::UnrecognizedClient, 403, "UnrecognizedClientException"),
            (AuthError::ExpiredToken, 403, "ExpiredTokenException"),
            (AuthError::InvalidSignature("m".to_owned()), 403, "InvalidSignatureException"),
            (AuthError::ContentSha256Mismatch, 400, "XAmzContentSHA256Mismatch"),
        ] {
            let reply = auth_reply(&error);
            assert_eq!(
                (reply.status.as_u16(), reply.headers[ERROR_TYPE].as_bytes()),
                (status, code.as_bytes())
            );
            assert_eq!(ErrorReply::read(&reply).message, error.to_string());
        }
    }

    #[test]
    fn foreign_codes_lose_their_decoration() {
        let mut reply = reply(&ServiceError::Internal(String::new()));
        reply.headers.insert(ERROR_TYPE, HeaderValue::from_static("com.amazonaws#Throttled:http://x/"));
        assert_eq!(ErrorReply::read(&reply).code, "Throttled");
    }
}
