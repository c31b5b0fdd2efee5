//! A bus as the target of a delivery: of another bus's rule, a schedule, a destination; and the events of scheduled rules.
//!
//! A delivery that says a detail type is the detail of a new event; any other is a whole event, sent on by another bus.
//! Senders of the bus's own account are let in, all others as the bus's policy says.

use model::bus::{BusId, Rule};
use model::delivery::{Address, Delivery, Target, Undelivered};
use model::error::ServiceError;
use model::port::Pending;
use model::time::Timestamp;
use policy::{Actor, Context, Request, Verdict};
use serde_json::Value;

use super::event::{Envelope, Event, Origin};
use super::{Events, SERVICE, name};

impl Target for Events {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let event = self.delivered(delivery)?;
            let taken = self.publish(std::slice::from_ref(&event), None).await;
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
        if !self.lets_in(&bus, delivery) {
            return Err(Undelivered::not_permitted(&delivery.from, &delivery.to));
        }
        let malformed =
            || Undelivered::Never { code: "MALFORMED_EVENT", message: "The event is malformed.".to_owned() };
        let body = std::str::from_utf8(&delivery.body).map_err(|_| malformed())?;
        match &delivery.extras.detail_type {
            None => self.sent_on(&bus, body, delivery.extras.trace.clone()).ok_or_else(malformed),
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
                let event = self.enveloped(&bus, &envelope, Origin::Put, delivery.extras.trace.clone());
                event.ok_or_else(malformed)
            }
        }
    }

    /// An event that another bus sent on, as it is.
    fn sent_on(&self, bus: &BusId, body: &str, trace: Option<String>) -> Option<Event> {
        let value: Value = serde_json::from_str(body).ok()?;
        let text = |member: &str| value.get(member).and_then(Value::as_str);
        let (id, _, _) = (text("id")?, text("source")?, text("detail-type")?);
        let now = self.clock.now();
        Some(Event {
            bus: bus.clone(),
            id: id.chars().filter(char::is_ascii_alphanumeric).take(64).collect(),
            text: body.to_owned(),
            time: text("time").and_then(wire::time::parse_rfc3339).unwrap_or(now),
            ingested: now,
            trace,
            origin: Origin::Bus,
            value,
        })
    }

    fn lets_in(&self, bus: &BusId, delivery: &Delivery) -> bool {
        let sender = &delivery.from;
        if sender.scope.account == bus.scope.account {
            return true;
        }
        let account = sender.scope.account.to_string();
        let root = format!("arn:aws:iam::{account}:root");
        let mut context = Context::default();
        context.set("aws:SourceArn", sender.source.as_str());
        context.set("aws:SourceAccount", account.as_str());
        let actor = Actor::Principal {
            account: &account,
            arn: &root,
            role_arn: sender.role.as_deref(),
            id: &account,
        };
        let arn = bus.arn();
        let request =
            Request { action: "events:PutEvents", resource: &arn, actor: Some(actor), context: &context };
        let says = self.route(bus).and_then(|route| Some(route.policy.as_ref()?.says(&request)));
        says.is_some_and(|says| matches!(says, Verdict::Allowed(_)))
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
