//! Whether a body still comes: it has to bring a stride of bytes in each span of time, a shorter one while others wait.
//!
//! Pure. Bytes alone do not count, so that who drips them is as one who sends nothing.

use std::time::Duration;

use tokio::time::Instant;

/// What a body has to bring again and again.
const STRIDE_BYTES: usize = 64 * 1024;
/// For how long it may bring less, if nobody wants its room.
const STRIDE_TIME_MAX: Duration = Duration::from_secs(30);
/// The same while others wait for what it holds.
const STRIDE_TIME_WANTED_MAX: Duration = Duration::from_secs(2);

/// Why a body is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// It is too slow for anybody.
    TooSlow,
    /// It is too slow for others to wait for it.
    GivesWay,
}

/// See the module's description.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    brought_bytes: usize,
}

impl Pace {
    /// A body that is waited for from now on.
    pub fn from(now: Instant) -> Self {
        Self { since: now, brought_bytes: 0 }
    }

    /// Bytes have come.
    pub fn brought(&mut self, bytes: usize, now: Instant) {
        self.brought_bytes = self.brought_bytes.saturating_add(bytes);
        if self.brought_bytes >= STRIDE_BYTES {
            *self = Self::from(now);
        }
    }

    /// The body was not read for so long, which is not its fault.
    pub fn rested(&mut self, time: Duration) {
        self.since += time;
    }

    /// Whether the body is waited for any longer.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, now: Instant, is_wanted: bool) -> Result<(), Lag> {
        match now.saturating_duration_since(self.since) {
            still if still >= STRIDE_TIME_MAX => Err(Lag::TooSlow),
            still if is_wanted && still >= STRIDE_TIME_WANTED_MAX => Err(Lag::GivesWay),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brings_too_little_stands_still() {
        let start = Instant::now();
        let check = |brought: &[(u64, usize)], rested_ms, at_ms, is_wanted, expect| {
            let mut pace = Pace::from(start);
            for (ms, bytes) in brought {
                pace.brought(*bytes, start + Duration::from_millis(*ms));
            }
            pace.rested(Duration::from_millis(rested_ms));
            let found = pace.check(start + Duration::from_millis(at_ms), is_wanted);
            assert_eq!(found, expect, "{brought:?} {rested_ms} {at_ms} {is_wanted}");
        };
        check(&[], 0, 29_999, false, Ok(()));
        check(&[], 0, 30_000, false, Err(Lag::TooSlow));
        check(&[], 0, 1_999, true, Ok(()));
        check(&[], 0, 2_000, true, Err(Lag::GivesWay));
        check(&[], 0, 30_000, true, Err(Lag::TooSlow));
        check(&[(1_000, 1), (9_000, STRIDE_BYTES - 2)], 0, 30_000, false, Err(Lag::TooSlow));
        check(&[(1_000, 1), (9_000, STRIDE_BYTES - 1)], 0, 38_999, false, Ok(()));
        check(&[(1_000, 1), (9_000, STRIDE_BYTES - 1)], 0, 39_000, false, Err(Lag::TooSlow));
        check(&[], 5_000, 6_999, true, Ok(()));
        check(&[], 5_000, 7_000, true, Err(Lag::GivesWay));
    }
}
