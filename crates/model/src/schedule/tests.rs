//! Known dates of each form, what is refused, and that the next time is the first one that every field allows.
//!
//! The property compares with the plainest reading of a field, minute by minute.

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

fn instant(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn text(instant: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(instant.as_millis()).unwrap().to_string()
}

/// The next times of an expression, each after the one before.
fn check(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    let parsed = Expression::parse(expression).unwrap();
    let (zone, start) = (Zone::named(zone).unwrap(), instant("2024-01-01T00:00:00Z"));
    let mut now = instant(after);
    for expected in expected {
        now = parsed
            .next_after(now, start, &zone)
            .unwrap_or_else(|| panic!("{expression} ends before {expected}"));
        assert_eq!(text(now), *expected, "{expression}");
    }
}

#[test]
fn cron_in_utc() {
    let check = |expression: &str, after: &str, expected: &[&str]| check(expression, "UTC", after, expected);
    check("cron(0 10 * * ? *)", "2024-02-28T10:00:00Z", &["2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z"]);
    check(
        "cron(0/15 * * * ? *)",
        "2024-12-31T23:44:59.999Z",
        &["2024-12-31T23:45:00Z", "2025-01-01T00:00:00Z"],
    );
    check(
        "cron(1/10 8-9 ? * MON-FRI *)",
        "2024-06-07T09:41:00Z",
        &["2024-06-07T09:51:00Z", "2024-06-10T08:01:00Z"],
    );
    check("cron(0 0 29 2 ? *)", "2024-03-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("cron(0 0 29 FEB ? *)", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    check(
        "cron(0 0 L * ? *)",
        "2023-02-01T00:00:00Z",
        &["2023-02-28T00:00:00Z", "2023-03-31T00:00:00Z", "2023-04-30T00:00:00Z"],
    );
    check("cron(0 0 31 * ? *)", "2023-01-31T00:00:00Z", &["2023-03-31T00:00:00Z", "2023-05-31T00:00:00Z"]);
    check("cron(0 0 ? * L *)", "2024-06-01T00:00:00Z", &["2024-06-08T00:00:00Z"]);
    check("cron(0 0 ? * 6L *)", "2024-06-01T00:00:00Z", &["2024-06-28T00:00:00Z", "2024-07-26T00:00:00Z"]);
    check("cron(0 0 ? * FRIL *)", "2024-06-01T00:00:00Z", &["2024-06-28T00:00:00Z"]);
    check("cron(0 0 ? * 3#2 *)", "2024-06-01T00:00:00Z", &["2024-06-11T00:00:00Z", "2024-07-09T00:00:00Z"]);
    check("cron(0 0 ? * MON#5 *)", "2024-06-01T00:00:00Z", &["2024-07-29T00:00:00Z", "2024-09-30T00:00:00Z"]);
    check(
        "cron(5,35 14 1,15 jan,jul ? 2025-2026)",
        "2024-06-01T00:00:00Z",
        &["2025-01-01T14:05:00Z", "2025-01-01T14:35:00Z", "2025-01-15T14:05:00Z"],
    );
    check("cron(0 12 * * ? 2030/5)", "2030-12-31T12:00:00Z", &["2035-01-01T12:00:00Z"]);
}

#[test]
fn the_nearest_workday_stays_in_its_month() {
    let check = |expression: &str, after: &str, expected: &[&str]| check(expression, "UTC", after, expected);
    // Saturday the first: Monday the third. Sunday the last: Friday before.
    check("cron(0 0 1W * ? *)", "2024-05-31T00:00:00Z", &["2024-06-03T00:00:00Z", "2024-07-01T00:00:00Z"]);
    check("cron(0 0 30W 6 ? *)", "2024-06-01T00:00:00Z", &["2024-06-28T00:00:00Z", "2025-06-30T00:00:00Z"]);
    check("cron(0 0 15W 6 ? *)", "2024-06-01T00:00:00Z", &["2024-06-14T00:00:00Z"]);
    check("cron(0 0 16W 6 ? *)", "2024-06-01T00:00:00Z", &["2024-06-17T00:00:00Z"]);
    check("cron(0 0 LW * ? *)", "2024-06-01T00:00:00Z", &["2024-06-28T00:00:00Z", "2024-07-31T00:00:00Z"]);
    check("cron(0 0 31W * ? *)", "2024-06-01T00:00:00Z", &["2024-07-31T00:00:00Z", "2024-08-30T00:00:00Z"]);
}

#[test]
fn clocks_are_set_forward_and_back() {
    // New York: 2024-03-10 02:00 is followed by 03:00, 2024-11-03 02:00 by 01:00.
    let zone = "America/New_York";
    check(
        "cron(30 2 * * ? *)",
        zone,
        "2024-03-09T00:00:00Z",
        &["2024-03-09T07:30:00Z", "2024-03-11T06:30:00Z"],
    );
    check(
        "cron(30 1 * * ? *)",
        zone,
        "2024-11-02T12:00:00Z",
        &["2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"],
    );
    check("cron(30 1 * * ? *)", zone, "2024-11-03T05:59:00Z", &["2024-11-04T06:30:00Z"]);
    check(
        "cron(0/30 * * * ? *)",
        zone,
        "2024-11-03T05:00:00Z",
        &["2024-11-03T05:30:00Z", "2024-11-03T07:00:00Z"],
    );
    check(
        "cron(0/30 * * * ? *)",
        zone,
        "2024-03-10T06:00:00Z",
        &["2024-03-10T06:30:00Z", "2024-03-10T07:00:00Z"],
    );
    check("at(2024-03-10T02:30:00)", zone, "2024-01-01T00:00:00Z", &["2024-03-10T07:30:00Z"]);
    check("at(2024-07-01T09:00:30)", "Asia/Kolkata", "2024-01-01T00:00:00Z", &["2024-07-01T03:30:30Z"]);
    check("rate(1 day)", zone, "2024-03-09T12:00:00Z", &["2024-03-10T00:00:00Z", "2024-03-11T00:00:00Z"]);
    assert_eq!(Zone::named("Mars/Olympus"), None);
}

#[test]
fn rates_count_from_their_start() {
    let rate = Expression::parse("rate(5 minutes)").unwrap();
    let start = instant("2024-01-01T00:00:30Z");
    for (after, expected) in [
        ("2023-01-01T00:00:00Z", "2024-01-01T00:00:30Z"),
        ("2024-01-01T00:00:30Z", "2024-01-01T00:05:30Z"),
        ("2024-01-01T00:05:29Z", "2024-01-01T00:05:30Z"),
        ("2024-01-01T01:02:00Z", "2024-01-01T01:05:30Z"),
    ] {
        assert_eq!(rate.next_after(instant(after), start, &Zone::UTC).map(text).as_deref(), Some(expected));
    }
}

#[test]
fn what_is_over_is_never_due() {
    for (expression, after) in [
        ("cron(0 0 30 2 ? *)", "2024-01-01T00:00:00Z"),
        ("cron(0 0 ? 2 MON#5 2025)", "2024-01-01T00:00:00Z"),
        ("cron(0 0 * * ? 2023)", "2024-01-01T00:00:00Z"),
        ("cron(0 0 1 1 ? *)", "2199-01-01T00:00:00Z"),
        ("at(2024-01-01T00:00:00)", "2024-01-01T00:00:00Z"),
    ] {
        let parsed = Expression::parse(expression).unwrap();
        assert_eq!(parsed.next_after(instant(after), Timestamp::default(), &Zone::UTC), None, "{expression}");
    }
    let far = Timestamp::from_millis(i64::MAX);
    for expression in ["rate(1 minute)", "cron(* * * * ? *)", "at(2024-01-01T00:00:00)"] {
        assert_eq!(
            Expression::parse(expression).unwrap().next_after(far, Timestamp::default(), &Zone::UTC),
            None
        );
    }
}

#[test]
fn what_is_no_schedule() {
    for bad in [
        "",
        "rate",
        "rate()",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate(5minutes)",
        "rate(5 seconds)",
        "rate(1.5 hours)",
        "rate(5 minutes",
        "Rate(5 minutes)",
        "rate(+5 minutes)",
        "cron()",
        "cron(* * * * *)",
        "cron(* * * * ? * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(* * 1 * 2 *)",
        "cron(60 * * * ? *)",
        "cron(* 24 * * ? *)",
        "cron(* * 0 * ? *)",
        "cron(* * 32 * ? *)",
        "cron(* * * 13 ? *)",
        "cron(* * ? * 8 *)",
        "cron(* * ? * 0 *)",
        "cron(* * * * ? 1969)",
        "cron(* * * * ? 2200)",
        "cron(0/0 * * * ? *)",
        "cron(5-1 * * * ? *)",
        "cron(, * * * ? *)",
        "cron(* * ? * 2#6 *)",
        "cron(* * ? * 3#1,6#3 *)",
        "cron(* * W * ? *)",
        "cron(L * * * ? *)",
        "cron(* * * JANU ? *)",
        "cron(? * * * ? *)",
        "at(2024-13-01T00:00:00)",
        "at(2024-01-01)",
        "at(2024-01-01T00:00:00Z)",
        "at(2024-1-1T00:00:00)",
        "at(2024-02-30T00:00:00)",
        "every(5 minutes)",
        "cron(9999999999 * * * ? *)",
    ] {
        assert_eq!(Expression::parse(bad), Err(NotASchedule), "{bad}");
    }
    for (text, of_rule) in [
        ("rate(1 minute)", true),
        ("rate(1 minutes)", false),
        ("rate(5 minutes)", true),
        ("rate(5 minute)", false),
        ("rate(1 hour)", true),
        ("rate(7 days)", true),
        ("cron(0 12 * * ? *)", true),
        ("at(2024-01-01T00:00:00)", false),
    ] {
        assert!(Expression::parse(text).is_ok(), "{text}");
        assert_eq!(Expression::parse_of_rule(text).is_ok(), of_rule, "{text}");
    }
}

fn field(low: u16, high: u16) -> impl Strategy<Value = String> {
    let range = (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    prop_oneof![
        Just("*".to_owned()),
        (low..=high).prop_map(|value| value.to_string()),
        range,
        (low..=high, 1_u16..20).prop_map(|(value, step)| format!("{value}/{step}")),
        (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

/// Whether a field allows a number, read in the plainest way.
fn allows(field: &str, value: u16) -> bool {
    let number = |text: &str| text.parse::<u16>().unwrap();
    field == "*"
        || field.split(',').any(|item| match (item.split_once('-'), item.split_once('/')) {
            (Some((low, high)), _) => (number(low)..=number(high)).contains(&value),
            (_, Some((low, step))) => {
                value >= number(low) && (value - number(low)).is_multiple_of(number(step))
            }
            _ => number(item) == value,
        })
}

proptest! {
    #[test]
    fn the_next_time_is_the_first_that_all_fields_allow(
        minutes in field(0, 59), hours in field(0, 23), day in field(1, 31), month in field(1, 12),
        weekday in field(1, 7), by_week: bool, after_s in 1_600_000_000_i64..1_900_000_000,
    ) {
        let days = if by_week { format!("? {month} {weekday}") } else { format!("{day} {month} ?") };
        let expression = Expression::parse(&format!("cron({minutes} {hours} {days} *)")).unwrap();
        let after = Timestamp::from_millis(after_s * 1_000);
        let next = expression.next_after(after, after, &Zone::UTC);
        let allowed = |local: DateTime| {
            let unsigned = |value: i8| u16::from(value.unsigned_abs());
            let weekday_number = unsigned(local.weekday().to_sunday_one_offset());
            allows(&minutes, unsigned(local.minute()))
                && allows(&hours, unsigned(local.hour()))
                && allows(&month, unsigned(local.month()))
                && if by_week { allows(&weekday, weekday_number) } else { allows(&day, unsigned(local.day())) }
        };
        if let Some(next) = next {
            prop_assert!(next > after && allowed(Zone::UTC.local(next).unwrap()));
            prop_assert_eq!(next.as_millis() % 60_000, 0);
        }
        // Nothing was passed over: within two days, minute by minute.
        let first = (after_s / 60 + 1..after_s / 60 + 2_880)
            .map(|minute| Timestamp::from_millis(minute * 60_000))
            .find(|instant| allowed(Zone::UTC.local(*instant).unwrap()));
        if let Some(first) = first {
            prop_assert_eq!(next, Some(first));
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(rate|cron|at)\\([0-9*?LW#,/A-Z :T-]{0,30}\\)") {
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.next_after(Timestamp::default(), Timestamp::default(), &Zone::UTC);
        }
    }
}
