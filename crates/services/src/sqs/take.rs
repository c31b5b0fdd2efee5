//! A queue as the target of a delivery: of a rule, a topic, a schedule, a destination, or as somebody's dead-letter queue.
//!
//! Who may deliver is decided by the sender's role or by the queue's policy.

use model::delivery::{Address, Delivery, Target, Undelivered};
use model::error::ServiceError;
use model::port::Pending;
use model::sqs::{QueueId, SERVICE};

use super::Sqs;
use super::message::{self, Draft, Given};

impl Target for Sqs {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(self.deliver(delivery))
    }
}

impl Sqs {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let not_found = || Undelivered::not_found(&delivery.to);
        let Address::Resource(arn) = &delivery.to else { return Err(not_found()) };
        let id = QueueId::of_arn(arn).ok_or_else(not_found)?;
        let queue = self.there(&id).map_err(|_| not_found())?;
        if !self.admission.admits(&delivery.from, &self.need(&id, "SendMessage")) {
            return Err(Undelivered::not_permitted(&delivery.from, arn));
        }
        let refused =
            |error: ServiceError| Undelivered::Never { code: "INVALID_MESSAGE", message: error.to_string() };
        let body = String::from_utf8_lossy(&delivery.body);
        let extras = &delivery.extras;
        // A standard queue has no use for what only orders and deduplicates.
        let deduplication = extras.deduplication.as_deref().filter(|_| id.is_fifo());
        let given = Given {
            body: Some(&body),
            delay_s: None,
            attributes: message::delivered(&extras.attributes).map_err(refused)?,
            trace: extras.trace.clone(),
            group: extras.group.as_deref(),
            deduplication,
        };
        let draft = Draft::of(&queue, &delivery.from.service, given).map_err(refused)?;
        let sent = self.put(&queue, std::slice::from_ref(&draft)).await;
        sent.map(drop).map_err(|error| Undelivered::NotNow { message: error.to_string() })
    }
}
