//! Amazon CloudWatch Logs' API.
//!
//! What the operations mean, how their input is read and what rights they need is `services::logs`'s.

use model::error::ServiceError;
use model::port::Pending;
use wire::json_rpc::{Reply, Service};

use super::{Asked, JsonService};

/// A megabyte of messages, escaped, and what stands around ten thousand of them.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is done with events, not with what is set up.
const WORK: [&str; 3] = ["FilterLogEvents", "GetLogEvents", "PutLogEvents"];

/// The service.
pub struct Logs(pub services::logs::Logs);

impl JsonService for Logs {
    fn protocol(&self) -> &'static Service {
        &wire::logs::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "logs"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn is_work(&self, operation: &str) -> bool {
        WORK.contains(&operation)
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let scope = &asked.who.scope;
            let input = services::logs::Logs::input(asked.target, asked.body)?;
            asked.may(&self.0.needs(scope, asked.operation, &input)?)?;
            self.0.perform(scope, input).await
        })
    }
}
