//! When something is due: AWS's `rate(…)`, `cron(…)` and `at(…)`, in a time zone.
//!
//! Pure: the zones' rules are built in, nobody's clock is read. All work is bounded by the years that AWS knows, 1970 to
//! 2199; what is never due again is `None`.
//!
//! Where clocks are set forward, a cron time that does not exist is left out; where they are set back, one that exists
//! twice counts once, the first time. Source: EventBridge Scheduler User Guide, "Schedule types"; EventBridge User Guide,
//! "Cron expressions reference".

mod cron;
mod field;
mod timetable;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::time::Timestamp;
use cron::Cron;
pub use timetable::{NotFired, Plan, ScheduleKey, Timetable};

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Rate(Duration),
    Cron(Cron),
    At(DateTime),
}

/// A text that says nothing about times. Each service has its own sentence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a schedule expression")]
pub struct NotASchedule;

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time, in which scheduled rules are read.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of a name such as `Europe/Berlin`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// When a clock there shows this time, if it ever does; the first time, if twice.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let there = self.0.to_ambiguous_timestamp(local);
        let exists = !matches!(there.offset(), AmbiguousOffset::Gap { .. });
        there
            .earlier()
            .ok()
            .filter(|_| exists)
            .map(|instant| Timestamp::from_millis(instant.as_millisecond()))
    }

    fn local(&self, instant: Timestamp) -> Option<DateTime> {
        jiff::Timestamp::from_millisecond(instant.as_millis()).ok().map(|instant| self.0.to_datetime(instant))
    }
}

impl Expression {
    /// The schedule of EventBridge Scheduler.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotASchedule> {
        let (kind, inside) =
            text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or(NotASchedule)?;
        let form = match kind {
            "rate" => Form::Rate(rate(inside)?.0),
            "cron" => Form::Cron(Cron::parse(inside)?),
            "at" => Form::At(at(inside)?),
            _ => return Err(NotASchedule),
        };
        Ok(Self(form))
    }

    /// The schedule of a rule on a bus: it is not for one time only, and says `1 minute` but `2 minutes`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_of_rule(text: &str) -> Result<Self, NotASchedule> {
        let expression = Self::parse(text)?;
        let inside = text.strip_prefix("rate(").and_then(|text| text.strip_suffix(')'));
        match (&expression.0, inside.map(rate)) {
            (Form::At(_), _) | (_, Some(Ok((_, false)))) => Err(NotASchedule),
            _ => Ok(expression),
        }
    }

    /// Whether it is due once and never again.
    #[must_use]
    pub fn is_once(&self) -> bool {
        matches!(self.0, Form::At(_))
    }

    /// The span of time after which it comes again, whatever the clock shows.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        match self.0 {
            Form::Rate(period) => Some(period),
            _ => None,
        }
    }

    /// The first time after another at which it is due. A rate counts from `start`, which itself is the first time.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, start: Timestamp, zone: &Zone) -> Option<Timestamp> {
        match &self.0 {
            Form::Rate(period) => next_of_rate(*period, after, start),
            Form::Cron(cron) => next_of_cron(cron, after, zone),
            // What falls into the hour that is left out is due when the clocks have been set.
            Form::At(local) => {
                let instant = zone.0.to_ambiguous_timestamp(*local).compatible().ok()?;
                Some(Timestamp::from_millis(instant.as_millisecond())).filter(|instant| *instant > after)
            }
        }
    }
}

fn next_of_rate(period: Duration, after: Timestamp, start: Timestamp) -> Option<Timestamp> {
    if after < start {
        return Some(start);
    }
    let period = i64::try_from(period.as_millis()).ok()?;
    let passed = after.as_millis().checked_sub(start.as_millis())? / period;
    let next = passed.checked_add(1)?.checked_mul(period)?.checked_add(start.as_millis())?;
    Some(Timestamp::from_millis(next))
}

fn next_of_cron(cron: &Cron, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let mut local = zone.local(after)?;
    // In a repeated hour what is due was due the first time, so up to so many candidates lie before `after`.
    loop {
        local = cron.next_after(local)?;
        if let Some(instant) = zone.instant(local).filter(|instant| *instant > after) {
            return Some(instant);
        }
    }
}

/// A period, and whether its unit agrees with its number.
fn rate(inside: &str) -> Result<(Duration, bool), NotASchedule> {
    let (value, unit) = inside.split_once(' ').ok_or(NotASchedule)?;
    let (number, unit) = (field::number(value).ok_or(NotASchedule)?, unit.trim());
    let (unit, plural) = unit.strip_suffix('s').map_or((unit, false), |unit| (unit, true));
    let minutes = match unit {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => return Err(NotASchedule),
    };
    if number == 0 {
        return Err(NotASchedule);
    }
    Ok((Duration::from_secs(u64::from(number) * minutes * 60), plural == (number > 1)))
}

/// `yyyy-mm-ddThh:mm:ss`, and no other way to write it.
fn at(inside: &str) -> Result<DateTime, NotASchedule> {
    DateTime::strptime("%Y-%m-%dT%H:%M:%S", inside)
        .ok()
        .filter(|local| local.strftime("%Y-%m-%dT%H:%M:%S").to_string() == inside)
        .ok_or(NotASchedule)
}
