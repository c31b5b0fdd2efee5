//! Pools: all environments of one build of a function (and of one tenant, where tenants are isolated), with the
//! waiting line, and the registry of pools. What is idle is places: an environment that takes several invocations
//! at once is there as often as it has a place free.
//!
//! An invocation takes the newest idle environment or waits in line; every environment that becomes free serves
//! the line first. A changed or deleted function's pool is retired: whoever waits is still served, then its
//! environments go as they become idle, and whoever comes later gets another pool.
//!
//! Some of a pool's environments may be provisioned: kept ready whether or not there is work ([`crate::provision`]).
//!
//! Lock order: an environment's lock may be held while a pool's is taken, never the other way round.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::arn::FunctionId;
use model::error::ServiceError;
use model::function::Function;
use model::id::RevisionId;
use model::name::{TenantId, Version};
use model::port::Provisioned;
use tokio::sync::{Notify, oneshot};

use crate::concurrency::{Allotment, Share};
use crate::environment::Environment;
use crate::line::Line;
use crate::provision::{self, Quota, Step};

/// Where an invocation waits for its environment.
type Waiter = oneshot::Sender<Result<Handed, ServiceError>>;

/// An environment on its way to a waiting invocation. If the caller hangs up in between, it goes back.
pub(crate) struct Handed(Option<Arc<Environment>>);

impl Handed {
    /// The environment, which the taker must use at once.
    pub(crate) fn take(mut self) -> Option<Arc<Environment>> {
        self.0.take()
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(environment) = self.0.take() {
            environment.return_unused();
        }
    }
}

/// What an invocation gets.
pub(crate) enum Acquired {
    /// An idle environment.
    Now(Arc<Environment>),
    /// A place in the line, and whether an environment must be started for it.
    Wait(oneshot::Receiver<Result<Handed, ServiceError>>, bool),
}

/// All environments of one build of a function, for one tenant if the function isolates tenants.
pub(crate) struct Pool {
    pub function: Arc<Function>,
    pub tenant: Option<TenantId>,
    /// The function's part of the account's concurrency.
    pub share: Arc<Share>,
    /// What is provisioned of it.
    pub allotment: Arc<Allotment>,
    /// Told when something about the provisioned environments changes.
    provision_changed: Notify,
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line<Arc<Environment>, Waiter>,
    /// Everything alive, so that shutting down reaches busy environments too.
    live: Vec<Arc<Environment>>,
    quota: Quota,
    retired: bool,
}

impl Pool {
    fn key(&self) -> Key {
        (self.function.build, self.tenant.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire(&self) -> Acquired {
        let mut state = self.lock();
        if let Some(environment) = state.line.take_idle() {
            return Acquired::Now(environment);
        }
        // A caller that hung up while waiting must not cause another start.
        state.line.forget_waiters(Waiter::is_closed);
        let (sender, receiver) = oneshot::channel();
        let start = state.line.wait(sender);
        Acquired::Wait(receiver, start)
    }

    /// Takes in an environment that is being started.
    pub(crate) fn adopt(&self, environment: &Arc<Environment>) {
        let mut state = self.lock();
        state.live.push(Arc::clone(environment));
        if environment.is_provisioned() {
            state.quota.arrived();
            self.provision_changed.notify_one();
        }
    }

    /// Takes an environment that can run an invocation; true if it was parked because nobody waits. `started`
    /// says that its start was still counted.
    pub(crate) fn offer(&self, environment: &Arc<Environment>, started: bool) -> bool {
        let mut state = self.lock();
        if started {
            state.line.started();
        }
        while let Some(waiter) = state.line.next_waiter() {
            match waiter.send(Ok(Handed(Some(Arc::clone(environment))))) {
                Ok(()) => return false,
                // Taken apart, so that it does not come back here while the lock is held.
                Err(returned) => drop(returned.map(Handed::take)),
            }
        }
        if state.retired {
            drop(state);
            environment.retire_when_idle();
            return false;
        }
        state.line.park(Arc::clone(environment), |idle| idle.is_provisioned());
        true
    }

    /// A start came to nothing: the one who waited longest is told.
    pub(crate) fn start_failed(&self, error: &ServiceError) {
        let mut state = self.lock();
        state.line.started();
        while let Some(waiter) = state.line.next_waiter() {
            if waiter.send(Err(error.clone())).is_ok() {
                break;
            }
        }
        drop(state);
        self.registry.forget_if_empty(self);
    }

    /// Takes an environment's free places away; says how many there were.
    pub(crate) fn give_up(&self, environment: &Arc<Environment>) -> usize {
        self.lock().line.remove_idle(|idle| Arc::ptr_eq(idle, environment))
    }

    /// An environment has ended.
    pub(crate) fn depart(&self, environment: &Arc<Environment>) {
        let mut state = self.lock();
        let _ = state.line.remove_idle(|idle| Arc::ptr_eq(idle, environment));
        state.live.retain(|live| !Arc::ptr_eq(live, environment));
        drop(state);
        self.registry.forget_if_empty(self);
    }

    fn retire(&self) {
        let mut state = self.lock();
        state.retired = true;
        let idle = state.line.drain_idle();
        drop(state);
        self.want(0);
        idle.iter().for_each(Environment::retire_when_idle);
    }

    /// Sets how many environments are kept ready; true if nobody sees to that yet.
    pub(crate) fn want(&self, count: usize) -> bool {
        let is_new = self.lock().quota.want(count);
        self.allotment.set(count);
        self.provision_changed.notify_one();
        is_new
    }

    /// What is to be done for the provisioned environments now.
    pub(crate) fn provision_step(&self) -> Step {
        let mut state = self.lock();
        let kept = provision::kept(&state.live).count();
        let step = state.quota.step(kept, Instant::now());
        drop(state);
        if step == Step::End {
            self.registry.forget_if_empty(self);
        }
        step
    }

    /// Whether a start whose turn has come is still to be made; one that is not ends with this.
    pub(crate) fn is_start_due(&self) -> bool {
        let mut state = self.lock();
        let kept = provision::kept(&state.live).count();
        let is_due = state.quota.is_due(kept);
        drop(state);
        if !is_due {
            self.provision_changed.notify_one();
        }
        is_due
    }

    /// Waits for a change, or for a time.
    pub(crate) async fn provision_changed(&self, until: Option<Instant>) {
        let changed = self.provision_changed.notified();
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => changed.await,
            Some(left) => drop(tokio::time::timeout(left.max(Duration::from_millis(1)), changed).await),
        }
    }

    /// There is something to be looked at.
    pub(crate) fn provision_changes(&self) {
        self.provision_changed.notify_one();
    }

    /// One that was to be kept ready has initialised.
    pub(crate) fn provisioned_one(&self) {
        self.lock().quota.recover();
        self.provision_changed.notify_one();
    }

    /// One that was to be kept ready could not initialise.
    pub(crate) fn not_provisioned(&self, reason: String) {
        self.lock().quota.failed(reason, Instant::now());
        self.provision_changed.notify_one();
    }

    /// One that was to be kept ready could not be made.
    pub(crate) fn not_started(&self, reason: String) {
        self.lock().quota.not_started(reason, Instant::now());
        self.provision_changed.notify_one();
    }

    /// How far it is with what is to be kept ready.
    pub(crate) fn provisioned(&self) -> Provisioned {
        let state = self.lock();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Provisioned {
            allocated: count(provision::kept(&state.live).count()),
            available: count(provision::kept(&state.live).filter(|kept| kept.has_initialised()).count()),
            failure: state.quota.failure(),
        }
    }

    /// Ends some of those that are kept ready: the ones of least use first.
    pub(crate) fn release(&self, count: usize) {
        // Copied, because an environment's lock may not be taken while the pool's is held.
        let mut kept: Vec<_> = provision::kept(&self.lock().live).cloned().collect();
        // Cached, because they go on changing.
        kept.sort_by_cached_key(|environment| {
            (environment.has_initialised(), environment.idle_since().is_none())
        });
        kept.iter().take(count).for_each(Environment::retire_when_idle);
    }

    /// The environment that has been idle longest, and since when.
    fn oldest_idle(&self) -> Option<(Arc<Environment>, Instant)> {
        // Copied, because an environment's lock may not be taken while the pool's is held.
        let idle = self.lock().line.idle().to_vec();
        // What is kept ready gives way to nobody.
        let resting = idle.into_iter().filter(|environment| !environment.is_provisioned());
        let resting = resting.filter_map(|environment| {
            let since = environment.idle_since()?;
            Some((environment, since))
        });
        resting.min_by_key(|(_, since)| *since)
    }
}

/// What makes two invocations share environments.
type Key = (RevisionId, Option<TenantId>);

/// The pools in use.
#[derive(Default)]
pub(crate) struct Registry {
    pools: Mutex<Pools>,
}

#[derive(Default)]
struct Pools {
    /// Those that invocations come to.
    current: HashMap<Key, Arc<Pool>>,
    /// Those whose last environments have not ended.
    retired: Vec<Arc<Pool>>,
}

/// Environments by what they do, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// All that exist.
    pub live: usize,
    /// With a free place that nobody waits for; most of them are frozen.
    pub idle: usize,
}

impl Pools {
    fn all(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.current.values().chain(&self.retired)
    }

    /// Remembers a pool that somebody enters, who may have looked it up before it was forgotten or retired.
    fn remember(&mut self, pool: &Arc<Pool>) {
        match self.current.get(&pool.key()) {
            Some(current) if Arc::ptr_eq(current, pool) => {}
            _ if self.retired.iter().any(|retired| Arc::ptr_eq(retired, pool)) => {}
            None if !pool.lock().retired => drop(self.current.insert(pool.key(), Arc::clone(pool))),
            _ => self.retired.push(Arc::clone(pool)),
        }
    }

    fn forget(&mut self, pool: &Pool) {
        self.retired.retain(|retired| !std::ptr::eq(&raw const **retired, pool));
        let is_current =
            self.current.get(&pool.key()).is_some_and(|current| std::ptr::eq(&raw const **current, pool));
        if is_current {
            self.current.remove(&pool.key());
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function's pool, made at first use with what `share` gives.
    pub(crate) fn pool(
        self: &Arc<Self>,
        function: &Arc<Function>,
        tenant: Option<&TenantId>,
        share: impl FnOnce() -> Arc<Share>,
    ) -> Arc<Pool> {
        self.pool_in(&mut self.lock(), function, tenant, share)
    }

    fn pool_in(
        self: &Arc<Self>,
        pools: &mut Pools,
        function: &Arc<Function>,
        tenant: Option<&TenantId>,
        share: impl FnOnce() -> Arc<Share>,
    ) -> Arc<Pool> {
        let key = (function.build, tenant.cloned());
        if let Some(pool) = pools.current.get(&key) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool {
            function: Arc::clone(function),
            tenant: tenant.cloned(),
            share: share(),
            allotment: Arc::default(),
            provision_changed: Notify::new(),
            registry: Arc::clone(self),
            state: Mutex::default(),
        });
        pools.current.insert(key, Arc::clone(&pool));
        pool
    }

    /// The function's pool, with so many environments to be kept ready; and whether nobody sees to that yet. Under the
    /// registry's lock, as [`Registry::acquire`].
    pub(crate) fn provision(
        self: &Arc<Self>,
        function: &Arc<Function>,
        count: usize,
        share: impl FnOnce() -> Arc<Share>,
    ) -> (Arc<Pool>, bool) {
        let mut pools = self.lock();
        let pool = self.pool_in(&mut pools, function, None, share);
        let is_new = pool.want(count);
        (pool, is_new)
    }

    /// An idle environment of the pool, or a place in its line. Under the registry's lock, so that a pool is
    /// not forgotten while somebody enters it.
    pub(crate) fn acquire(&self, pool: &Arc<Pool>) -> Acquired {
        let mut pools = self.lock();
        pools.remember(pool);
        pool.acquire()
    }

    /// Retires all pools of a function, or of one version of it.
    pub(crate) fn retire(&self, function: &FunctionId, version: Option<Version>) {
        let is_meant =
            |of: &Function| of.id == *function && version.is_none_or(|version| version == of.version);
        let mut pools = self.lock();
        let matching: Vec<_> =
            pools.current.extract_if(|_, pool| is_meant(&pool.function)).map(|(_, pool)| pool).collect();
        pools.retired.extend(matching.iter().cloned());
        drop(pools);
        for pool in matching {
            pool.retire();
            self.forget_if_empty(&pool);
        }
    }

    /// Ends every environment, busy ones too.
    pub(crate) fn end_all(&self) {
        let pools: Vec<_> = self.lock().all().cloned().collect();
        for pool in pools {
            let live = pool.lock().live.clone();
            live.iter().for_each(Environment::retire);
        }
    }

    /// Makes room by ending the environment that has been idle longest; false if none is idle.
    pub(crate) fn evict_one(&self) -> bool {
        let pools: Vec<_> = self.lock().all().cloned().collect();
        let candidates = pools.iter().filter_map(|pool| Some((pool, pool.oldest_idle()?)));
        let oldest = candidates.min_by_key(|(_, (_, since))| *since);
        let Some((_, (environment, _))) = oldest else { return false };
        environment.retire_when_idle();
        true
    }

    /// How many environments there are.
    pub(crate) fn census(&self) -> Census {
        self.lock().all().fold(Census::default(), |sum, pool| {
            let state = pool.lock();
            Census { live: sum.live + state.live.len(), idle: sum.idle + distinct(state.line.idle()) }
        })
    }

    fn forget_if_empty(&self, pool: &Pool) {
        let mut pools = self.lock();
        let state = pool.lock();
        let is_empty = state.live.is_empty() && state.line.is_empty() && !state.quota.is_in_use();
        drop(state);
        if is_empty {
            pools.forget(pool);
        }
    }
}

/// How many things these places belong to.
fn distinct<T>(places: &[Arc<T>]) -> usize {
    places.iter().map(Arc::as_ptr).collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concurrency::Accounts;
    use crate::samples;
    use model::id::RevisionId;

    #[test]
    fn environments_go_by_the_build_and_not_by_what_is_shown() {
        let (registry, accounts) = (Arc::new(Registry::default()), Accounts::new(1));
        let first = samples::function();
        let another = RevisionId::from_random([9; 16]);
        let pool = |function: &Function| {
            let share = || accounts.share(&function.id);
            registry.pool(&Arc::new(function.clone()), None, share)
        };
        let shown_anew = Function { revision: another, ..first.clone() };
        let built_anew = Function { build: another, ..first.clone() };
        assert!(Arc::ptr_eq(&pool(&first), &pool(&shown_anew)));
        assert!(!Arc::ptr_eq(&pool(&first), &pool(&built_anew)));
    }

    #[test]
    fn an_environment_with_several_places_counts_once() {
        let (one, other) = (Arc::new(1), Arc::new(1));
        assert_eq!(distinct::<i32>(&[]), 0);
        assert_eq!(distinct(&[Arc::clone(&one), Arc::clone(&other), Arc::clone(&one), one]), 2);
    }
}
