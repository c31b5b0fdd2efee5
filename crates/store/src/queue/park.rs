//! Waiting for a future on a thread of one's own.
//!
//! To the microsecond, where the timers of an asynchronous runtime count in milliseconds; and without a runtime. Source of
//! the shape: the documentation of `std::task::Wake`.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What the future comes to; nothing if that is not before `until`.
pub(super) fn wait<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn what_comes_is_taken_and_what_does_not_is_given_up() {
        assert_eq!(wait(async { 7 }, Some(Instant::now())), Some(7), "what is there already");
        let (send, receive) = oneshot::channel();
        let sender = thread::spawn(move || send.send(8));
        assert_eq!(wait(receive, None), Some(Ok(8)));
        assert_eq!(sender.join().expect("no panic"), Ok(()));
        let began = Instant::now();
        assert_eq!(wait(std::future::pending::<()>(), Some(began + Duration::from_millis(2))), None);
        assert!(began.elapsed() >= Duration::from_millis(2));
    }
}
