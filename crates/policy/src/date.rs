//! Points in time as policies write them: ISO 8601 with or without time, zone and fraction; or seconds since 1970.
//!
//! Source: IAM User Guide, "Date condition operators", and W3C's note "Date and Time Formats".

/// Milliseconds since the epoch.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 4 {
        return text.parse::<i64>().ok()?.checked_mul(1_000);
    }
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| number(text, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let millis = time.map_or(Some(0), of_day)?;
    Some(days_since_epoch(year, month, day) * 86_400_000 + millis)
}

/// Milliseconds since midnight in Greenwich.
fn of_day(time: &str) -> Option<i64> {
    let at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(at);
    let offset_min = match zone.split_at(1) {
        ("Z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let offset =
                number(hours, 2).filter(|h| *h < 24)? * 60 + number(minutes, 2).filter(|m| *m < 60)?;
            match sign {
                "+" => offset,
                "-" => -offset,
                _ => return None,
            }
        }
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
            let millis = fraction.map_or(Some(0), millis)?;
            (number(whole, 2).filter(|second| *second <= 60)?, millis)
        }
    };
    parts.next().is_none().then_some(((hour * 60 + minute - offset_min) * 60 + second) * 1_000 + millis)
}

fn millis(fraction: &str) -> Option<i64> {
    let legal = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| format!("{fraction:0<3}")[..3].parse().ok()).flatten()
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let legal = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| text.parse().ok()).flatten()
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The proleptic Gregorian calendar, its years beginning in March so that the leap day is a year's last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970", Some(0)),
            ("1970-02", Some(31 * 86_400_000)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2026-11-28T16:30:00.25Z", Some(1_795_883_400_250)),
            ("2026-11-28T18:30+02:00", Some(1_795_883_400_000)),
            ("2026-11-28T14:30:00-02:00", Some(1_795_883_400_000)),
            ("1795883400", Some(1_795_883_400_000)),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-11-28T16:30:00", None),
            ("2026-11-28T24:00:00Z", None),
            ("2026-11-28T16:30:00Zulu", None),
            ("99999999999999999999", None),
            ("", None),
            ("now", None),
        ] {
            assert_eq!(instant(text), expect, "{text}");
        }
    }
}
