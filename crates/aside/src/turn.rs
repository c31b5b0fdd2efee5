//! How long a piece of work may go on before others come.
//!
//! For work in many small steps, each of which leaves everything as others may find it.

use std::time::{Duration, Instant};

/// On a thread that everybody shares.
const AMONG_ALL: Duration = Duration::from_millis(5);
/// On a thread of its own: long enough that what a piece begins with does not count.
const ASIDE: Duration = Duration::from_millis(100);

/// Measures how long work has gone on.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    began: Instant,
    span: Duration,
}

impl Turn {
    /// Begins now, on a thread that everybody shares.
    #[must_use]
    pub fn among_all() -> Self {
        Self { began: Instant::now(), span: AMONG_ALL }
    }

    /// Begins now, on a thread of [`crate::Aside`].
    #[must_use]
    pub fn aside() -> Self {
        Self { began: Instant::now(), span: ASIDE }
    }

    /// Whether it has lasted long enough.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.began.elapsed() >= self.span
    }

    /// Lets other tasks of this thread in where the turn is over, and begins the next one after them.
    pub async fn give_way(&mut self) {
        if self.is_over() {
            tokio::task::yield_now().await;
            self.began = Instant::now();
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
            Turn { began: Instant::now(), span: Duration::from_secs(3_600) }.give_way().await;
            let before = others.get();
            Turn { began: Instant::now(), span: Duration::ZERO }.give_way().await;
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
