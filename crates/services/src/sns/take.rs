//! A topic as the target of a delivery: of a rule, a schedule, a destination, or as somebody's place for dead letters.
//!
//! Who may deliver is decided by the sender's role or by the topic's policy.

use model::delivery::{Address, Delivery, Target, Undelivered};
use model::error::ServiceError;
use model::port::Pending;

use super::publish::Given;
use super::{SERVICE, Sns, name};

impl Target for Sns {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(self.deliver(delivery))
    }
}

impl Sns {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let not_found = || Undelivered::not_found(&delivery.to);
        let Address::Resource(arn) = &delivery.to else { return Err(not_found()) };
        let id = name::topic_of(arn.as_str()).ok_or_else(not_found)?;
        let alone = self.publishing.alone(&id).await;
        let route = self.route(&id).ok_or_else(not_found)?;
        if !self.admission.admits(&delivery.from, &self.of_topic("sns:Publish", &id)) {
            return Err(Undelivered::not_permitted(&delivery.from, arn));
        }
        let text = String::from_utf8_lossy(&delivery.body);
        let extras = &delivery.extras;
        let given = Given {
            text: &text,
            subject: extras.subject.as_deref(),
            structure: None,
            attributes: extras.attributes.clone(),
            group: extras.group.as_deref(),
            // A standard topic has no use for what only deduplicates.
            deduplication: extras.deduplication.as_deref().filter(|_| id.is_fifo()),
            trace: extras.trace.as_deref(),
        };
        let message = self.message(&route, given).map_err(|error: ServiceError| Undelivered::Never {
            code: "INVALID_MESSAGE",
            message: error.to_string(),
        })?;
        let sent = self.send(&route, vec![message], alone).await;
        sent.map_err(|error| match error {
            refused @ ServiceError::Modeled { .. } => {
                Undelivered::Never { code: "INVALID_MESSAGE", message: refused.to_string() }
            }
            other => Undelivered::NotNow { message: other.to_string() },
        })
    }
}
