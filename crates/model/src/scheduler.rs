//! Schedules of EventBridge Scheduler and the groups that they are in.
//!
//! What an expression says stands here as the text that was given and checked; its meaning belongs to `schedule`.
//! Source: EventBridge Scheduler API Reference 2021-06-30.

use std::collections::BTreeMap;

use crate::arn::Scope;
use crate::time::Timestamp;

/// The group that every account has in every region, without making it.
pub const DEFAULT_GROUP: &str = "default";

/// Names one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// Account and region.
    pub scope: Scope,
    /// The name: letters, digits, `.`, `-` and `_`.
    pub name: String,
}

impl GroupId {
    /// Whether it is there without having been made.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_GROUP
    }

    /// `arn:aws:scheduler:REGION:ACCOUNT:schedule-group/NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:scheduler:{region}:{account}:schedule-group/{}", self.name)
    }

    /// The ARN of a schedule in it.
    #[must_use]
    pub fn schedule_arn(&self, schedule: &str) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:scheduler:{region}:{account}:schedule/{}/{schedule}", self.name)
    }
}

/// By whose request something was made, so that the same request is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The request's token.
    pub token: String,
    /// A digest of all that it asked for.
    pub digest: String,
}

/// A group of schedules.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it goes as soon as its schedules have gone.
    pub is_deleting: bool,
    /// When it was made; the default group never was.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub modified: Option<Timestamp>,
    /// By which request.
    pub made: Option<Made>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The group that it is in.
    pub group: GroupId,
    /// Unique there.
    pub name: String,
    /// When it is due.
    pub expression: String,
    /// The time zone in which that is read; UTC, without one.
    pub zone: Option<String>,
    /// Not before.
    pub start: Option<Timestamp>,
    /// Not after.
    pub end: Option<Timestamp>,
    /// What its owner says of it.
    pub description: Option<String>,
    /// Whether it is at work.
    pub is_enabled: bool,
    /// The key that its owner wants it encrypted with.
    pub kms_key: Option<String>,
    /// The minutes within which it is done after each time; at once, without any.
    pub window_minutes: Option<u32>,
    /// Whether it goes after its last time; nothing, if its owner did not say.
    pub goes_after: Option<bool>,
    /// What is done.
    pub target: ScheduleTarget,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// When its times last changed: a rate counts from here.
    pub since: Timestamp,
    /// When its only time was done.
    pub completed: Option<Timestamp>,
    /// By which request it was made.
    pub made: Option<Made>,
}

impl Schedule {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.group.schedule_arn(&self.name)
    }
}

/// What a schedule does.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleTarget {
    /// What is sent to.
    pub arn: String,
    /// The role with which it is sent.
    pub role: String,
    /// What is sent.
    pub input: Option<String>,
    /// `DetailType` and `Source`, for buses.
    pub event: Option<(String, String)>,
    /// The message group, for queues.
    pub group: Option<String>,
    /// Further attempts.
    pub retries_max: Option<u32>,
    /// Age in seconds at which it is given up.
    pub age_max_s: Option<u32>,
    /// The ARN of the queue for what was given up.
    pub dead_letter: Option<String>,
}
