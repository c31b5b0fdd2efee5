//! How many events of one function, or batches of one mapping, run at once. It grows fast until one finds no concurrency; whoever finds none takes
//! a place with it, and from then on growth is slow.
//!
//! So a function with little concurrency is not offered hundreds of events that all have to go back to the queue, each
//! to wait for longer the next time. Invariant: at least one place, at most the function's share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Places at first.
const FIRST: usize = 4;
/// How long nothing more is begun after an event found no concurrency.
const REST: Duration = Duration::from_millis(200);

/// See the module.
pub(crate) struct Pace {
    places: Arc<Semaphore>,
    places_max: usize,
    state: Mutex<State>,
}

struct State {
    /// All places, those that are taken too.
    count: usize,
    /// Events that ran since the count last changed, once a limit was met.
    ran: Option<usize>,
    rests_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(places_max: usize) -> Self {
        let count = FIRST.min(places_max).max(1);
        let state = State { count, ran: None, rests_until: None };
        Self { places: Arc::new(Semaphore::new(count)), places_max, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a place; takes it and all others that are free.
    pub(crate) async fn places(&self) -> OwnedSemaphorePermit {
        let until = self.lock().rests_until.take();
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        let mut places = Arc::clone(&self.places).acquire_owned().await.expect("never closed");
        while let Ok(more) = Arc::clone(&self.places).try_acquire_owned() {
            places.merge(more);
        }
        places
    }

    /// An event ran.
    pub(crate) fn ran(&self) {
        let mut state = self.lock();
        let is_time = match &mut state.ran {
            None => true,
            Some(ran) => {
                *ran += 1;
                *ran >= state.count
            }
        };
        if is_time && state.count < self.places_max {
            state.count += 1;
            state.ran = state.ran.map(|_| 0);
            self.places.add_permits(1);
        }
    }

    /// The event that had this place found no concurrency.
    pub(crate) fn held_back(&self, place: OwnedSemaphorePermit) {
        let mut state = self.lock();
        state.ran = Some(0);
        state.rests_until = Some(Instant::now() + REST);
        if state.count > 1 {
            state.count -= 1;
            place.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_grow_to_the_share_and_shrink_to_one() {
        let pace = Pace::new(6);
        let mut taken = pace.places().await;
        assert_eq!(taken.num_permits(), 4);
        (0..9).for_each(|_| pace.ran());
        taken.merge(pace.places().await);
        assert_eq!(taken.num_permits(), 6, "the share");
        while let Some(place) = taken.split(1) {
            pace.held_back(place);
        }
        let begun = Instant::now();
        let taken = pace.places().await;
        assert_eq!(taken.num_permits(), 1);
        assert!(begun.elapsed() >= REST / 2, "{:?}", begun.elapsed());
        drop(taken);
        (0..3).for_each(|_| pace.ran());
        assert_eq!(pace.places().await.num_permits(), 3, "one, then two had to run");
        assert_eq!(Pace::new(1).places().await.num_permits(), 1);
    }
}
