//! The way of a request from its bytes to its answer: which service, who performs it, what is counted.
//!
//! Every request leaves here with an answer, an id and one more on a counter, whatever went wrong. What an
//! operation means is not known here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use control::function::Functions;
use control::identity::Identity;
use control::layer::Layers;
use control::link::CodeLinks;
use control::logs::FunctionLogs;
use http::{Request, Response};
use hyper::body::Incoming;
use model::error::ServiceError;
use model::event::Events;
use model::id::RequestId;
use model::port::{AuditSink, Clock, Entropy, Invoke, Runtimes};
use model::queue::Queue;
use tokio::sync::watch;

use crate::auth::Authenticator;
use crate::body::{self, Bodies, Held, Holder};
use crate::json::JsonServices;
pub use crate::metrics::Gauge;
use crate::metrics::Metrics;
use crate::query::QueryServices;
pub use crate::registry::RegistryDoor;
use crate::registry::{self, is_registry};
use crate::respond::{self, Body, Failure};
use crate::rest::RestServices;
use crate::service::Service;
use crate::throttle::Throttle;
use crate::{json, lambda, own, query, rest, url};

/// What the front is made from.
pub struct Parts {
    /// The functions.
    pub functions: Functions,
    /// The layers that they use.
    pub layers: Layers,
    /// Their logs.
    pub logs: FunctionLogs,
    /// Who may call.
    pub identity: Arc<Identity>,
    /// Addresses of packages.
    pub links: CodeLinks,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Takes what functions are to be run with later.
    pub events: Arc<dyn Events>,
    /// Where all of it waits, to be counted.
    pub queue: Arc<dyn Queue>,
    /// Which languages are ready.
    pub runtimes: Arc<dyn Runtimes>,
    /// Adds and removes languages.
    pub runtime_admin: Arc<dyn own::RuntimeAdmin>,
    /// For signatures and links.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub entropy: Arc<dyn Entropy>,
    /// Keeps what control calls did; without it, nobody does.
    pub audit: Option<Arc<dyn AuditSink>>,
    /// The container registry, served under `/v2/`.
    pub registry: Option<RegistryDoor>,
    /// Log groups.
    pub log_groups: Option<services::logs::Logs>,
    /// Event buses.
    pub bus: Option<services::events::Events>,
    /// Queues.
    pub sqs: Option<services::sqs::Sqs>,
    /// Schedules.
    pub scheduler: Option<services::scheduler::Scheduler>,
    /// Topics, where they are served.
    pub topics: Option<services::sns::Sns>,
    /// Control calls that one account may make in a second; zero for no limit.
    pub control_rate: u32,
    /// The largest event of an invocation; AWS's is `limits::PAYLOAD_SYNC_BYTES_MAX`.
    pub payload_bytes_max: usize,
    /// What health and metrics say of the server.
    pub about: About,
}

/// What the server tells about itself.
pub struct About {
    /// Its version.
    pub version: &'static str,
    /// What this host does not enforce, in clear sentences.
    pub weaknesses: Vec<String>,
    /// Gauges of other parts, read at each collection; those of one name stand together.
    pub gauges: Box<dyn Fn() -> Vec<Gauge> + Send + Sync>,
}

/// What every request shares.
pub struct App {
    /// What was given.
    pub parts: Parts,
    /// Checks signatures.
    pub authenticator: Authenticator,
    /// The services of the JSON protocols.
    json: JsonServices,
    /// The services of the query protocol.
    query: QueryServices,
    /// The other services whose paths name their operations.
    rest: RestServices,
    /// Reads bodies from outside.
    bodies: Bodies,
    /// Reads bodies that functions send, so that these cannot take all the room.
    inner_bodies: Bodies,
    /// Slows down control calls.
    pub throttle: Throttle,
    /// Counts.
    pub metrics: Metrics,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// A request that has been taken apart.
pub struct Call {
    /// The id that the caller is told.
    pub id: RequestId,
    /// Method, address and headers.
    pub head: http::request::Parts,
    /// The body, not read yet.
    pub body: Incoming,
    /// The way it came in.
    pub entry: Entry,
}

/// The way a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The address on our side.
    pub local: SocketAddr,
    /// The address on the other side, where there is one.
    pub peer: Option<SocketAddr>,
    /// Whether a function sent it, from inside its sandbox.
    pub is_inside: bool,
}

/// An operation's name for metrics, and what became of it.
pub type Answered = (&'static str, Result<Response<Body>, Failure>);

impl App {
    /// Everything in its place.
    pub fn new(parts: Parts, stopping: watch::Receiver<bool>) -> Self {
        let authenticator = Authenticator::new(Arc::clone(&parts.identity), Arc::clone(&parts.clock));
        let json = JsonServices::of(&parts);
        let query = QueryServices::of(&parts);
        let rest = RestServices::of(&parts);
        let throttle = Throttle::new(parts.control_rate);
        Self {
            parts,
            authenticator,
            json,
            query,
            rest,
            bodies: Bodies::new(),
            inner_bodies: Bodies::new(),
            throttle,
            metrics: Metrics::default(),
            stopping,
        }
    }

    /// Answers a request, whatever it is. What is not an invocation has its future kept apart: the future of each call
    /// is as large as that of the largest branch, and is moved about.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>, entry: Entry) -> Response<Body> {
        let id = self.new_request_id();
        let (head, body) = request.into_parts();
        let call = Call { id, head, body, entry };
        let (operation, answered) = if let Err(error) = self.authenticator.admit(&call.head) {
            ("other", Err(error.into()))
        } else if let Some(address) = url::Address::of(&call.head) {
            Box::pin(url::answer(&self, address, call)).await
        } else if own::is_own(call.head.uri.path()) {
            Box::pin(own::answer(&self, call)).await
        } else if let Some(door) = self.parts.registry.as_ref().filter(|_| is_registry(call.head.uri.path()))
        {
            let (operation, response) = Box::pin(registry::answer(&self, door, call)).await;
            (operation, Ok(response))
        } else {
            match Service::of(&call.head) {
                Service::Lambda => lambda::answer(&self, call).await,
                Service::Other(name) => match (self.json.find(&name, &call.head), self.query.find(&name)) {
                    (Some(service), _) => Box::pin(json::answer(&self, service, call)).await,
                    (None, Some(service)) => Box::pin(query::answer(&self, service, call)).await,
                    (None, None) => match self.rest.find(&name) {
                        Some(service) => Box::pin(rest::answer(&self, service, call)).await,
                        None => ("other", Err(not_served(&name).into())),
                    },
                },
                Service::Unknown => ("other", Err(unknown(&call).into())),
            }
        };
        let mut response = answered.unwrap_or_else(|failure| {
            tracing::debug!(request = %id, operation, ?failure, "refused");
            failure.answer()
        });
        respond::identify(&mut response, id);
        self.metrics.request(operation, respond::outcome(response.headers(), &response.status()));
        response
    }

    /// Reads the body of a request that came in this way, of at most `limit_bytes`, for the operation that AWS's
    /// message names. A stranger's large body is not read.
    ///
    /// # Errors
    /// Those of [`Bodies::read`] and [`Authenticator::recognize`].
    pub async fn read(
        &self,
        head: &http::request::Parts,
        body: Incoming,
        entry: Entry,
        limit_bytes: usize,
        operation: &str,
    ) -> Result<Held, Failure> {
        let holder = if body::is_small(&body) {
            peer(entry)
        } else {
            match self.authenticator.recognize(head) {
                Ok(Some(shown)) => Holder::Caller(shown, peer_ip(entry)),
                Ok(None) => peer(entry),
                Err(failure) => {
                    body::discard(body);
                    return Err(failure);
                }
            }
        };
        self.read_of(holder, body, entry, limit_bytes, operation).await
    }

    /// The same where nobody has to say who it is: whose room the body takes is known otherwise.
    ///
    /// # Errors
    /// Those of [`Bodies::read`].
    pub async fn read_of(
        &self,
        holder: Holder,
        body: Incoming,
        entry: Entry,
        limit_bytes: usize,
        operation: &str,
    ) -> Result<Held, Failure> {
        let bodies = if entry.is_inside { &self.inner_bodies } else { &self.bodies };
        Ok(bodies.read(body, holder, limit_bytes, operation).await?)
    }

    fn new_request_id(&self) -> RequestId {
        let mut random = [0; 16];
        self.parts.entropy.fill(&mut random);
        RequestId::at(self.parts.clock.now(), random)
    }
}

fn peer(entry: Entry) -> Holder {
    Holder::Peer(peer_ip(entry))
}

fn peer_ip(entry: Entry) -> Option<IpAddr> {
    entry.peer.map(|peer| peer.ip().to_canonical())
}

fn not_served(service: &str) -> ServiceError {
    ServiceError::NotServed(format!("This version of Dormouse does not serve {service:?}."))
}

fn unknown(call: &Call) -> ServiceError {
    ServiceError::UnknownOperation(format!(
        "No operation answers to {} {:?}. Dormouse's own pages are under /_dormouse/.",
        call.head.method,
        call.head.uri.path().chars().take(100).collect::<String>()
    ))
}
