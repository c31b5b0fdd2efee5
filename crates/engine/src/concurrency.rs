//! Counting: how many invocations each account and each function runs at once. A permit is taken before an environment
//! is looked for and given back when the lease closes, whatever becomes of the caller.
//!
//! A function with reserved concurrency is counted by itself, and what is reserved is taken from the account's, which
//! all other functions share. What is provisioned of a version is taken from either, and counted by itself: a version may
//! run that much whatever all others do, and beyond it shares what is left. Changes take effect at once: what runs is let
//! end, and counts where it began.
//!
//! Source: AWS Lambda Developer Guide, "Understanding Lambda function scaling", "Configuring reserved concurrency" and
//! "Configuring provisioned concurrency".

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
    /// What functions have to themselves, whether or not they were ever invoked.
    claims: HashMap<FunctionId, Claim>,
    /// The functions that pools refer to.
    shares: HashMap<FunctionId, Weak<Share>>,
}

/// What one function has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Claim {
    reserved: Option<usize>,
    /// Of all its versions.
    provisioned: usize,
}

impl Claim {
    /// What it takes from its account. What is provisioned is part of what is reserved.
    fn taken(self) -> usize {
        self.reserved.unwrap_or(self.provisioned)
    }
}

/// One account in one region.
struct Account {
    limit: usize,
    /// Sum of what its functions have to themselves.
    taken: AtomicUsize,
    /// Invocations that were not counted by a function.
    running: AtomicUsize,
}

/// One function, with all its versions and tenants.
pub(crate) struct Share {
    account: Arc<Account>,
    /// [`NOTHING`], or what it has reserved.
    reserved: AtomicUsize,
    /// What is provisioned of all its versions.
    provisioned: AtomicUsize,
    /// Invocations that were counted here.
    running: AtomicUsize,
    total: Arc<Total>,
}

/// What is provisioned of one version, for whoever comes first.
#[derive(Default)]
pub(crate) struct Allotment {
    executions: AtomicUsize,
    running: AtomicUsize,
}

impl Allotment {
    /// Sets how much it is.
    pub(crate) fn set(&self, executions: usize) {
        self.executions.store(executions, Ordering::Relaxed);
    }
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
    counted: Counted,
}

/// Who counts an invocation.
enum Counted {
    Account,
    Function,
    Version(Arc<Allotment>),
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
        let claim = state.claims.get(function).copied().unwrap_or_default();
        let share = Arc::new(Share {
            account: state.account(&function.scope, self.limit),
            reserved: AtomicUsize::new(claim.reserved.unwrap_or(NOTHING)),
            provisioned: AtomicUsize::new(claim.provisioned),
            running: AtomicUsize::new(0),
            total: Arc::clone(&self.total),
        });
        state.shares.insert(function.clone(), Arc::downgrade(&share));
        share
    }

    /// Sets what a function has reserved; nothing gives it back.
    pub(crate) fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        let reserved = executions.map(|executions| executions as usize);
        self.claim(function, |claim| Claim { reserved, ..claim });
    }

    /// Sets what is provisioned of all versions of a function.
    pub(crate) fn provision(&self, function: &FunctionId, provisioned: usize) {
        self.claim(function, |claim| Claim { provisioned, ..claim });
    }

    fn claim(&self, function: &FunctionId, change: impl FnOnce(Claim) -> Claim) {
        let mut state = self.lock();
        let before = state.claims.remove(function).unwrap_or_default();
        let claim = change(before);
        if claim != Claim::default() {
            state.claims.insert(function.clone(), claim);
        }
        let account = state.account(&function.scope, self.limit);
        // Under the lock, so that the sum is that of the map.
        let sum = account.taken.load(Ordering::Relaxed) - before.taken() + claim.taken();
        account.taken.store(sum, Ordering::Relaxed);
        if let Some(share) = state.shares.get(function).and_then(Weak::upgrade) {
            share.reserved.store(claim.reserved.unwrap_or(NOTHING), Ordering::Relaxed);
            share.provisioned.store(claim.provisioned, Ordering::Relaxed);
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
        let account = Arc::new(Account { limit, taken: AtomicUsize::new(0), running: AtomicUsize::new(0) });
        self.accounts.insert(scope.clone(), Arc::clone(&account));
        account
    }
}

/// Takes a permit, or says in AWS's words that none is left. What is provisioned is used up first.
pub(crate) fn admit(share: &Arc<Share>, allotment: &Arc<Allotment>) -> Result<Permit, ServiceError> {
    let counted = if one_more(&allotment.running, allotment.executions.load(Ordering::Relaxed)) {
        Counted::Version(Arc::clone(allotment))
    } else {
        unprovisioned(share)?
    };
    share.total.running.fetch_add(1, Ordering::SeqCst);
    Ok(Permit { share: Arc::clone(share), counted })
}

/// Who counts what is not provisioned.
fn unprovisioned(share: &Share) -> Result<Counted, ServiceError> {
    let own = share.reserved.load(Ordering::Relaxed);
    let (has_room, counted, reason) = if own == NOTHING {
        let Account { limit, taken, running } = &*share.account;
        let unreserved = limit.saturating_sub(taken.load(Ordering::Relaxed));
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        (one_more(running, unreserved), Counted::Account, reason)
    } else {
        let left = own.saturating_sub(share.provisioned.load(Ordering::Relaxed));
        let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
        (one_more(&share.running, left), Counted::Function, reason)
    };
    if has_room {
        return Ok(counted);
    }
    Err(ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() })
}

/// Counts one more, if there is room for it.
fn one_more(running: &AtomicUsize, limit: usize) -> bool {
    let next = |running: usize| (running < limit).then_some(running + 1);
    running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_ok()
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Share { account, running, total, .. } = &*self.share;
        let counter = match &self.counted {
            Counted::Account => &account.running,
            Counted::Function => running,
            Counted::Version(allotment) => &allotment.running,
        };
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

    /// Of a version of which nothing is provisioned.
    fn admit(share: &Arc<Share>) -> Result<Permit, ServiceError> {
        super::admit(share, &Arc::default())
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
    fn what_is_provisioned_is_one_versions_own() {
        let accounts = Accounts::new(4);
        let (id, other) = (function("here-1", "f"), accounts.share(&function("here-1", "other")));
        let share = accounts.share(&id);
        let allotment = Arc::new(Allotment::default());
        let provision = |executions| {
            allotment.set(executions);
            accounts.provision(&id, executions);
        };
        provision(2);
        let others = [(); 2].map(|()| admit(&other).expect("what is not provisioned is there for all"));
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        assert_eq!(
            (refused(&other), refused(&share)),
            (Some(reason), Some(reason)),
            "for other versions too"
        );
        let own = [(); 2].map(|()| super::admit(&share, &allotment).expect("its own"));
        assert!(super::admit(&share, &allotment).is_err());
        drop(others);
        let spilled = super::admit(&share, &allotment).expect("beyond it, from what is left to all");
        drop((own, spilled));
        // What is provisioned is part of what is reserved.
        accounts.reserve(&id, Some(3));
        let beside = admit(&share).expect("of another version");
        assert_eq!(refused(&share), Some(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded));
        let own = [(); 2].map(|()| super::admit(&share, &allotment).expect("its own"));
        assert!(super::admit(&share, &allotment).is_err(), "a reservation is a bound");
        drop((beside, own));
        accounts.reserve(&id, None);
        provision(0);
        let all = [(); 4].map(|()| admit(&other).expect("all of it is there again"));
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
