//! A bus as the target of a delivery: of another bus's rule, a schedule, a destination; and the events of scheduled rules.
//!
//! A delivery that says a detail type is the detail of a new event; any other is a whole event, sent on by another bus.
//! With a role, a sender may what its role may. A rule without one acts as its account: it is let in on buses of the same
//! account and region, unless their policy denies it, and elsewhere where the policy lets the account in. Source:
//! EventBridge User Guide, "Sending and receiving events between event buses in the same account and Region"; Terraform's
//! documentation of `aws_cloudwatch_event_target` on roles.

use std::sync::Arc;

use model::bus::{BusId, Rule};
use model::delivery::{Address, Delivery, Sender, Target, Undelivered};
use model::error::ServiceError;
use model::port::Pending;
use model::time::Timestamp;
use policy::{Actor, Request, Verdict};

use super::event::{Envelope, Event, Origin};
use super::{Events, SERVICE, name};

impl Target for Events {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let event = Arc::new(self.delivered(delivery)?);
            let taken = self.publish(&[event], None).await;
            taken.map_err(|error| Undelivered::NotNow { message: error.to_string() })
        })
    }
}

impl Events {
    fn delivered(&self, delivery: &Delivery) -> Result<Event, Undelivered> {
        let arn = match &delivery.to {
            Address::Resource(arn) => name::bus_of_arn(arn.as_str()),
            Address::Endpoint(_) => None,
        };
        let bus = arn.ok_or_else(|| Undelivered::not_found(&delivery.to))?;
        self.bus(&bus).map_err(|_| Undelivered::not_found(&delivery.to))?;
        let event = self.event_in(&bus, delivery)?;
        if !self.lets_in(&event, &delivery.from) {
            return Err(Undelivered::not_permitted(&delivery.from, &delivery.to));
        }
        Ok(event)
    }

    fn event_in(&self, bus: &BusId, delivery: &Delivery) -> Result<Event, Undelivered> {
        let malformed =
            || Undelivered::Never { code: "MALFORMED_EVENT", message: "The event is malformed.".to_owned() };
        let body = std::str::from_utf8(&delivery.body).map_err(|_| malformed())?;
        match &delivery.extras.detail_type {
            None => self.sent_on(bus, body, delivery.extras.trace.clone()).ok_or_else(malformed),
            Some(detail_type) => {
                let envelope = Envelope {
                    id: self.event_id(),
                    detail_type,
                    source: delivery.extras.source.as_deref().unwrap_or(&delivery.from.service),
                    scope: &delivery.from.scope,
                    time: self.clock.now(),
                    resources: &delivery.extras.resources,
                    detail: body,
                };
                let event = self.enveloped(bus, &envelope, Origin::Put, delivery.extras.trace.clone());
                event.ok_or_else(malformed)
            }
        }
    }

    /// An event that another bus sent on, as it is.
    fn sent_on(&self, bus: &BusId, body: &str, trace: Option<String>) -> Option<Event> {
        let mut event = Event::of(bus, body.to_owned(), self.clock.now(), Origin::Bus)?;
        event.trace = trace;
        Some(event)
    }

    fn lets_in(&self, event: &Event, sender: &Sender) -> bool {
        let is_sent_on = event.origin == Origin::Bus;
        let need = self.put_need(&event.bus, &event.source, &event.detail_type, is_sent_on);
        if sender.role.is_some() || sender.service != format!("{SERVICE}.amazonaws.com") {
            return self.admission.admits(sender, &need);
        }
        let account = sender.scope.account.to_string();
        let root = format!("arn:aws:iam::{account}:root");
        let mut context = need.facts;
        context.set("aws:SourceArn", sender.source.as_str());
        context.set("aws:SourceAccount", account.as_str());
        context.set("aws:PrincipalAccount", account.as_str());
        let actor = Actor::Principal { account: &account, arn: &root, role_arn: None, id: &account };
        let (action, resource) = (need.action.as_str(), need.resource.as_str());
        let request = Request { action, resource, actor: Some(actor), context: &context };
        match need.policy.map_or(Verdict::Silent, |policy| policy.says(&request)) {
            Verdict::Allowed(_) => true,
            Verdict::Denied => false,
            Verdict::Silent => sender.scope == event.bus.scope,
        }
    }

    /// Sends the event of a scheduled rule that is due to the rule's targets.
    ///
    /// # Errors
    /// `Unavailable` when it could not be written down; then it is still due.
    pub async fn fire(&self, rule: &Rule, due: Timestamp) -> Result<(), ServiceError> {
        let envelope = Envelope {
            id: self.event_id(),
            detail_type: "Scheduled Event",
            source: "aws.events",
            scope: &rule.bus.scope,
            time: due,
            resources: &[rule.arn()],
            detail: "{}",
        };
        let Some(event) = self.enveloped(&rule.bus, &envelope, Origin::Put, None) else { return Ok(()) };
        self.send(rule, &event).await
    }
}
