//! Answers to processes inside: JSON, short, in the forms that AWS documents.
//!
//! The words of each refusal belong to the API that gives it; only what all of them share stands here. An answer is
//! always whole: nothing that is sent inside is streamed.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

pub(super) type Reply = Response<Full<Bytes>>;

/// `{"status":"OK"}` with this status.
pub(super) fn done(status: StatusCode) -> Reply {
    json(status, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

pub(super) fn bad_request(message: &str, error_type: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, message, error_type)
}

pub(super) fn forbidden(message: &str, error_type: &str) -> Reply {
    problem(StatusCode::FORBIDDEN, message, error_type)
}

pub(super) fn too_large(bytes_max: usize) -> Reply {
    let message = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, &message, "RequestEntityTooLarge")
}

pub(super) fn not_found() -> Reply {
    problem(StatusCode::NOT_FOUND, "404 page not found", "NotFound")
}

/// Something is served there, by another method.
pub(super) fn wrong_method() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply
}

pub(super) fn problem(status: StatusCode, message: &str, error_type: &str) -> Reply {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    json(status, Bytes::from(body.to_string()))
}

pub(super) fn json(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
