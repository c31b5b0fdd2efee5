//! The Extensions API 2020-01-01: register, next event, init error, exit error; and the two ways to subscribe to
//! what happens in the environment.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions", "Lambda Extensions
//! API reference" and "Accessing real-time telemetry data for extensions using the Telemetry API".

use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use model::fault::ExtensionFailure;
use model::gate::{Closed, Interest, Standing};
use model::id::RequestId;
use model::limits::EXTENSIONS_MAX;
use serde::Deserialize;

use super::Caller;
use super::body;
use super::reply::{Reply, done, forbidden, json, not_found, problem};
use crate::environment::{ExtensionEvent, ExtensionRefusal};
use crate::telemetry::Api;

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const EVENT_IDENTIFIER: &str = "lambda-extension-event-identifier";
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
/// A registration or subscription is a few hundred bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
const NAME_CHARS_MAX: usize = 128;

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

pub(super) async fn register(caller: &Caller, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let (headers, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(reply) => return *reply,
    };
    let name = text(&headers, NAME).unwrap_or_default();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return forbidden("Empty extension name", "Extension.InvalidExtensionName");
    }
    let features = text(&headers, ACCEPT_FEATURE).unwrap_or_default();
    let with_account = features.split(',').any(|feature| feature.trim() == "accountId");
    let Ok(registration) = serde_json::from_slice::<Registration>(&body) else {
        return forbidden("The registration is not JSON of the documented form.", "InvalidRequestFormat");
    };
    let interests =
        match registration.events.iter().map(|event| interest(event)).collect::<Result<Vec<_>, _>>() {
            Ok(interests) => interests,
            Err(reply) => return *reply,
        };
    match environment.register_extension(*generation, &name, interests) {
        Ok(id) => registered(caller, id, with_account),
        Err(refusal) => refused(&refusal, &name, "Registered"),
    }
}

fn interest(event: &str) -> Result<Interest, Box<Reply>> {
    match event {
        "INVOKE" => Ok(Interest::Invoke),
        "SHUTDOWN" => Ok(Interest::Shutdown),
        other => {
            let message = format!("{}: ErrorInvalidEventType", other.chars().take(64).collect::<String>());
            Err(Box::new(forbidden(&message, "Extension.InvalidEventType")))
        }
    }
}

fn registered(caller: &Caller, id: RequestId, with_account: bool) -> Reply {
    let function = &caller.environment.function;
    let mut body = serde_json::json!({
        "functionName": function.id.name.as_str(),
        "functionVersion": function.version.to_string(),
        "handler": function.settings.handler(),
    });
    if with_account {
        body["accountId"] = function.id.scope.account.to_string().into();
    }
    with_header(json(StatusCode::OK, Bytes::from(body.to_string())), IDENTIFIER, id)
}

pub(super) async fn next(caller: &Caller, request: &Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let id = match identifier(request.headers()) {
        Ok(id) => id,
        Err(reply) => return *reply,
    };
    match environment.extension_next(*generation, id) {
        Err(refusal) => refused(&refusal, &id.to_string(), "Ready"),
        // The sender goes away only with the environment, and this connection with it.
        Ok(receiver) => receiver.await.map_or_else(|_| not_found(), |event| told(&event)),
    }
}

fn told(event: &ExtensionEvent) -> Reply {
    let (body, id) = match event {
        ExtensionEvent::Invoke { request, deadline, invoked_arn, trace } => {
            let body = serde_json::json!({
                "eventType": "INVOKE",
                "deadlineMs": deadline.as_millis(),
                "requestId": request.to_string(),
                "invokedFunctionArn": invoked_arn,
                "tracing": { "type": "X-Amzn-Trace-Id", "value": trace.as_deref().unwrap_or_default() },
            });
            (body, request.to_string())
        }
        ExtensionEvent::Shutdown { reason, deadline } => {
            let body = serde_json::json!({
                "eventType": "SHUTDOWN",
                "shutdownReason": reason.as_str(),
                "deadlineMs": deadline.as_millis(),
            });
            (body, String::new())
        }
    };
    with_header(json(StatusCode::OK, Bytes::from(body.to_string())), EVENT_IDENTIFIER, id)
}

pub(super) async fn init_error(caller: &Caller, request: Request<Incoming>) -> Reply {
    failed(caller, request, ExtensionFailure::Init).await
}

pub(super) async fn exit_error(caller: &Caller, request: Request<Incoming>) -> Reply {
    failed(caller, request, ExtensionFailure::Exit).await
}

async fn failed(caller: &Caller, request: Request<Incoming>, failure: ExtensionFailure) -> Reply {
    let Caller { environment, generation } = caller;
    // What it says in detail is read, so that the connection stays usable, and is not needed.
    let headers = match taken(request).await {
        Ok((headers, _)) => headers,
        Err(reply) => return *reply,
    };
    let id = match identifier(&headers) {
        Ok(id) => id,
        Err(reply) => return *reply,
    };
    let wanted = if failure == ExtensionFailure::Init { "InitError" } else { "Exited" };
    let Some(error_type) = text(&headers, ERROR_TYPE).filter(|text| !text.is_empty()) else {
        let message = "Lambda-Extension-Function-Error-Type not found";
        return forbidden(message, "Extension.MissingHeader");
    };
    let error_type: String = error_type.chars().take(256).collect();
    match environment.extension_failed(*generation, id, failure, &error_type) {
        Ok(()) => done(StatusCode::ACCEPTED),
        Err(ExtensionRefusal::Unknown) => {
            forbidden("Unknown Lambda-Extension-Identifier", "Extension.UnknownExtensionIdentifier")
        }
        Err(refusal) => refused(&refusal, &id.to_string(), wanted),
    }
}

/// The Telemetry API and the Logs API.
pub(super) async fn subscribe(caller: &Caller, api: Api, request: Request<Incoming>) -> Reply {
    let Caller { environment, generation } = caller;
    let (headers, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(reply) => return *reply,
    };
    let id = match identifier(&headers) {
        Ok(id) => id,
        Err(reply) => return *reply,
    };
    let name = match environment.extension_name(*generation, id) {
        Ok(name) => name,
        Err(refusal) => return refused(&refusal, &id.to_string(), ""),
    };
    match environment.subscribe(&name, api, &body) {
        Ok(()) => json(StatusCode::OK, Bytes::from_static(b"\"OK\"")),
        Err(rejected) => problem(rejected.status, &rejected.message, rejected.error_type),
    }
}

/// A request's headers and its whole body: one that is refused must be read, too, or its connection is lost.
async fn taken(request: Request<Incoming>) -> Result<(HeaderMap, Bytes), Box<Reply>> {
    let headers = request.headers().clone();
    let whole = body::read_small(request, REQUEST_BYTES_MAX).await;
    let whole = whole.map_err(|unreadable| Box::new(unreadable.into_reply(REQUEST_BYTES_MAX)))?;
    Ok((headers, whole.bytes))
}

fn identifier(headers: &HeaderMap) -> Result<RequestId, Box<Reply>> {
    let Some(text) = text(headers, IDENTIFIER) else {
        let message = "Missing Lambda-Extension-Identifier header";
        return Err(Box::new(forbidden(message, "Extension.MissingExtensionIdentifier")));
    };
    RequestId::parse(&text).map_err(|_| {
        Box::new(forbidden("Invalid Lambda-Extension-Identifier", "Extension.InvalidExtensionIdentifier"))
    })
}

/// A refusal of what `who` asked for; `wanted` is the state that it would have led to, as Lambda calls it.
fn refused(refusal: &ExtensionRefusal, who: &str, wanted: &str) -> Reply {
    let (error_type, message) = match refusal {
        ExtensionRefusal::Unknown => {
            ("Extension.UnknownExtensionIdentifier", format!("Unknown extension {who}"))
        }
        ExtensionRefusal::Closed(Closed::RegisteredBefore) => {
            ("Extension.InvalidExtensionState", "Extension with this name already registered".to_owned())
        }
        ExtensionRefusal::Closed(Closed::TooLate) => {
            ("Extension.RegistrationClosed", "Extension registration closed already".to_owned())
        }
        ExtensionRefusal::Closed(Closed::TooMany) => {
            ("Extension.TooManyExtensions", format!("Extension limit ({EXTENSIONS_MAX}) reached"))
        }
        ExtensionRefusal::Closed(Closed::Standing(standing)) => {
            ("Extension.InvalidExtensionState", transition(state_name(*standing), wanted, who))
        }
        ExtensionRefusal::ShutdownForInternal => {
            let message = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
            ("Extension.InvalidEventType", message.to_owned())
        }
        ExtensionRefusal::InvokeForShared => (
            "Extension.InvalidEventType",
            format!("{who}: INVOKE is not available where an environment takes several invocations at once"),
        ),
        ExtensionRefusal::Stale => ("Extension.InvalidExtensionState", transition("Exited", wanted, who)),
    };
    forbidden(&message, error_type)
}

fn transition(from: &str, to: &str, who: &str) -> String {
    format!(
        "State transition from {from} to {to} failed for extension {who}. Error: State transition is not allowed"
    )
}

/// A standing in Lambda's words.
const fn state_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Launched => "Started",
        Standing::Registered => "Registered",
        Standing::Waiting => "Ready",
        Standing::Working => "Running",
        Standing::Over => "Exited",
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn with_header(mut reply: Reply, name: &'static str, value: impl ToString) -> Reply {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        reply.headers_mut().insert(name, value);
    }
    reply
}
