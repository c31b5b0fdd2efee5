//! Keeping time while the clock is set, while nothing can be written down, and after a crash: no storm, no stall, and no time
//! done twice.
//!
//! Waiting costs no time here; the clock on the wall runs with it, until a test sets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::port::{Clock, Pending};
use model::schedule::{Expression, NotFired, Plan, ScheduleKey, Timetable, Zone};
use model::time::Timestamp;
use tokio::time::Instant;
use triggers::Timekeeper;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Ten seconds after noon on a day in 2026.
const NOON: i64 = 1_780_315_210_000;

/// A clock on the wall that can be set.
struct Wall {
    begun: Instant,
    set_ms: AtomicI64,
}

impl Wall {
    fn steady_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    fn set(&self, by_ms: i64) {
        self.set_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.steady_ms() + self.set_ms.load(Ordering::SeqCst))
    }
}

/// What was done: which schedule, the time that it was for, and what the clock showed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fired {
    key: String,
    due_ms: i64,
    wall_ms: i64,
}

struct Table {
    wall: Arc<Wall>,
    plans: Mutex<BTreeMap<String, Plan>>,
    fired: Mutex<Vec<Fired>>,
    refuses: AtomicBool,
    refused: AtomicI64,
}

impl Table {
    fn write<T>(&self, what: impl FnOnce() -> T) -> Result<T, NotFired> {
        if self.refuses.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(NotFired("no space left on device".to_owned()));
        }
        Ok(what())
    }
}

impl Timetable for Table {
    fn keys(&self) -> Vec<ScheduleKey> {
        self.plans.lock().unwrap().keys().map(|key| key.as_str().into()).collect()
    }

    fn plan(&self, key: &str) -> Option<Plan> {
        self.plans.lock().unwrap().get(key).cloned()
    }

    fn changed(&self) -> Pending<'_, Vec<ScheduleKey>> {
        Box::pin(std::future::pending())
    }

    fn fire<'a>(&'a self, key: &'a str, due: Timestamp) -> Pending<'a, Result<(), NotFired>> {
        let fired =
            Fired { key: key.to_owned(), due_ms: due.as_millis(), wall_ms: self.wall.now().as_millis() };
        Box::pin(async { self.write(|| self.fired.lock().unwrap().push(fired)) })
    }

    fn over<'a>(&'a self, key: &'a str, plan: &'a Plan) -> Pending<'a, Result<(), NotFired>> {
        assert_eq!(self.plan(key).as_ref(), Some(plan));
        Box::pin(async { self.write(|| drop(self.plans.lock().unwrap().remove(key))) })
    }
}

struct World {
    wall: Arc<Wall>,
    table: Arc<Table>,
    keeper: Timekeeper,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    fn new(plans: impl IntoIterator<Item = (String, Plan)>) -> Self {
        let wall = Arc::new(Wall { begun: Instant::now(), set_ms: AtomicI64::new(NOON) });
        let table = Arc::new(Table {
            wall: Arc::clone(&wall),
            plans: Mutex::new(plans.into_iter().collect()),
            fired: Mutex::default(),
            refuses: AtomicBool::default(),
            refused: AtomicI64::default(),
        });
        let (keeper, running) = keep(&wall, &table);
        Self { wall, table, keeper, running }
    }

    fn of(expressions: &[&str]) -> Self {
        Self::new(expressions.iter().map(|expression| ((*expression).to_owned(), plan(expression))))
    }

    /// Lets time run; what was done in it.
    async fn run(&self, span_ms: i64) -> Vec<Fired> {
        let known = self.table.fired.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(span_ms.unsigned_abs())).await;
        self.table.fired.lock().unwrap()[known..].to_vec()
    }

    /// Ends the timer as a crash does, with all that it knew, and starts another after so long.
    async fn crash(&mut self, away_ms: i64) {
        self.running.abort();
        tokio::time::sleep(Duration::from_millis(away_ms.unsigned_abs())).await;
        (self.keeper, self.running) = keep(&self.wall, &self.table);
    }
}

fn keep(wall: &Arc<Wall>, table: &Arc<Table>) -> (Timekeeper, tokio::task::JoinHandle<()>) {
    let keeper = Timekeeper::new(Arc::clone(wall) as _);
    let running = tokio::spawn(keeper.clone().run(vec![Arc::clone(table) as _]));
    (keeper, running)
}

fn plan(expression: &str) -> Plan {
    Plan {
        expression: Expression::parse(expression).unwrap(),
        zone: Zone::UTC,
        since: Timestamp::from_millis(NOON),
        from: None,
        until: None,
        offset: Duration::ZERO,
        age_max: Duration::from_secs(24 * 3_600),
    }
}

fn dues(fired: &[Fired]) -> Vec<i64> {
    fired.iter().map(|one| (one.due_ms - NOON) / SECOND).collect()
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_lets_each_of_a_thousand_schedules_fire_once() {
    let world = World::new((0..1_000).map(|number| (number.to_string(), plan("cron(* * * * ? *)"))));
    assert_eq!(world.run(2 * MINUTE).await.len(), 2_000);
    world.wall.set(7 * HOUR);
    let missed = world.run(2 * SECOND).await;
    let keys: BTreeSet<&String> = missed.iter().map(|one| &one.key).collect();
    assert_eq!((missed.len(), keys.len()), (1_000, 1_000), "one time each, of the 420 that were left out");
    assert_eq!(world.run(2 * MINUTE).await.len(), 2_000, "and then as ever");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_does_nothing_again_and_lets_rates_go_on() {
    let (cron, rate) = ("cron(0/10 * * * ? *)", "rate(10 minutes)");
    let world = World::of(&[cron, rate]);
    let of = |fired: Vec<Fired>, key: &str| {
        dues(&fired.into_iter().filter(|one| one.key == key).collect::<Vec<_>>())
    };
    assert_eq!(of(world.run(21 * MINUTE).await, cron), [590, 1_190]);
    world.wall.set(-HOUR);
    let meanwhile = world.run(HOUR).await;
    assert_eq!(of(meanwhile.clone(), cron).len(), 0, "its times were done");
    assert!((5..=6).contains(&of(meanwhile.clone(), rate).len()), "{meanwhile:?}");
    assert_eq!(of(world.run(10 * MINUTE).await, cron), [1_790]);
    // A clock that is a day wrong is corrected: its times count from then on.
    world.wall.set(-24 * HOUR);
    let corrected = world.run(20 * MINUTE).await;
    assert_eq!(of(corrected.clone(), cron).len(), 2, "{corrected:?}");
    assert!(!of(corrected, rate).is_empty());
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % bound.unsigned_abs()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn however_the_clock_is_set_there_is_no_storm_and_no_stall() {
    const SPAN: i64 = 5 * MINUTE;
    const LOOK: i64 = 2 * SECOND;
    for seed in 1..=3 {
        let (cron, rate) = ("cron(0/5 * * * ? *)", "rate(5 minutes)");
        let (world, mut dice) = (World::of(&[cron, rate]), Dice(seed));
        let of = |key: &'static str| {
            let fired = world.table.fired.lock().unwrap();
            fired.iter().filter(|one| one.key == key).cloned().collect::<Vec<_>>()
        };
        let mut set_forward_count = 0;
        for _ in 0..25 {
            let by = dice.below(4 * HOUR) - 2 * HOUR;
            world.wall.set(by);
            set_forward_count += i64::from(by > 0);
            let fired = world.run(2 * SPAN + LOOK + dice.below(15 * MINUTE)).await;
            assert!(fired.iter().any(|one| one.key == rate), "seed {seed}: {rate} stalls");
            let last = of(cron).last().unwrap().due_ms;
            let now = world.wall.now().as_millis();
            assert!(last >= now - SPAN - LOOK, "seed {seed}: {cron} stalls: {last} at {now}");
        }
        let cron_dues: Vec<i64> = of(cron).iter().map(|one| one.due_ms).collect();
        assert!(cron_dues.is_sorted_by(|a, b| a < b), "seed {seed}: a time was done twice: {cron_dues:?}");
        for key in [cron, rate] {
            let most = world.wall.steady_ms() / SPAN + set_forward_count + 1;
            assert!(i64::try_from(of(key).len()).unwrap() <= most, "seed {seed}: {key} storms");
            assert!(of(key).iter().all(|one| one.due_ms <= one.wall_ms), "seed {seed}: {key} is early");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_down_is_done_once_when_it_can_be() {
    let world = World::of(&["at(2026-06-01T12:01:00)", "cron(0/10 * * * ? *)"]);
    world.table.refuses.store(true, Ordering::SeqCst);
    assert_eq!(world.run(15 * MINUTE).await, []);
    let refused = world.table.refused.load(Ordering::SeqCst);
    assert!((10..60).contains(&refused), "tried {refused} times");
    world.table.refuses.store(false, Ordering::SeqCst);
    assert_eq!(dues(&world.run(90 * SECOND).await), [50, 590]);
    assert_eq!(world.table.plans.lock().unwrap().len(), 1, "the schedule for one time is over");
}

#[tokio::test(start_paused = true)]
async fn that_it_is_over_is_told_until_it_is_written_down() {
    let world = World::of(&["at(2026-06-01T12:01:00)"]);
    world.wall.set(30 * HOUR);
    world.table.refuses.store(true, Ordering::SeqCst);
    assert_eq!(world.run(10 * MINUTE).await, [], "it was missed by more than a day");
    assert_eq!(world.table.plans.lock().unwrap().len(), 1);
    world.table.refuses.store(false, Ordering::SeqCst);
    world.run(90 * SECOND).await;
    assert_eq!(world.table.plans.lock().unwrap().len(), 0);
    // And nothing holds up the end while it is refused.
    let world = World::of(&["at(2026-06-01T11:00:00)"]);
    world.table.refuses.store(true, Ordering::SeqCst);
    world.run(5 * MINUTE).await;
    world.keeper.stop();
    tokio::time::timeout(Duration::from_secs(1), world.running).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_a_single_time_is_made_up_for_and_others_go_on() {
    let (once, cron) = ("at(2026-06-01T12:05:00)", "cron(0/10 * * * ? *)");
    for (before, away) in
        [(4 * MINUTE, 2 * MINUTE), (4 * MINUTE, 3 * HOUR), (290 * SECOND - 1, 2), (290 * SECOND + 1, 2)]
    {
        let mut world = World::of(&[once, cron]);
        let mut fired = world.run(before).await;
        world.crash(away).await;
        fired.extend(world.run(SECOND).await);
        let single = |fired: &[Fired]| fired.iter().filter(|one| one.key == once).count();
        assert_eq!(single(&fired), 1, "{before} {away}: {fired:?}");
        let later = world.run(HOUR).await;
        assert_eq!((single(&later), later.len()), (0, 6), "{before} {away}: {later:?}");
    }
}
