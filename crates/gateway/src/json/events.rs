//! Amazon EventBridge's API.
//!
//! What the operations mean, how their input is read and what rights they need is `services::events`'s.

use model::error::ServiceError;
use model::port::Pending;
use wire::json_rpc::{Reply, Service};

use super::{Asked, JsonService};

/// Ten entries of a megabyte in all, escaped, and what stands around them.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The service.
pub struct Events(pub services::events::Events);

impl JsonService for Events {
    fn protocol(&self) -> &'static Service {
        &wire::events::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "events"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn is_work(&self, operation: &str) -> bool {
        matches!(operation, "PutEvents" | "TestEventPattern")
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let scope = &asked.who.scope;
            let input = services::events::Events::input(asked.target, asked.body)?;
            asked.may(&self.0.needs(scope, asked.operation, &input)?)?;
            self.0.perform(scope, input).await
        })
    }
}
