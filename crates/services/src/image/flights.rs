//! One at a time, by name: whoever wants to make something that somebody else is making waits for it.
//!
//! Names are digests. A lock exists only while somebody holds or wants it, so memory is bounded by what is going on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::id::Digest;
use tokio::sync::OwnedMutexGuard;

/// Locks by name.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    /// Waits until nobody else holds this name.
    pub(super) async fn alone(&self, name: Digest) -> OwnedMutexGuard<()> {
        self.lock_of(name).lock_owned().await
    }

    fn lock_of(&self, name: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&name).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(name, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_same_name_waits_and_another_does_not() {
        let flights = Flights::default();
        let (a, b) = (crate::oci::digest_of(b"a"), crate::oci::digest_of(b"b"));
        let held = flights.alone(a).await;
        assert!(flights.alone(a).now_or_never().is_none());
        assert!(flights.alone(b).now_or_never().is_some());
        drop(held);
        assert!(flights.alone(a).now_or_never().is_some());
        assert!(flights.0.lock().unwrap().len() <= 2);
    }
}
