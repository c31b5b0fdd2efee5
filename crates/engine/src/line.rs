//! The line of a pool as a pure structure: idle environments (preferred ones before others, then newest first out, so
//! that hot ones stay hot and the rest can expire), invocations waiting in order, and how many environments are being
//! started for them.
//!
//! Invariant: an environment is idle only while nobody waits.

use std::collections::VecDeque;

/// Idle things of type `E`, waiting things of type `W`.
pub(crate) struct Line<E, W> {
    idle: Vec<E>,
    waiting: VecDeque<W>,
    starting: usize,
}

impl<E, W> Default for Line<E, W> {
    fn default() -> Self {
        Self { idle: Vec::new(), waiting: VecDeque::new(), starting: 0 }
    }
}

impl<E, W> Line<E, W> {
    /// The environment that became idle last.
    pub(crate) fn take_idle(&mut self) -> Option<E> {
        self.idle.pop()
    }

    /// All idle places, those that are taken last first.
    pub(crate) fn idle(&self) -> &[E] {
        &self.idle
    }

    /// Puts a waiter at the end; true if an environment must be started for it.
    pub(crate) fn wait(&mut self, waiter: W) -> bool {
        self.waiting.push_back(waiter);
        let unmet = self.waiting.len() > self.starting;
        if unmet {
            self.starting += 1;
        }
        unmet
    }

    /// The one who waited longest.
    pub(crate) fn next_waiter(&mut self) -> Option<W> {
        self.waiting.pop_front()
    }

    /// Keeps an environment that nobody waits for. Preferred ones are taken before all others.
    pub(crate) fn park(&mut self, environment: E, is_preferred: impl Fn(&E) -> bool) {
        if is_preferred(&environment) {
            self.idle.push(environment);
        } else {
            let at = self.idle.partition_point(|idle| !is_preferred(idle));
            self.idle.insert(at, environment);
        }
    }

    /// A start ended, well or badly.
    pub(crate) fn started(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }

    /// Forgets the waiters for which `gone` holds.
    pub(crate) fn forget_waiters(&mut self, gone: impl Fn(&W) -> bool) {
        self.waiting.retain(|waiter| !gone(waiter));
    }

    /// Removes every idle place of an environment; says how many there were.
    pub(crate) fn remove_idle(&mut self, is_it: impl Fn(&E) -> bool) -> usize {
        let before = self.idle.len();
        self.idle.retain(|environment| !is_it(environment));
        before - self.idle.len()
    }

    /// All idle environments, which are then no longer here.
    pub(crate) fn drain_idle(&mut self) -> Vec<E> {
        std::mem::take(&mut self.idle)
    }

    /// Whether nothing is idle, waiting or starting.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.waiting.is_empty() && self.starting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_idle_is_taken_first_and_oldest_given_up_first() {
        let mut line = Line::<_, ()>::default();
        ["a", "b", "c"].into_iter().for_each(|name| line.park(name, |_| false));
        assert_eq!(line.idle(), ["a", "b", "c"]);
        assert_eq!(line.take_idle(), Some("c"));
        assert_eq!(line.remove_idle(|name| *name == "a"), 1);
        assert_eq!((line.take_idle(), line.take_idle()), (Some("b"), None));
    }

    #[test]
    fn preferred_ones_are_taken_before_all_others() {
        let mut line = Line::<_, ()>::default();
        let is_preferred = |name: &&str| name.starts_with('p');
        ["a", "p1", "b", "p2", "c"].into_iter().for_each(|name| line.park(name, is_preferred));
        let taken: Vec<_> = std::iter::from_fn(|| line.take_idle()).collect();
        assert_eq!(taken, ["p2", "p1", "c", "b", "a"]);
    }

    #[test]
    fn starts_meet_unmet_demand_only() {
        let mut line = Line::<(), _>::default();
        assert!(line.wait(1), "the first waiter needs a start");
        assert!(line.wait(2), "the second too");
        assert_eq!(line.next_waiter(), Some(1), "a busy environment became free and served the first");
        assert!(!line.wait(3), "two starts are under way for two waiters");
        assert!(line.wait(4));
        (0..3).for_each(|_| line.started());
        assert_eq!([line.next_waiter(), line.next_waiter(), line.next_waiter()], [Some(2), Some(3), Some(4)]);
        assert!(line.is_empty());
    }
}
