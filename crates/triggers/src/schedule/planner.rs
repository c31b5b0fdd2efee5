//! What is due when: the next time of every schedule, in the order of their times. Pure: the time is given.
//!
//! Per schedule there is one entry and at most one time. A time that has passed is taken once, however far the clock has
//! gone past it and how many times it has left out. Where the clock is set back by at most [`CORRECTION_MIN`], what was
//! done is not done again; a clock set back by more was wrong before, and is believed now. A rate is a span between two
//! times and goes on with its span wherever the clock is set. A schedule for one time that was missed is made up for as
//! long as its plan says; missed times of others are not.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::schedule::{Plan, ScheduleKey};
use model::time::Timestamp;

/// A clock that is set back by more than this was wrong before; as `cron` has it.
const CORRECTION_MIN: Duration = Duration::from_secs(3 * 3_600);
/// The pause after the first failure; each later one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A service, and a schedule of it.
pub(super) type Place = (usize, ScheduleKey);

/// See the module.
#[derive(Default)]
pub(super) struct Planner {
    entries: HashMap<Place, Entry>,
    times: BTreeSet<(Timestamp, Place)>,
    /// What the clock last showed.
    seen: Option<Timestamp>,
}

struct Entry {
    state: State,
    /// The last time that was done.
    fired: Option<Timestamp>,
    /// How often the time at hand has failed.
    failures: u32,
}

#[derive(Clone, Copy)]
enum State {
    /// `due` is to be done at `at`.
    Waiting { at: Timestamp, due: Timestamp },
    /// It is being done.
    Firing { due: Timestamp },
    /// Nothing is planned.
    Over,
}

impl Planner {
    /// Takes notice of the time. Whether the clock was set back, so that all is to be [`Planner::set`] again.
    pub(super) fn observe(&mut self, now: Timestamp) -> bool {
        let Some(seen) = self.seen.replace(now).filter(|seen| now < *seen) else { return false };
        if seen.since(now) > CORRECTION_MIN {
            self.entries.values_mut().for_each(|entry| entry.fired = None);
        }
        true
    }

    /// Plans the next time of a schedule, or forgets it. Whether it is never due again.
    pub(super) fn set(&mut self, place: &Place, plan: Option<&Plan>, now: Timestamp) -> bool {
        let known = self.entries.get(place);
        if let Some(Entry { state: State::Firing { .. }, .. }) = known {
            // Planned when that has been done.
            return false;
        }
        let Some(plan) = plan else {
            self.unplan(place);
            self.entries.remove(place);
            return false;
        };
        let plan = &plan.seen_at(now);
        if let Some(Entry { state: State::Waiting { at, due }, .. }) = known
            && *at <= now
            && is_time_of(plan, *due)
        {
            // Its time has come already.
            return false;
        }
        let fired = known.and_then(|entry| entry.fired);
        self.unplan(place);
        let next = first(plan, now, fired);
        let state = match next {
            Some(due) => self.wait(place, due.after(plan.offset), due),
            None => State::Over,
        };
        self.entries.insert(place.clone(), Entry { state, fired, failures: 0 });
        next.is_none()
    }

    /// The next time at which something is to be done.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Up to so many schedules whose time has come, each with the time that it is for. They wait for
    /// [`Planner::done`] or [`Planner::failed`].
    pub(super) fn take_due(&mut self, now: Timestamp, count_max: usize) -> Vec<(Place, Timestamp)> {
        let mut taken = Vec::new();
        while taken.len() < count_max && self.next().is_some_and(|at| at <= now) {
            let Some((_, place)) = self.times.pop_first() else { break };
            let Some(entry) = self.entries.get_mut(&place) else { continue };
            let State::Waiting { due, .. } = entry.state else { continue };
            entry.state = State::Firing { due };
            taken.push((place, due));
        }
        taken
    }

    /// What was taken has been done; it is to be [`Planner::set`] again.
    pub(super) fn done(&mut self, place: &Place) {
        if let Some(entry) = self.entries.get_mut(place)
            && let State::Firing { due } = entry.state
        {
            *entry = Entry { state: State::Over, fired: Some(due), failures: 0 };
        }
    }

    /// What was taken has not been done, and is due again after a pause.
    pub(super) fn failed(&mut self, place: &Place, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let State::Firing { due } = entry.state else { return };
        let at = now.after(pause_after(entry.failures));
        entry.failures += 1;
        entry.state = State::Waiting { at, due };
        self.times.insert((at, place.clone()));
    }

    fn wait(&mut self, place: &Place, at: Timestamp, due: Timestamp) -> State {
        self.times.insert((at, place.clone()));
        State::Waiting { at, due }
    }

    fn unplan(&mut self, place: &Place) {
        if let Some(Entry { state: State::Waiting { at, .. }, .. }) = self.entries.get(place) {
            self.times.remove(&(*at, place.clone()));
        }
    }
}

/// The pause after a failure that so many others came before.
pub(super) fn pause_after(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX)
}

fn is_time_of(plan: &Plan, due: Timestamp) -> bool {
    plan.next_after(Timestamp::from_millis(due.as_millis().saturating_sub(1))) == Some(due)
}

/// The time that is to be done next.
fn first(plan: &Plan, now: Timestamp, fired: Option<Timestamp>) -> Option<Timestamp> {
    if let Some(time) = plan.once() {
        let is_new = fired.is_none_or(|fired| fired < time);
        return Some(time).filter(|time| is_new && now <= time.after(plan.offset).after(plan.age_max));
    }
    let offset = i64::try_from(plan.offset.as_millis()).unwrap_or(i64::MAX);
    let now = Timestamp::from_millis(now.as_millis().saturating_sub(offset));
    let next = plan.next_after(now)?;
    match fired.filter(|fired| next <= *fired) {
        None => Some(next),
        // A whole span lies between now and the next time.
        Some(_) if plan.expression.period().is_some() => plan.next_after(next),
        Some(fired) => plan.next_after(fired),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::schedule::{Expression, Zone};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);
    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;

    fn plan(expression: &str, zone: &str) -> Plan {
        Plan {
            expression: Expression::parse(expression).unwrap(),
            zone: Zone::named(zone).unwrap(),
            since: time("2026-01-01T00:00:00Z"),
            from: None,
            until: None,
            offset: Duration::ZERO,
            age_max: DAY,
        }
    }

    fn time(text: &str) -> Timestamp {
        wire::time::parse_rfc3339(text).unwrap()
    }

    fn moved(time: Timestamp, millis: i64) -> Timestamp {
        Timestamp::from_millis(time.as_millis() + millis)
    }

    /// A planner with one schedule and a clock.
    struct Clocked {
        planner: Planner,
        plan: Plan,
        place: Place,
        now: Timestamp,
        over: bool,
    }

    impl Clocked {
        fn new(plan: Plan, now: &str) -> Self {
            let place: Place = (0, Arc::from("arn"));
            let (mut planner, now) = (Planner::default(), time(now));
            planner.observe(now);
            let over = planner.set(&place, Some(&plan), now);
            Self { planner, plan, place, now, over }
        }

        /// What the timer does when the clock shows this: what is done.
        fn at(&mut self, now: Timestamp) -> Vec<String> {
            self.now = now;
            if self.planner.observe(now) {
                self.planner.set(&self.place, Some(&self.plan), now);
            }
            let taken = self.planner.take_due(now, 9);
            for (place, _) in &taken {
                self.planner.done(place);
                self.over = self.planner.set(place, Some(&self.plan), now);
            }
            taken.into_iter().map(|(_, due)| wire::time::whole_seconds(due)).collect()
        }

        /// Lets the clock run, with a look at it every second.
        fn run(&mut self, span_ms: i64) -> Vec<String> {
            let end = moved(self.now, span_ms);
            let mut done = Vec::new();
            while self.now < end {
                done.extend(self.at(moved(self.now, 1_000).min(end)));
            }
            done
        }

        fn jump(&mut self, by_ms: i64) -> Vec<String> {
            self.at(moved(self.now, by_ms))
        }
    }

    fn hours(done: &[String]) -> Vec<&str> {
        done.iter().map(|time| &time[11..16]).collect()
    }

    #[test]
    fn each_time_is_done_once() {
        let mut clock = Clocked::new(plan("cron(0/15 * * * ? *)", "UTC"), "2026-06-01T12:00:00Z");
        assert_eq!(hours(&clock.run(HOUR)), ["12:15", "12:30", "12:45", "13:00"]);
        let mut clock = Clocked::new(plan("rate(20 minutes)", "UTC"), "2026-06-01T12:00:00Z");
        assert_eq!(hours(&clock.run(HOUR)), ["12:20", "12:40", "13:00"]);
    }

    #[test]
    fn a_clock_that_is_set_forward_does_each_schedule_once() {
        for expression in ["cron(* * * * ? *)", "rate(1 minute)"] {
            let mut clock = Clocked::new(plan(expression, "UTC"), "2026-06-01T12:00:30Z");
            assert_eq!(hours(&clock.jump(5 * HOUR)), ["12:01"], "{expression}");
            assert_eq!(hours(&clock.run(2 * MINUTE)), ["17:01", "17:02"], "{expression}");
        }
        let mut once = Clocked::new(plan("at(2026-06-01T13:00:00)", "UTC"), "2026-06-01T12:00:00Z");
        assert_eq!(hours(&once.jump(5 * HOUR)), ["13:00"]);
        assert_eq!((once.over, once.run(2 * HOUR).len()), (true, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_does_nothing_again() {
        let mut clock = Clocked::new(plan("cron(0/10 * * * ? *)", "UTC"), "2026-06-01T12:00:30Z");
        assert_eq!(hours(&clock.run(30 * MINUTE)), ["12:10", "12:20", "12:30"]);
        assert_eq!(clock.jump(-HOUR).len(), 0);
        assert_eq!(hours(&clock.run(HOUR + 10 * MINUTE)), ["12:40"]);
        let mut once = Clocked::new(plan("at(2026-06-01T12:10:00)", "UTC"), "2026-06-01T12:00:00Z");
        assert_eq!(once.run(HOUR).len(), 1);
        assert_eq!(once.jump(-HOUR).len(), 0);
        assert_eq!(once.run(2 * HOUR).len(), 0);
    }

    #[test]
    fn a_time_that_is_still_to_come_is_done_at_its_time_wherever_the_clock_is_set() {
        let mut clock = Clocked::new(plan("at(2026-06-01T13:00:00)", "UTC"), "2026-06-01T12:30:00Z");
        assert_eq!(clock.jump(-HOUR).len(), 0);
        assert_eq!(clock.run(89 * MINUTE).len(), 0);
        assert_eq!(hours(&clock.run(MINUTE)), ["13:00"]);
    }

    #[test]
    fn a_rate_goes_on_with_its_span_when_the_clock_is_set_back() {
        let mut clock = Clocked::new(plan("rate(10 minutes)", "UTC"), "2026-06-01T12:00:30Z");
        assert_eq!(hours(&clock.run(10 * MINUTE)), ["12:10"]);
        // A second back, over the time that was just done: it is not done again.
        assert_eq!(clock.jump(-31_000).len(), 0);
        assert_eq!(hours(&clock.run(11 * MINUTE)), ["12:20"]);
        assert_eq!(clock.jump(-24 * HOUR).len(), 0);
        assert_eq!(clock.run(9 * MINUTE).len(), 0, "not sooner than after its span");
        assert_eq!(clock.run(60 * MINUTE).len(), 6);
    }

    #[test]
    fn a_rate_made_by_a_clock_that_was_ahead_does_not_wait_for_that_time() {
        let made = Plan { since: time("2030-06-01T12:00:30Z"), ..plan("rate(10 minutes)", "UTC") };
        let mut clock = Clocked::new(made.clone(), "2030-06-01T12:05:00Z");
        assert_eq!(clock.at(time("2026-06-01T12:05:00Z")).len(), 0);
        assert_eq!(clock.run(HOUR).len(), 6);
        // Also when only the next server sees it.
        assert_eq!(Clocked::new(made.clone(), "2026-06-01T12:05:00Z").run(HOUR).len(), 6);
        let begins = Plan { from: Some(made.since), ..made };
        assert_eq!(Clocked::new(begins, "2026-06-01T12:05:00Z").run(HOUR).len(), 0, "as was asked for");
    }

    #[test]
    fn a_clock_that_was_years_ahead_is_corrected_without_a_stall() {
        let mut clock = Clocked::new(plan("cron(0 * * * ? *)", "UTC"), "2030-06-01T12:30:00Z");
        assert_eq!(hours(&clock.run(HOUR)), ["13:00"]);
        assert_eq!(clock.at(time("2026-06-01T12:30:00Z")).len(), 0);
        assert_eq!(hours(&clock.run(HOUR)), ["13:00"]);
    }

    #[test]
    fn an_hour_that_is_left_out_or_comes_twice() {
        let mut spring = Clocked::new(plan("cron(30 2 * * ? *)", "Europe/Berlin"), "2026-03-28T12:00:00Z");
        assert_eq!(spring.run(24 * HOUR).len(), 0, "there is no half past two");
        assert_eq!(hours(&spring.run(24 * HOUR)), ["00:30"]);
        let mut autumn = Clocked::new(plan("cron(30 2 * * ? *)", "Europe/Berlin"), "2026-10-24T12:00:00Z");
        assert_eq!(hours(&autumn.run(24 * HOUR)), ["00:30"], "the first of two");
        assert_eq!(hours(&autumn.run(24 * HOUR)), ["01:30"]);
        let mut rate = Clocked::new(plan("rate(1 hour)", "Europe/Berlin"), "2026-10-25T00:00:30Z");
        assert_eq!(rate.run(4 * HOUR).len(), 4, "a rate knows no zone");
    }

    #[test]
    fn what_was_missed() {
        let (at, now) = ("at(2026-06-01T12:00:00)", "2026-06-01T12:59:00Z");
        let missed = |plan: Plan| {
            let mut clock = Clocked::new(plan, now);
            let now = clock.now;
            (clock.at(now).len(), clock.over)
        };
        let hour = Duration::from_secs(3_600);
        assert_eq!(missed(Plan { age_max: hour, ..plan(at, "UTC") }), (1, true));
        assert_eq!(missed(Plan { age_max: hour / 2, ..plan(at, "UTC") }), (0, true));
        assert_eq!(missed(plan("cron(0 * * * ? *)", "UTC")), (0, false));
        assert_eq!(missed(plan("rate(1 hour)", "UTC")), (0, false));
    }

    #[test]
    fn a_schedule_ends_and_begins_when_it_is_said_to() {
        let (from, until) = (Some(time("2026-06-01T12:30:00Z")), Some(time("2026-06-01T13:10:00Z")));
        let bound = Plan { from, until, ..plan("cron(0/10 * * * ? *)", "UTC") };
        let mut clock = Clocked::new(bound.clone(), "2026-06-01T12:00:00Z");
        assert_eq!(hours(&clock.run(2 * HOUR)), ["12:30", "12:40", "12:50", "13:00", "13:10"]);
        assert!(clock.over);
        let mut late =
            Clocked::new(Plan { offset: Duration::from_secs(300), ..bound }, "2026-06-01T12:34:00Z");
        assert_eq!(hours(&late.run(59_000)), [] as [&str; 0]);
        assert_eq!(hours(&late.run(2_000)), ["12:30"], "in the middle of its window");
    }

    #[test]
    fn what_fails_is_tried_again_after_longer_and_longer_pauses() {
        let mut clock = Clocked::new(plan("at(2026-06-01T12:00:01)", "UTC"), "2026-06-01T12:00:00Z");
        let mut pauses = Vec::new();
        let mut now = clock.planner.next().unwrap();
        for _ in 0..8 {
            assert_eq!(clock.planner.take_due(now, 9).len(), 1);
            clock.planner.failed(&clock.place, now);
            let next = clock.planner.next().unwrap();
            pauses.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn changes_are_followed_and_nothing_that_is_due_gets_lost() {
        let mut clock = Clocked::new(plan("cron(0 * * * ? *)", "UTC"), "2026-06-01T12:30:00Z");
        let due = time("2026-06-01T13:00:00Z");
        // Something else of it changes just when it is due.
        clock.planner.set(&clock.place, Some(&clock.plan), moved(due, 2));
        assert_eq!(clock.planner.next(), Some(due));
        // While it is being done, nothing is planned.
        assert_eq!(clock.planner.take_due(moved(due, 2), 9).len(), 1);
        clock.planner.set(&clock.place, Some(&clock.plan), moved(due, 3));
        assert_eq!(clock.planner.next(), None);
        clock.planner.done(&clock.place);
        clock.planner.set(&clock.place, Some(&plan("rate(1 minute)", "UTC")), moved(due, 4));
        assert_eq!(clock.planner.next(), Some(moved(due, MINUTE)));
        clock.planner.set(&clock.place, None, moved(due, 5));
        assert_eq!((clock.planner.next(), clock.planner.entries.len()), (None, 0));
    }
}
