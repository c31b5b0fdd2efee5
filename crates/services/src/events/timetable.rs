//! Scheduled rules as a timetable: when each is due, and the event that it sends then.
//!
//! Nothing is kept of the times that were done: what was due while the server was down is not made up for, and no two rules
//! wait for each other.

use std::time::Duration;

use model::bus::Rule;
use model::port::Pending;
use model::schedule::{Expression, NotFired, Plan, ScheduleKey, Timetable, Zone};
use model::time::Timestamp;

use super::Events;
use super::name::{self, Tagged};

impl Timetable for Events {
    fn keys(&self) -> Vec<ScheduleKey> {
        self.scheduled().iter().map(|rule| rule.arn().into()).collect()
    }

    fn plan(&self, key: &str) -> Option<Plan> {
        let rule = self.at_work(key)?;
        let expression = Expression::parse_of_rule(rule.schedule.as_deref()?).ok()?;
        let (zone, offset, age_max) = (Zone::UTC, Duration::ZERO, Duration::ZERO);
        Some(Plan { expression, zone, since: rule.since, from: None, until: None, offset, age_max })
    }

    fn changed(&self) -> Pending<'_, Vec<ScheduleKey>> {
        Box::pin(self.changes.next())
    }

    fn fire<'a>(&'a self, key: &'a str, due: Timestamp) -> Pending<'a, Result<(), NotFired>> {
        Box::pin(async move {
            let Some(rule) = self.at_work(key) else { return Ok(()) };
            Events::fire(self, &rule, due).await.map_err(|error| NotFired(error.to_string()))
        })
    }
}

impl Events {
    /// A rule that is at work.
    fn at_work(&self, arn: &str) -> Option<Rule> {
        let Ok(Tagged::Rule(bus, name)) = name::tagged(arn) else { return None };
        let rule = self.rules.get(&bus, &name)?.value;
        (rule.schedule.is_some() && rule.is_enabled()).then(|| Rule::clone(&rule))
    }
}
