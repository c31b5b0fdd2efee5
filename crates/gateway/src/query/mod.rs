//! The services that speak AWS's query protocol: a POST or GET to `/` whose form names the operation.
//!
//! What all of them share is here: finding the service, reading within a bound, authenticating, the audit log, and
//! writing failures as that protocol writes them. Each service authorizes for itself, since what an operation is done
//! to stands among its members. A further service is one more [`QueryService`] in [`QueryServices::of`].

mod iam;
mod sts;

use std::sync::Arc;

use control::identity::Caller;
use http::Response;
use http::request::Parts;
use model::error::ServiceError;
use model::port::Pending;
use policy::Context;
use wire::query::{self, Parameters, Reply, Service};
use wire::sigv4::AuthError;

use crate::app::{self, Answered, App, Call};
use crate::audit;
use crate::auth::Authenticated;
use crate::facts;
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
}

/// All services of this kind.
pub struct QueryServices(Vec<Box<dyn QueryService>>);

impl QueryServices {
    /// Those that the parts allow.
    pub fn of(parts: &app::Parts) -> Self {
        Self(vec![
            Box::new(iam::IamService::new(parts.identity.iam().clone())),
            Box::new(sts::Sts::new(Arc::clone(&parts.identity))),
        ])
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
    let held = app.read(&head, body, entry, BODY_BYTES_MAX, "unknown").await?;
    let who = app.authenticator.authenticate(&head, &held.bytes, service.signing_name())?;
    if !service.admits(&who.caller) {
        return Err(Failure::Auth(AuthError::UnrecognizedClient));
    }
    app.throttle.take(who.scope.account, app.parts.clock.now())?;
    let parameters = parameters(&head, &held.bytes)?;
    let Some(place) = service.protocol().find(&parameters) else {
        return Err(no_operation(&parameters).into());
    };
    *operation = service.protocol().operations[place];
    let event = app.parts.audit.is_some().then(|| {
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
    let asked = Asked { known, who: &who, place, parameters: &parameters, request };
    let answered = service.perform(&asked).await;
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        sink.keep(event.end(answered.as_ref().err()));
    }
    Ok(whole(answered?))
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
