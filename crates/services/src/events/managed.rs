//! Managed rules: the one that each archive has on its bus, which AWS calls `Events-Archive-NAME`.
//!
//! Nothing of it is kept: it is made of its archive whenever it is asked for, and comes, changes and goes with it. Events
//! reach archives without it. Users see it and cannot change it, nor delete it by force. A rule that a user had put under
//! its name before is the user's. Source: EventBridge User Guide, "Creating an event archive", and EventBridge API
//! Reference, `ManagedRuleException`.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::bus::{Archive, BusId, Rule, RuleState, RuleTarget, TargetInput};
use model::error::ServiceError;
use serde_json::{Map, Value, json};

use super::error::{managed, not_served};
use super::{Events, SERVICE};

const PREFIX: &str = "Events-Archive-";
/// Who manages the rules of archives.
const MANAGER: &str = "prod.vhs.events.aws.internal";

/// A rule as it is shown.
pub(super) struct Shown {
    pub(super) rule: Arc<Rule>,
    /// Who manages it, if it is not its user.
    pub(super) managed_by: Option<String>,
}

impl Shown {
    pub(super) fn own(rule: Arc<Rule>) -> Self {
        Self { rule, managed_by: None }
    }

    fn of_archive(archive: &Archive) -> Self {
        Self { rule: Arc::new(rule_of(archive)), managed_by: Some(MANAGER.to_owned()) }
    }
}

impl Events {
    /// All rules of a bus by name, with those of its archives.
    pub(super) fn shown_rules(&self, bus: &BusId) -> Vec<Shown> {
        let own =
            self.rules.all(bus).into_iter().map(|entry| (entry.value.name.clone(), Shown::own(entry.value)));
        let archives = self.archives.all(&bus.scope).into_iter().map(|entry| entry.value);
        let archives = archives.filter(|archive| archive.source == *bus);
        let managed = archives.map(|archive| (name_of(&archive), Shown::of_archive(&archive)));
        let by_name: BTreeMap<String, Shown> = managed.chain(own).collect();
        by_name.into_values().collect()
    }

    /// The rule of an archive.
    pub(super) fn managed_rule(&self, bus: &BusId, name: &str) -> Option<Shown> {
        let archive = self.archives.get(&bus.scope, name.strip_prefix(PREFIX)?)?.value;
        let is_managed = archive.source == *bus && self.rules.get(bus, name).is_none();
        is_managed.then(|| Shown::of_archive(&archive))
    }

    /// Refuses to change or delete the rule of an archive.
    pub(super) fn refuse_managed(
        &self,
        bus: &BusId,
        name: &str,
        force: Option<bool>,
    ) -> Result<(), ServiceError> {
        match self.managed_rule(bus, name) {
            None => Ok(()),
            Some(_) if force == Some(true) => {
                Err(not_served(&format!("Force for {name}, which goes with its archive,")))
            }
            Some(_) => Err(managed(name)),
        }
    }

    pub(super) fn has_archives(&self, bus: &BusId) -> bool {
        self.archives.all(&bus.scope).iter().any(|entry| entry.value.source == *bus)
    }
}

/// What the rule of an archive is called.
pub(super) fn name_of(archive: &Archive) -> String {
    format!("{PREFIX}{}", archive.name)
}

fn rule_of(archive: &Archive) -> Rule {
    let name = name_of(archive);
    let template = json!({
        "archive-arn": format!("{}:{}", archive.arn(), archive.serial),
        "event": "<aws.events.event.json>",
        "ingestion-time": "<aws.events.event.ingestion-time>",
    });
    let target = RuleTarget {
        id: name.clone(),
        arn: format!("arn:aws:{SERVICE}:{}:::", archive.scope.region),
        role: None,
        input: TargetInput::Template { paths: BTreeMap::new(), template: unquoted(&template.to_string()) },
        group: None,
        retries_max: None,
        age_max_s: None,
        dead_letter: None,
    };
    Rule {
        bus: archive.source.clone(),
        name,
        pattern: Some(pattern_of(archive.pattern.as_deref())),
        schedule: None,
        state: RuleState::Enabled,
        description: None,
        role: None,
        tags: BTreeMap::new(),
        since: archive.created,
        targets: vec![target],
    }
}

/// An archive's pattern; what is replayed is not archived again.
fn pattern_of(own: Option<&str>) -> String {
    let mut pattern: Map<String, Value> =
        own.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    pattern.insert("replay-name".to_owned(), json!([{ "exists": false }]));
    Value::Object(pattern).to_string()
}

/// A template's parts stand for JSON where they are not within quotation marks.
fn unquoted(template: &str) -> String {
    template.replace("\"<", "<").replace(">\"", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replayed_is_not_archived_again() {
        for (own, expected) in [
            (None, r#"{"replay-name":[{"exists":false}]}"#),
            (Some(r#"{"source":["s"]}"#), r#"{"replay-name":[{"exists":false}],"source":["s"]}"#),
            (Some(r#"{"replay-name":["x"]}"#), r#"{"replay-name":[{"exists":false}]}"#),
        ] {
            let pattern: Value = serde_json::from_str(&pattern_of(own)).expect("it is JSON");
            let expected: Value = serde_json::from_str(expected).expect("it is JSON");
            assert_eq!(pattern, expected, "{own:?}");
        }
    }
}
