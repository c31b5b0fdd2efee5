//! Work that takes long, on threads of its own: nobody who shares a thread with whoever wants it done waits for it.
//!
//! Callers say whose work it is. Each of them has a line, and the lines take turns; no one has more than half of the
//! threads, so who brings much, or work that takes long, holds up others for no more than a piece of theirs. Work that can be
//! cut into pieces is: a piece ends when its [`Turn`] is over. The threads come behind the rest of the server where the
//! processors are wanted by both, and do not keep the process when it ends. What is asked for here waits in memory:
//! how much, callers bound, as each waits for its answer.

mod lines;
mod turn;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use lines::Lines;

pub use turn::Turn;

/// Threads at least: two, so that one line never has all of them.
const THREADS_MIN: usize = 2;
/// How far they stand back for others (`setpriority(2)`): far behind, and not without time of their own.
const NICENESS: i32 = 10;

/// Work, and whether its answer is still wanted.
struct Piece {
    is_wanted: Box<dyn Fn() -> bool + Send>,
    work: Box<dyn FnOnce() + Send>,
}

struct Shared {
    lines: Mutex<Lines<Piece>>,
    changed: Condvar,
}

/// The threads. Clones share them; with the last one they end.
#[derive(Clone)]
pub struct Aside(Arc<Owner>);

struct Owner(Arc<Shared>);

/// The work panicked; it is not known how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("work on another thread broke off")]
pub struct BrokeOff;

impl Aside {
    /// As many threads as there are processors, two at least. They are started when there is first something to do.
    #[must_use]
    pub fn new() -> Self {
        let threads = thread::available_parallelism().map_or(THREADS_MIN, NonZero::get).max(THREADS_MIN);
        let lines = Mutex::new(Lines::new(threads));
        Self(Arc::new(Owner(Arc::new(Shared { lines, changed: Condvar::new() }))))
    }

    /// Has work done, in the line of `whose`. Whoever gives up waiting before it is begun takes it out of the line.
    ///
    /// # Errors
    /// [`BrokeOff`].
    pub async fn run<T: Send + 'static>(
        &self,
        whose: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BrokeOff> {
        let (sender, answer) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let watched = Arc::clone(&sender);
        let piece = Piece {
            is_wanted: Box::new(move || locked(&watched).as_ref().is_some_and(|sender| !sender.is_closed())),
            work: Box::new(move || {
                let done = work();
                if let Some(sender) = locked(&sender).take() {
                    // Whoever wanted it may have given up.
                    let _ = sender.send(done);
                }
            }),
        };
        self.0.push(whose, piece);
        answer.await.map_err(|_| BrokeOff)
    }
}

impl Default for Aside {
    fn default() -> Self {
        Self::new()
    }
}

impl Owner {
    fn push(&self, whose: &str, piece: Piece) {
        let mut lines = locked(&self.0.lines);
        if let Some(number) = lines.push(whose, piece) {
            let shared = Arc::clone(&self.0);
            let started =
                thread::Builder::new().name(format!("aside-{number}")).spawn(move || shared.serve());
            if let Err(error) = started {
                tracing::error!(%error, "a thread for long work cannot be started; others do it");
                lines.lost();
            }
        }
        self.0.changed.notify_all();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        locked(&self.0.lines).close();
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Does one piece after the other, until nobody can bring any more.
    fn serve(&self) {
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "a thread for long work cannot stand back");
        }
        let mut lines = locked(&self.lines);
        while !lines.is_closed() {
            let Some((whose, piece)) = lines.next() else {
                lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(lines);
            // What panics ends its caller's wait with an error, and no thread.
            if (piece.is_wanted)() && catch_unwind(AssertUnwindSafe(piece.work)).is_err() {
                tracing::error!(whose = &*whose, "long work broke off");
            }
            lines = locked(&self.lines);
            lines.done(&whose);
            self.changed.notify_all();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_is_done_and_what_breaks_off_says_so() {
        let aside = Aside::new();
        assert_eq!(aside.run("a", || 1 + 1).await, Ok(2));
        assert_eq!(aside.run("a", || assert!(std::env::args().count() > 1_000)).await, Err(BrokeOff));
        assert_eq!(aside.run("a", thread::current).await.map(|thread| thread.name().is_some()), Ok(true));
    }

    #[tokio::test]
    async fn one_line_never_has_all_threads() {
        let aside = Aside::new();
        let (ends, end) = mpsc::channel::<()>();
        let end = Arc::new(Mutex::new(end));
        let held: Vec<_> = (0..64)
            .map(|_| {
                let (aside, end) = (aside.clone(), Arc::clone(&end));
                tokio::spawn(async move { aside.run("hog", move || locked(&end).recv().is_ok()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let other = tokio::time::timeout(Duration::from_secs(20), aside.run("other", || 7)).await;
        assert_eq!(other, Ok(Ok(7)));
        drop(ends);
        for held in held {
            assert_eq!(held.await.expect("a task"), Ok(false));
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let aside = Aside::new();
        let (ends, end) = mpsc::channel::<()>();
        let end = Arc::new(Mutex::new(end));
        let threads = locked(&aside.0.0.lines).share();
        let held: Vec<_> = (0..threads)
            .map(|_| {
                let (aside, end) = (aside.clone(), Arc::clone(&end));
                tokio::spawn(async move { aside.run("a", move || locked(&end).recv().is_ok()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let (tell, told) = mpsc::channel();
        let given_up = tokio::time::timeout(
            Duration::from_millis(1),
            aside.run("a", move || tell.send(()).expect("somebody listens")),
        );
        assert!(given_up.await.is_err());
        drop(ends);
        for held in held {
            held.await.expect("a task").expect("done");
        }
        assert_eq!(aside.run("a", || ()).await, Ok(()));
        assert!(told.try_recv().is_err(), "it was begun");
    }
}
