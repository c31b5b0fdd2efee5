//! Volumes for `/tmp` that are ready before anybody asks.
//!
//! The sizes asked for lately are kept in stock, a few of each; the aide makes one at a time. Replies come
//! in the order of the requests, so a count by size is all the bookkeeping there is. The stock is bounded
//! by sizes kept × volumes of each.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// Sizes kept in stock; the one not asked for longest gives way.
const SIZES_MAX: usize = 3;

/// Ready volumes and how many more are on their way.
pub(super) struct Stock {
    /// Volumes of each kept size that should be ready.
    target: usize,
    /// Most recently used last.
    sizes: Vec<u64>,
    ready: HashMap<u64, Vec<OwnedFd>>,
    requested: HashMap<u64, usize>,
}

impl Stock {
    pub(super) fn new(target: usize) -> Stock {
        Stock { target, sizes: Vec::new(), ready: HashMap::new(), requested: HashMap::new() }
    }

    /// Notes that `size` is in use, and gives up volumes of a size that is not any more.
    pub(super) fn wanted(&mut self, size: u64) {
        self.sizes.retain(|other| *other != size);
        self.sizes.push(size);
        if self.sizes.len() > SIZES_MAX {
            let forgotten = self.sizes.remove(0);
            self.ready.remove(&forgotten);
        }
    }

    /// A volume of this size could not be made ahead: try again only when somebody asks.
    pub(super) fn forget(&mut self, size: u64) {
        self.sizes.retain(|other| *other != size);
    }

    pub(super) fn take(&mut self, size: u64) -> Option<OwnedFd> {
        self.ready.get_mut(&size)?.pop()
    }

    pub(super) fn put(&mut self, size: u64, volume: OwnedFd) {
        self.ready.entry(size).or_default().push(volume);
    }

    pub(super) fn note_request(&mut self, size: u64) {
        *self.requested.entry(size).or_default() += 1;
    }

    pub(super) fn note_reply(&mut self, size: u64) {
        if let Some(count) = self.requested.get_mut(&size) {
            *count = count.saturating_sub(1);
        }
    }

    pub(super) fn requested(&self, size: u64) -> usize {
        self.requested.get(&size).copied().unwrap_or(0)
    }

    /// The size to make next while nobody waits, if any is short; nothing while one is being made.
    pub(super) fn short_of(&self) -> Option<u64> {
        if self.requested.values().any(|count| *count > 0) {
            return None;
        }
        let ready = |size: &u64| self.ready.get(size).map_or(0, Vec::len);
        self.sizes.iter().rev().find(|size| ready(size) < self.target).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn the_latest_size_comes_first_and_the_oldest_is_forgotten() {
        let mut stock = Stock::new(1);
        assert_eq!(stock.short_of(), None);
        for size in [1, 2, 3] {
            stock.wanted(size);
        }
        assert_eq!(stock.short_of(), Some(3));
        stock.note_request(3);
        assert_eq!(stock.short_of(), None, "one at a time");
        stock.note_reply(3);
        stock.put(3, volume());
        assert_eq!(stock.short_of(), Some(2));
        stock.put(1, volume());
        stock.wanted(4);
        assert!(stock.take(1).is_none(), "size 1 was forgotten");
        assert!(stock.take(3).is_some() && stock.take(3).is_none());
    }
}
