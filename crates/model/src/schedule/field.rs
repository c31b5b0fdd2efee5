//! One field of a cron expression: a list of numbers, ranges and steps, with names for months and days.
//!
//! A field is the sorted list of the numbers that it allows.

use super::NotASchedule;

/// What a field may say.
pub(super) struct Bounds {
    pub(super) low: u16,
    pub(super) high: u16,
    /// The names of the numbers from `low` on.
    pub(super) names: &'static [&'static str],
}

pub(super) const MINUTES: Bounds = Bounds { low: 0, high: 59, names: &[] };
pub(super) const HOURS: Bounds = Bounds { low: 0, high: 23, names: &[] };
pub(super) const DAYS: Bounds = Bounds { low: 1, high: 31, names: &[] };
pub(super) const MONTHS: Bounds = Bounds {
    low: 1,
    high: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// Sunday is the first.
pub(super) const WEEKDAYS: Bounds =
    Bounds { low: 1, high: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };
pub(super) const YEARS: Bounds = Bounds { low: 1970, high: 2199, names: &[] };

/// Digits alone, at most nine: no sign, no space.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl Bounds {
    /// A number in bounds, or its name.
    pub(super) fn value(&self, text: &str) -> Result<u16, NotASchedule> {
        let named = self.names.iter().zip(self.low..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = named.map(|(_, value)| value).or_else(|| u16::try_from(number(text)?).ok());
        value.filter(|value| (self.low..=self.high).contains(value)).ok_or(NotASchedule)
    }

    /// A whole field.
    pub(super) fn list(&self, text: &str) -> Result<Vec<u16>, NotASchedule> {
        let mut all = Vec::new();
        for item in text.split(',') {
            all.extend(self.item(item)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// `*`, `a`, `a-b`, each with `/step`; a number with a step goes on to the end.
    fn item(&self, text: &str) -> Result<impl Iterator<Item = u16> + use<>, NotASchedule> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0).ok_or(NotASchedule)?)),
            None => (text, None),
        };
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((low, high)) => (self.value(low)?, self.value(high)?),
            None => {
                let low = self.value(range)?;
                (low, if step.is_some() { self.high } else { low })
            }
        };
        if low > high {
            return Err(NotASchedule);
        }
        Ok((low..=high).step_by(usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX)))
    }
}
