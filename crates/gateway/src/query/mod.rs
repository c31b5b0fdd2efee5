//! The services that speak AWS's query protocol: a POST or GET to `/` whose form names the operation.
//!
//! What all of them share is here: finding the service, reading within a bound, authenticating, the audit log, and
//! writing failures as that protocol writes them. Each service authorizes for itself, since what an operation is done
//! to stands among its members. A further service is one more [`QueryService`] in [`QueryServices::of`].

mod iam;
mod sns;
mod sts;

use std::sync::Arc;

use control::identity::Caller;
use http::Response;
use http::header::HOST;
use http::request::Parts;
use model::error::ServiceError;
use model::port::Pending;
use policy::{Context, Need};
use wire::query::{self, Parameters, Reply, Service};
use wire::sigv4::{AuthError, Authorization};

use crate::app::{self, Answered, App, Call};
use crate::audit;
use crate::auth::{Authenticated, may, signed_parts};
use crate::facts;
use crate::lambda::invoke::{TRACE_BYTES_MAX, TRACE_HEADER};
use crate::respond::{Body, Failure, whole};

/// The largest body of a request: policy documents of 128 KB, encoded.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One service.
pub trait QueryService: Send + Sync {
    /// Its protocol: operations, errors.
    fn protocol(&self) -> &'static Service;

    /// The name that requests are signed for, and the prefix of its actions in policies.
    fn signing_name(&self) -> &'static str;

    /// Whether it answers callers of this kind at all.
    fn admits(&self, _caller: &Caller) -> bool {
        true
    }

    /// Whether calls of this operation are work, not changes of what is set up: they are neither slowed down nor kept in
    /// the audit log.
    fn is_work(&self, _operation: &str) -> bool {
        false
    }

    /// Performs an operation for whoever holds a link to it, or a token of somebody else's, and does not say who it is; none if
    /// there are no such links.
    fn follow<'a>(&'a self, _link: &'a Link<'a>) -> Option<Pending<'a, Result<Reply, ServiceError>>> {
        None
    }

    /// The largest body of a request.
    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    /// Performs the operation that is asked for, if the caller may.
    ///
    /// # Errors
    /// `AccessDenied`, and those of the operation.
    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>>;
}

/// A request on its way to its operation.
pub struct Asked<'a> {
    /// Who asks.
    pub who: &'a Authenticated,
    /// The place of the operation among all of the service.
    pub place: usize,
    /// All parameters.
    pub parameters: &'a Parameters,
    /// What is known of the call, whatever it asks for.
    pub known: Context,
    /// The id that the caller is told.
    pub request: &'a str,
    /// The name and port by which the caller has reached the server.
    pub host: &'a str,
    /// The trace that the call belongs to.
    pub trace: Option<&'a str>,
}

impl Asked<'_> {
    /// Whether the caller has every right that the operation needs.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn may(&self, needs: &[Need]) -> Result<(), ServiceError> {
        may(self.who, &self.known, needs)
    }
}

/// A request of somebody who does not say who it is.
pub struct Link<'a> {
    /// The place of the operation among all of the service.
    pub place: usize,
    /// All parameters.
    pub parameters: &'a Parameters,
    /// The id that the caller is told.
    pub request: &'a str,
    /// The name and port by which the caller has reached the server.
    pub host: &'a str,
}

/// All services of this kind.
pub struct QueryServices(Vec<Box<dyn QueryService>>);

impl QueryServices {
    /// Those that the parts allow.
    pub fn of(parts: &app::Parts) -> Self {
        let mut all: Vec<Box<dyn QueryService>> = vec![
            Box::new(iam::IamService::new(parts.identity.iam().clone())),
            Box::new(sts::Sts::new(Arc::clone(&parts.identity))),
        ];
        if let Some(topics) = parts.topics.clone() {
            all.push(Box::new(sns::SnsService(topics)));
        }
        Self(all)
    }

    /// The service that requests of this name are signed for.
    pub fn find(&self, name: &str) -> Option<&dyn QueryService> {
        self.0.iter().map(AsRef::as_ref).find(|service| service.signing_name() == name)
    }
}

/// Answers a request to a service.
pub async fn answer(app: &Arc<App>, service: &dyn QueryService, call: Call) -> Answered {
    let (protocol, request) = (service.protocol(), call.id.to_string());
    let mut operation = "unknown";
    let answered = perform(app, service, call, &request, &mut operation).await;
    let response = answered.unwrap_or_else(|failure| {
        whole(match &failure {
            Failure::Auth(error) => query::auth_reply(protocol, error, &request),
            Failure::Service(error) => query::error_reply(protocol, error, &request),
        })
    });
    (operation, Ok(response))
}

async fn perform(
    app: &Arc<App>,
    service: &dyn QueryService,
    call: Call,
    request: &str,
    operation: &mut &'static str,
) -> Result<Response<Body>, Failure> {
    let Call { id, head, body, entry } = call;
    let held = app.read(&head, body, entry, service.body_bytes_max(), "unknown").await?;
    if let Some(followed) = follow(service, &head, &held.bytes, request, operation).await {
        return Ok(whole(followed?));
    }
    let who = app.authenticator.authenticate(&head, &held.bytes, service.signing_name())?;
    if !service.admits(&who.caller) {
        return Err(Failure::Auth(AuthError::UnrecognizedClient));
    }
    let parameters = parameters(&head, &held.bytes)?;
    let found = service.protocol().find(&parameters);
    let is_work = found.is_some_and(|place| service.is_work(service.protocol().operations[place]));
    if !is_work {
        app.throttle.take(who.scope.account, app.parts.clock.now())?;
    }
    let Some(place) = found else {
        return Err(no_operation(&parameters).into());
    };
    *operation = service.protocol().operations[place];
    let event = (app.parts.audit.is_some() && !is_work).then(|| {
        audit::Event::of(audit::Call {
            service: service.signing_name(),
            operation,
            time: app.parts.clock.now(),
            id,
            head: &head,
            peer: entry.peer,
            who: &who,
            parameters: audit::parameters([], parameters.shown().to_string().as_bytes()),
        })
    });
    let known = facts::of_call(app.parts.clock.now(), entry.peer, &head, &who.scope.region);
    let trace = text(&head, TRACE_HEADER).filter(|trace| trace.len() <= TRACE_BYTES_MAX);
    let host = host(&head);
    let asked = Asked { known, who: &who, place, parameters: &parameters, request, host, trace };
    let answered = service.perform(&asked).await;
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        sink.keep(event.end(answered.as_ref().err()));
    }
    Ok(whole(answered?))
}

/// The answer to somebody who follows a link that was sent to them; none to all others.
async fn follow(
    service: &dyn QueryService,
    head: &Parts,
    body: &[u8],
    request: &str,
    operation: &mut &'static str,
) -> Option<Result<Reply, ServiceError>> {
    let is_unsigned =
        matches!(Authorization::parse(&signed_parts(head)), Err(AuthError::MissingAuthenticationToken));
    let parameters = parameters(head, body).ok().filter(|_| is_unsigned)?;
    let place = service.protocol().find(&parameters)?;
    let link = Link { place, parameters: &parameters, request, host: host(head) };
    let followed = service.follow(&link)?;
    *operation = service.protocol().operations[place];
    Some(followed.await)
}

fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

fn host(head: &Parts) -> &str {
    text(head, HOST.as_str()).unwrap_or("localhost")
}

/// The parameters of a form body, or of the query where there is no body.
pub(crate) fn parameters(head: &Parts, body: &[u8]) -> Result<Parameters, ServiceError> {
    let malformed = |what: &str| ServiceError::Serialization(what.to_owned());
    let text = match body {
        [] => head.uri.query().unwrap_or_default(),
        body => std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?,
    };
    Ok(Parameters::parse(text)?)
}

fn no_operation(parameters: &Parameters) -> ServiceError {
    let shown = |name| parameters.get(name).unwrap_or_default().chars().take(100).collect::<String>();
    match parameters.get("Action") {
        None => ServiceError::UnknownOperation("The request names no Action.".to_owned()),
        Some(_) => ServiceError::UnknownOperation(format!(
            "Could not find operation {} for version {}",
            shown("Action"),
            shown("Version")
        )),
    }
}

/// What a caller is told of an operation that is not served.
pub(super) fn unserved(name: &str) -> ServiceError {
    ServiceError::NotServed(format!("This version of Dormouse does not serve the operation {name} yet."))
}
