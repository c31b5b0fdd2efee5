//! How fast an account may make control calls: a bucket of tokens for each, refilled with time.
//!
//! Invocations take none. AWS allows an account 15 control calls a second in most cases; here the rate is a setting,
//! meant to stop loops that ran away rather than to ration. Pure but for the lock.
//!
//! Source: Lambda Developer Guide, "Lambda quotas", API requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::error::{ServiceError, ThrottleReason};
use model::id::AccountId;
use model::time::Timestamp;

/// Accounts whose buckets are kept; when there are more, all begin anew with full ones.
const ACCOUNTS_MAX: usize = 1_024;
/// Seconds of unused rate that an account may save up.
const BURST_S: u64 = 2;
/// A token in the unit of a bucket: with this unit, one millisecond refills as many as the rate.
const TOKEN: u64 = 1_000;

/// See the module's description.
pub struct Throttle {
    /// Calls a second; zero is no limit.
    rate: u32,
    buckets: Mutex<HashMap<AccountId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    filled: Timestamp,
}

impl Throttle {
    /// Allows so many calls a second; zero allows all.
    pub fn new(rate: u32) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes a token of an account.
    ///
    /// # Errors
    /// `TooManyRequests` when there is none.
    pub fn take(&self, account: AccountId, now: Timestamp) -> Result<(), ServiceError> {
        if self.rate == 0 {
            return Ok(());
        }
        let full = u64::from(self.rate) * BURST_S * TOKEN;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ACCOUNTS_MAX && !buckets.contains_key(&account) {
            buckets.clear();
        }
        let bucket = buckets.entry(account).or_insert(Bucket { level: full, filled: now });
        *bucket = bucket.refilled(self.rate, full, now);
        match bucket.level.checked_sub(TOKEN) {
            Some(left) => {
                bucket.level = left;
                Ok(())
            }
            None => Err(ServiceError::TooManyRequests {
                reason: ThrottleReason::CallerRateLimitExceeded,
                message: "Rate exceeded".to_owned(),
            }),
        }
    }
}

impl Bucket {
    /// A clock that was set back refills nothing until it is where it was, or at most for the time that fills it all.
    fn refilled(self, rate: u32, full: u64, now: Timestamp) -> Self {
        let passed = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        let is_set_back = self.filled.since(now).as_secs() > BURST_S;
        let level = self.level.saturating_add(passed.saturating_mul(rate.into())).min(full);
        Self {
            level: if is_set_back { full } else { level },
            filled: if is_set_back { now } else { self.filled.max(now) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    /// How many of `asked` calls are let through at once.
    fn let_through(throttle: &Throttle, account: &str, now: Timestamp, asked: usize) -> usize {
        let account = AccountId::parse(account).expect("an account");
        (0..asked).filter(|_| throttle.take(account, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_a_burst_and_refills_at_the_rate() {
        let throttle = Throttle::new(10);
        let check = |account, millis, asked, expect| {
            assert_eq!(let_through(&throttle, account, at(millis), asked), expect, "{account} {millis}");
        };
        check("111111111111", 0, 30, 20);
        check("222222222222", 0, 1, 1);
        check("111111111111", 99, 5, 0);
        check("111111111111", 100, 5, 1);
        check("111111111111", 60_000, 30, 20);
        // A clock that is set back far must not lock anybody out.
        check("111111111111", -3_600_000, 5, 5);
    }

    #[test]
    fn zero_is_no_limit_and_accounts_are_bounded() {
        assert_eq!(let_through(&Throttle::new(0), "111111111111", at(0), 100_000), 100_000);
        let throttle = Throttle::new(1);
        for number in 0..3_000_u64 {
            assert_eq!(let_through(&throttle, &format!("{number:012}"), at(0), 1), 1);
        }
        assert!(throttle.buckets.lock().expect("not poisoned").len() <= ACCOUNTS_MAX);
    }
}
