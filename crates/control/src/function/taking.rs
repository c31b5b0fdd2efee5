//! Concurrency that is being taken at this moment: decided upon, and not durable yet.
//!
//! It counts as taken for all others of its account and region. So those who reserve or provision write at the same
//! time, and share a sync of the disk, and still never take more than there is. Knows amounts, not what they are for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::arn::Scope;
use model::error::ServiceError;
use tokio::sync::Notify;

/// See the module's description.
#[derive(Default)]
pub(super) struct Takings {
    under_way: Mutex<HashMap<Scope, u32>>,
    /// Told whenever one ends.
    ended: Notify,
}

/// One of them. It ends when dropped: what was taken must be shown by then.
#[must_use]
pub(super) struct Taking<'a> {
    all: &'a Takings,
    scope: &'a Scope,
    executions: u32,
}

impl Takings {
    /// Begins to take, if `check` allows it with what all others are about to take. Where only these stand in the way,
    /// and may yet fail, it waits for them.
    ///
    /// # Errors
    /// That of the check.
    pub(super) async fn begin<'a>(
        &'a self,
        scope: &'a Scope,
        executions: u32,
        check: impl Fn(u32) -> Result<(), ServiceError>,
    ) -> Result<Taking<'a>, ServiceError> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before looking, so that an end in between is not missed.
            ended.as_mut().enable();
            if let Some(taking) = self.try_begin(scope, executions, &check)? {
                return Ok(taking);
            }
            ended.await;
        }
    }

    fn try_begin<'a>(
        &'a self,
        scope: &'a Scope,
        executions: u32,
        check: &impl Fn(u32) -> Result<(), ServiceError>,
    ) -> Result<Option<Taking<'a>>, ServiceError> {
        let mut under_way = self.under_way();
        let others = under_way.get(scope).copied().unwrap_or_default();
        match check(others) {
            Ok(()) => {
                under_way.insert(scope.clone(), others + executions);
                Ok(Some(Taking { all: self, scope, executions }))
            }
            Err(_) if others > 0 && check(0).is_ok() => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Scope, u32>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let mut under_way = self.all.under_way();
        if let Some(sum) = under_way.get_mut(self.scope) {
            *sum -= self.executions;
            if *sum == 0 {
                under_way.remove(self.scope);
            }
        }
        drop(under_way);
        self.all.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use model::id::{AccountId, Region};

    use super::*;

    fn at_most(limit: u32, executions: u32) -> impl Fn(u32) -> Result<(), ServiceError> {
        move |others| match others + executions <= limit {
            true => Ok(()),
            false => Err(ServiceError::InvalidParameterValue("too much".to_owned())),
        }
    }

    #[tokio::test]
    async fn what_others_may_yet_leave_is_waited_for() {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let takings = Takings::default();
        let first = takings.begin(&scope, 6, at_most(10, 6)).await.unwrap();
        let beside = takings.begin(&scope, 4, at_most(10, 4)).await;
        assert!(beside.is_ok(), "both fit");
        assert!(takings.begin(&scope, 11, at_most(10, 11)).await.is_err(), "it would not fit alone");
        drop(beside);
        let second = async { takings.begin(&scope, 6, at_most(10, 6)).await.map(drop) };
        let end = async { drop(first) };
        let (second, ()) = tokio::join!(second, end);
        assert_eq!(second, Ok(()), "once the first has ended");
        assert!(takings.under_way().is_empty());
    }
}
