//! The services that speak AWS's JSON protocols: a POST to `/` whose header names the operation.
//!
//! What all of them share is here: finding the service, reading within its bound, authenticating, the audit log, and
//! writing failures as that protocol writes them. Each service authorizes for itself ([`Asked::may`]), since what an
//! operation is done to stands among its members. A further service is one more [`JsonService`] in [`JsonServices::of`].

mod ecr;
mod events;
mod logs;
mod sqs;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use model::error::ServiceError;
use model::port::Pending;
use policy::{Context, Need};
use wire::json_rpc::{self, Reply, Service, TARGET};
use wire::query::Forms;

use crate::app::{self, Answered, App, Call};
use crate::audit;
use crate::auth::{Authenticated, may};
use crate::facts;
use crate::query::parameters;
use crate::respond::{Failure, whole};

/// Bodies from this size on are hashed off the async threads.
const HEAVY_BYTES_MIN: usize = 512 * 1024;

/// One service.
pub trait JsonService: Send + Sync {
    /// Its protocol: targets, operations, errors.
    fn protocol(&self) -> &'static Service;

    /// The name that requests are signed for, and the prefix of its actions in policies.
    fn signing_name(&self) -> &'static str;

    /// The largest body of a request.
    fn body_bytes_max(&self) -> usize;

    /// Whether calls of this operation are work, not changes of what is set up: they are neither slowed down nor kept in
    /// the audit log.
    fn is_work(&self, _operation: &str) -> bool {
        false
    }

    /// How it is spoken to in forms, if older clients still do.
    fn forms(&self) -> Option<&'static Forms> {
        None
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
    /// The target that names the operation.
    pub target: &'a str,
    /// The operation's name.
    pub operation: &'static str,
    /// The input, not yet read.
    pub body: &'a [u8],
    /// What is known of the call, whatever it asks for.
    pub known: Context,
    /// The name and port by which the caller has reached the server.
    pub host: &'a str,
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
pub struct JsonServices(Vec<Box<dyn JsonService>>);

impl JsonServices {
    /// Those that the parts allow.
    pub fn of(parts: &app::Parts) -> Self {
        let ecr = parts
            .registry
            .as_ref()
            .map(|door| Box::new(ecr::Ecr::at(door, Arc::clone(&parts.identity))) as Box<dyn JsonService>);
        let bus = parts.bus.clone().map(|bus| Box::new(events::Events(bus)) as Box<dyn JsonService>);
        let logs =
            parts.log_groups.clone().map(|groups| Box::new(logs::Logs(groups)) as Box<dyn JsonService>);
        let sqs = parts.sqs.clone().map(|queues| Box::new(sqs::Sqs(queues)) as Box<dyn JsonService>);
        Self(ecr.into_iter().chain(bus).chain(logs).chain(sqs).collect())
    }

    /// The service that a request names: by the name that it is signed for, or by its target.
    pub fn find(&self, name: &str, head: &Parts) -> Option<&dyn JsonService> {
        let target = target(head);
        let is_meant =
            |service: &dyn JsonService| service.signing_name() == name || service.protocol().owns(target);
        self.0.iter().map(AsRef::as_ref).find(|service| is_meant(*service))
    }
}

/// Answers a request to a service.
pub async fn answer(app: &Arc<App>, service: &dyn JsonService, call: Call) -> Answered {
    let (protocol, request) = (service.protocol(), call.id.to_string());
    let forms = service.forms().filter(|_| is_form(&call.head));
    let mut operation = protocol.find(target(&call.head)).map(|place| protocol.operations[place]);
    let answered = perform(app, service, forms, call, &mut operation).await;
    let named = operation.unwrap_or("unknown");
    let response = whole(match (&answered, forms) {
        (Ok(reply), None) => reply.clone(),
        (Ok(reply), Some(forms)) => forms.reply(named, reply, &request),
        (Err(Failure::Auth(error)), None) => json_rpc::auth_reply(protocol, error),
        (Err(Failure::Auth(error)), Some(forms)) => forms.auth_reply(error, &request),
        (Err(Failure::Service(error)), None) => json_rpc::error_reply(protocol, error),
        (Err(Failure::Service(error)), Some(forms)) => forms.error_reply(error, &request),
    });
    (named, Ok(response))
}

async fn perform(
    app: &Arc<App>,
    service: &dyn JsonService,
    forms: Option<&'static Forms>,
    call: Call,
    operation: &mut Option<&'static str>,
) -> Result<Reply, Failure> {
    let Call { id, head, body, entry } = call;
    let limit = service.body_bytes_max();
    let held = app.read(&head, body, entry, limit, operation.unwrap_or("unknown")).await?;
    let (who, head) = authenticate(app, service.signing_name(), head, held.bytes.clone()).await?;
    let (target, body) = match forms {
        None => (target(&head).to_owned(), held.bytes.clone()),
        Some(forms) => {
            let (named, body) = forms.read(&parameters(&head, &held.bytes)?, head.uri.path())?;
            *operation = Some(named);
            (format!("{}.{named}", service.protocol().target_prefix), body.into())
        }
    };
    let Some(operation) = *operation else {
        let shown: String = target.chars().take(100).collect();
        let message = format!("No operation of {:?} answers to {shown:?}.", service.signing_name());
        return Err(ServiceError::UnknownOperation(message).into());
    };
    let is_work = service.is_work(operation);
    if !is_work {
        app.throttle.take(who.scope.account, app.parts.clock.now())?;
    }
    let event = (app.parts.audit.is_some() && !is_work).then(|| {
        audit::Event::of(audit::Call {
            service: service.signing_name(),
            operation,
            time: app.parts.clock.now(),
            id,
            head: &head,
            peer: entry.peer,
            who: &who,
            parameters: audit::parameters([], &body),
        })
    });
    let known = facts::of_call(app.parts.clock.now(), entry.peer, &head, &who.scope.region);
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let asked = Asked { who: &who, target: &target, operation, body: &body, known, host };
    let answered = service.perform(&asked).await;
    if let (Some(event), Some(sink)) = (event, &app.parts.audit) {
        sink.keep(event.end(answered.as_ref().err()));
    }
    Ok(answered?)
}

/// Whether a request comes from a client of the query protocol: it names no target.
fn is_form(head: &Parts) -> bool {
    let content = head.headers.get(CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let is_encoded = content.is_some_and(|content| content.starts_with("application/x-www-form-urlencoded"));
    target(head).is_empty() && (is_encoded || head.method == http::Method::GET)
}

async fn authenticate(
    app: &Arc<App>,
    signing_name: &'static str,
    head: Parts,
    body: Bytes,
) -> Result<(Authenticated, Parts), Failure> {
    if body.len() < HEAVY_BYTES_MIN {
        let who = app.authenticator.authenticate(&head, &body, signing_name)?;
        return Ok((who, head));
    }
    let app = Arc::clone(app);
    let authenticated = tokio::task::spawn_blocking(move || {
        let who = app.authenticator.authenticate(&head, &body, signing_name)?;
        Ok((who, head))
    });
    authenticated.await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading a request broke off");
        Err(ServiceError::Internal("The request could not be read.".to_owned()).into())
    })
}

fn target(head: &Parts) -> &str {
    head.headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default()
}
