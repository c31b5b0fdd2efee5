//! Amazon EventBridge Scheduler's API.
//!
//! What the operations mean, how their input is read and what rights they need is `services::scheduler`'s.

use model::error::ServiceError;
use model::port::Pending;
use wire::rest_json::{Labels, Reply, Service};

use super::{Asked, RestService};

/// An input of 256 KB, escaped, and what stands around it.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The service.
pub struct Scheduler(pub services::scheduler::Scheduler);

impl RestService for Scheduler {
    fn protocol(&self) -> &'static Service {
        &wire::scheduler::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "scheduler"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn route<'p>(&self, method: &str, path: &'p str, query: &str) -> Option<(&'static str, Labels<'p>)> {
        wire::scheduler::route(method, path, query).map(|(operation, labels)| (operation.name(), labels))
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let (head, scope) = (asked.head, &asked.who.scope);
            let query = head.uri.query().unwrap_or_default();
            let (method, path) = (head.method.as_str(), head.uri.path());
            let input =
                services::scheduler::Scheduler::input(method, path, query, &head.headers, asked.body)?;
            asked.may(&self.0.needs(scope, asked.operation, &input)?)?;
            self.0.perform(scope, input).await
        })
    }
}
