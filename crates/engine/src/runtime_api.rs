//! The Runtime API 2018-06-01, served to the runtime on a socket inside its sandbox: next, response, error, and
//! init error. Whoever connects is hostile until proven otherwise: sizes, ids and states are checked here and
//! refused with the answers that AWS documents.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API".

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::error::ServiceError;
use model::fault::Fault;
use model::id::RequestId;
use model::limits;
use model::port::Invocation;
use tokio::net::TcpStream;

use crate::environment::{Answer, Delivery, Environment, RuntimeRefusal};

const PREFIX: &str = "/2018-06-01/runtime/";
/// Lambda's limit on a response body: 6 MB and room for its own wrapping.
const RESPONSE_BYTES_MAX: usize = limits::PAYLOAD_SYNC_BYTES_MAX + 100;
/// An error's JSON is for people and logs; far more than any stack trace needs.
const ERROR_BYTES_MAX: usize = 1024 * 1024;
/// What one connection may buffer of request heads.
const BUFFER_BYTES: usize = 64 * 1024;
const DEFAULT_ERROR_TYPE: &str = "Runtime.UnknownReason";

/// Serves one connection of the runtime to its end.
pub(crate) async fn serve(environment: Arc<Environment>, generation: u64, stream: TcpStream) {
    // A response is one small write; waiting for more would only delay it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let caller = Caller { environment: Arc::clone(&environment), generation };
        async move { Ok::<_, Infallible>(handle(&caller, request).await) }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER_BYTES).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a runtime's connection ended badly");
    }
}

/// Refuses an invocation whose texts cannot travel as HTTP headers.
pub(crate) fn check_headers(invocation: &Invocation) -> Result<(), ServiceError> {
    let texts = [&invocation.client_context, &invocation.cognito_identity, &invocation.trace];
    let bad = texts.into_iter().flatten().any(|text| HeaderValue::from_bytes(text.as_bytes()).is_err());
    if bad {
        return Err(ServiceError::InvalidRequestContent(
            "The client context, identity or trace header holds control characters.".to_owned(),
        ));
    }
    Ok(())
}

type Reply = Response<Full<Bytes>>;

/// Who calls: the runtime processes of one generation of an environment.
struct Caller {
    environment: Arc<Environment>,
    generation: u64,
}

async fn handle(caller: &Caller, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let Some(route) = path.strip_prefix(PREFIX) else { return not_found() };
    match (request.method(), route.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(caller).await,
        (&Method::POST, ["invocation", id, "response"]) => response(caller, id, request).await,
        (&Method::POST, ["invocation", id, "error"]) => error(caller, id, request).await,
        (&Method::POST, ["init", "error"]) => init_error(caller, request).await,
        _ => not_found(),
    }
}

async fn next(caller: &Caller) -> Reply {
    let receiver = match caller.environment.next(caller.generation) {
        Ok(receiver) => receiver,
        Err(refusal) => return refused(refusal),
    };
    // The sender goes away only with the environment, and this connection with it.
    receiver.await.map_or_else(|_| not_found(), |delivery| event(&delivery))
}

/// The event with the headers that the runtime builds its context from.
fn event(delivery: &Delivery) -> Reply {
    let invocation = &delivery.invocation;
    let mut reply = Response::new(Full::new(invocation.payload.clone()));
    let headers = reply.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("lambda-runtime-aws-request-id", &invocation.request.to_string());
    set("lambda-runtime-deadline-ms", &delivery.deadline.as_millis().to_string());
    set("lambda-runtime-invoked-function-arn", &invocation.invoked_arn);
    let optional = [
        ("lambda-runtime-trace-id", &invocation.trace),
        ("lambda-runtime-client-context", &invocation.client_context),
        ("lambda-runtime-cognito-identity", &invocation.cognito_identity),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    reply
}

async fn response(caller: &Caller, id: &str, request: Request<Incoming>) -> Reply {
    let Ok(id) = RequestId::parse(id) else { return refused(RuntimeRefusal::InvalidRequestId) };
    let Caller { environment, generation } = caller;
    let expected = environment.expects(*generation, id);
    match body(environment, expected, request, RESPONSE_BYTES_MAX).await {
        Ok(payload) => {
            let answered = environment.answer(*generation, id, Answer::Success(payload));
            // The caller is waiting and the runtime is not: let the answer go out first.
            tokio::task::yield_now().await;
            accepted(answered)
        }
        Err(Unreadable::TooLarge) => {
            let limit_bytes = RESPONSE_BYTES_MAX;
            let fault = Fault::ResponseTooLarge { size_bytes: limit_bytes + 1, limit_bytes };
            match environment.answer(*generation, id, Answer::Fault(fault)) {
                Ok(()) => too_large(),
                Err(refusal) => refused(refusal),
            }
        }
        Err(unreadable) => unreadable.into_reply(),
    }
}

async fn error(caller: &Caller, id: &str, request: Request<Incoming>) -> Reply {
    let Ok(id) = RequestId::parse(id) else { return refused(RuntimeRefusal::InvalidRequestId) };
    let Caller { environment, generation } = caller;
    let error_type = error_type(&request);
    let expected = environment.expects(*generation, id);
    match body(environment, expected, request, ERROR_BYTES_MAX).await {
        Ok(payload) => {
            let payload = or_default(payload, &error_type);
            accepted(environment.answer(*generation, id, Answer::Reported(payload)))
        }
        Err(unreadable) => unreadable.into_reply(),
    }
}

async fn init_error(caller: &Caller, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let error_type = error_type(&request);
    let expected = environment.expects_init(*generation);
    match body(environment, expected, request, ERROR_BYTES_MAX).await {
        Ok(payload) => {
            let payload = or_default(payload, &error_type);
            accepted(environment.init_failed(*generation, error_type, payload))
        }
        Err(unreadable) => unreadable.into_reply(),
    }
}

/// A runtime may send an error without a body; the caller still gets JSON.
fn or_default(payload: Bytes, error_type: &str) -> Bytes {
    if payload.is_empty() {
        return Bytes::from(serde_json::json!({ "errorType": error_type, "errorMessage": "" }).to_string());
    }
    payload
}

fn error_type(request: &Request<Incoming>) -> String {
    let header = request.headers().get("lambda-runtime-function-error-type");
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or(DEFAULT_ERROR_TYPE);
    text.chars().take(256).collect()
}

/// Why there is no body.
enum Unreadable {
    TooLarge,
    Broken,
    Refused(RuntimeRefusal),
    /// Another body of this environment is being read.
    Busy,
}

impl Unreadable {
    fn into_reply(self) -> Reply {
        match self {
            Self::TooLarge => too_large(),
            Self::Broken => bad_request("The body ended early.", "InvalidRequest"),
            Self::Refused(refusal) => refused(refusal),
            Self::Busy => {
                let message = "Another response is being received.";
                problem(StatusCode::FORBIDDEN, message, "InvalidStateTransition")
            }
        }
    }
}

/// Reads a body that is expected, one at a time for each environment: a function may open many connections, and the
/// memory that their bodies take is the server's.
async fn body(
    environment: &Environment,
    expected: Result<(), RuntimeRefusal>,
    request: Request<Incoming>,
    bytes_max: usize,
) -> Result<Bytes, Unreadable> {
    expected.map_err(Unreadable::Refused)?;
    let _turn = environment.body_turn.try_acquire().map_err(|_| Unreadable::Busy)?;
    match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unreadable::TooLarge),
        Err(_) => Err(Unreadable::Broken),
    }
}

fn accepted(result: Result<(), RuntimeRefusal>) -> Reply {
    match result {
        Ok(()) => json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n")),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: RuntimeRefusal) -> Reply {
    match refusal {
        RuntimeRefusal::InvalidRequestId => bad_request(&refusal.to_string(), "InvalidRequestID"),
        RuntimeRefusal::InvalidTransition(_) => {
            problem(StatusCode::FORBIDDEN, &refusal.to_string(), "InvalidStateTransition")
        }
    }
}

fn bad_request(message: &str, error_type: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, message, error_type)
}

fn too_large() -> Reply {
    let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, &message, "RequestEntityTooLarge")
}

fn not_found() -> Reply {
    problem(StatusCode::NOT_FOUND, "404 page not found", "NotFound")
}

fn problem(status: StatusCode, message: &str, error_type: &str) -> Reply {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    json(status, Bytes::from(body.to_string()))
}

fn json(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
