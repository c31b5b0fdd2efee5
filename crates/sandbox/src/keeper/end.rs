//! How the keeper leaves: nothing of it, of its aide or of any sandbox stays.
//!
//! Everything is killed first and waited for afterwards, so that the time is that of the slowest, not the
//! sum. Each wait has a bound; whatever a kernel refuses to give back by then is found by the next start.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::supervisor::Supervisor;
use crate::sys;

/// Longest wait for all killed processes together.
const END_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for the aide's clean-up.
const AIDE_END_MS: i64 = 10_000;

impl Supervisor<'_> {
    /// Destroys every sandbox, then lets the aide remove the cgroups.
    pub(super) fn end(self) {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        (0..slots).for_each(|index| self.kill(index));
        let deadline = Instant::now() + END_DEADLINE;
        for slot in self.slots.iter().flatten() {
            let left = deadline.saturating_duration_since(Instant::now());
            let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            sys::wait_readable(&slot.pidfd, left_ms);
            sys::reap_one(slot.pid);
            // Busy ones are left to the aide.
            drop(slot.group.remove());
        }
        drop(self.stock);
        let aide = self.host.aide;
        drop(aide.socket);
        sys::wait_readable(aide.pidfd.as_fd(), AIDE_END_MS);
        sys::reap_one(aide.pid);
    }
}
