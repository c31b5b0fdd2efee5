//! Event buses: the rules that pick events from them, where these send them, and archives from which they come again.
//!
//! What a pattern, a schedule or a template says stands here as the text that was given and checked; its meaning belongs to
//! `pattern`, `schedule` and the service. Source: EventBridge API Reference 2015-10-07.

use std::collections::BTreeMap;

use crate::arn::Scope;
use crate::time::Timestamp;

/// The bus that every account has in every region, without making it.
pub const DEFAULT: &str = "default";

/// Names one bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusId {
    /// Account and region.
    pub scope: Scope,
    /// The name: letters, digits, `.`, `-`, `_` and `/`.
    pub name: String,
}

impl BusId {
    /// The default bus of an account in a region.
    #[must_use]
    pub fn default_of(scope: Scope) -> Self {
        Self { scope, name: DEFAULT.to_owned() }
    }

    /// Whether it is there without having been made.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        arn(&self.scope, "event-bus", &self.name)
    }

    /// The ARN of a rule of this bus; the default bus is not named in it.
    #[must_use]
    pub fn rule_arn(&self, rule: &str) -> String {
        if self.is_default() {
            return arn(&self.scope, "rule", rule);
        }
        arn(&self.scope, "rule", &format!("{}/{rule}", self.name))
    }
}

fn arn(scope: &Scope, kind: &str, name: &str) -> String {
    format!("arn:aws:events:{}:{}:{kind}/{name}", scope.region, scope.account)
}

/// A bus.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBus {
    /// Its name.
    pub id: BusId,
    /// What its owner says of it.
    pub description: Option<String>,
    /// The key that its owner wants it encrypted with.
    pub kms_key: Option<String>,
    /// The ARN of the queue that its owner wants for what cannot be encrypted or routed.
    pub dead_letter: Option<String>,
    /// What its owner wants logged.
    pub log: Option<BusLog>,
    /// Who else may use it.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made; the default bus never was.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub modified: Option<Timestamp>,
}

/// What is logged of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusLog {
    /// `NONE` or `FULL`.
    pub detail: Option<String>,
    /// `OFF`, `ERROR`, `INFO` or `TRACE`.
    pub level: Option<String>,
}

/// Whether a rule is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleState {
    /// It is.
    Enabled,
    /// It is not.
    Disabled,
    /// It is, also for events of CloudTrail that only read.
    EnabledWithAllManagementEvents,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose events it sees.
    pub bus: BusId,
    /// Unique on its bus.
    pub name: String,
    /// Which events it picks.
    pub pattern: Option<String>,
    /// When it sends one by itself.
    pub schedule: Option<String>,
    /// Whether it is at work.
    pub state: RuleState,
    /// What its owner says of it.
    pub description: Option<String>,
    /// The role for its targets.
    pub role: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When its schedule began: a rate counts from here.
    pub since: Timestamp,
    /// Where it sends events.
    pub targets: Vec<RuleTarget>,
}

impl Rule {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.bus.rule_arn(&self.name)
    }

    /// Whether it does anything.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state != RuleState::Disabled
    }
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTarget {
    /// Unique in its rule.
    pub id: String,
    /// What is sent to.
    pub arn: String,
    /// The role with which it is sent.
    pub role: Option<String>,
    /// What is sent.
    pub input: TargetInput,
    /// The message group, for queues.
    pub group: Option<String>,
    /// Further attempts.
    pub retries_max: Option<u32>,
    /// Age in seconds at which an event is given up.
    pub age_max_s: Option<u32>,
    /// The ARN of the queue for events that were given up.
    pub dead_letter: Option<String>,
}

/// What a target gets of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetInput {
    /// All of it.
    Whole,
    /// Always this JSON.
    Constant(String),
    /// The part at this path.
    Path(String),
    /// A text with parts in it.
    Template {
        /// The paths of the parts, by name.
        paths: BTreeMap<String, String>,
        /// The text.
        template: String,
    },
}

/// An archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// Account and region.
    pub scope: Scope,
    /// Unique there.
    pub name: String,
    /// What its events are filed under, so that a later archive of the same name begins empty.
    pub serial: String,
    /// Whose events it keeps.
    pub source: BusId,
    /// What its owner says of it.
    pub description: Option<String>,
    /// Which events it keeps; all, without one.
    pub pattern: Option<String>,
    /// For how many days; for ever, if none.
    pub retention_days: u32,
    /// The key that its owner wants it encrypted with.
    pub kms_key: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

impl Archive {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        arn(&self.scope, "archive", &self.name)
    }
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayState {
    /// Not begun.
    Starting,
    /// Under way.
    Running,
    /// To be stopped.
    Cancelling,
    /// All events were sent.
    Completed,
    /// Stopped.
    Cancelled,
    /// Broken off.
    Failed,
}

impl ReplayState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

/// Events of an archive sent to their bus once more.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Account and region.
    pub scope: Scope,
    /// Unique there.
    pub name: String,
    /// What its owner says of it.
    pub description: Option<String>,
    /// The name of the archive.
    pub archive: String,
    /// Where its events are filed.
    pub serial: String,
    /// The bus.
    pub bus: BusId,
    /// The ARNs of the rules that see the events; all of the bus, if none is named.
    pub rules: Vec<String>,
    /// Events from this time on.
    pub from: Timestamp,
    /// Up to this one.
    pub to: Timestamp,
    /// How far it is.
    pub state: ReplayState,
    /// Why it is so.
    pub reason: Option<String>,
    /// The time of the last event that was sent.
    pub last: Option<Timestamp>,
    /// When it began.
    pub started: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
}

impl Replay {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        arn(&self.scope, "replay", &self.name)
    }
}
