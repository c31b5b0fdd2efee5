//! What each operation needs the caller's leave for.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EventBridge".

use std::collections::BTreeSet;

use model::arn::Scope;
use model::bus::BusId;
use model::error::ServiceError;
use wire::events::{Input, Tag};

use super::{Events, SERVICE, name};
use crate::need::Need;

impl Events {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a bus is named by something that is no ARN of one.
    pub fn needs(&self, scope: &Scope, operation: &str, input: &Input) -> Result<Vec<Need>, ServiceError> {
        let action = format!("{}:{}", SERVICE, operation);
        let of = |resource: String| Need::of(action.clone(), resource);
        let of_bus =
            |named: Option<&str>| Ok(self.with_policy(&name::bus(scope, named)?, |bus| of(bus.arn())));
        let of_rule = |bus: Option<&str>, rule: Option<&str>| {
            Ok(self.with_policy(&name::bus(scope, bus)?, |bus| of(bus.rule_arn(rule.unwrap_or_default()))))
        };
        let named = |kind: &str, name: Option<&str>| {
            let name = name.unwrap_or_default();
            Ok(of(format!("arn:aws:events:{}:{}:{kind}/{name}", scope.region, scope.account)))
        };
        let need: Result<Need, ServiceError> = match input {
            Input::PutEvents(input) => {
                let entries = input.entries.iter().flatten();
                let buses: Result<BTreeSet<BusId>, ServiceError> =
                    entries.map(|entry| name::bus(scope, entry.event_bus_name.as_deref())).collect();
                return Ok(buses?.iter().map(|bus| self.with_policy(bus, |bus| of(bus.arn()))).collect());
            }
            Input::CreateEventBus(input) => of_bus(input.name.as_deref()),
            Input::DeleteEventBus(input) => of_bus(input.name.as_deref()),
            Input::DescribeEventBus(input) => of_bus(input.name.as_deref()),
            Input::UpdateEventBus(input) => of_bus(input.name.as_deref()),
            Input::PutPermission(input) => of_bus(input.event_bus_name.as_deref()),
            Input::RemovePermission(input) => of_bus(input.event_bus_name.as_deref()),
            Input::ListRules(input) => of_bus(input.event_bus_name.as_deref()),
            Input::ListRuleNamesByTarget(input) => of_bus(input.event_bus_name.as_deref()),
            Input::PutRule(input) => of_rule(input.event_bus_name.as_deref(), input.name.as_deref()),
            Input::DeleteRule(input) => of_rule(input.event_bus_name.as_deref(), input.name.as_deref()),
            Input::DescribeRule(input) => of_rule(input.event_bus_name.as_deref(), input.name.as_deref()),
            Input::EnableRule(input) => of_rule(input.event_bus_name.as_deref(), input.name.as_deref()),
            Input::DisableRule(input) => of_rule(input.event_bus_name.as_deref(), input.name.as_deref()),
            Input::PutTargets(input) => of_rule(input.event_bus_name.as_deref(), input.rule.as_deref()),
            Input::RemoveTargets(input) => of_rule(input.event_bus_name.as_deref(), input.rule.as_deref()),
            Input::ListTargetsByRule(input) => {
                of_rule(input.event_bus_name.as_deref(), input.rule.as_deref())
            }
            Input::TagResource(input) => Ok(of(input.resource_arn.clone().unwrap_or_default())),
            Input::UntagResource(input) => Ok(of(input.resource_arn.clone().unwrap_or_default())),
            Input::ListTagsForResource(input) => Ok(of(input.resource_arn.clone().unwrap_or_default())),
            Input::CreateArchive(input) => named("archive", input.archive_name.as_deref()),
            Input::DescribeArchive(input) => named("archive", input.archive_name.as_deref()),
            Input::UpdateArchive(input) => named("archive", input.archive_name.as_deref()),
            Input::DeleteArchive(input) => named("archive", input.archive_name.as_deref()),
            Input::StartReplay(input) => named("replay", input.replay_name.as_deref()),
            Input::DescribeReplay(input) => named("replay", input.replay_name.as_deref()),
            Input::CancelReplay(input) => named("replay", input.replay_name.as_deref()),
            Input::ListEventBuses(_)
            | Input::ListArchives(_)
            | Input::ListReplays(_)
            | Input::TestEventPattern(_) => Ok(of("*".to_owned())),
        };
        let mut needs = further(scope, input);
        needs.insert(0, need?);
        Ok(needs)
    }

    fn with_policy(&self, bus: &BusId, need: impl FnOnce(&BusId) -> Need) -> Need {
        Need { policy: self.route(bus).and_then(|route| route.policy.clone()), ..need(bus) }
    }
}

/// The roles that an operation hands over, and the tags that it gives to what it makes.
fn further(scope: &Scope, input: &Input) -> Vec<Need> {
    let has_tags = |tags: &Option<Vec<Tag>>| tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let (roles, tagged): (Vec<&String>, Option<String>) = match input {
        Input::PutRule(input) => {
            let bus = name::bus(scope, input.event_bus_name.as_deref()).ok();
            let rule = bus.map(|bus| bus.rule_arn(input.name.as_deref().unwrap_or_default()));
            (input.role_arn.iter().collect(), rule.filter(|_| has_tags(&input.tags)))
        }
        Input::PutTargets(input) => {
            (input.targets.iter().flatten().filter_map(|target| target.role_arn.as_ref()).collect(), None)
        }
        Input::CreateEventBus(input) if has_tags(&input.tags) => {
            (Vec::new(), name::bus(scope, input.name.as_deref()).ok().map(|bus| bus.arn()))
        }
        _ => (Vec::new(), None),
    };
    let pass = |role: &String| Need {
        facts: vec![("iam:PassedToService".to_owned(), format!("{SERVICE}.amazonaws.com"))],
        ..Need::of("iam:PassRole", role)
    };
    let tag = |arn: String| Need::of(format!("{SERVICE}:TagResource"), arn);
    roles.into_iter().map(pass).chain(tagged.map(tag)).collect()
}
