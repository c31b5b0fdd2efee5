//! Counting: how many invocations each account and each function runs at once. A permit is taken before an environment
//! is looked for and given back when the lease closes, whatever becomes of the caller.
//!
//! A function with reserved concurrency is counted by itself, and what is reserved is taken from the account's, which
//! all other functions share. Changes take effect at once: what runs is let end, and counts where it began.
//!
//! Source: AWS Lambda Developer Guide, "Understanding Lambda function scaling" and "Configuring reserved concurrency".

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::arn::{FunctionId, Scope};
use model::error::{ServiceError, ThrottleReason};
use tokio::sync::Notify;

/// Stands for a function without reservation.
const NOTHING: usize = usize::MAX;
/// Functions that are remembered before those that nobody uses any more are forgotten.
const SHARES_MIN: usize = 1_024;

/// The concurrency of every account and region, and of every function that was seen.
pub(crate) struct Accounts {
    limit: usize,
    state: Mutex<State>,
    total: Arc<Total>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<Scope, Arc<Account>>,
    /// What is reserved, whether or not the function was ever invoked.
    reserved: HashMap<FunctionId, usize>,
    /// The functions that pools refer to.
    shares: HashMap<FunctionId, Weak<Share>>,
}

/// One account in one region.
struct Account {
    limit: usize,
    /// Sum of what its functions have reserved.
    reserved: AtomicUsize,
    /// Invocations that were not counted by a function.
    running: AtomicUsize,
}

/// One function, with all its versions and tenants.
pub(crate) struct Share {
    account: Arc<Account>,
    /// [`NOTHING`], or what it has to itself.
    reserved: AtomicUsize,
    /// Invocations that were counted here.
    running: AtomicUsize,
    total: Arc<Total>,
}

/// All that runs.
#[derive(Default)]
struct Total {
    running: AtomicUsize,
    settled: Notify,
}

/// The right to run one invocation.
pub(crate) struct Permit {
    share: Arc<Share>,
    /// Whether the function counts it, rather than the account.
    is_own: bool,
}

impl Accounts {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit: limit as usize, state: Mutex::default(), total: Arc::default() }
    }

    /// The share of a function; made at first use.
    pub(crate) fn share(&self, function: &FunctionId) -> Arc<Share> {
        let mut state = self.lock();
        if let Some(share) = state.shares.get(function).and_then(Weak::upgrade) {
            return share;
        }
        if state.shares.len() >= SHARES_MIN && state.shares.len().is_power_of_two() {
            state.shares.retain(|_, share| share.strong_count() > 0);
        }
        let reserved = state.reserved.get(function).copied().unwrap_or(NOTHING);
        let share = Arc::new(Share {
            account: state.account(&function.scope, self.limit),
            reserved: AtomicUsize::new(reserved),
            running: AtomicUsize::new(0),
            total: Arc::clone(&self.total),
        });
        state.shares.insert(function.clone(), Arc::downgrade(&share));
        share
    }

    /// Sets what a function has to itself; nothing gives it back.
    pub(crate) fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        let executions = executions.map(|executions| executions as usize);
        let mut state = self.lock();
        let before = match executions {
            Some(executions) => state.reserved.insert(function.clone(), executions),
            None => state.reserved.remove(function),
        };
        let account = state.account(&function.scope, self.limit);
        // Under the lock, so that the sum is that of the map.
        let sum = account.reserved.load(Ordering::Relaxed) - before.unwrap_or(0) + executions.unwrap_or(0);
        account.reserved.store(sum, Ordering::Relaxed);
        if let Some(share) = state.shares.get(function).and_then(Weak::upgrade) {
            share.reserved.store(executions.unwrap_or(NOTHING), Ordering::Relaxed);
        }
    }

    /// Invocations running now, over all accounts.
    pub(crate) fn running(&self) -> usize {
        self.total.running.load(Ordering::SeqCst)
    }

    /// Waits until nothing runs, at most `limit` long; says how many still run. New permits stay available, so
    /// the caller must have stopped handing out work.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let all = async {
            loop {
                let settled = self.total.settled.notified();
                tokio::pin!(settled);
                // Registered before looking, so that an end in between is not missed.
                settled.as_mut().enable();
                if self.running() == 0 {
                    return;
                }
                settled.await;
            }
        };
        let _ = tokio::time::timeout(limit, all).await;
        self.running()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account(&mut self, scope: &Scope, limit: usize) -> Arc<Account> {
        if let Some(account) = self.accounts.get(scope) {
            return Arc::clone(account);
        }
        let account =
            Arc::new(Account { limit, reserved: AtomicUsize::new(0), running: AtomicUsize::new(0) });
        self.accounts.insert(scope.clone(), Arc::clone(&account));
        account
    }
}

/// Takes a permit, or says in AWS's words that none is left.
pub(crate) fn admit(share: &Arc<Share>) -> Result<Permit, ServiceError> {
    let own = share.reserved.load(Ordering::Relaxed);
    let (counter, limit, reason) = if own == NOTHING {
        let account = &share.account;
        let unreserved = account.limit.saturating_sub(account.reserved.load(Ordering::Relaxed));
        (&account.running, unreserved, ThrottleReason::ConcurrentInvocationLimitExceeded)
    } else {
        (&share.running, own, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded)
    };
    let one_more = |running: usize| (running < limit).then_some(running + 1);
    match counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more) {
        Ok(_) => {
            share.total.running.fetch_add(1, Ordering::SeqCst);
            Ok(Permit { share: Arc::clone(share), is_own: own != NOTHING })
        }
        Err(_) => Err(ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() }),
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Share { account, running, total, .. } = &*self.share;
        let counter = if self.is_own { running } else { &account.running };
        counter.fetch_sub(1, Ordering::SeqCst);
        if total.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            total.settled.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::{AccountId, Region};
    use model::name::FunctionName;

    fn function(region: &str, name: &str) -> FunctionId {
        let region = Region::parse(region).expect("a legal region");
        let scope = Scope { account: AccountId::DEFAULT, region };
        FunctionId { scope, name: FunctionName::parse(name).expect("a legal name") }
    }

    fn refused(share: &Arc<Share>) -> Option<ThrottleReason> {
        match admit(share) {
            Err(ServiceError::TooManyRequests { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn the_limit_is_per_scope_and_permits_come_back() {
        let accounts = Accounts::new(2);
        let (one, two) =
            (accounts.share(&function("here-1", "one")), accounts.share(&function("here-1", "two")));
        let there = accounts.share(&function("there-1", "one"));
        let held = (admit(&one).expect("first"), admit(&two).expect("second"));
        assert_eq!(refused(&one), Some(ThrottleReason::ConcurrentInvocationLimitExceeded));
        let other = admit(&there).expect("another region has its own limit");
        assert_eq!(accounts.running(), 3);
        drop((held, other));
        assert_eq!(accounts.running(), 0);
        drop(admit(&one).expect("free again"));
    }

    #[test]
    fn what_is_reserved_is_one_functions_own() {
        let accounts = Accounts::new(3);
        let (own, other) = (function("here-1", "own"), function("here-1", "other"));
        accounts.reserve(&own, Some(2));
        let (own_share, other_share) = (accounts.share(&own), accounts.share(&other));
        let first = admit(&other_share).expect("one is left to all others");
        assert_eq!(refused(&other_share), Some(ThrottleReason::ConcurrentInvocationLimitExceeded));
        let held = (admit(&own_share).expect("first"), admit(&own_share).expect("second"));
        let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
        assert_eq!(refused(&own_share), Some(reason));
        // Less than what runs: nothing more is admitted until enough has ended.
        accounts.reserve(&own, Some(1));
        drop(held.0);
        assert_eq!(refused(&own_share), Some(reason));
        drop((held.1, admit(&other_share).expect("what is no longer reserved is there for all")));
        drop(admit(&own_share).expect("one"));
        accounts.reserve(&own, Some(0));
        assert_eq!(refused(&own_share), Some(reason), "zero stops a function");
        drop(first);
        accounts.reserve(&own, None);
        let all = [(); 3].map(|()| admit(&own_share).expect("as much as the account has"));
        assert_eq!(refused(&other_share), Some(ThrottleReason::ConcurrentInvocationLimitExceeded));
        drop(all);
        assert_eq!(accounts.running(), 0);
    }

    #[test]
    fn permits_count_where_they_were_taken() {
        let accounts = Accounts::new(1);
        let id = function("here-1", "f");
        let share = accounts.share(&id);
        let before = admit(&share).expect("the account's");
        accounts.reserve(&id, Some(1));
        let after = admit(&share).expect("its own");
        drop(before);
        assert!(refused(&share).is_some(), "the older one was the account's");
        drop(after);
        drop(admit(&share).expect("free"));
    }

    #[tokio::test]
    async fn draining_waits_for_the_last() {
        let accounts = Accounts::new(1);
        let permit = admit(&accounts.share(&function("here-1", "f"))).expect("free");
        assert_eq!(accounts.drain(Duration::from_millis(1)).await, 1);
        let (left, ()) = tokio::join!(accounts.drain(Duration::from_secs(5)), async { drop(permit) });
        assert_eq!(left, 0);
    }
}
