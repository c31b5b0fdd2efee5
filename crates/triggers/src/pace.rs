//! How many events of one function, or batches of one mapping, run at once.
//!
//! It grows fast until one finds no concurrency; whoever finds none takes a place with it, and from then on growth is
//! slow. So a function with little concurrency is not offered hundreds of events that all have to go back to the queue,
//! each to wait for longer the next time. Invariant: at least one place, at most as many as allowed; where fewer are
//! allowed than are taken, those that come back are gone.

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
    state: Mutex<State>,
}

struct State {
    places_max: usize,
    /// All places, those that are taken too.
    count: usize,
    /// Events that ran since the count last changed, once a limit was met.
    ran: Option<usize>,
    rests_until: Option<Instant>,
}

impl State {
    fn is_crowded(&self) -> bool {
        self.count > self.places_max.max(1)
    }
}

impl Pace {
    pub(crate) fn new(places_max: usize) -> Self {
        let count = FIRST.min(places_max).max(1);
        let state = State { places_max, count, ran: None, rests_until: None };
        Self { places: Arc::new(Semaphore::new(count)), state: Mutex::new(state) }
    }

    /// Allows as many places from now on.
    pub(crate) fn allow(&self, places_max: usize) {
        let mut state = self.lock();
        state.places_max = places_max;
        while state.is_crowded()
            && let Ok(place) = self.places.try_acquire()
        {
            state.count -= 1;
            place.forget();
        }
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

    /// The event that had this place ran.
    pub(crate) fn ran(&self, place: OwnedSemaphorePermit) {
        let mut state = self.lock();
        if state.is_crowded() {
            state.count -= 1;
            return place.forget();
        }
        let is_time = match &mut state.ran {
            None => true,
            Some(ran) => {
                *ran += 1;
                *ran >= state.count
            }
        };
        if is_time && state.count < state.places_max {
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
        for _ in 0..9 {
            pace.ran(taken.split(1).unwrap());
            taken.merge(pace.places().await);
        }
        assert_eq!(taken.num_permits(), 6, "the share");
        while let Some(place) = taken.split(1) {
            pace.held_back(place);
        }
        let begun = Instant::now();
        let mut taken = pace.places().await;
        assert_eq!(taken.num_permits(), 1);
        assert!(begun.elapsed() >= REST / 2, "{:?}", begun.elapsed());
        for _ in 0..3 {
            pace.ran(taken.split(1).unwrap());
            taken.merge(pace.places().await);
        }
        assert_eq!(taken.num_permits(), 3, "one, then two had to run");
        assert_eq!(Pace::new(1).places().await.num_permits(), 1);
    }

    #[tokio::test]
    async fn fewer_places_are_allowed_while_some_are_taken() {
        let pace = Pace::new(4);
        let mut taken = pace.places().await;
        pace.allow(2);
        for _ in 0..2 {
            pace.ran(taken.split(1).unwrap());
            assert!(pace.places.try_acquire().is_err(), "more run than may");
        }
        pace.ran(taken.split(1).unwrap());
        taken.merge(pace.places().await);
        assert_eq!(taken.num_permits(), 2);
        drop(taken);
        pace.allow(1);
        let place = pace.places().await;
        assert_eq!(place.num_permits(), 1, "a free place goes at once");
        pace.allow(2);
        pace.ran(place);
        assert_eq!(pace.places().await.num_permits(), 2);
    }
}
