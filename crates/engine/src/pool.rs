//! Pools: all environments of one revision of a function (and of one tenant, where tenants are isolated), with the
//! waiting line, and the registry of pools. What is idle is places: an environment that takes several invocations
//! at once is there as often as it has a place free.
//!
//! An invocation takes the newest idle environment or waits in line; every environment that becomes free serves
//! the line first. A changed or deleted function's pool is retired: whoever waits is still served, then its
//! environments go as they become idle.
//!
//! Lock order: an environment's lock may be held while a pool's is taken, never the other way round.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model::arn::FunctionId;
use model::error::ServiceError;
use model::function::Function;
use model::id::RevisionId;
use model::name::{TenantId, Version};
use tokio::sync::oneshot;

use crate::concurrency::Share;
use crate::environment::Environment;
use crate::line::Line;

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

/// All environments of one revision of a function, for one tenant if the function isolates tenants.
pub(crate) struct Pool {
    pub function: Arc<Function>,
    pub tenant: Option<TenantId>,
    /// The function's part of the account's concurrency.
    pub share: Arc<Share>,
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line<Arc<Environment>, Waiter>,
    /// Everything alive, so that shutting down reaches busy environments too.
    live: Vec<Arc<Environment>>,
    retired: bool,
}

impl Pool {
    fn key(&self) -> Key {
        (self.function.revision, self.tenant.clone())
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
        self.lock().live.push(Arc::clone(environment));
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
        state.line.park(Arc::clone(environment));
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
        idle.iter().for_each(Environment::retire_when_idle);
    }

    /// The environment that has been idle longest, and since when.
    fn oldest_idle(&self) -> Option<(Arc<Environment>, Instant)> {
        // Copied, because an environment's lock may not be taken while the pool's is held.
        let idle = self.lock().line.idle().to_vec();
        let resting = idle.into_iter().filter_map(|environment| {
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
    pools: Mutex<HashMap<Key, Arc<Pool>>>,
}

/// Environments by what they do, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// All that exist.
    pub live: usize,
    /// With a free place that nobody waits for; most of them are frozen.
    pub idle: usize,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function's pool, made at first use with what `share` gives.
    pub(crate) fn pool(
        self: &Arc<Self>,
        function: &Arc<Function>,
        tenant: Option<&TenantId>,
        share: impl FnOnce() -> Arc<Share>,
    ) -> Arc<Pool> {
        let mut pools = self.lock();
        let key = (function.revision, tenant.cloned());
        if let Some(pool) = pools.get(&key) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool {
            function: Arc::clone(function),
            tenant: tenant.cloned(),
            share: share(),
            registry: Arc::clone(self),
            state: Mutex::default(),
        });
        pools.insert(key, Arc::clone(&pool));
        pool
    }

    /// An idle environment of the pool, or a place in its line. Under the registry's lock, so that a pool is
    /// not forgotten while somebody enters it.
    pub(crate) fn acquire(&self, pool: &Arc<Pool>) -> Acquired {
        let mut pools = self.lock();
        pools.entry(pool.key()).or_insert_with(|| Arc::clone(pool));
        pool.acquire()
    }

    /// Retires all pools of a function, or of one version of it.
    pub(crate) fn retire(&self, function: &FunctionId, version: Option<Version>) {
        let is_meant =
            |of: &Function| of.id == *function && version.is_none_or(|version| version == of.version);
        let matching: Vec<_> =
            self.lock().values().filter(|pool| is_meant(&pool.function)).cloned().collect();
        matching.iter().for_each(|pool| pool.retire());
    }

    /// Ends every environment, busy ones too.
    pub(crate) fn end_all(&self) {
        let pools: Vec<_> = self.lock().values().cloned().collect();
        for pool in pools {
            let live = pool.lock().live.clone();
            live.iter().for_each(Environment::retire);
        }
    }

    /// Makes room by ending the environment that has been idle longest; false if none is idle.
    pub(crate) fn evict_one(&self) -> bool {
        let pools: Vec<_> = self.lock().values().cloned().collect();
        let candidates = pools.iter().filter_map(|pool| Some((pool, pool.oldest_idle()?)));
        let oldest = candidates.min_by_key(|(_, (_, since))| *since);
        let Some((_, (environment, _))) = oldest else { return false };
        environment.retire_when_idle();
        true
    }

    /// How many environments there are.
    pub(crate) fn census(&self) -> Census {
        self.lock().values().fold(Census::default(), |sum, pool| {
            let state = pool.lock();
            Census { live: sum.live + state.live.len(), idle: sum.idle + distinct(state.line.idle()) }
        })
    }

    fn forget_if_empty(&self, pool: &Pool) {
        let mut pools = self.lock();
        let state = pool.lock();
        if state.live.is_empty() && state.line.is_empty() {
            pools.remove(&pool.key());
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

    #[test]
    fn an_environment_with_several_places_counts_once() {
        let (one, other) = (Arc::new(1), Arc::new(1));
        assert_eq!(distinct::<i32>(&[]), 0);
        assert_eq!(distinct(&[Arc::clone(&one), Arc::clone(&other), Arc::clone(&one), one]), 2);
    }
}
