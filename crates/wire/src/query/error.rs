//! How the services of the query protocol answer an error: an XML document with who is at fault, code, message and the
//! request's id.
//!
//! The codes of AWS's common errors are other ones here than in the JSON protocols; see "Common Error Types" in the
//! IAM API reference.

use model::error::ServiceError;

use super::call::{Service, XML};
use super::xml;
use crate::error::{self, ERROR_TYPE, ErrorShape};
use crate::message::Reply;
use crate::sigv4::AuthError;

/// What `error` is in the terms of `service`.
#[must_use]
pub fn shape_of(service: &Service, error: &ServiceError) -> ErrorShape {
    let common = |code, status| ErrorShape::common(code, status);
    match error {
        // A code that is not the service's is a mistake of ours.
        ServiceError::Modeled { code, .. } => service.error(code).copied().unwrap_or(service.fault),
        ServiceError::Internal(_) => service.fault,
        ServiceError::Validation(_) => common("ValidationError", 400),
        ServiceError::Serialization(_) => common("MalformedInput", 400),
        ServiceError::AccessDenied(_) => common("AccessDenied", 403),
        ServiceError::UnknownOperation(_) => common("InvalidAction", 400),
        ServiceError::NotServed(_) => common("NotImplemented", 501),
        ServiceError::TooManyRequests { .. } => common("Throttling", 400),
        ServiceError::Unavailable(_) => common("ServiceUnavailable", 503),
        other => {
            let shape = error::answer(other).shape;
            common(shape.code, shape.status)
        }
    }
}

/// A service error as the answer to the request of this id.
#[must_use]
pub fn error_reply(service: &Service, error: &ServiceError, request: &str) -> Reply {
    write(service.namespace, shape_of(service, error), &error.to_string(), request)
}

/// A failed authentication as the answer to the request of this id.
#[must_use]
pub fn auth_reply(service: &Service, error: &AuthError, request: &str) -> Reply {
    write(service.namespace, auth_shape(error), &error.to_string(), request)
}

/// What a failed authentication is.
pub(super) fn auth_shape(error: &AuthError) -> ErrorShape {
    let (code, status) = match error {
        AuthError::MissingAuthenticationToken => ("MissingAuthenticationToken", 403),
        AuthError::IncompleteSignature(_) => ("IncompleteSignature", 400),
        AuthError::UnrecognizedClient => ("InvalidClientTokenId", 403),
        AuthError::ExpiredToken => ("ExpiredToken", 403),
        AuthError::InvalidSignature(_) | AuthError::ContentSha256Mismatch => ("SignatureDoesNotMatch", 403),
    };
    ErrorShape::common(code, status)
}

pub(super) fn write(namespace: &str, shape: ErrorShape, message: &str, request: &str) -> Reply {
    let mut out = format!("<ErrorResponse xmlns=\"{namespace}\"><Error>");
    xml::element("Type", if shape.sender_fault { "Sender" } else { "Receiver" }, &mut out);
    xml::element("Code", shape.code, &mut out);
    xml::element("Message", message, &mut out);
    xml::close("Error", &mut out);
    xml::element("RequestId", request, &mut out);
    xml::close("ErrorResponse", &mut out);
    let mut reply = Reply::of_status(shape.status);
    reply.content_type(XML);
    reply.headers.insert(ERROR_TYPE, http::HeaderValue::from_static(shape.code));
    reply.body = out.into();
    reply
}
