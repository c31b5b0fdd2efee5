//! The real clock and the real randomness behind the ports of `model`. Everything else takes them as values, so
//! that tests can choose the time.

use std::time::{SystemTime, UNIX_EPOCH};

use model::port::{Clock, Entropy};
use model::time::Timestamp;

/// The clock of this machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The kernel's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            // Without randomness no id and no key is safe; nothing sensible is left to do.
            panic!("the kernel gives no random numbers: {error}");
        }
    }
}
