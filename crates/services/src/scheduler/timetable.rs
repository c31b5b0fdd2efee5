//! Schedules as a timetable: when each is due, what is handed over then, and what becomes of it after its last time.
//!
//! A time is handed over before a schedule for one time only is marked as completed or deleted, so a crash between the two
//! does it twice and never not at all. Such a schedule that was missed while the server was down is made up for within the
//! maximum event age of its retry policy (24 hours, if it has none); the missed times of others are not.

use std::time::Duration;

use model::arn::ResourceArn;
use model::delivery::{Address, Delivery, Extras, Retry, Sender};
use model::id::RequestId;
use model::port::Pending;
use model::schedule::{Expression, NotFired, Plan, ScheduleKey, Timetable, Zone};
use model::scheduler::Schedule;
use model::time::Timestamp;
use store::records::RecordError;
use store::records::table::Entry;

use super::{SERVICE, Scheduler, input, name};

/// How long before it was made or changed the time of a schedule for one time may lie so that it is still done: what was on
/// its way meanwhile.
const LATE_MAX: Duration = Duration::from_secs(60);

impl Timetable for Scheduler {
    fn keys(&self) -> Vec<ScheduleKey> {
        self.schedules.gather(|schedule| is_at_work(schedule).then(|| schedule.arn().into()))
    }

    fn plan(&self, key: &str) -> Option<Plan> {
        let schedule = self.of_arn(key)?.value;
        if !is_at_work(&schedule) {
            return None;
        }
        let plan = plan(&schedule)?;
        plan.once().is_none_or(|time| time.after(LATE_MAX) >= schedule.since).then_some(plan)
    }

    fn changed(&self) -> Pending<'_, Vec<ScheduleKey>> {
        Box::pin(self.changes.next())
    }

    fn fire<'a>(&'a self, key: &'a str, due: Timestamp) -> Pending<'a, Result<(), NotFired>> {
        Box::pin(async move {
            let schedule = self.of_arn(key).map(|entry| entry.value);
            let Some(schedule) = schedule.filter(|schedule| is_at_work(schedule)) else { return Ok(()) };
            let mut random = [0; 16];
            self.entropy.fill(&mut random);
            let execution = RequestId::from_random(random).to_string();
            let Some(delivery) = delivery(&schedule, due, &execution) else { return Ok(()) };
            // Its target has it on the disk when it takes it, so it need not wait in a line first, unless others of its group
            // may be waiting there. What is refused is tried again by the line.
            if delivery.extras.group.is_none() && self.deliveries.offer(&delivery).await.is_ok() {
                return Ok(());
            }
            let taken = self.deliveries.hand_over(vec![delivery]).await;
            taken.map_err(|error| NotFired(error.to_string()))
        })
    }

    fn over<'a>(&'a self, key: &'a str, over: &'a Plan) -> Pending<'a, Result<(), NotFired>> {
        Box::pin(async move {
            let Some(entry) = self.of_arn(key) else { return Ok(()) };
            if !is_at_work(&entry.value) || plan(&entry.value).as_ref() != Some(over) {
                return Ok(());
            }
            match self.complete(&entry).await {
                // Somebody has changed or removed it: it is planned anew.
                Ok(()) | Err(RecordError::Conflict { .. } | RecordError::Missing { .. }) => Ok(()),
                Err(error) => Err(NotFired(error.to_string())),
            }
        })
    }
}

impl Scheduler {
    fn of_arn(&self, arn: &str) -> Option<Entry<Schedule>> {
        let (group, name) = name::schedule_of_arn(arn)?;
        self.schedules.get(&group, &name)
    }

    async fn complete(&self, Entry { value, stored }: &Entry<Schedule>) -> Result<(), RecordError> {
        let once = Expression::parse(&value.expression).is_ok_and(|expression| expression.is_once());
        if value.goes_after == Some(true) {
            self.schedules.remove(&value.group, &value.name, *stored).await?;
        } else if once {
            let completed = Schedule { completed: Some(self.clock.now()), ..Schedule::clone(value) };
            self.schedules.put(completed, Some(*stored)).await?;
        } else {
            return Ok(());
        }
        self.changes.tell(value.arn());
        Ok(())
    }
}

fn is_at_work(schedule: &Schedule) -> bool {
    schedule.is_enabled && schedule.completed.is_none()
}

fn plan(schedule: &Schedule) -> Option<Plan> {
    Some(Plan {
        expression: Expression::parse(&schedule.expression).ok()?,
        zone: schedule.zone.as_deref().map_or(Some(Zone::UTC), Zone::named)?,
        since: schedule.start.unwrap_or(schedule.since),
        from: schedule.start,
        until: schedule.end,
        offset: schedule.window_minutes.map_or(Duration::ZERO, |minutes| place_in(minutes, &schedule.arn())),
        age_max: schedule.target.age_max_s.map_or(Retry::BUS.age_max, |age| Duration::from_secs(age.into())),
    })
}

/// Where in a window of some minutes a schedule has its place, always the same: FNV-1a, so that the places of many are
/// spread over the window.
fn place_in(minutes: u32, arn: &str) -> Duration {
    let hash = arn.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Duration::from_millis(hash % (u64::from(minutes.max(1)) * 60_000))
}

fn delivery(schedule: &Schedule, due: Timestamp, execution: &str) -> Option<Delivery> {
    let target = &schedule.target;
    let (detail_type, source) = target.event.clone().unzip();
    Some(Delivery {
        to: Address::Resource(ResourceArn::parse(&target.arn).ok()?),
        from: Sender {
            service: format!("{SERVICE}.amazonaws.com"),
            source: schedule.arn(),
            scope: schedule.group.scope.clone(),
            role: Some(target.role.clone()),
        },
        body: input::body(schedule, due, execution).into(),
        extras: Extras {
            group: target.group.clone(),
            detail_type,
            source,
            resources: target.event.iter().map(|_| schedule.arn()).collect(),
            ..Extras::default()
        },
        retry: Retry {
            retries_max: target.retries_max.unwrap_or(Retry::BUS.retries_max),
            age_max: target.age_max_s.map_or(Retry::BUS.age_max, |age| Duration::from_secs(age.into())),
        },
        dead_letter: target.dead_letter.as_deref().and_then(|arn| ResourceArn::parse(arn).ok()),
        line: format!("schedule/{}/{}", schedule.group.name, schedule.name),
    })
}
