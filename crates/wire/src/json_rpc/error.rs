//! How the services of the JSON protocols answer an error: `{"__type": code, "message": text}`, with the code and
//! status of the service's own model where it has the error.
//!
//! What is not in the model is one of AWS's common errors. In these protocols every fault of a caller is answered
//! with 400, whichever it is; see "Common Error Types" in any of their API references.

use http::HeaderValue;
use model::error::ServiceError;

use super::Service;
use crate::error::{self, ERROR_TYPE, ErrorShape};
use crate::json::write_text;
use crate::message::Reply;
use crate::sigv4::AuthError;

/// The header that tells an error in the words of the query protocol.
const QUERY_ERROR: &str = "x-amzn-query-error";

/// What `error` is in the terms of `service`.
#[must_use]
pub fn shape_of(service: &Service, error: &ServiceError) -> ErrorShape {
    match error {
        // A code that is not the service's is a mistake of ours.
        ServiceError::Modeled { code, .. } => service.error(code).copied().unwrap_or(service.fault),
        ServiceError::Internal(_) => service.fault,
        ServiceError::TooManyRequests { .. } => {
            // SQS has a name of its own for it.
            let own = service.error("RequestThrottled").copied();
            own.unwrap_or_else(|| in_protocol(service, "ThrottlingException", 400))
        }
        other => {
            let shape = error::answer(other).shape;
            in_protocol(service, shape.code, shape.status)
        }
    }
}

/// The service's own error of this code, or the common one.
fn in_protocol(service: &Service, code: &'static str, status: u16) -> ErrorShape {
    let common = || ErrorShape::common(code, if status < 500 { 400 } else { status });
    service.error(code).copied().unwrap_or_else(common)
}

/// The code of an error as the query protocol has it, and whether the caller is at fault.
#[must_use]
pub fn query_code(service: &Service, error: &ServiceError) -> (&'static str, bool) {
    let shape = shape_of(service, error);
    (service.compatible.map_or(shape.code, |compatible| compatible.code(shape.code)), shape.sender_fault)
}

/// A service error as an HTTP answer.
#[must_use]
pub fn error_reply(service: &Service, error: &ServiceError) -> Reply {
    write(service, shape_of(service, error), &error.to_string())
}

/// A failed authentication as an HTTP answer.
#[must_use]
pub fn auth_reply(service: &Service, error: &AuthError) -> Reply {
    let shape = error::auth_answer(error).shape;
    write(service, in_protocol(service, shape.code, shape.status), &error.to_string())
}

fn write(service: &Service, shape: ErrorShape, message: &str) -> Reply {
    let mut body = br#"{"__type":"#.to_vec();
    match service.compatible {
        Some(compatible) => write_text(&format!("{}#{}", compatible.namespace, shape.code), &mut body),
        None => write_text(shape.code, &mut body),
    }
    body.push(b',');
    write_text(shape.message_member, &mut body);
    body.push(b':');
    write_text(message, &mut body);
    body.push(b'}');
    let mut reply = Reply::of_status(shape.status);
    reply.content_type(service.content_type);
    reply.headers.insert(ERROR_TYPE, HeaderValue::from_static(shape.code));
    if let Some(compatible) = service.compatible {
        let fault = if shape.sender_fault { "Sender" } else { "Receiver" };
        // Codes are letters and dots.
        if let Ok(told) = HeaderValue::from_str(&format!("{};{fault}", compatible.code(shape.code))) {
            reply.headers.insert(QUERY_ERROR, told);
        }
    }
    reply.body = body.into();
    reply
}
