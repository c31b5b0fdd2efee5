//! Points in time in the forms that AWS uses on the wire. All are UTC; times outside the years 1 to 9999 are
//! written as the nearest of them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::time::Timestamp;

/// `LastModified` of a function: `2026-11-23T15:00:00.000+0000`.
#[must_use]
pub fn last_modified(time: Timestamp) -> String {
    format!("{}.{:03}+0000", civil(time).strftime("%Y-%m-%dT%H:%M:%S"), millis_part(time))
}

/// `LastModified` of a provisioned concurrency configuration: `2026-11-23T15:00:00+0000`.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> String {
    civil(time).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// RFC 3339 with milliseconds: `2026-11-23T15:00:00.000Z`.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    format!("{}.{:03}Z", civil(time).strftime("%Y-%m-%dT%H:%M:%S"), millis_part(time))
}

/// The form of web servers' logs: `23/Nov/2026:15:00:00 +0000`.
#[must_use]
pub fn common_log(time: Timestamp) -> String {
    civil(time).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// SigV4's form: `20261123T150000Z`.
#[must_use]
pub fn basic(time: Timestamp) -> String {
    civil(time).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Parses SigV4's form.
#[must_use]
pub fn parse_basic(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if (bytes[8], bytes[15]) != (b'T', b'Z') {
        return None;
    }
    let pair = |at: usize| match (bytes[at], bytes[at + 1]) {
        (tens @ b'0'..=b'9', ones @ b'0'..=b'9') => i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok(),
        _ => None,
    };
    let year = i16::from(pair(0)?) * 100 + i16::from(pair(2)?);
    let civil = DateTime::new(year, pair(4)?, pair(6)?, pair(9)?, pair(11)?, pair(13)?, 0).ok()?;
    Some(Timestamp::from_millis(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// Parses RFC 3339 with any offset.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp::from_millis(time.as_millisecond()))
}

/// The `Date` header of HTTP: `Mon, 23 Nov 2026 15:00:00 GMT`.
#[must_use]
pub fn http_date(time: Timestamp) -> String {
    civil(time).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Parses the `Date` header.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    Some(Timestamp::from_millis(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// Seconds since the epoch with three decimals, the JSON form of a timestamp: `1795446000.000`.
#[must_use]
pub fn epoch_seconds(time: Timestamp) -> String {
    let millis = time.as_millis();
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

fn civil(time: Timestamp) -> DateTime {
    let bounded =
        time.as_millis().clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
    let time = jiff::Timestamp::from_millisecond(bounded).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time)
}

fn millis_part(time: Timestamp) -> i64 {
    time.as_millis().rem_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTERNOON: Timestamp = Timestamp::from_millis(1_795_446_000_042);

    #[test]
    fn every_form() {
        assert_eq!(last_modified(AFTERNOON), "2026-11-23T15:00:00.042+0000");
        assert_eq!(whole_seconds(AFTERNOON), "2026-11-23T15:00:00+0000");
        assert_eq!(rfc3339(AFTERNOON), "2026-11-23T15:00:00.042Z");
        assert_eq!(basic(AFTERNOON), "20261123T150000Z");
        assert_eq!(http_date(AFTERNOON), "Mon, 23 Nov 2026 15:00:00 GMT");
        assert_eq!(epoch_seconds(AFTERNOON), "1795446000.042");
        assert_eq!(epoch_seconds(Timestamp::from_millis(-1)), "-0.001");
    }

    #[test]
    fn forms_parse_back() {
        let second = Timestamp::from_millis(1_795_446_000_000);
        assert_eq!(parse_basic("20261123T150000Z"), Some(second));
        assert_eq!(parse_http_date("Mon, 23 Nov 2026 15:00:00 GMT"), Some(second));
        assert_eq!(parse_rfc3339("2026-11-23T16:00:00.042+01:00"), Some(AFTERNOON));
        for wrong in ["", "20261123T150000", "20261323T150000Z", "2026112 T150000Z", "20261123T150000é"] {
            assert_eq!(parse_basic(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn far_times_are_written_too() {
        for millis in [i64::MIN, i64::MAX] {
            let time = Timestamp::from_millis(millis);
            assert!(!last_modified(time).is_empty() && !basic(time).is_empty());
        }
    }
}
