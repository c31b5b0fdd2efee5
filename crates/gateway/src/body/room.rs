//! The room for bodies in memory: one for all, of which nobody has more than a share for code and one for events.
//!
//! A body claims what it may become of its holder's share before it takes anything, so that the bodies of one holder never
//! wait for each other half read. Of the room it takes what has arrived. Who gets what is decided in the order of asking;
//! whoever waits is counted, because a body that stands still gives way then. What a body is, is not known here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use model::url::UrlId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All bodies in memory at a time, in kilobytes. Small ones do not count: connections bound them.
pub const ROOM_KB: usize = 512 * 1024;
/// A holder's share is the room divided by this. It fits the largest body of any operation.
const SHARES: usize = 4;
/// Bodies that may become larger are code, which may be minutes in coming: no event waits behind it.
const EVENT_KB_MAX: usize = 8 * 1024;
/// How long a body that holds nothing yet waits until others give back what they hold.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long one that holds something waits, with each piece: less, so that when all the room is held by bodies that wait
/// for each other, some give up theirs before who came later does.
const ROOM_WAIT_HOLDING_MAX: Duration = Duration::from_secs(5);
/// How long a body waits for its holder's other bodies. It is in nobody else's way meanwhile, and its client may well be
/// less patient.
const SHARE_WAIT_MAX: Duration = Duration::from_secs(240);
/// Shares that are remembered before those without a body are forgotten: as many as bodies can be.
const SHARES_KEPT_MAX: usize = 8_192;

/// Whose body it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A caller that is known, or the access key id that somebody shows to an open server; and where it calls from, since
    /// whoever knows a key id can show it.
    Caller(String, Option<IpAddr>),
    /// Somebody who shows nothing.
    Peer(Option<IpAddr>),
    /// Whoever calls a function URL that takes everybody.
    Url(UrlId),
}

/// See the module's description.
#[derive(Debug)]
pub struct Room {
    all: Arc<Supply>,
    share_kb: usize,
    /// By whose they are, and whether they are for code.
    shares: Mutex<HashMap<(Holder, bool), Weak<Semaphore>>>,
}

impl Room {
    /// Nothing is held of so many kilobytes.
    pub fn new(room_kb: usize) -> Self {
        Self { all: Supply::new(room_kb), share_kb: room_kb / SHARES, shares: Mutex::default() }
    }

    /// A place for a body of at most `bytes_max`, of which nothing is held yet; `None` if the holder's other bodies leave
    /// none in time.
    pub async fn claim(&self, holder: Holder, bytes_max: usize) -> Option<Place> {
        let share = self.share((holder, kilobytes(bytes_max) > EVENT_KB_MAX));
        // Whatever is larger than a share has it for itself.
        let claim = take(&share, kilobytes(bytes_max).min(self.share_kb), SHARE_WAIT_MAX).await?;
        Some(Place { all: Arc::clone(&self.all), held: None, _claim: claim })
    }

    fn share(&self, holder: (Holder, bool)) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&holder).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= SHARES_KEPT_MAX {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share_kb));
        shares.insert(holder, Arc::downgrade(&share));
        share
    }
}

/// What one body has of the room; given back when dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<Supply>,
    held: Option<OwnedSemaphorePermit>,
    /// Its holder's share is remembered for as long as this is held.
    _claim: OwnedSemaphorePermit,
}

impl Place {
    /// Makes the place hold a body that has grown to `size_bytes`, and says whether there was room in time. Bodies that wait
    /// for each other's room do not wait for ever: the first that has waited too long gives up its own.
    pub async fn hold(&mut self, size_bytes: usize) -> bool {
        let held_kb = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing_kb = kilobytes(size_bytes).saturating_sub(held_kb);
        if missing_kb == 0 {
            return true;
        }
        let patience = if held_kb == 0 { ROOM_WAIT_MAX } else { ROOM_WAIT_HOLDING_MAX };
        let Some(more) = self.all.take(missing_kb, patience).await else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }

    /// Whether somebody waits for room. Those who wait for their holder's share do not count: if they did, the slow bodies of
    /// one client would put each other out for ever.
    pub fn is_wanted(&self) -> bool {
        self.all.is_wanted()
    }
}

/// Kilobytes for all, and how many bodies wait for some.
#[derive(Debug)]
struct Supply {
    free_kb: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Supply {
    fn new(kb: usize) -> Arc<Self> {
        Arc::new(Self { free_kb: Arc::new(Semaphore::new(kb)), waiting: AtomicUsize::new(0) })
    }

    async fn take(&self, kb: usize, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let at_once = u32::try_from(kb).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.free_kb).try_acquire_many_owned(at_once) {
            return Some(permit);
        }
        let _counted = Waiting::of(&self.waiting);
        take(&self.free_kb, kb, patience).await
    }

    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counted until it is dropped, also when a client goes away while its body waits.
struct Waiting<'w>(&'w AtomicUsize);

impl<'w> Waiting<'w> {
    fn of(counter: &'w AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Kilobytes, given out in the order of asking; none if they are not there in time.
async fn take(free_kb: &Arc<Semaphore>, kb: usize, patience: Duration) -> Option<OwnedSemaphorePermit> {
    let kb = u32::try_from(kb).unwrap_or(u32::MAX);
    let taken = tokio::time::timeout(patience, Arc::clone(free_kb).acquire_many_owned(kb)).await;
    taken.ok()?.ok()
}

fn kilobytes(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Holder {
        Holder::Caller(name.to_owned(), None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_waits_for_its_own_share_and_nobody_else_does() {
        let room = Room::new(400);
        let first = room.claim(caller("a"), 60 * 1024).await.expect("a place");
        assert!(!first.is_wanted());
        // More than the share is the share.
        let (second, ()) = tokio::join!(room.claim(caller("a"), 8 * 1024 * 1024), async {
            tokio::task::yield_now().await;
            assert!(!first.is_wanted());
            let other = room.claim(caller("b"), 100 * 1024).await.expect("a place");
            assert!(!other.is_wanted());
            drop(first);
        });
        let second = second.expect("a place");
        assert!(!second.is_wanted());
        assert!(room.claim(caller("a"), 1024).await.is_none(), "the wait ends");
        drop(second);
        assert!(room.claim(caller("a"), 1024).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn events_wait_for_no_code_of_the_same_holder_nor_for_who_shows_its_name_elsewhere() {
        let room = Room::new(ROOM_KB);
        let megabytes = |count: usize| count * 1024 * 1024;
        let code = room.claim(caller("a"), megabytes(70)).await.expect("a place");
        let began = tokio::time::Instant::now();
        let event = room.claim(caller("a"), megabytes(8)).await.expect("a place");
        let elsewhere = Holder::Caller("a".to_owned(), Some([192, 0, 2, 1].into()));
        let other = room.claim(elsewhere, megabytes(70)).await.expect("a place");
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!code.is_wanted() && !event.is_wanted() && !other.is_wanted());
        assert!(room.claim(caller("a"), megabytes(70)).await.is_none());
        assert_eq!(began.elapsed(), SHARE_WAIT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn shares_without_a_body_are_forgotten() {
        let room = Room::new(400);
        let kept = room.claim(caller("kept"), 1024).await.expect("a place");
        for number in 0..2 * SHARES_KEPT_MAX {
            room.claim(caller(&number.to_string()), 1024).await.expect("a place");
        }
        assert!(room.shares.lock().expect("not poisoned").len() <= SHARES_KEPT_MAX);
        assert!(room.claim(caller("kept"), 100 * 1024).await.is_none());
        drop(kept);
    }
}
