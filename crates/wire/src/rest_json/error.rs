//! How services of `restJson1` other than Lambda answer an error: the code in a header, the message in the body, with the
//! status of the service's own model where it has the error, and that of the common error where it has not.

use http::HeaderValue;
use model::error::ServiceError;

use super::Reply;
use crate::error::{self, ERROR_TYPE, ErrorShape};
use crate::json::write_text;
use crate::sigv4::AuthError;

/// The errors of one service.
#[derive(Debug)]
pub struct Service {
    /// Those of the model.
    pub errors: &'static [ErrorShape],
    /// The answer to a failure on the service's own side.
    pub fault: ErrorShape,
}

/// What `error` is in the terms of `service`.
#[must_use]
pub fn shape_of(service: &Service, error: &ServiceError) -> ErrorShape {
    let own = |code: &str| error::find(service.errors, code).copied();
    match error {
        // A code that is not the service's is a mistake of ours.
        ServiceError::Modeled { code, .. } => own(code).unwrap_or(service.fault),
        ServiceError::Internal(_) => service.fault,
        ServiceError::TooManyRequests { .. } => {
            own("ThrottlingException").unwrap_or(ErrorShape::common("ThrottlingException", 429))
        }
        other => {
            let shape = error::answer(other).shape;
            own(shape.code).unwrap_or(ErrorShape::common(shape.code, shape.status))
        }
    }
}

/// A service error as an HTTP answer.
#[must_use]
pub fn error_reply(service: &Service, error: &ServiceError) -> Reply {
    write(shape_of(service, error), &error.to_string())
}

/// A failed authentication as an HTTP answer.
#[must_use]
pub fn auth_reply(error: &AuthError) -> Reply {
    write(error::auth_answer(error).shape, &error.to_string())
}

fn write(shape: ErrorShape, message: &str) -> Reply {
    let mut body = b"{".to_vec();
    write_text(shape.message_member, &mut body);
    body.push(b':');
    write_text(message, &mut body);
    body.push(b'}');
    let mut reply = Reply::of_status(shape.status);
    reply.content_type("application/json");
    reply.headers.insert(ERROR_TYPE, HeaderValue::from_static(shape.code));
    reply.body = body.into();
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: ServiceError, status: u16, code: &str, body: &str) {
        let reply = error_reply(&crate::scheduler::SERVICE, &error);
        assert_eq!(
            (reply.status.as_u16(), &reply.headers[ERROR_TYPE]),
            (status, &HeaderValue::from_str(code).unwrap())
        );
        assert_eq!(String::from_utf8_lossy(&reply.body), body);
    }

    #[test]
    fn errors_are_the_services_own_where_it_has_them() {
        let m = || "m".to_owned();
        let modeled = crate::scheduler::errors::CONFLICT_EXCEPTION.error("m");
        check(modeled, 409, "ConflictException", r#"{"Message":"m"}"#);
        check(ServiceError::Validation(m()), 400, "ValidationException", r#"{"Message":"m"}"#);
        check(ServiceError::Internal(m()), 500, "InternalServerException", r#"{"Message":"m"}"#);
        check(ServiceError::AccessDenied(m()), 403, "AccessDeniedException", r#"{"message":"m"}"#);
        let foreign = ServiceError::Modeled { code: "RepositoryNotFoundException", message: m() };
        check(foreign, 500, "InternalServerException", r#"{"Message":"m"}"#);
    }
}
