//! The services other than Lambda that speak `restJson1`: method and path name the operation.
//!
//! What all of them share is here: finding the service, reading within its bound, authenticating, the audit log, and
//! writing failures as that protocol writes them. Each service authorizes for itself ([`Asked::may`]), since what an
//! operation is done to stands among its members. A further service is one more [`RestService`] in [`RestServices::of`].

mod scheduler;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use model::error::ServiceError;
use model::port::Pending;
use policy::{Context, Need};
use wire::rest_json::{self, Labels, Reply, Service};

use crate::app::{self, Answered, App, Call};
use crate::audit;
use crate::auth::{Authenticated, may};
use crate::facts;
use crate::respond::{Body, Failure, whole};

/// One service.
pub trait RestService: Send + Sync {
    /// Its errors.
    fn protocol(&self) -> &'static Service;

    /// The name that requests are signed for, and the prefix of its actions in policies.
    fn signing_name(&self) -> &'static str;

    /// The largest body of a request.
    fn body_bytes_max(&self) -> usize;

    /// The name of the operation that a method, a path and a query mean, and the labels of the path.
    fn route<'p>(&self, method: &str, path: &'p str, query: &str) -> Option<(&'static str, Labels<'p>)>;

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
    /// The operation's name.
    pub operation: &'static str,
    /// Method, path, query and headers.
    pub head: &'a Parts,
    /// The body, not yet read.
    pub body: &'a Bytes,
    /// What is known of the call, whatever it asks for.
    pub known: Context,
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

/// All services of this kind.
pub struct RestServices(Vec<Box<dyn RestService>>);

impl RestServices {
    /// Those that the parts allow.
    pub fn of(parts: &app::Parts) -> Self {
        let scheduler = parts.scheduler.clone();
        let scheduler = scheduler.map(|known| Box::new(scheduler::Scheduler(known)) as Box<dyn RestService>);
        Self(scheduler.into_iter().collect())
    }

    /// The service that requests of this name are signed for.
    pub fn find(&self, name: &str) -> Option<&dyn RestService> {
        self.0.iter().map(AsRef::as_ref).find(|service| service.signing_name() == name)
    }
}

/// Answers a request to a service.
pub async fn answer(app: &Arc<App>, service: &dyn RestService, call: Call) -> Answered {
    let operation = route(service, &call.head).map(|(operation, _)| operation);
    let answered = perform(app, service, operation, call).await;
    let response = answered.unwrap_or_else(|failure| {
        whole(match &failure {
            Failure::Auth(error) => rest_json::auth_reply(error),
            Failure::Service(error) => rest_json::error_reply(service.protocol(), error),
        })
    });
    (operation.unwrap_or("unknown"), Ok(response))
}

async fn perform(
    app: &Arc<App>,
    service: &dyn RestService,
    operation: Option<&'static str>,
    call: Call,
) -> Result<http::Response<Body>, Failure> {
    let Call { id, head, body, entry } = call;
    let named = operation.unwrap_or("unknown");
    let held = app.read(&head, body, entry, service.body_bytes_max(), named).await?;
    let who = app.authenticator.authenticate(&head, &held.bytes, service.signing_name())?;
    let Some(operation) = operation else {
        let shown: String = head.uri.path().chars().take(100).collect();
        let message =
            format!("No operation of {:?} answers to {} {shown:?}.", service.signing_name(), head.method);
        return Err(ServiceError::UnknownOperation(message).into());
    };
    app.throttle.take(who.scope.account, app.parts.clock.now())?;
    let event = app.parts.audit.is_some().then(|| {
        audit::Event::of(audit::Call {
            service: service.signing_name(),
            operation,
            time: app.parts.clock.now(),
            id,
            head: &head,
            peer: entry.peer,
            who: &who,
            parameters: parameters(service, &head, &held.bytes),
        })
    });
    let known = facts::of_call(app.parts.clock.now(), entry.peer, &head, &who.scope.region);
    let asked = Asked { who: &who, operation, head: &head, body: &held.bytes, known };
    let answered = service.perform(&asked).await;
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        sink.keep(event.end(answered.as_ref().err()));
    }
    Ok(whole(answered?))
}

fn route<'p>(service: &dyn RestService, head: &'p Parts) -> Option<(&'static str, Labels<'p>)> {
    service.route(head.method.as_str(), head.uri.path(), head.uri.query().unwrap_or_default())
}

fn parameters(
    service: &dyn RestService,
    head: &Parts,
    body: &[u8],
) -> serde_json::Map<String, serde_json::Value> {
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let routed = route(service, head);
    let labels = routed.iter().flat_map(|(_, labels)| labels.iter());
    audit::parameters(labels.chain(pairs), body)
}
