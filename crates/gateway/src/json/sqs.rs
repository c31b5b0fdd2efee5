//! Amazon SQS's API.
//!
//! What the operations mean, how their input is read and what rights they need is `services::sqs`'s. The addresses of queues
//! begin with the name by which the caller has reached the server.

use model::error::ServiceError;
use model::port::Pending;
use services::sqs::Caller;
use wire::json_rpc::{Reply, Service};
use wire::query::Forms;

use super::{Asked, JsonService};

/// A megabyte of messages, in which every character is escaped, and what stands around them.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The service.
pub struct Sqs(pub services::sqs::Sqs);

impl JsonService for Sqs {
    fn protocol(&self) -> &'static Service {
        &wire::sqs::SERVICE
    }

    fn signing_name(&self) -> &'static str {
        "sqs"
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn is_work(&self, operation: &str) -> bool {
        services::sqs::Sqs::is_work(operation)
    }

    fn forms(&self) -> Option<&'static Forms> {
        Some(&wire::sqs::FORMS)
    }

    fn perform<'a>(&'a self, asked: &'a Asked<'a>) -> Pending<'a, Result<Reply, ServiceError>> {
        Box::pin(async move {
            let caller = Caller {
                scope: asked.who.scope.clone(),
                sender: asked.who.caller.sender_id(),
                endpoint: format!("http://{}", asked.host),
            };
            let input = services::sqs::Sqs::input(asked.target, asked.body)?;
            asked.may(&self.0.needs(&caller, asked.operation, &input)?)?;
            self.0.perform(&caller, input).await
        })
    }
}
