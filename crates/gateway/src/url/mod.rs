//! Function URLs: a request to a function's own address becomes an invocation, and what the function answers becomes the
//! answer.
//!
//! An address is a host (`ID.lambda-url.REGION.localhost:4566`) or, for clients that cannot resolve it, a path
//! (`/_dormouse/url/ID/…`). Both go before everything else that the port serves: under its host, every path belongs to
//! the function. [`admission`] says who may, [`event`] what the function sees, [`reply`] and [`stream`] what becomes of
//! its response, [`cors`] what browsers are told. Nothing is kept here.
//!
//! Source: Lambda Developer Guide, "Invoking Lambda function URLs" and "Control access to Lambda function URLs".

mod admission;
mod cors;
mod event;
mod reply;
mod stream;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use control::function::tenant_of;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use model::error::ServiceError;
use model::id::RequestId;
use model::name::Qualifier;
use model::port::{self, Invocation, Outcome};
use model::url::{FunctionUrl, UrlAuth, UrlId};
use wire::sigv4::AuthError;

use crate::app::{Answered, App, Call, Entry};
use crate::body::{self, Held, Holder};
use crate::lambda::invoke;
use crate::respond::{self, Body, Failure};

/// What stands behind the id in the host of an address.
pub const DOMAIN: &str = ".lambda-url.";
/// What stands before the id in an address that is a path.
const PREFIX: &str = "/_dormouse/url/";
/// The name for metrics and messages.
const OPERATION: &str = "InvokeFunctionUrl";
/// Bodies from this size on are read and written off the async threads: it takes milliseconds.
const HEAVY_BYTES_MIN: usize = 512 * 1024;

/// The address that a request is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    /// What should be the id of a URL.
    label: String,
    /// What should be its region, in a host.
    region: Option<String>,
    /// The path below it, as it was sent.
    path: String,
}

impl Address {
    /// The address that a request is for, if it is for one. Whatever its signature says, it is meant for the function.
    pub fn of(head: &Parts) -> Option<Self> {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // Names of hosts have no case; few are written with capitals, and every request comes by here.
        let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        };
        if let Some((label, domain)) = host.split_once(DOMAIN) {
            let region = domain.split(['.', ':']).next().map(str::to_owned);
            return Some(Self { label: label.to_owned(), region, path: head.uri.path().to_owned() });
        }
        let below = head.uri.path().strip_prefix(PREFIX)?;
        let (label, path) = below.split_once('/').unwrap_or((below, ""));
        Some(Self { label: label.to_owned(), region: None, path: format!("/{path}") })
    }
}

/// A request to an address that exists.
struct Visit {
    app: Arc<App>,
    id: RequestId,
    head: Parts,
    entry: Entry,
    url: Arc<FunctionUrl>,
    path: String,
}

/// Answers a request to an address.
pub async fn answer(app: &Arc<App>, address: Address, call: Call) -> Answered {
    let Call { id, head, body, entry } = call;
    let url = UrlId::parse(&address.label).ok().and_then(|id| app.parts.functions.url_at(&id));
    let is_there = |url: &Arc<FunctionUrl>| {
        address.region.as_ref().is_none_or(|region| url.function.scope.region.as_str() == region)
    };
    let Some(url) = url.filter(is_there) else {
        body::discard(body);
        return (OPERATION, Ok(forbidden()));
    };
    if let Some(told) = url.cors.as_ref().and_then(|cors| cors::preflight(cors, &head)) {
        body::discard(body);
        return (OPERATION, Ok(told));
    }
    let visit = Arc::new(Visit { app: Arc::clone(app), id, head, entry, url, path: address.path });
    let mut response = visit.perform(body).await.unwrap_or_else(|failure| {
        tracing::debug!(request = %id, ?failure, "refused");
        match failure {
            Failure::Auth(AuthError::MissingAuthenticationToken)
            | Failure::Service(ServiceError::AccessDenied(_)) => forbidden(),
            other => other.answer(),
        }
    });
    if let Some(cors) = &visit.url.cors {
        cors::tell(cors, &visit.head.headers, response.headers_mut());
    }
    (OPERATION, Ok(response))
}

impl Visit {
    async fn perform(self: &Arc<Self>, body: Incoming) -> Result<Response<Body>, Failure> {
        let held = self.read(body).await?;
        let (visit, bytes) = (Arc::clone(self), held.bytes.clone());
        let trace = invoke::trace(&self.app, &self.head.headers);
        let known_trace = trace.clone();
        let payload = apart(bytes.len(), move || visit.event(&bytes, &known_trace)).await??;
        let function = self.app.parts.functions.resolve_url(&self.url)?;
        let tenant = tenant_of(&function, None)?;
        let named = Some(&self.url.qualifier).filter(|qualifier| **qualifier != Qualifier::LATEST);
        let mut invocation = Invocation {
            request: self.id,
            invoked_arn: invoke::arn(&function.id, named),
            function,
            payload,
            client_context: None,
            cognito_identity: None,
            trace: Some(trace),
            tail: false,
            streaming: self.url.streams,
            tenant,
        };
        invoke::one_hop_more(&self.app, self.entry.is_inside, &mut invocation)?;
        let trace = invocation.trace.clone();
        let outcome = self.app.parts.invoke.invoke(invocation).await?;
        self.app.metrics.invocation(outcome.reason, outcome.result.is_err());
        let (reason, phases) = (outcome.reason, outcome.phases);
        let mut response = self.respond(outcome).await?;
        invoke::describe(response.headers_mut(), reason, phases, trace.as_deref());
        Ok(response)
    }

    /// The body; nobody's who may not come in without a signature.
    async fn read(&self, body: Incoming) -> Result<Held, Failure> {
        let (app, entry, limit_bytes) = (&self.app, self.entry, self.app.parts.payload_bytes_max);
        match self.url.auth {
            UrlAuth::Iam => app.read(&self.head, body, entry, limit_bytes, OPERATION).await,
            UrlAuth::None => match admission::anybody(self) {
                Ok(()) => {
                    let holder = Holder::Url(self.url.id.clone());
                    app.read_of(holder, body, entry, limit_bytes, OPERATION).await
                }
                Err(denied) => {
                    body::discard(body);
                    Err(denied.into())
                }
            },
        }
    }

    /// What the function is to see, once the caller is known to be let in.
    fn event(&self, body: &Bytes, trace: &str) -> Result<Bytes, Failure> {
        let signer = match self.url.auth {
            UrlAuth::Iam => Some(admission::signer(self, body)?),
            UrlAuth::None => None,
        };
        let seen = event::Seen {
            url: &self.url,
            head: &self.head,
            path: &self.path,
            id: self.id,
            time: self.app.parts.clock.now(),
            peer: self.entry.peer.map(|peer| peer.ip().to_canonical()),
            port: self.entry.local.port(),
            trace,
            signer: signer.as_ref(),
            body,
        };
        let event = seen.event();
        let limit_bytes = self.app.parts.payload_bytes_max;
        if event.len() > limit_bytes {
            return Err(ServiceError::RequestTooLarge(format!(
                "Request must be smaller than {limit_bytes} bytes for the {OPERATION} operation"
            ))
            .into());
        }
        Ok(event)
    }

    async fn respond(&self, outcome: Outcome) -> Result<Response<Body>, Failure> {
        let (id, streams) = (self.id, self.url.streams);
        let made = match outcome.result {
            Ok(port::Response::Stream { content_type, body }) => {
                stream::respond(id, content_type.as_deref(), body).await
            }
            Ok(port::Response::Whole(payload)) => {
                let meant = apart(payload.len(), move || reply::Meant::of(&payload, streams)).await?;
                meant.map(reply::Meant::response)
            }
            Err(_) => return Ok(bad_gateway()),
        };
        Ok(made.unwrap_or_else(|malformed| {
            tracing::debug!(request = %id, %malformed, "the function's response is none for HTTP");
            bad_gateway()
        }))
    }
}

/// Does what takes long for large bodies where nobody waits for it.
async fn apart<T: Send + 'static>(
    size_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    if size_bytes < HEAVY_BYTES_MIN {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on a body broke off");
        ServiceError::Internal("The request could not be read.".to_owned())
    })
}

fn forbidden() -> Response<Body> {
    let mut response = respond::content("application/json", r#"{"Message":"Forbidden"}"#);
    *response.status_mut() = StatusCode::FORBIDDEN;
    let code = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert(wire::error::ERROR_TYPE, code);
    response
}

/// What is told of a function that failed, or whose response means nothing: the log says more.
fn bad_gateway() -> Response<Body> {
    let mut response = respond::content("application/json", "Internal Server Error");
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// The content type of a header, if it has one.
fn has_type(headers: &http::HeaderMap) -> bool {
    headers.contains_key(CONTENT_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_or_paths() {
        let of = |uri: &str, host: &str| {
            let request = http::Request::get(uri).header(HOST, host).body(()).expect("a request");
            let address = Address::of(&request.into_parts().0)?;
            assert_eq!(address.region.is_some(), host.len() > 20);
            Some((address.label, address.path))
        };
        let some = |label: &str, path: &str| Some((label.to_owned(), path.to_owned()));
        let host = "abc.lambda-url.us-east-1.localhost:4566";
        assert_eq!(of("/", host), some("abc", "/"));
        assert_eq!(of("/_dormouse/url/other/x?y", host), some("abc", "/_dormouse/url/other/x"));
        assert_eq!(of("/v2/", host), some("abc", "/v2/"));
        assert_eq!(of("/v2/", &host.to_uppercase()), some("abc", "/v2/"));
        assert_eq!(of("/_dormouse/url/abc", "localhost:4566"), some("abc", "/"));
        assert_eq!(of("/_dormouse/url/abc/a%20b/", "localhost:4566"), some("abc", "/a%20b/"));
        assert_eq!(of("/_dormouse/health", "localhost:4566"), None);
        assert_eq!(of("/2015-03-31/functions", "localhost:4566"), None);
    }
}
