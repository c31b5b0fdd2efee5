//! How the keeper leaves: nothing of it, of its aides or of any sandbox stays.
//!
//! Everything is killed first and waited for afterwards, so that the time is that of the slowest, not the
//! sum. Each wait has a bound; whatever a kernel refuses to give back by then is found by the next start.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::porter::Porters;
use super::supervisor::Supervisor;
use crate::sys;

/// Longest wait for all killed processes together.
const END_DEADLINE: Duration = Duration::from_secs(10);

impl Supervisor<'_> {
    /// Destroys every sandbox, then lets the aides go.
    pub(super) fn end(self) {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        (0..slots).for_each(|index| self.kill(index));
        let porters: Vec<_> = self.host.porters.iter().flat_map(Porters::kill_all).collect();
        let deadline = Instant::now() + END_DEADLINE;
        let bodies = self.slots.iter().flatten().filter_map(|slot| slot.body.as_ref());
        for pidfd in bodies.map(|body| body.pidfd.as_fd()).chain(porters) {
            let left = deadline.saturating_duration_since(Instant::now());
            sys::wait_readable(pidfd, i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        }
        // Volumes in stock, and with them their loop devices.
        drop(self.stock);
        let host = self.host;
        host.disk.end();
        host.nursery.end();
        // The nursery has done so already, unless its own death is the reason for this end.
        host.layout.sweep_whole();
    }
}
