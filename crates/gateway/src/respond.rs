//! Answers on their way out: the one body type, and how failures become AWS-shaped answers.
//!
//! Codes, statuses and bodies of errors come from `wire`'s table; none is made up here.
//! An answer never holds more of a cause than the error's own message, which is meant for the caller.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{Channel, Either, Full};
use model::error::ServiceError;
use model::id::RequestId;
use wire::rest_json::Reply;
use wire::sigv4::AuthError;

/// Whole, or sent piece by piece as it comes to be: made here, or by the registry.
pub type Body = Either<Full<Bytes>, Either<Channel<Bytes, BrokenOff>, services::registry::body::Body>>;

/// Why a body ends before its end. The client sees a connection that breaks.
#[derive(Debug, thiserror::Error)]
#[error("the response broke off")]
pub struct BrokenOff;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum Failure {
    /// The caller is not who it says, or does not say who it is.
    Auth(AuthError),
    /// Everything else.
    Service(ServiceError),
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl Failure {
    /// The answer that tells the caller.
    pub fn answer(&self) -> Response<Body> {
        match self {
            Self::Auth(error) => whole(wire::error::auth_reply(error)),
            Self::Service(error) => whole(wire::error::reply(error)),
        }
    }
}

/// An answer whose body is all there.
pub fn whole(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(reply.body)));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

/// An answer of some content type.
pub fn content(content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer that is sent as it comes to be.
pub fn streamed(content_type: &'static str, body: Channel<Bytes, BrokenOff>) -> Response<Body> {
    let mut response = Response::new(Either::Right(Either::Left(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer whose head is all there and whose body is sent as it comes to be.
pub fn streaming(reply: Reply, body: Channel<Bytes, BrokenOff>) -> Response<Body> {
    let mut response = Response::new(Either::Right(Either::Left(body)));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

/// Puts the request's id on its answer.
pub fn identify(response: &mut Response<Body>, request: RequestId) {
    // An id is hexadecimal digits and hyphens, which every header can carry.
    if let Ok(value) = HeaderValue::from_str(&request.to_string()) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
}

/// The code by which metrics count an answer: AWS's error code, or the status.
pub fn outcome<'a>(headers: &'a HeaderMap, status: &'a StatusCode) -> &'a str {
    let code = headers.get(wire::error::ERROR_TYPE).and_then(|code| code.to_str().ok());
    code.unwrap_or_else(|| status.as_str())
}
