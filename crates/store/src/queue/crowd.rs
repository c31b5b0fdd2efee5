//! For how many calls a turn of the writer is worth waiting.
//!
//! Those who were just answered often call again at once. If the next turn starts with the first of them, the others
//! wait for the one after it, and every sync carries half of what it could. Pure: instants come from outside.
//! Source of the idea: PostgreSQL's `commit_delay` and `commit_siblings`; here both are measured, not set.

use std::time::{Duration, Instant};

/// Fewer calls than this are not waited for: one caller's latency is worth more than a sync saved.
const CROWD_MIN: usize = 4;
/// The longest wait, however slow the disk is.
const WAIT_MAX: Duration = Duration::from_millis(2);

/// What the last turn says of the next.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    expected: usize,
    wait: Duration,
}

impl Crowd {
    /// A turn that carried so many calls took so long, and so many came meanwhile.
    pub(super) fn turned(&mut self, carried: usize, took: Duration, came: usize) {
        self.expected = if carried < CROWD_MIN { 0 } else { carried + came };
        self.wait = took.min(WAIT_MAX);
    }

    /// Until when more calls are worth waiting for, with so many here. Nobody waits for longer than a turn takes.
    pub(super) fn wait_until(&self, here: usize, since: Instant) -> Option<Instant> {
        (here < self.expected).then(|| since + self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_micros(300);

    #[track_caller]
    fn check((carried, took, came): (usize, Duration, usize), here: usize, expect: Option<Duration>) {
        let (mut crowd, since) = (Crowd::default(), Instant::now());
        crowd.turned(carried, took, came);
        assert_eq!(crowd.wait_until(here, since), expect.map(|wait| since + wait));
    }

    #[test]
    fn a_crowd_is_waited_for_as_long_as_a_turn_takes() {
        check((8, TURN, 8), 8, Some(TURN));
        check((8, TURN, 8), 16, None);
        check((16, TURN, 0), 1, Some(TURN));
        check((16, TURN, 0), 16, None);
        check((16, Duration::from_secs(1), 0), 1, Some(WAIT_MAX));
    }

    #[test]
    fn few_are_not_waited_for() {
        check((1, TURN, 0), 1, None);
        check((3, TURN, 3), 3, None);
        assert_eq!(Crowd::default().wait_until(1, Instant::now()), None);
    }
}
