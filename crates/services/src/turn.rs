//! Long work on the thread that everybody shares: when it has taken a while, others come first.
//!
//! For work in many small steps, each of which leaves everything as others may find it; a step that is long by itself belongs
//! to a thread of its own.

use std::time::{Duration, Instant};

/// How long it may go on before others are let in.
const TURN_MAX: Duration = Duration::from_millis(5);

/// Measures how long work has gone on.
pub(crate) struct Turn(Instant);

impl Turn {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Whether it has lasted long enough.
    pub(crate) fn is_over(&self) -> bool {
        self.0.elapsed() >= TURN_MAX
    }

    /// Lets others in where the turn is over, and begins the next one after them.
    pub(crate) async fn give_way(&mut self) {
        if self.is_over() {
            tokio::task::yield_now().await;
            *self = Self::begin();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn others_are_let_in_when_a_turn_is_over_and_not_before() {
        let others = Cell::new(0);
        let work = async {
            Turn(Instant::now() + TURN_MAX * 10_000).give_way().await;
            let before = others.get();
            Turn(Instant::now() - TURN_MAX).give_way().await;
            (before, others.get())
        };
        let other = async {
            for _ in 0..10 {
                others.set(others.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let (seen, ()) = tokio::join!(biased; work, other);
        assert_eq!(seen, (0, 1));
    }
}
