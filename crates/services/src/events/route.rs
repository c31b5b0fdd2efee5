//! Where an event goes: the rules and archives of each bus, compiled once and forgotten with every change.
//!
//! What is compiled is a copy of the tables; whoever changes a table forgets the bus afterwards, so nothing old outlives
//! the change. Bounded by what buses there are.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aside::Turn;
use model::arn::ResourceArn;
use model::bus::{Archive, BusId, Rule, RuleTarget, TargetInput};
use model::dead_letter::letter;
use model::delivery::{Address, Delivery, Extras, Retry, Sender, Undelivered};
use model::error::ServiceError;
use pattern::{Dialect, Pattern};
use policy::{Document, Kind};
use serde_json::Value;

use super::error::not_matched;
use super::event::{Event, Origin};
use super::input::{self, Source};
use super::path::Reader;
use super::{Events, SERVICE};

/// What no target can be given.
const TOO_LARGE: usize = input::BYTES_MAX + 1;
/// What is handed over at a time, so that a bus with many rules takes no more memory than one with few.
const HANDED_OVER_BYTES: usize = 8 * 1024 * 1024;
/// What a delivery takes besides its body.
const DELIVERY_BYTES: usize = 512;

/// Deliveries that are to be handed over together.
#[derive(Default)]
struct Batch {
    deliveries: Vec<Delivery>,
    size_bytes: usize,
}

impl Batch {
    fn extend(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        for delivery in deliveries {
            self.size_bytes += delivery.body.len() + DELIVERY_BYTES;
            self.deliveries.push(delivery);
        }
    }

    fn is_full(&self) -> bool {
        self.size_bytes >= HANDED_OVER_BYTES
    }

    fn append(&mut self, mut other: Self) {
        self.size_bytes += other.size_bytes;
        self.deliveries.append(&mut other.deliveries);
    }
}

/// Routes of buses.
#[derive(Default)]
pub(super) struct Routes(RwLock<HashMap<BusId, Arc<Route>>>);

/// What becomes of the events of one bus.
pub(super) struct Route {
    rules: Vec<(Arc<Rule>, Pattern)>,
    archives: Vec<(Arc<Archive>, Option<Pattern>)>,
    /// Who else may use it.
    policy: Option<Arc<Document>>,
}

impl Routes {
    /// What was compiled of a bus is out of date.
    pub(super) fn forget(&self, bus: &BusId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(bus);
    }

    fn get(&self, bus: &BusId, compile: impl FnOnce() -> Route) -> Arc<Route> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(bus) {
            return Arc::clone(known);
        }
        // Compiled under the lock: a change that comes meanwhile forgets it right after.
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(bus.clone()).or_insert_with(|| Arc::new(compile())))
    }
}

impl Events {
    /// What becomes of the events of a bus that is there.
    pub(super) fn route(&self, bus: &BusId) -> Option<Arc<Route>> {
        let known = self.bus(bus).ok()?;
        Some(self.routes.get(bus, || {
            let read = |text: &str| Pattern::parse(text, Dialect::EventBridge).ok();
            let rules = self.rules.all(bus).into_iter().map(|entry| entry.value);
            let rules = rules.filter(|rule| rule.is_enabled());
            let archives = self.archives.all(&bus.scope).into_iter().map(|entry| entry.value);
            let archives = archives.filter(|archive| archive.source == *bus);
            Route {
                rules: rules
                    .filter_map(|rule| Some((Arc::clone(&rule), read(rule.pattern.as_deref()?)?)))
                    .collect(),
                archives: archives
                    .map(|archive| (Arc::clone(&archive), archive.pattern.as_deref().and_then(read)))
                    .collect(),
                policy: known.policy.as_deref().map(|text| {
                    Arc::new(Document::parse(text, Kind::Resource).unwrap_or_else(|_| Document::of_nothing()))
                }),
            }
        }))
    }

    /// Who else may use a bus.
    pub(super) fn policy(&self, bus: &BusId) -> Option<Arc<Document>> {
        self.route(bus)?.policy.clone()
    }

    /// Sends events on, to these rules only if some are named; answered when all that follows is on the disk.
    pub(super) async fn publish(
        &self,
        events: &[Arc<Event>],
        only: Option<&[String]>,
    ) -> Result<(), ServiceError> {
        let routes: Vec<_> =
            events.iter().filter_map(|event| Some((event, self.route(&event.bus)?))).collect();
        let (mut turn, mut kept) = (Turn::among_all(), Vec::new());
        for (event, route) in &routes {
            let mut next = 0;
            while next < route.archives.len() {
                let first = next;
                let look = move |seen: &Seen<'_>| seen.archives(first);
                let (wanted, reached) = self.look(event, route, look).await?;
                kept.extend(wanted.into_iter().map(|archive| (archive, event.as_ref())));
                next = reached;
                turn.give_way().await;
            }
        }
        self.kept.add(&kept).await?;
        let (mut batch, only) = (Batch::default(), only.map(Arc::<[String]>::from));
        for (event, route) in &routes {
            let mut next = 0;
            while next < route.rules.len() {
                let (first, only) = (next, only.clone());
                let look = move |seen: &Seen<'_>| seen.deliveries(first, only.as_deref());
                let (some, reached) = self.look(event, route, look).await?;
                next = reached;
                batch.append(some);
                if batch.is_full() {
                    self.hand_over(std::mem::take(&mut batch).deliveries).await?;
                }
                turn.give_way().await;
            }
        }
        self.hand_over(batch.deliveries).await
    }

    /// Looks at an event; at large ones on another thread, in the line of their bus.
    async fn look<T: Send + 'static>(
        &self,
        event: &Arc<Event>,
        route: &Arc<Route>,
        look: impl FnOnce(&Seen<'_>) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        if !event.is_large() {
            return Ok(look(&Seen { event, value: &event.value(), route, turn: Turn::among_all() }));
        }
        let (seen, route) = (Arc::clone(event), Arc::clone(route));
        let work = move || {
            let turn = Turn::aside();
            look(&Seen { event: &seen, value: &seen.value(), route: &route, turn })
        };
        self.aside.run(&event.bus.arn(), work).await.map_err(not_matched)
    }

    /// Sends an event to the targets of one rule.
    pub(super) async fn send(&self, rule: &Rule, event: &Event) -> Result<(), ServiceError> {
        self.hand_over(to_targets(rule, event)).await
    }

    async fn hand_over(&self, deliveries: Vec<Delivery>) -> Result<(), ServiceError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let taken = self.deliveries.hand_over(deliveries).await;
        taken.map_err(|error| ServiceError::Unavailable(error.to_string()))
    }
}

/// A look at an event, for a turn.
struct Seen<'e> {
    event: &'e Event,
    /// The event, read.
    value: &'e Value,
    route: &'e Route,
    turn: Turn,
}

impl Seen<'_> {
    /// Those of the archives that keep the event, from the first one on for a turn; and the one that comes next.
    fn archives(&self, first: usize) -> (Vec<Arc<Archive>>, usize) {
        let (archives, mut wanted) = (&self.route.archives, Vec::new());
        // As their managed rules say, also of what another bus replays.
        if self.value.get("replay-name").is_some() {
            return (wanted, archives.len());
        }
        for (number, (archive, pattern)) in archives.iter().enumerate().skip(first) {
            if pattern.as_ref().is_none_or(|pattern| pattern.matches(self.value)) {
                wanted.push(Arc::clone(archive));
            }
            if self.turn.is_over() {
                return (wanted, number + 1);
            }
        }
        (wanted, archives.len())
    }

    /// What some of the rules make of the event, from the first one on for a turn; and the one that comes next.
    fn deliveries(&self, first: usize, only: Option<&[String]>) -> (Batch, usize) {
        let (rules, mut batch) = (&self.route.rules, Batch::default());
        for (number, (rule, pattern)) in rules.iter().enumerate().skip(first) {
            if only.is_none_or(|only| only.contains(&rule.arn())) && pattern.matches(self.value) {
                batch.extend(to_targets(rule, self.event));
            }
            if self.turn.is_over() || batch.is_full() {
                return (batch, number + 1);
            }
        }
        (batch, rules.len())
    }
}

fn to_targets(rule: &Rule, event: &Event) -> Vec<Delivery> {
    let (arn, reader) = (rule.arn(), Reader::of(&event.text));
    rule.targets.iter().filter_map(|target| to_target((rule, &arn), target, (event, &reader))).collect()
}

fn to_target(
    (rule, rule_arn): (&Rule, &str),
    target: &RuleTarget,
    (event, reader): (&Event, &Reader<'_>),
) -> Option<Delivery> {
    reader.begin_anew();
    let to = ResourceArn::parse(&target.arn).ok()?;
    if to.service() == SERVICE && event.origin == Origin::Bus {
        return None;
    }
    let ingested = wire::time::rfc3339(event.ingested);
    let source = Source { event: reader, ingested: &ingested, rule_arn, rule: &rule.name };
    let retry = Retry {
        retries_max: target.retries_max.unwrap_or(Retry::BUS.retries_max),
        age_max: target.age_max_s.map_or(Retry::BUS.age_max, |age| Duration::from_secs(age.into())),
    };
    let delivery = Delivery {
        to: Address::Resource(to),
        from: Sender {
            service: format!("{SERVICE}.amazonaws.com"),
            source: rule_arn.to_owned(),
            scope: rule.bus.scope.clone(),
            role: target.role.clone().or_else(|| rule.role.clone()),
        },
        body: input::of(&target.input, &source).into(),
        extras: Extras { group: target.group.clone(), trace: event.trace.clone(), ..Extras::default() },
        retry,
        dead_letter: target.dead_letter.as_deref().and_then(|arn| ResourceArn::parse(arn).ok()),
        line: format!("rule/{}/{}/{}", rule.bus.name, rule.name, target.id),
    };
    if reader.is_exhausted() {
        return undeliverable(
            delivery,
            event,
            "The paths of the input lead through too many parts of the event.",
        );
    }
    // An event as it came may be somewhat larger with what is said around it; what that is too much for says so itself.
    match (&target.input, delivery.body.len()) {
        (TargetInput::Template { .. }, size @ TOO_LARGE..) => {
            let why = format!("The input of {size} bytes is larger than {}.", input::BYTES_MAX);
            undeliverable(delivery, event, &why)
        }
        _ => Some(delivery),
    }
}

/// What the dead-letter queue of a target gets of an event of which the rule has made more than the target can take: the
/// event as it came.
fn undeliverable(delivery: Delivery, event: &Event, why: &str) -> Option<Delivery> {
    let refused = Undelivered::Never { code: "INVALID_PARAMETER", message: why.to_owned() };
    let untransformed = Delivery { body: event.text.clone().into(), ..delivery };
    let letter = letter(&untransformed, &refused, 0, None);
    if letter.is_none() {
        tracing::warn!(delivery = ?untransformed, error = %refused, "given up; it has no dead-letter queue");
    }
    letter
}
