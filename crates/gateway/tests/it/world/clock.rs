//! The time and the chance of a world: a clock on the wall, one that stands, and numbers that count up.
//!
//! Ids are made of such numbers, so they are the same in every run.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use model::port::{Clock, Entropy};
use model::time::Timestamp;

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub struct StoppedClock(pub Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a near time"))
}

pub struct Numbers(pub Mutex<u64>);

impl Entropy for Numbers {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().expect("not poisoned");
        *next += 1;
        for (place, byte) in buffer.iter_mut().zip(next.to_be_bytes().into_iter().cycle()) {
            *place = byte;
        }
    }
}
