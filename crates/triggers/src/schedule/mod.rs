//! The timer: one task that waits for the next time of any schedule and has its service do what is due.
//!
//! When what is due stands in [`planner`], which reads no clock. Here are the waiting and the doing: the wall clock is read
//! again at least every second while anything is planned, so that one that is set forth or back is noticed; without
//! schedules nothing wakes. What a service could not write down is tried again, later each time.

mod planner;

use std::sync::Arc;
use std::time::Duration;

use model::port::Clock;
use model::schedule::{Plan, ScheduleKey, Timetable};
use model::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use planner::{Place, Planner, pause_after};

/// The longest time between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is done at once; all else that is due waits for a place.
const FIRING_MAX: usize = 1_024;
/// Announcements of changes that wait to be read.
const CHANGES_MAX: usize = 16;

/// See the module. Clones share everything.
#[derive(Clone)]
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    stopping: Arc<watch::Sender<bool>>,
}

impl Timekeeper {
    /// Goes by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stopping: Arc::new(watch::Sender::new(false)) }
    }

    /// Begins nothing more. What has begun ends.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Keeps time for these services, until it is stopped.
    pub async fn run(self, timetables: Vec<Arc<dyn Timetable>>) {
        let (announce, changes) = mpsc::channel(CHANGES_MAX);
        let mut listening = JoinSet::new();
        for (service, timetable) in timetables.iter().enumerate() {
            listening.spawn(listen(service, Arc::clone(timetable), announce.clone()));
        }
        let mut work = Work {
            planner: Planner::default(),
            timetables,
            clock: Arc::clone(&self.clock),
            firing: JoinSet::new(),
            ending: JoinSet::new(),
            stopping: self.stopping.subscribe(),
        };
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = work.go_on(changes) => {}
        }
        while work.firing.join_next().await.is_some() || work.ending.join_next().await.is_some() {}
    }
}

async fn listen(
    service: usize,
    timetable: Arc<dyn Timetable>,
    announce: mpsc::Sender<(usize, Vec<ScheduleKey>)>,
) {
    while announce.send((service, timetable.changed().await)).await.is_ok() {}
}

/// Has it written down that a schedule is over, however long the disk refuses.
async fn end(
    timetable: Arc<dyn Timetable>,
    key: ScheduleKey,
    plan: Plan,
    mut stopping: watch::Receiver<bool>,
) {
    let mut failures = 0;
    while let Err(error) = timetable.over(&key, &plan).await {
        tracing::warn!(schedule = %key, %error, "that it is over could not be written down");
        tokio::select! {
            () = tokio::time::sleep(pause_after(failures)) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        failures += 1;
    }
}

struct Work {
    planner: Planner,
    timetables: Vec<Arc<dyn Timetable>>,
    clock: Arc<dyn Clock>,
    /// What is being done; each says whether it was written down.
    firing: JoinSet<(Place, bool)>,
    /// Schedules that are over.
    ending: JoinSet<()>,
    stopping: watch::Receiver<bool>,
}

impl Work {
    async fn go_on(&mut self, mut changes: mpsc::Receiver<(usize, Vec<ScheduleKey>)>) {
        self.plan_all();
        loop {
            let now = self.clock.now();
            if self.planner.observe(now) {
                tracing::info!("the clock was set back; all schedules are planned anew");
                self.plan_all();
            }
            self.fire(now);
            let wait = self.wait(now);
            tokio::select! {
                Some((service, keys)) = changes.recv() => {
                    keys.into_iter().for_each(|key| self.plan((service, key)));
                }
                Some(done) = self.firing.join_next() => self.fired(done),
                Some(_) = self.ending.join_next() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// How long nothing is to be done; for ever, if nothing is planned.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        if self.firing.len() >= FIRING_MAX {
            return Some(LOOK_EVERY);
        }
        // A time is over when the clock shows more, and a sleep may end within a millisecond of its end.
        self.planner.next().map(|next| next.since(now).min(LOOK_EVERY))
    }

    fn plan_all(&mut self) {
        let services = self.timetables.iter().enumerate();
        let all: Vec<Place> = services
            .flat_map(|(service, timetable)| timetable.keys().into_iter().map(move |key| (service, key)))
            .collect();
        all.into_iter().for_each(|place| self.plan(place));
    }

    fn plan(&mut self, place: Place) {
        let Some(timetable) = self.timetables.get(place.0).map(Arc::clone) else { return };
        let plan = timetable.plan(&place.1);
        if self.planner.set(&place, plan.as_ref(), self.clock.now())
            && let Some(plan) = plan
        {
            self.ending.spawn(end(timetable, place.1, plan, self.stopping.clone()));
        }
    }

    fn fire(&mut self, now: Timestamp) {
        let places = FIRING_MAX.saturating_sub(self.firing.len());
        for (place, due) in self.planner.take_due(now, places) {
            let Some(timetable) = self.timetables.get(place.0).map(Arc::clone) else { continue };
            self.firing.spawn(async move {
                let fired = timetable.fire(&place.1, due).await;
                if let Err(error) = &fired {
                    tracing::warn!(schedule = %place.1, %error, "what was due could not be written down");
                }
                let is_fired = fired.is_ok();
                (place, is_fired)
            });
        }
    }

    fn fired(&mut self, done: Result<(Place, bool), tokio::task::JoinError>) {
        match done {
            Ok((place, true)) => {
                self.planner.done(&place);
                self.plan(place);
            }
            Ok((place, false)) => self.planner.failed(&place, self.clock.now()),
            Err(error) => {
                tracing::error!(%error, "doing what was due broke off; it rests until it is changed")
            }
        }
    }
}
