//! The real clock and the real randomness behind the ports of `model`. Everything else takes them as values, so
//! that tests can choose the time.

use std::cell::RefCell;
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

/// Random bytes that are asked for at a time.
const STOCK_BYTES: usize = 512;
/// What is as short as this is taken from the stock: ids. Keys and secrets are longer and come from the kernel.
const FROM_STOCK_MAX: usize = 24;

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK_BYTES], left: 0 }) };
}

/// Random bytes of the kernel that nobody has had; a call to it for each id costs every request some microseconds.
struct Stock {
    bytes: [u8; STOCK_BYTES],
    left: usize,
}

impl Stock {
    /// Fills a buffer of at most [`STOCK_BYTES`]; what is given is gone.
    fn give(&mut self, buffer: &mut [u8]) {
        if self.left < buffer.len() {
            ask_kernel(&mut self.bytes);
            self.left = STOCK_BYTES;
        }
        let given = &mut self.bytes[self.left - buffer.len()..self.left];
        buffer.copy_from_slice(given);
        given.fill(0);
        self.left -= buffer.len();
    }
}

fn ask_kernel(buffer: &mut [u8]) {
    if let Err(error) = getrandom::fill(buffer) {
        // Without randomness no id and no key is safe; nothing sensible is left to do.
        panic!("the kernel gives no random numbers: {error}");
    }
}

/// The kernel's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        match buffer.len() {
            ..=FROM_STOCK_MAX => STOCK.with_borrow_mut(|stock| stock.give(buffer)),
            _ => ask_kernel(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_random_is_given_twice() {
        let draw = |count: usize| -> Vec<[u8; 16]> {
            let one = |_| {
                let mut id = [0; 16];
                SystemEntropy.fill(&mut id);
                id
            };
            (0..count).map(one).collect()
        };
        let mut drawn = draw(1_000);
        drawn.extend(std::thread::spawn(move || draw(1_000)).join().expect("drawn"));
        let different: HashSet<_> = drawn.iter().collect();
        assert_eq!(different.len(), drawn.len());
        assert!(!different.contains(&[0; 16]));
    }

    #[test]
    fn odd_sizes_are_filled_to_their_end() {
        for size in [1, 7, 23, 24, 25, 600] {
            let ends = (0..100).any(|_| {
                let mut buffer = vec![0; size];
                SystemEntropy.fill(&mut buffer);
                buffer[0] != 0 && buffer[size - 1] != 0
            });
            assert!(ends, "{size}");
        }
    }
}
