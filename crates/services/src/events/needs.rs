//! What each operation needs the caller's leave for.
//!
//! A request that does several things of one kind (entries, targets) needs leave for each, so that one value of a condition
//! key stands against each statement. Source: Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon EventBridge"; EventBridge User Guide, "Using IAM policy conditions in Amazon EventBridge".

use std::collections::BTreeSet;

use model::arn::{ResourceArn, Scope};
use model::bus::BusId;
use model::error::ServiceError;
use policy::{Context, Need};
use serde_json::Value;
use wire::events::{self as api, Input, Tag};

use super::name::Tagged;
use super::{Events, SERVICE, name};

/// Parts of patterns that are condition keys: of these, what a rule asks for literally.
const OF_PATTERNS: [(&str, &[&str]); 5] = [
    ("events:source", &["source"]),
    ("events:detail-type", &["detail-type"]),
    ("events:detail.service", &["detail", "service"]),
    ("events:detail.eventTypeCode", &["detail", "eventTypeCode"]),
    ("events:detail.userIdentity.principalId", &["detail", "userIdentity", "principalId"]),
];

impl Events {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where something is named by what is no ARN of one.
    pub fn needs(&self, scope: &Scope, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        let action = format!("{SERVICE}:{operation}");
        if let Input::PutEvents(input) = input {
            return self.to_put(scope, input);
        }
        let mut need = Need { action, ..self.own(scope, input)? };
        need.facts.extend(&facts(input));
        let mut further = Vec::new();
        match input {
            Input::PutTargets(input) => return Ok(to_target(need, input)),
            Input::PutRule(input) => {
                further.extend(to_tag(&need, input.tags.as_deref()));
                further.extend(input.role_arn.iter().map(|role| Need::to_pass(role, SERVICE)));
            }
            Input::CreateEventBus(input) => further.extend(to_tag(&need, input.tags.as_deref())),
            Input::CreateArchive(input) => {
                if let Some(bus) = input.event_source_arn.as_deref().and_then(name::bus_of_arn) {
                    further.push(Need { action: need.action.clone(), ..self.of_bus(&bus) });
                }
            }
            Input::StartReplay(input) => {
                let archive = input.event_source_arn.as_deref();
                if let Some(archive) = archive.and_then(|arn| name::archive_of_arn(scope, arn)) {
                    further.push(Need::of(need.action.clone(), arn(scope, "archive", Some(&archive))));
                }
            }
            _ => {}
        }
        Ok(std::iter::once(need).chain(further).collect())
    }

    /// What an operation is about, without its action.
    fn own(&self, scope: &Scope, input: &Input) -> Result<Need, ServiceError> {
        let bus = |named: &Option<String>| Ok(self.of_bus(&name::bus(scope, named.as_deref())?));
        let rule = |bus: &Option<String>, rule: &Option<String>| {
            Ok(self.of_rule(&name::bus(scope, bus.as_deref())?, rule.as_deref().unwrap_or_default()))
        };
        let named = |kind: &str, name: &Option<String>| Ok(Need::of("", arn(scope, kind, name.as_deref())));
        match input {
            Input::CreateEventBus(input) => bus(&input.name),
            Input::DeleteEventBus(input) => bus(&input.name),
            Input::DescribeEventBus(input) => bus(&input.name),
            Input::UpdateEventBus(input) => bus(&input.name),
            Input::PutPermission(input) => bus(&input.event_bus_name),
            Input::RemovePermission(input) => bus(&input.event_bus_name),
            Input::ListRules(input) => bus(&input.event_bus_name),
            Input::ListRuleNamesByTarget(input) => bus(&input.event_bus_name),
            Input::PutRule(input) => rule(&input.event_bus_name, &input.name),
            Input::DeleteRule(input) => rule(&input.event_bus_name, &input.name),
            Input::DescribeRule(input) => rule(&input.event_bus_name, &input.name),
            Input::EnableRule(input) => rule(&input.event_bus_name, &input.name),
            Input::DisableRule(input) => rule(&input.event_bus_name, &input.name),
            Input::PutTargets(input) => rule(&input.event_bus_name, &input.rule),
            Input::RemoveTargets(input) => rule(&input.event_bus_name, &input.rule),
            Input::ListTargetsByRule(input) => rule(&input.event_bus_name, &input.rule),
            Input::TagResource(input) => self.of_tagged(&input.resource_arn),
            Input::UntagResource(input) => self.of_tagged(&input.resource_arn),
            Input::ListTagsForResource(input) => self.of_tagged(&input.resource_arn),
            Input::CreateArchive(input) => named("archive", &input.archive_name),
            Input::DescribeArchive(input) => named("archive", &input.archive_name),
            Input::UpdateArchive(input) => named("archive", &input.archive_name),
            Input::DeleteArchive(input) => named("archive", &input.archive_name),
            Input::StartReplay(input) => named("replay", &input.replay_name),
            Input::DescribeReplay(input) => named("replay", &input.replay_name),
            Input::CancelReplay(input) => named("replay", &input.replay_name),
            Input::ListEventBuses(_)
            | Input::ListArchives(_)
            | Input::ListReplays(_)
            | Input::PutEvents(_)
            | Input::TestEventPattern(_) => Ok(Need::of("", "*")),
        }
    }

    /// The right to put an event of this source and kind on the bus of an ARN, for whoever delivers.
    #[must_use]
    pub fn need_to_put(&self, bus: &ResourceArn, source: &str, detail_type: &str) -> Option<Need> {
        Some(self.put_need(&name::bus_of_arn(bus.as_str())?, source, detail_type, false))
    }

    /// The right to put an event of this source and kind on a bus: of callers, and of whoever delivers.
    pub(super) fn put_need(&self, bus: &BusId, source: &str, detail_type: &str, is_sent_on: bool) -> Need {
        let mut need = Need { action: format!("{SERVICE}:PutEvents"), ..self.of_bus(bus) };
        need.facts.set("events:source", source);
        need.facts.set("events:detail-type", detail_type);
        need.facts.set("events:eventBusInvocation", is_sent_on.to_string());
        need
    }

    fn to_put(&self, scope: &Scope, input: &api::PutEventsRequest) -> Result<Vec<Need>, ServiceError> {
        let mut asked = BTreeSet::new();
        for entry in input.entries.iter().flatten() {
            let text = |member: &Option<String>| member.clone().unwrap_or_default();
            let bus = name::bus(scope, entry.event_bus_name.as_deref())?;
            asked.insert((bus, text(&entry.source), text(&entry.detail_type)));
        }
        let need = |(bus, source, detail_type): &(BusId, String, String)| {
            self.put_need(bus, source, detail_type, false)
        };
        Ok(asked.iter().map(need).collect())
    }

    fn of_bus(&self, bus: &BusId) -> Need {
        let mut need = Need { policy: self.policy(bus), ..Need::of("", bus.arn()) };
        if let Ok(known) = self.bus(bus) {
            need.facts.set_resource_tags(&known.tags);
        }
        need
    }

    /// A rule goes by its bus's policy.
    fn of_rule(&self, bus: &BusId, rule: &str) -> Need {
        let mut need = Need { policy: self.policy(bus), ..Need::of("", bus.rule_arn(rule)) };
        if let Some(known) = self.rules.get(bus, rule) {
            need.facts.set_resource_tags(&known.value.tags);
        }
        let manager = self.managed_rule(bus, rule).and_then(|rule| rule.managed_by);
        need.facts.set_some("events:ManagedBy", manager);
        need
    }

    fn of_tagged(&self, arn: &Option<String>) -> Result<Need, ServiceError> {
        let need = match name::tagged(arn.as_deref().unwrap_or_default())? {
            Tagged::Bus(bus) => self.of_bus(&bus),
            Tagged::Rule(bus, rule) => self.of_rule(&bus, &rule),
        };
        // Tags are the owner's.
        Ok(Need { policy: None, ..need })
    }
}

fn arn(scope: &Scope, kind: &str, name: Option<&str>) -> String {
    format!("arn:aws:{SERVICE}:{}:{}:{kind}/{}", scope.region, scope.account, name.unwrap_or_default())
}

/// The right to give a rule each of these targets, and the roles that go with them.
fn to_target(need: Need, input: &api::PutTargetsRequest) -> Vec<Need> {
    let targets = || input.targets.iter().flatten();
    let of_target = |target: &api::Target| {
        let mut need = need.clone();
        need.facts.set_some("events:TargetArn", target.arn.as_deref());
        need
    };
    let roles = targets().filter_map(|target| target.role_arn.as_ref());
    let mut needs: Vec<Need> =
        targets().map(of_target).chain(roles.map(|role| Need::to_pass(role, SERVICE))).collect();
    if needs.is_empty() {
        needs.push(need);
    }
    needs
}

/// The right to give tags to what is made.
fn to_tag(need: &Need, tags: Option<&[Tag]>) -> Option<Need> {
    let has_tags = tags.is_some_and(|tags| !tags.is_empty());
    has_tags.then(|| Need { action: format!("{SERVICE}:TagResource"), policy: None, ..need.clone() })
}

/// What is known of the request.
fn facts(input: &Input) -> Context {
    let mut facts = Context::new();
    match input {
        Input::PutRule(input) => {
            facts.set_request_tags(pairs(input.tags.as_deref()));
            let pattern = input.event_pattern.as_deref().and_then(|text| serde_json::from_str(text).ok());
            of_pattern(&mut facts, &pattern.unwrap_or_default());
        }
        Input::CreateEventBus(input) => facts.set_request_tags(pairs(input.tags.as_deref())),
        Input::TagResource(input) => facts.set_request_tags(pairs(input.tags.as_deref())),
        Input::UntagResource(input) => facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default()),
        _ => {}
    }
    facts
}

fn of_pattern(facts: &mut Context, pattern: &Value) {
    for (key, path) in OF_PATTERNS {
        let part = path.iter().try_fold(pattern, |value, member| value.get(member));
        let values = part.and_then(Value::as_array).into_iter().flatten();
        let values: Vec<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
        if !values.is_empty() {
            facts.set_all(key, values);
        }
    }
}

fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (String, String)> {
    let pair = |tag: &Tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
    tags.unwrap_or_default().iter().map(pair)
}
