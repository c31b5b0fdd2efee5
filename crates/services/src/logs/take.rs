//! A group as the target of a delivery: of an event bus's rule.
//!
//! Senders of the group's own account are let in, no others; the account's policies are not asked (`policy`). A rule's events go
//! to a stream of each minute. Source: EventBridge User Guide, "Amazon CloudWatch Logs groups as targets".

use std::sync::Arc;

use model::delivery::{Address, Delivery, Target, Undelivered};
use model::log::LogEvent;
use model::port::Pending;

use super::{Logs, SERVICE, name};

impl Target for Logs {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(self.take_event(delivery))
    }
}

impl Logs {
    async fn take_event(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let not_found = || Undelivered::not_found(&delivery.to);
        let group = match &delivery.to {
            Address::Resource(arn) => name::parsed(arn.as_str()).ok_or_else(not_found)?,
            Address::Endpoint(_) => return Err(not_found()),
        };
        if delivery.from.scope.account != group.scope.account {
            return Err(Undelivered::not_permitted(&delivery.from, &delivery.to));
        }
        let not_now = |message: String| Undelivered::NotNow { message };
        let _there = self.putting.read().await;
        let found = self.group_of(&group).await.map_err(|error| not_now(error.to_string()))?;
        found.ok_or_else(not_found)?;
        let at = self.clock.now();
        let source = delivery.from.source.rsplit([':', '/']).next().unwrap_or_default();
        let minute: String = wire::time::rfc3339(at).chars().take("2026-11-23T10:20".len()).collect();
        let stream: Arc<str> = format!("{source}/{}", minute.replace(['T', ':'], "-")).into();
        let event = LogEvent { stream, at, message: String::from_utf8_lossy(&delivery.body).into_owned() };
        self.files.put(&group, vec![event], at).await.map_err(|error| not_now(error.to_string()))
    }
}
