//! The port between services that have schedules and whoever keeps time for them.
//!
//! A service says what is at work and what has changed; whoever keeps time asks for a plan, waits, and tells the service
//! what is due. A schedule is named by its ARN.

use std::sync::Arc;
use std::time::Duration;

use super::{Expression, Zone};
use crate::port::Pending;
use crate::time::Timestamp;

/// Names a schedule within its service: its ARN.
pub type ScheduleKey = Arc<str>;

/// When a schedule is due, and until when it is worth doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The times.
    pub expression: Expression,
    /// Where they are read.
    pub zone: Zone,
    /// What a rate counts from.
    pub since: Timestamp,
    /// Not before; says nothing of one time only.
    pub from: Option<Timestamp>,
    /// Not after; says nothing of one time only.
    pub until: Option<Timestamp>,
    /// How long after each time it is done: its place in a flexible window.
    pub offset: Duration,
    /// Of one time only: how long after it has been missed it is still made up for.
    pub age_max: Duration,
}

impl Plan {
    /// The first time after another.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.expression.is_once() {
            return self.expression.next_after(after, self.since, &self.zone);
        }
        let just_before = |from: Timestamp| Timestamp::from_millis(from.as_millis().saturating_sub(1));
        let after = self.from.map_or(after, |from| after.max(just_before(from)));
        let due = self.expression.next_after(after, self.since, &self.zone)?;
        self.until.is_none_or(|until| due <= until).then_some(due)
    }

    /// The plan as it is for a clock that shows this. One that shows less than when the plan was made was wrong then: a rate
    /// that need not begin at a given time keeps its span, and does not wait until the clock has come there.
    #[must_use]
    pub fn seen_at(&self, now: Timestamp) -> Self {
        let mut plan = self.clone();
        if let (Some(period), None) = (self.expression.period(), self.from) {
            let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
            let ahead = self.since.as_millis().saturating_sub(now.as_millis()).max(0);
            let spans = ahead.div_euclid(period).saturating_add(i64::from(ahead % period != 0));
            let since = self.since.as_millis().saturating_sub(spans.saturating_mul(period));
            plan.since = Timestamp::from_millis(since);
        }
        plan
    }

    /// The only time, if there is only one.
    #[must_use]
    pub fn once(&self) -> Option<Timestamp> {
        let ever = Timestamp::from_millis(i64::MIN);
        self.expression.is_once().then(|| self.expression.next_after(ever, self.since, &self.zone)).flatten()
    }
}

/// Nothing was written down; it is still to be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotFired(pub String);

/// The schedules of one service.
pub trait Timetable: Send + Sync {
    /// All that are at work.
    fn keys(&self) -> Vec<ScheduleKey>;

    /// What is planned of one; nothing, if it is not at work.
    fn plan(&self, key: &str) -> Option<Plan>;

    /// Answers as soon as schedules have been made, changed, switched or removed, with their names. One waits at a time.
    fn changed(&self) -> Pending<'_, Vec<ScheduleKey>>;

    /// Does what is due at a time; when this returns, it has been written down.
    ///
    /// # Errors
    /// [`NotFired`]; then it is tried again.
    fn fire<'a>(&'a self, key: &'a str, due: Timestamp) -> Pending<'a, Result<(), NotFired>>;

    /// A plan has no further time. Says nothing of a schedule that is planned otherwise by now.
    ///
    /// # Errors
    /// [`NotFired`]; then it is told again.
    fn over<'a>(&'a self, _key: &'a str, _plan: &'a Plan) -> Pending<'a, Result<(), NotFired>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
