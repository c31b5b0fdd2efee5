//! Counting: how many invocations each account runs at once. A permit is taken before an environment is looked
//! for and given back when the lease closes, whatever becomes of the caller.
//!
//! Source: AWS Lambda Developer Guide, "Understanding Lambda function scaling".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::arn::Scope;
use model::error::{ServiceError, ThrottleReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The concurrency of every account and region that was seen.
pub(crate) struct Accounts {
    limit: u32,
    counters: Mutex<HashMap<Scope, Arc<Semaphore>>>,
}

/// The right to run one invocation.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Accounts {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, counters: Mutex::default() }
    }

    /// The counter of a scope; made at first use.
    pub(crate) fn counter(&self, scope: &Scope) -> Arc<Semaphore> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(scope) {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Semaphore::new(self.limit as usize));
        counters.insert(scope.clone(), Arc::clone(&counter));
        counter
    }

    /// Invocations running now, over all accounts.
    pub(crate) fn running(&self) -> usize {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.values().map(|counter| self.limit as usize - counter.available_permits()).sum()
    }

    /// Waits until nothing runs, at most `limit` long; says how many still run. New permits stay available, so
    /// the caller must have stopped handing out work.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let counters: Vec<_> = {
            let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
            counters.values().cloned().collect()
        };
        let all = async {
            for counter in &counters {
                // The semaphore is never closed; an error would mean that nothing can run anyway.
                let _ = counter.acquire_many(self.limit).await;
            }
        };
        let _ = tokio::time::timeout(limit, all).await;
        self.running()
    }
}

/// Takes a permit, or says in AWS's words that none is left.
pub(crate) fn admit(counter: &Arc<Semaphore>) -> Result<Permit, ServiceError> {
    Arc::clone(counter).try_acquire_owned().map_err(|_| ServiceError::TooManyRequests {
        reason: ThrottleReason::ConcurrentInvocationLimitExceeded,
        message: "Rate Exceeded.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::{AccountId, Region};

    #[test]
    fn the_limit_is_per_scope_and_permits_come_back() {
        let accounts = Accounts::new(2);
        let scope = |region| Scope {
            account: AccountId::DEFAULT,
            region: Region::parse(region).expect("a legal region"),
        };
        let (here, there) = (accounts.counter(&scope("here-1")), accounts.counter(&scope("there-1")));
        let held = (admit(&here).expect("first"), admit(&here).expect("second"));
        assert!(matches!(admit(&here), Err(ServiceError::TooManyRequests { .. })));
        let other = admit(&there).expect("another region has its own limit");
        assert_eq!(accounts.running(), 3);
        drop((held, other));
        assert_eq!(accounts.running(), 0);
        drop(admit(&accounts.counter(&scope("here-1"))).expect("free again"));
    }
}
