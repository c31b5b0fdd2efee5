//! AWS's cron: minutes, hours, day of month, month, day of week, year; of the two days one is `?`.
//!
//! `L` is the last day of the month or of the week, `nL` the last such weekday of the month, `nW` the weekday nearest to a
//! day within its month, `n#k` the k-th such weekday.

use jiff::civil::{Date, DateTime, Weekday};

use super::NotASchedule;
use super::field::{self, DAYS, HOURS, MINUTES, MONTHS, WEEKDAYS, YEARS};

/// When something is due, by the fields of a clock on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Vec<u16>,
    hours: Vec<u16>,
    days: Vec<Day>,
    months: Vec<u16>,
    years: Vec<u16>,
}

/// Days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Day {
    Of(Vec<u16>),
    Last,
    LastWorkday,
    Workday(u16),
    Weekdays(Vec<u16>),
    LastWeekday(u16),
    NthWeekday(u16, u32),
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, NotASchedule> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, of_month, month, of_week, year] = fields.as_slice() else {
            return Err(NotASchedule);
        };
        let days = match (*of_month, *of_week) {
            ("?", "?") => return Err(NotASchedule),
            (days, "?") => days.split(',').map(day_of_month).collect::<Result<_, _>>()?,
            ("?", days) => days_of_week(days)?,
            _ => return Err(NotASchedule),
        };
        Ok(Self {
            minutes: MINUTES.list(minutes)?,
            hours: HOURS.list(hours)?,
            days,
            months: MONTHS.list(month)?,
            years: YEARS.list(year)?,
        })
    }

    /// The first full minute after a time that all fields allow.
    pub(super) fn next_after(&self, local: DateTime) -> Option<DateTime> {
        let minute = local.with().second(0).subsec_nanosecond(0).build().ok()?;
        self.next_from(minute.checked_add(jiff::Span::new().minutes(1)).ok()?)
    }

    /// The first time not before another. Each field starts where the other stands as long as all before it do.
    fn next_from(&self, from: DateTime) -> Option<DateTime> {
        for &year in not_before(&self.years, from.year()) {
            let this_year = i32::from(year) == i32::from(from.year());
            for &month in not_before(&self.months, if this_year { from.month() } else { 1 }) {
                let month = i8::try_from(month).ok()?;
                let this_month = this_year && month == from.month();
                let first = Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
                for date in self.dates(first).filter(|date| !this_month || date.day() >= from.day()) {
                    let earliest = if date == from.date() { (from.hour(), from.minute()) } else { (0, 0) };
                    if let Some((hour, minute)) = self.time_from(earliest) {
                        return Some(date.at(hour, minute, 0, 0));
                    }
                }
            }
        }
        None
    }

    fn time_from(&self, (hour, minute): (i8, i8)) -> Option<(i8, i8)> {
        not_before(&self.hours, hour).iter().find_map(|&at| {
            let at = i8::try_from(at).ok()?;
            let minute = not_before(&self.minutes, if at == hour { minute } else { 0 }).first()?;
            Some((at, i8::try_from(*minute).ok()?))
        })
    }

    /// The days of a month that are meant, in their order.
    fn dates(&self, first: Date) -> impl Iterator<Item = Date> {
        (0..first.days_in_month())
            .filter_map(move |day| first.with().day(day + 1).build().ok())
            .filter(|date| self.days.iter().any(|day| day.holds(*date)))
    }
}

impl Day {
    fn holds(&self, date: Date) -> bool {
        let (day, weekday) = (date.day(), number(date.weekday()));
        match self {
            Self::Of(days) => days.contains(&day.unsigned_abs().into()),
            Self::Last => day == date.days_in_month(),
            Self::LastWorkday => nearest_workday(date.last_of_month()) == Some(date),
            Self::Workday(nearest_to) => i8::try_from(*nearest_to)
                .ok()
                .and_then(|day| date.with().day(day).build().ok())
                .is_some_and(|to| nearest_workday(to) == Some(date)),
            Self::Weekdays(days) => days.contains(&weekday),
            Self::LastWeekday(last) => weekday == *last && day + 7 > date.days_in_month(),
            Self::NthWeekday(nth, k) => weekday == *nth && u32::from(day.unsigned_abs()).div_ceil(7) == *k,
        }
    }
}

/// The day from Monday to Friday that is nearest, without leaving the month.
fn nearest_workday(date: Date) -> Option<Date> {
    let days = match date.weekday() {
        Weekday::Saturday if date.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if date.day() == date.days_in_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    date.checked_add(jiff::Span::new().days(days)).ok()
}

fn number(weekday: Weekday) -> u16 {
    weekday.to_sunday_one_offset().unsigned_abs().into()
}

fn not_before(list: &[u16], bound: impl Into<i32>) -> &[u16] {
    let bound = bound.into();
    &list[list.partition_point(|value| i32::from(*value) < bound)..]
}

fn day_of_month(item: &str) -> Result<Day, NotASchedule> {
    match item.to_ascii_uppercase().as_str() {
        "L" => Ok(Day::Last),
        "LW" => Ok(Day::LastWorkday),
        item => match item.strip_suffix('W') {
            Some(day) => Ok(Day::Workday(DAYS.value(day)?)),
            None => Ok(Day::Of(DAYS.list(item)?)),
        },
    }
}

/// The whole field, since `#` allows nothing beside itself.
fn days_of_week(text: &str) -> Result<Vec<Day>, NotASchedule> {
    if let Some((day, nth)) = text.split_once('#') {
        let nth = field::number(nth).filter(|nth| (1..=5).contains(nth)).ok_or(NotASchedule)?;
        return Ok(vec![Day::NthWeekday(WEEKDAYS.value(day)?, nth)]);
    }
    text.split(',')
        .map(|item| match item.strip_suffix(['L', 'l']) {
            Some("") => Ok(Day::Weekdays(vec![WEEKDAYS.high])),
            Some(day) => Ok(Day::LastWeekday(WEEKDAYS.value(day)?)),
            None => Ok(Day::Weekdays(WEEKDAYS.list(item)?)),
        })
        .collect()
}
