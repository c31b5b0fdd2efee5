//! Logs: read back, followed, bounded; and what is lost is said.
//!
//! Reading waits for what was appended before, so no test has to wait on its own; what is followed comes within
//! a deadline that only a broken writer exceeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dormouse_store::logs::{
    Direction, FOLLOWERS_MAX, Followed, Follower, LogBounds, LogError, LogFiles, OWN_STREAM, Place, Search,
    Wanted,
};
use model::log::{LogEvent, LogGroup, Mark};
use model::port::LogSink;
use model::time::Timestamp;

use crate::samples::{event, group};

const PATIENCE: Duration = Duration::from_secs(10);

async fn all(logs: &LogFiles, group: &LogGroup) -> Vec<String> {
    let events = logs.read(group, Timestamp::default(), usize::MAX).await.unwrap();
    events.into_iter().map(|event| event.message).collect()
}

async fn next(follower: &mut Follower) -> Option<Followed> {
    tokio::time::timeout(PATIENCE, follower.next()).await.expect("the follower was forgotten")
}

fn message(followed: Option<Followed>) -> String {
    match followed {
        Some(Followed::Event(event)) => event.message.clone(),
        other => panic!("{other:?}"),
    }
}

/// Every file below a folder with its size.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let len = fs::metadata(&path).unwrap().len();
            found.push((path, len));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn events_are_read_back_in_order_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (group("/aws/lambda/one"), group("/aws/lambda/other"));
    let odd = LogEvent {
        stream: "2026/11/23/[$LATEST]ab".into(),
        ..event(3, "tab\t, \"quote\", ünïcode, \u{0}")
    };
    let logs = LogFiles::open(dir.path()).unwrap();
    logs.append(&one, vec![event(1, "a"), event(2, "b")]);
    logs.append(&other, vec![event(1, "x")]);
    logs.append(&one, vec![odd.clone()]);
    logs.append(&one, vec![]);
    let expected = [event(1, "a"), event(2, "b"), odd];
    assert_eq!(logs.read(&one, Timestamp::default(), 100).await.unwrap(), expected);
    drop(logs);

    let logs = LogFiles::open(dir.path()).unwrap();
    assert_eq!(logs.read(&one, Timestamp::default(), 100).await.unwrap(), expected);
    assert_eq!(logs.read(&one, Timestamp::default(), 2).await.unwrap(), expected[1..], "the newest");
    assert_eq!(logs.read(&one, Timestamp::from_millis(2), 100).await.unwrap(), expected[1..]);
    assert_eq!(logs.read(&one, Timestamp::default(), 0).await.unwrap(), []);
    assert_eq!(all(&logs, &other).await, ["x"]);
    assert_eq!(all(&logs, &group("/aws/lambda/never")).await, [""; 0]);
}

#[tokio::test]
async fn a_group_keeps_to_its_bound_by_dropping_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogBounds { group_bytes_max: 4_000, file_bytes_max: 1_000, ..LogBounds::default() };
    let group = group("g");
    for round in 0..4 {
        let logs = LogFiles::open_bounded(dir.path(), bounds).unwrap();
        for number in 0..100 {
            logs.append(&group, vec![event(number, &format!("{}", round * 100 + number))]);
        }
        let kept = all(&logs, &group).await;
        let newest = (round + 1) * 100;
        let expected: Vec<_> =
            (newest - i64::try_from(kept.len()).unwrap()..newest).map(|n| n.to_string()).collect();
        assert_eq!(kept, expected, "without a gap");
        assert!(kept.len() >= 80, "{}", kept.len());
        let total: u64 = files(dir.path()).iter().map(|(_, len)| len).sum();
        assert!(total <= 4_000, "{total}");
    }
}

#[tokio::test]
async fn a_follower_goes_on_exactly_where_the_history_ends() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Arc::new(LogFiles::open(dir.path()).unwrap());
    let group = group("g");
    let writer = {
        let (logs, group) = (Arc::clone(&logs), Arc::clone(&group));
        tokio::spawn(async move {
            for number in 0..2_000 {
                logs.append(&group, vec![event(number, &number.to_string())]);
                tokio::task::yield_now().await;
            }
        })
    };
    while all(&logs, &group).await.len() < 100 {
        tokio::task::yield_now().await;
    }
    let (history, mut follower) = logs.follow_from(&group, Timestamp::default(), usize::MAX).await.unwrap();
    let mut seen: Vec<_> = history.into_iter().map(|event| event.message).collect();
    writer.await.unwrap();
    while seen.len() < 2_000 {
        seen.push(message(next(&mut follower).await));
    }
    assert_eq!(seen, (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn followers_hear_their_group_only_and_end_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogFiles::open(dir.path()).unwrap();
    let mut follower = logs.follow(&group("mine")).await.unwrap();
    logs.append(&group("other"), vec![event(1, "not this")]);
    logs.append(&group("mine"), vec![event(2, "this")]);
    assert_eq!(message(next(&mut follower).await), "this");
    logs.append(&group("mine"), vec![event(3, "and this")]);
    logs.close();
    assert_eq!(message(next(&mut follower).await), "and this");
    assert_eq!(next(&mut follower).await, None);
    assert!(matches!(logs.follow(&group("mine")).await, Err(LogError::Stopping)));
}

#[tokio::test]
async fn a_slow_follower_is_told_what_it_missed_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogBounds { follower_bytes_max: 1_000, ..LogBounds::default() };
    let logs = LogFiles::open_bounded(dir.path(), bounds).unwrap();
    let group = group("g");
    let mut slow = logs.follow(&group).await.unwrap();
    for number in 0..500 {
        logs.append(&group, vec![event(number, &number.to_string())]);
    }
    assert_eq!(all(&logs, &group).await.len(), 500);
    let mut received = 0;
    let lost = loop {
        match next(&mut slow).await {
            Some(Followed::Event(event)) => assert_eq!(event.message, received.to_string()),
            Some(Followed::Lost(lost)) => break lost,
            None => panic!("the server still runs"),
        }
        received += 1;
    };
    assert!(received > 0);
    assert_eq!(received + lost, 500);
    logs.append(&group, vec![event(500, "after")]);
    assert_eq!(message(next(&mut slow).await), "after");
}

#[tokio::test]
async fn followers_are_bounded_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogFiles::open(dir.path()).unwrap();
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS_MAX {
        followers.push(logs.follow(&group("g")).await.unwrap());
    }
    assert!(matches!(logs.follow(&group("g")).await, Err(LogError::TooManyFollowers)));
    followers.pop();
    logs.follow(&group("h")).await.unwrap();
}

#[tokio::test]
async fn events_dropped_from_a_full_queue_are_counted_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogBounds { queue_bytes_max: 1_000, ..LogBounds::default() };
    let logs = LogFiles::open_bounded(dir.path(), bounds).unwrap();
    let group = group("g");
    logs.append(&group, vec![event(1, "before")]);
    assert_eq!(all(&logs, &group).await, ["before"]);
    logs.append(&group, vec![event(2, &"x".repeat(2_000)), event(3, "with it")]);
    logs.append(&group, vec![event(4, &"y".repeat(2_000))]);
    logs.append(&group, vec![event(5, "after")]);
    let events = logs.read(&group, Timestamp::default(), 100).await.unwrap();
    let notice = events.iter().find(|event| &*event.stream == OWN_STREAM).expect("a notice");
    assert!(notice.message.contains(" 3 log events"), "{}", notice.message);
    assert_eq!(notice.at, Timestamp::from_millis(4));
    assert_eq!(events.len(), 3);
    assert_eq!(logs.events_dropped(), 3);
}

#[tokio::test]
async fn a_group_that_cannot_be_written_hears_of_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogFiles::open(dir.path()).unwrap();
    let group = group("g");
    let mut follower = logs.follow(&group).await.unwrap();
    // A file stands where the account's folder has to be.
    let obstacle = dir.path().join(group.scope.account.as_str());
    fs::write(&obstacle, "").unwrap();
    logs.append(&group, vec![event(1, "a"), event(2, "b")]);
    assert_eq!(message(next(&mut follower).await), "a");
    assert_eq!(message(next(&mut follower).await), "b");
    fs::remove_file(&obstacle).unwrap();
    logs.append(&group, vec![event(3, "c")]);
    let messages = all(&logs, &group).await;
    assert_eq!(messages[0], "c");
    assert!(messages[1].contains(" 2 log events"), "{messages:?}");
}

#[tokio::test]
async fn a_line_torn_by_a_crash_costs_no_other_line() {
    let dir = tempfile::tempdir().unwrap();
    let group = group("g");
    let logs = LogFiles::open(dir.path()).unwrap();
    logs.append(&group, vec![event(1, "whole"), event(2, "torn")]);
    drop(logs);
    let (path, len) = files(dir.path()).pop().unwrap();
    for cut in 1..10 {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len - cut).unwrap();
        let logs = LogFiles::open(dir.path()).unwrap();
        logs.append(&group, vec![event(3, "next")]);
        let expected: &[&str] = if cut == 1 { &["whole", "torn", "next"] } else { &["whole", "next"] };
        assert_eq!(all(&logs, &group).await, expected, "cut {cut}");
    }
}

fn open_log_files() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("many-groups")).count()
}

#[tokio::test]
async fn many_groups_keep_few_files_open() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("many-groups");
    let bounds = LogBounds { open_groups_max: 8, ..LogBounds::default() };
    let logs = LogFiles::open_bounded(&dir, bounds).unwrap();
    for round in 0..2 {
        for number in 0..300 {
            logs.append(&group(&format!("g{number}")), vec![event(round, &format!("{round}-{number}"))]);
        }
    }
    for number in [0, 150, 299] {
        let expected = [format!("0-{number}"), format!("1-{number}")];
        assert_eq!(all(&logs, &group(&format!("g{number}"))).await, expected);
    }
    assert_eq!(files(&dir).len(), 300);
    let open = open_log_files();
    assert!((1..=8).contains(&open), "{open}");
}

#[tokio::test]
async fn pages_cut_by_bytes_pass_nothing_over() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogFiles::open(dir.path()).unwrap();
    let group = group("/shop");
    let event = |at: i64, bytes: usize| LogEvent {
        stream: "s".into(),
        at: Timestamp::from_millis(at),
        message: "m".repeat(bytes),
    };
    // Files are read from their ends: the page is cut at 3 before the small event at 4 is met,
    // which would still fit.
    for (at, bytes) in [(4, 10), (3, 90), (1, 30), (2, 40)] {
        logs.put(&group, vec![event(at, bytes)], Timestamp::from_millis(9)).await.unwrap();
    }
    let pages = |backward: bool| {
        let (logs, group) = (&logs, &group);
        async move {
            let mut direction =
                if backward { Direction::Before(None) } else { Direction::From(Place::START) };
            let mut times = Vec::new();
            loop {
                let wanted: Wanted = Box::new(|_, _| true);
                let search = Search { times: 0..=9, direction, count_max: 10, bytes_max: 100, wanted };
                let page = logs.search(group, search).await.unwrap();
                let found: Vec<i64> = page.events.iter().map(|found| found.event.at.as_millis()).collect();
                let (Some(first), Some(last)) = (page.events.first(), page.events.last()) else {
                    return times;
                };
                direction = if backward {
                    Direction::Before(Some(first.place))
                } else {
                    Direction::From(last.place.next())
                };
                times.push(found);
                if !page.more {
                    return times;
                }
            }
        }
    };
    assert_eq!(pages(false).await, [vec![1, 2], vec![3, 4]]);
    assert_eq!(pages(true).await, [vec![3, 4], vec![1, 2]]);
    logs.end_stream(&group, "s", Timestamp::from_millis(9)).await.unwrap();
    assert!(logs.streams(&group, Timestamp::default(), |_| true).await.unwrap().is_empty());
}

/// Reads on from a mark to the end, in small steps; the messages, the mark behind them, and whether any were missed.
async fn onward(logs: &LogFiles, group: &LogGroup, mut mark: Mark) -> (Vec<String>, Mark, bool) {
    let (mut messages, mut missed) = (Vec::new(), false);
    loop {
        let read = logs.onward(group, mark, 100).await.unwrap();
        messages.extend(read.events.into_iter().map(|found| found.event.message));
        missed |= read.missed;
        if !read.more {
            return (messages, read.mark, missed);
        }
        assert_ne!(read.mark, mark);
        mark = read.mark;
    }
}

#[tokio::test]
async fn what_is_written_is_read_onward_from_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogBounds { group_bytes_max: 4_000, file_bytes_max: 1_000, ..LogBounds::default() };
    let group = group("g");
    let logs = LogFiles::open_bounded(dir.path(), bounds).unwrap();
    assert_eq!(onward(&logs, &group, Mark::default()).await, (vec![], Mark::default(), false));
    // Longer than a step, and over several files.
    let texts: Vec<String> = (0..40).map(|number| format!("{number}{}", "x".repeat(number * 5))).collect();
    for (at, text) in (0..).zip(&texts[..20]) {
        logs.append(&group, vec![event(at, text)]);
    }
    let (read, mark, missed) = onward(&logs, &group, Mark::default()).await;
    assert_eq!((&read[..], missed), (&texts[..20], false));
    assert_eq!(mark, logs.end(&group).await.unwrap());
    assert!(mark.file > 1, "{mark:?}");
    drop(logs);
    let logs = LogFiles::open_bounded(dir.path(), bounds).unwrap();
    for (at, text) in (0..).zip(&texts[20..30]) {
        logs.append(&group, vec![event(at, text)]);
    }
    let (read, mark, missed) = onward(&logs, &group, mark).await;
    assert_eq!((&read[..], missed), (&texts[20..30], false));
    // What a crash of the machine takes back is passed over; what comes then is read.
    let lost = Mark { offset: mark.offset + 10_000, ..mark };
    assert_eq!(onward(&logs, &group, lost).await.1, mark);
    for round in 0..20 {
        logs.append(&group, vec![event(round, &"y".repeat(500))]);
    }
    let (read, mark, missed) = onward(&logs, &group, lost).await;
    assert!(missed && !read.is_empty() && read.len() < 20, "{}", read.len());
    // Files that expire, and a group that is made anew.
    logs.expire(&group, Timestamp::from_millis(i64::MAX)).await.unwrap();
    assert!(all(&logs, &group).await.is_empty());
    logs.append(&group, vec![event(50, "young")]);
    assert_eq!(onward(&logs, &group, mark).await.0, ["young"]);
    logs.delete(&group).await.unwrap();
    logs.append(&group, vec![event(60, "anew")]);
    assert_eq!(onward(&logs, &group, mark).await.0, ["anew"]);
}

#[tokio::test]
async fn every_bell_of_a_group_rings_when_it_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogFiles::open(dir.path()).unwrap();
    let group = group("g");
    let bells = [logs.bell(&group), logs.bell(&group)];
    logs.append(&group, vec![event(1, "one")]);
    for bell in bells {
        tokio::time::timeout(PATIENCE, bell.notified()).await.expect("a bell was forgotten");
    }
}
