//! Time for delays and holds: that of the wall when the queue was opened, moved on by a clock that nobody sets.
//!
//! A wall clock that is set back would keep everything unseen for longer, one that is set forward would release it all
//! at once. The boot clock also counts while the machine sleeps, as a delay should.

use model::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteadyClock {
    /// Wall time minus boot time when the queue was opened.
    offset_ms: i64,
}

impl SteadyClock {
    pub(super) fn start() -> Self {
        Self { offset_ms: millis(ClockId::Realtime) - millis(ClockId::Boottime) }
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp::from_millis(self.offset_ms + millis(ClockId::Boottime))
    }
}

fn millis(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}
