//! Points in time as the rest of the model needs them: milliseconds since the Unix epoch. Text forms belong
//! to `wire`; reading the clock belongs to the `Clock` port.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point in time from milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This point moved into the future; saturates at the end of representable time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time passed since `earlier`; zero if it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A span rounded up to whole milliseconds, the unit in which use is billed.
/// Source: AWS Lambda pricing, "duration is rounded up to the nearest 1 ms".
#[must_use]
pub fn billed_millis(span: Duration) -> u64 {
    let whole = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if span.subsec_nanos().is_multiple_of(1_000_000) { whole } else { whole.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_rounds_up_to_a_millisecond() {
        for (micros, billed) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (2_500_000, 2_500)] {
            assert_eq!(billed_millis(Duration::from_micros(micros)), billed, "{micros} µs");
        }
    }

    #[test]
    fn time_does_not_run_backwards() {
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.after(Duration::from_millis(4)), late);
    }
}
