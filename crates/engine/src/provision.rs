//! Provisioned concurrency: environments of a pool that are there before anybody invokes them, and stay.
//!
//! How many are wanted, and what is to be done about it, is a pure structure that the pool keeps under its lock; one task
//! for each pool that has any does it. It is woken by every change (another number, an environment that is ready, fails
//! or goes) and otherwise sleeps until the next attempt after a failure.
//!
//! The warm path meets none of this: it finds these environments among the idle ones.
//!
//! Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::arn::FunctionId;
use model::fault::Fault;
use model::function::Function;
use model::name::Version;
use model::port::Provisioned;
use tokio::sync::Semaphore;

use crate::engine::Shared;
use crate::environment::Environment;
use crate::place;
use crate::pool::Pool;

/// Sandboxes that are made at once for this, over all pools, so that whoever is invoked now does not wait behind them.
/// Their init, which takes longer, is not counted.
const STARTS_MAX: usize = 2;
/// The first wait after a failure; it doubles with each failure that follows.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How many environments a pool is to keep, and how that went so far.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    wanted: usize,
    /// Being made; not among the pool's environments yet.
    starting: usize,
    /// Why the last one failed.
    failure: Option<String>,
    /// How often in a row, for the wait.
    failures: u32,
    retry_at: Option<Instant>,
    /// One was started to show whether it works again, and has not failed.
    is_trying: bool,
    /// Whether somebody keeps it.
    is_kept: bool,
}

/// What is to be done for a quota now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many have to be started.
    Start(usize),
    /// So many are too many.
    Release(usize),
    /// Nothing, until something changes or this time comes.
    Wait(Option<Instant>),
    /// Nothing is wanted any more, and nothing is left.
    End,
}

impl Quota {
    /// Sets how many are wanted; true if nobody keeps them yet, and the caller has to see to it that somebody does.
    pub(crate) fn want(&mut self, count: usize) -> bool {
        self.wanted = count;
        // Whoever asks again may have repaired what made it fail.
        self.recover();
        count > 0 && !std::mem::replace(&mut self.is_kept, true)
    }

    /// Whether the pool has to stay although it may be empty.
    pub(crate) fn is_in_use(&self) -> bool {
        self.is_kept
    }

    /// What is to be done while the pool has `kept` of them. What is to be started counts as starting from then on.
    pub(crate) fn step(&mut self, kept: usize, now: Instant) -> Step {
        // What is being made is no reason to release one that is ready.
        if kept > self.wanted {
            return Step::Release(kept - self.wanted);
        }
        let have = kept + self.starting;
        if have == 0 && self.wanted == 0 {
            self.is_kept = false;
            return Step::End;
        }
        if have >= self.wanted {
            return Step::Wait(None);
        }
        match self.retry_at {
            Some(retry_at) if now < retry_at => return Step::Wait(Some(retry_at)),
            // One will show whether it works again.
            Some(_) => {
                self.retry_at = Some(now + self.patience());
                self.is_trying = true;
                self.starting += 1;
                return Step::Start(1);
            }
            None => {}
        }
        let missing = self.wanted - have;
        self.starting += missing;
        Step::Start(missing)
    }

    /// Whether one whose turn to start has come is still to be started: meanwhile fewer may be wanted, or another may
    /// have failed. If not, it does not count as starting any more.
    pub(crate) fn is_due(&mut self, kept: usize) -> bool {
        let is_surplus = kept + self.starting > self.wanted;
        let must_wait = self.retry_at.is_some() && !self.is_trying;
        if is_surplus || must_wait {
            self.arrived();
        }
        !is_surplus && !must_wait
    }

    /// One that was started is among the pool's environments now.
    pub(crate) fn arrived(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }

    /// One that was started came to nothing.
    pub(crate) fn not_started(&mut self, reason: String, now: Instant) {
        self.arrived();
        self.failed(reason, now);
    }

    /// One could not initialise.
    pub(crate) fn failed(&mut self, reason: String, now: Instant) {
        self.failure = Some(reason);
        // Several that were started together fail together, and count once.
        if self.retry_at.is_none() || std::mem::take(&mut self.is_trying) {
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(now + self.patience());
        }
    }

    /// One has initialised.
    pub(crate) fn recover(&mut self) {
        (self.failure, self.failures, self.retry_at, self.is_trying) = (None, 0, None, false);
    }

    /// Why there are not as many as are wanted.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }

    fn patience(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(RETRY_MAX.as_secs().ilog2() + 1);
        RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX)
    }
}

/// The pools that keep environments, by function.
pub(crate) struct Provisions {
    pools: Mutex<HashMap<FunctionId, Vec<Arc<Pool>>>>,
    turns: Semaphore,
}

impl Default for Provisions {
    fn default() -> Self {
        Self { pools: Mutex::default(), turns: Semaphore::new(STARTS_MAX) }
    }
}

impl Provisions {
    fn lock(&self) -> MutexGuard<'_, HashMap<FunctionId, Vec<Arc<Pool>>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is for a version.
    pub(crate) fn of(&self, function: &FunctionId, version: Version) -> Provisioned {
        let pools = self.lock();
        let mut found = pools.get(function).into_iter().flatten();
        found.find(|pool| pool.function.version == version).map(|pool| pool.provisioned()).unwrap_or_default()
    }
}

/// Sets what is wanted of a function. Everything that was wanted before and is not named is given up.
pub(crate) fn provision(shared: &Arc<Shared>, function: &FunctionId, wanted: &[(Arc<Function>, u32)]) {
    // Held throughout, so that of two who set it the later one is obeyed.
    let mut all = shared.provisions.lock();
    let before = all.remove(function).unwrap_or_default();
    if before.is_empty() && wanted.is_empty() {
        return;
    }
    let mut pools = Vec::new();
    let mut sum = 0;
    for (version, count) in wanted {
        let count = *count as usize;
        let share = || shared.accounts.share(function);
        let (pool, is_new) = shared.registry.provision(version, count, share);
        if is_new {
            tokio::spawn(keep(Arc::clone(shared), Arc::clone(&pool)));
        }
        sum += count;
        pools.push(pool);
    }
    for pool in before.iter().filter(|old| !pools.iter().any(|pool| Arc::ptr_eq(pool, old))) {
        pool.want(0);
    }
    shared.accounts.provision(function, sum);
    if !pools.is_empty() {
        all.insert(function.clone(), pools);
    }
}

/// Keeps a pool's environments for as long as any are wanted.
async fn keep(shared: Arc<Shared>, pool: Arc<Pool>) {
    while !shared.is_stopping() {
        match pool.provision_step() {
            Step::Start(count) => {
                for _ in 0..count {
                    tokio::spawn(start(Arc::clone(&shared), Arc::clone(&pool)));
                }
            }
            Step::Release(count) => pool.release(count),
            Step::End => return,
            Step::Wait(until) => pool.provision_changed(until).await,
        }
    }
}

async fn start(shared: Arc<Shared>, pool: Arc<Pool>) {
    // Never closed, so there always is one.
    let _turn = shared.provisions.turns.acquire().await;
    // Before looking, so that a server that stops either is seen to or waits for this.
    let _supervised = shared.supervised.enter();
    if shared.is_stopping() || !pool.is_start_due() {
        return;
    }
    if let Err(error) = place::provision(&shared, &pool).await {
        tracing::warn!(function = %pool.function.id.name, %error, "cannot provision an environment");
        pool.not_started(error.to_string());
    }
}

/// What AWS calls it when an environment cannot be provisioned because of the function's own failure.
pub(crate) fn reason_of(fault: &Fault) -> String {
    match fault {
        Fault::Stopped => "The execution environment was stopped.".to_owned(),
        _ => "FUNCTION_ERROR_INIT_FAILURE".to_owned(),
    }
}

/// Those of a pool's environments that count: kept for this, and not on their way out.
pub(crate) fn kept(live: &[Arc<Environment>]) -> impl Iterator<Item = &Arc<Environment>> {
    live.iter().filter(|environment| environment.is_kept())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_missing_is_started_and_what_is_too_many_goes() {
        let now = Instant::now();
        let mut quota = Quota::default();
        assert!(quota.want(3), "somebody has to keep them");
        assert!(!quota.want(3), "somebody does");
        assert_eq!(quota.step(0, now), Step::Start(3));
        assert_eq!(quota.step(0, now), Step::Wait(None), "they are being made");
        (0..3).for_each(|_| quota.arrived());
        assert_eq!(quota.step(3, now), Step::Wait(None));
        assert_eq!(quota.step(2, now), Step::Start(1), "one has gone");
        assert!(quota.is_due(2));
        quota.want(1);
        assert_eq!(quota.step(2, now), Step::Release(1), "one that is ready stays");
        assert_eq!(quota.step(1, now), Step::Wait(None), "the third is on its way");
        quota.arrived();
        assert_eq!(quota.step(2, now), Step::Release(1));
        quota.want(0);
        assert_eq!(quota.step(1, now), Step::Release(1));
        assert!(quota.is_in_use());
        assert_eq!(quota.step(0, now), Step::End);
        assert!(!quota.is_in_use());
    }

    #[test]
    fn what_waits_for_its_turn_is_not_started_in_vain() {
        let now = Instant::now();
        let mut quota = Quota::default();
        quota.want(4);
        assert_eq!(quota.step(0, now), Step::Start(4));
        assert!(quota.is_due(0));
        quota.arrived();
        quota.want(3);
        assert!(!quota.is_due(1), "one too many");
        assert!(quota.is_due(1));
        quota.not_started("why".to_owned(), now);
        assert!(!quota.is_due(1), "another has failed");
        let due = after(now, 1);
        assert_eq!(quota.step(1, now), Step::Wait(Some(due)));
        assert_eq!(quota.step(1, due), Step::Start(1));
        assert!(quota.is_due(1), "it shows whether it works");
        quota.want(0);
        assert!(!quota.is_due(0));
        assert_eq!(quota.step(0, due), Step::End);
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_waits() {
        let start = Instant::now();
        let mut quota = Quota::default();
        quota.want(2);
        assert_eq!(quota.step(0, start), Step::Start(2));
        // Both fail, which is one failure.
        (0..2).for_each(|_| quota.arrived());
        (0..2).for_each(|_| quota.failed("why".to_owned(), start));
        assert_eq!(quota.failure().as_deref(), Some("why"));
        assert_eq!(quota.step(0, start), Step::Wait(Some(after(start, 1))));
        let mut now = start;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            let due = after(now, wait);
            assert_eq!(quota.step(0, now), Step::Wait(Some(due)), "{wait}");
            now = due;
            assert_eq!(quota.step(0, now), Step::Start(1), "one shows whether it works");
            quota.not_started("again".to_owned(), now);
        }
        quota.recover();
        assert_eq!(quota.failure(), None);
        assert_eq!(quota.step(1, now), Step::Start(1), "the others follow at once");
    }

    #[test]
    fn asking_again_tries_again_at_once() {
        let now = Instant::now();
        let mut quota = Quota::default();
        quota.want(1);
        assert_eq!(quota.step(0, now), Step::Start(1));
        quota.not_started("why".to_owned(), now);
        quota.want(1);
        assert_eq!((quota.failure(), quota.step(0, now)), (None, Step::Start(1)));
    }
}
