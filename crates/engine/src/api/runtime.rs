//! The Runtime API 2018-06-01: next, response (whole or streamed), error, and init error.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API" and, for streamed responses, "Building a
//! custom runtime for AWS Lambda".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use model::fault::Fault;
use model::id::RequestId;
use model::port::StreamError;

use super::Caller;
use super::body::{self, Unreadable};
use super::reply::{Reply, bad_request, done, forbidden, not_found, too_large};
use crate::environment::{Answer, Delivery, Put, RuntimeRefusal, RuntimeStep, Sink};

/// An error's JSON is for people and logs; far more than any stack trace needs.
const ERROR_BYTES_MAX: usize = 1024 * 1024;
const DEFAULT_ERROR_TYPE: &str = "Runtime.UnknownReason";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

pub(super) async fn next(caller: &Caller) -> Reply {
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
    let tenant = invocation.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
    let optional = [
        ("lambda-runtime-trace-id", &invocation.trace),
        ("lambda-runtime-client-context", &invocation.client_context),
        ("lambda-runtime-cognito-identity", &invocation.cognito_identity),
        ("lambda-runtime-aws-tenant-id", &tenant),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    reply
}

pub(super) async fn response(caller: &Caller, id: &str, request: Request<Incoming>) -> Reply {
    let id = match expected(caller, id, RuntimeStep::Response) {
        Ok(id) => id,
        Err(refusal) => {
            body::discard(request).await;
            return refused(refusal);
        }
    };
    match request.headers().get(RESPONSE_MODE).map(HeaderValue::as_bytes) {
        None => whole(caller, id, request).await,
        Some(mode) if mode.eq_ignore_ascii_case(b"streaming") => streamed(caller, id, request).await,
        Some(_) => {
            body::discard(request).await;
            // The caller is answered, too: nothing better will come.
            let answer = Answer::Reported(or_default(Bytes::new(), "Runtime.InvalidResponseModeHeader"));
            match caller.environment.answer(caller.generation, id, answer) {
                Ok(()) => bad_request("Invalid function response mode", "InvalidFunctionResponseMode"),
                Err(refusal) => refused(refusal),
            }
        }
    }
}

/// The id, if the runtime may answer this invocation now.
fn expected(caller: &Caller, id: &str, step: RuntimeStep) -> Result<RequestId, RuntimeRefusal> {
    let id = RequestId::parse(id).map_err(|_| RuntimeRefusal::InvalidRequestId)?;
    caller.environment.expects(caller.generation, id, step)?;
    Ok(id)
}

/// A response that is collected before the caller gets it.
async fn whole(caller: &Caller, id: RequestId, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let bytes_max = environment.response_bytes_max();
    match body::read(environment, request, bytes_max).await {
        Ok(whole) => {
            let answer = match failure_in(&whole.trailers) {
                Some(error) => Answer::Reported(Bytes::from(error.details)),
                None => Answer::Success(whole.bytes),
            };
            let answered = environment.answer(*generation, id, answer);
            // The caller is waiting and the runtime is not: let the answer go out first.
            tokio::task::yield_now().await;
            accepted(answered)
        }
        Err(Unreadable::TooLarge) => {
            let fault = Fault::ResponseTooLarge { size_bytes: bytes_max + 1, limit_bytes: bytes_max };
            match environment.answer(*generation, id, Answer::Fault(fault)) {
                Ok(()) => too_large(bytes_max),
                Err(refusal) => refused(refusal),
            }
        }
        Err(Unreadable::Broken) => {
            environment.truncated(*generation, id);
            Unreadable::Broken.into_reply(bytes_max)
        }
        Err(unreadable) => unreadable.into_reply(bytes_max),
    }
}

/// A response that the caller gets as it comes, if it takes streams.
async fn streamed(caller: &Caller, id: RequestId, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(|text| text.chars().take(256).collect());
    let sink = match environment.begin_stream(*generation, id, content_type) {
        Ok(Some(sink)) => sink,
        Ok(None) => return whole(caller, id, request).await,
        Err(refusal) => return refused(refusal),
    };
    match pump(sink, request.into_body(), environment.stream_bytes_max()).await {
        Pumped::Ended { bytes, error } => {
            let ended = environment.end_stream(*generation, id, bytes, error);
            tokio::task::yield_now().await;
            accepted(ended)
        }
        Pumped::Broken => {
            environment.truncated(*generation, id);
            Unreadable::Broken.into_reply(0)
        }
        Pumped::Cut => forbidden("The invocation is over.", "InvalidStateTransition"),
    }
}

/// How a stream of bytes ended.
enum Pumped {
    Ended { bytes: u64, error: Option<StreamError> },
    Broken,
    Cut,
}

async fn pump(mut sink: Sink, mut body: Incoming, bytes_max: u64) -> Pumped {
    let (mut bytes, mut trailers) = (0, HeaderMap::new());
    loop {
        let frame = tokio::select! {
            biased;
            () = sink.cut() => return Pumped::Cut,
            frame = body.frame() => frame,
        };
        let frame = match frame {
            None => break,
            Some(Err(_)) => return Pumped::Broken,
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                bytes += data.len() as u64;
                if bytes > bytes_max {
                    return Pumped::Ended { bytes, error: Some(stream_too_large(bytes_max)) };
                }
                if sink.put(data).await == Put::Cut {
                    return Pumped::Cut;
                }
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Pumped::Ended { bytes, error: failure_in(&trailers) }
}

/// What the function says went wrong after its response had begun.
fn failure_in(trailers: &HeaderMap) -> Option<StreamError> {
    let error_type = trailers.get(ERROR_TYPE)?;
    let code = String::from_utf8_lossy(error_type.as_bytes()).chars().take(256).collect::<String>();
    let encoded = trailers.get(ERROR_BODY).map(HeaderValue::as_bytes).unwrap_or_default();
    let details = STANDARD.decode(encoded).ok().filter(|body| !body.is_empty());
    let details = details.map_or_else(
        || serde_json::json!({ "errorType": code, "errorMessage": "" }).to_string(),
        |body| String::from_utf8_lossy(&body).into_owned(),
    );
    Some(StreamError { code, details })
}

fn stream_too_large(bytes_max: u64) -> StreamError {
    StreamError {
        code: "Function.ResponseSizeTooLarge".to_owned(),
        details: format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes)."),
    }
}

pub(super) async fn error(caller: &Caller, id: &str, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let id = match expected(caller, id, RuntimeStep::ErrorResponse) {
        Ok(id) => id,
        Err(refusal) => {
            body::discard(request).await;
            return refused(refusal);
        }
    };
    let error_type = error_type(request.headers());
    match body::read(environment, request, ERROR_BYTES_MAX).await {
        Ok(whole) => {
            let payload = or_default(whole.bytes, &error_type);
            accepted(environment.answer(*generation, id, Answer::Reported(payload)))
        }
        Err(unreadable) => unreadable.into_reply(ERROR_BYTES_MAX),
    }
}

pub(super) async fn init_error(caller: &Caller, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let error_type = error_type(request.headers());
    if let Err(refusal) = environment.expects_init(*generation) {
        body::discard(request).await;
        return refused(refusal);
    }
    match body::read(environment, request, ERROR_BYTES_MAX).await {
        Ok(whole) => {
            let payload = or_default(whole.bytes, &error_type);
            accepted(environment.init_failed(*generation, error_type, payload))
        }
        Err(unreadable) => unreadable.into_reply(ERROR_BYTES_MAX),
    }
}

/// A runtime may send an error without a body; the caller still gets JSON.
fn or_default(payload: Bytes, error_type: &str) -> Bytes {
    if payload.is_empty() {
        return Bytes::from(serde_json::json!({ "errorType": error_type, "errorMessage": "" }).to_string());
    }
    payload
}

fn error_type(headers: &HeaderMap) -> String {
    let text = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(DEFAULT_ERROR_TYPE);
    text.chars().take(256).collect()
}

fn accepted(result: Result<(), RuntimeRefusal>) -> Reply {
    match result {
        Ok(()) => done(StatusCode::ACCEPTED),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: RuntimeRefusal) -> Reply {
    match refusal {
        RuntimeRefusal::InvalidRequestId => bad_request(&refusal.to_string(), "InvalidRequestID"),
        RuntimeRefusal::InvalidTransition { .. } => forbidden(&refusal.to_string(), "InvalidStateTransition"),
    }
}
