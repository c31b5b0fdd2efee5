//! Whose turn it is: a line for each who has work, served in rotation, each with a bounded share of the threads.
//!
//! Pure; `lib` does the work.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// One who has work waiting or being done; nobody else has an entry.
struct Line<P> {
    waiting: VecDeque<P>,
    busy: usize,
}

/// See the module.
pub(crate) struct Lines<P> {
    lines: HashMap<Arc<str>, Line<P>>,
    /// Those with something waiting, each once, the next one first.
    order: VecDeque<Arc<str>>,
    threads_max: usize,
    threads: usize,
    /// Pieces that wait or are being done.
    pieces: usize,
    is_closed: bool,
}

impl<P> Lines<P> {
    pub(crate) fn new(threads_max: usize) -> Self {
        let (lines, order) = (HashMap::new(), VecDeque::new());
        Self { lines, order, threads_max, threads: 0, pieces: 0, is_closed: false }
    }

    /// How many pieces of one line are done at the same time.
    pub(crate) fn share(&self) -> usize {
        (self.threads_max / 2).max(1)
    }

    /// Puts a piece at the end of its line; gives the number of a thread that is to be started for it, if one is.
    pub(crate) fn push(&mut self, whose: &str, piece: P) -> Option<usize> {
        let whose: Arc<str> = match self.lines.get_key_value(whose) {
            Some((known, _)) => Arc::clone(known),
            None => whose.into(),
        };
        let line = self
            .lines
            .entry(Arc::clone(&whose))
            .or_insert_with(|| Line { waiting: VecDeque::new(), busy: 0 });
        if line.waiting.is_empty() {
            self.order.push_back(whose);
        }
        line.waiting.push_back(piece);
        self.pieces += 1;
        let is_wanted = self.threads < self.threads_max && self.threads < self.pieces;
        is_wanted.then(|| {
            self.threads += 1;
            self.threads
        })
    }

    /// The thread that was to be started was not.
    pub(crate) fn lost(&mut self) {
        self.threads -= 1;
    }

    /// The piece that is to be done now, and whose it is.
    pub(crate) fn next(&mut self) -> Option<(Arc<str>, P)> {
        let share = self.share();
        let may = |whose: &Arc<str>| self.lines.get(whose).is_some_and(|line| line.busy < share);
        let place = self.order.iter().position(may)?;
        let whose = self.order.remove(place)?;
        let line = self.lines.get_mut(&whose)?;
        let piece = line.waiting.pop_front()?;
        line.busy += 1;
        if !line.waiting.is_empty() {
            self.order.push_back(Arc::clone(&whose));
        }
        Some((whose, piece))
    }

    /// A piece that [`Lines::next`] gave has been done.
    pub(crate) fn done(&mut self, whose: &str) {
        self.pieces -= 1;
        if let Some(line) = self.lines.get_mut(whose) {
            line.busy -= 1;
            if line.busy == 0 && line.waiting.is_empty() {
                self.lines.remove(whose);
            }
        }
    }

    /// There will be nothing more; what waits is not done.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(lines: &mut Lines<u32>) -> Vec<u32> {
        std::iter::from_fn(|| lines.next().map(|(_, piece)| piece)).collect()
    }

    #[test]
    fn lines_take_turns_within_their_share() {
        let mut lines = Lines::new(4);
        for piece in 0..5 {
            lines.push("a", piece);
        }
        lines.push("b", 10);
        lines.push("c", 20);
        assert_eq!(order(&mut lines), [0, 10, 20, 1], "two of a, and the others between them");
        lines.done("b");
        assert_eq!(lines.next(), None, "a has its share");
        lines.done("a");
        assert_eq!(lines.next().map(|(_, piece)| piece), Some(2));
    }

    #[test]
    fn threads_are_started_while_there_is_more_to_do_than_they_can() {
        let mut lines = Lines::new(3);
        assert_eq!(lines.push("a", 0), Some(1));
        lines.next();
        lines.done("a");
        assert_eq!(lines.push("a", 1), None, "the first one is free");
        assert_eq!(lines.push("b", 2), Some(2));
        lines.lost();
        assert_eq!(lines.push("b", 3), Some(2));
        assert_eq!(lines.push("c", 4), Some(3));
        assert_eq!(lines.push("d", 5), None);
    }

    proptest! {
        #[test]
        fn everything_is_done_once_in_the_order_of_its_line_and_nothing_is_kept(
            pieces in proptest::collection::vec(0_u8..4, 1..60),
            ends in proptest::collection::vec(any::<bool>(), 0..200),
        ) {
            let mut lines = Lines::new(4);
            for (number, whose) in pieces.iter().enumerate() {
                lines.push(&whose.to_string(), number);
            }
            let (mut done, mut busy) = (Vec::new(), VecDeque::new());
            let mut ends = ends.into_iter();
            while done.len() < pieces.len() {
                match lines.next() {
                    Some((whose, number)) => {
                        prop_assert!(*whose == *pieces[number].to_string());
                        done.push(number);
                        busy.push_back(whose);
                    }
                    None => prop_assert!(!busy.is_empty(), "nothing is being done, and something waits"),
                }
                if busy.len() == 4 || ends.next().unwrap_or(true) {
                    let Some(whose) = busy.pop_front() else { continue };
                    lines.done(&whose);
                }
                for whose in 0..4_u8 {
                    let share = busy.iter().filter(|busy| ***busy == *whose.to_string()).count();
                    prop_assert!(share <= lines.share());
                }
            }
            for whose in 0..4_u8 {
                let of_line: Vec<_> = done.iter().filter(|number| pieces[**number] == whose).collect();
                prop_assert!(of_line.is_sorted());
            }
            busy.iter().for_each(|whose| lines.done(whose));
            prop_assert!(lines.lines.is_empty() && lines.order.is_empty() && lines.pieces == 0);
        }
    }
}
