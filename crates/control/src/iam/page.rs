//! Pages of lists.
//!
//! In the order of a key, each naming where the next begins, so that a list stays right while things come and go.

use super::IamError;
use crate::marker;

const COUNT_DEFAULT: usize = 100;
const COUNT_MAX: usize = 1_000;

/// Which page is asked for.
#[derive(Debug, Clone, Default)]
pub struct PageOf {
    /// What the page before gave.
    pub marker: Option<String>,
    /// The most on a page: 1 to 1,000, or 100 where nothing is said.
    pub count_max: Option<usize>,
    /// Only what has a path that begins so.
    pub path_prefix: Option<String>,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How to get the next, if there is one.
    pub next: Option<String>,
}

impl PageOf {
    /// Whether something with this path is asked for.
    pub(super) fn wants(&self, path: &str) -> bool {
        self.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }

    /// Picks the page out of things with their keys, and puts them in order of these: a page goes on behind the last
    /// key of the one before.
    ///
    /// # Errors
    /// `Validation` for a marker that is none.
    pub fn of<T>(&self, things: impl IntoIterator<Item = (String, T)>) -> Result<Page<T>, IamError> {
        let after = match &self.marker {
            None => None,
            Some(marker) => Some(
                marker::decode(marker, |last| Some(last.to_owned()))
                    .map_err(|_| IamError::Validation("Invalid Marker.".to_owned()))?,
            ),
        };
        let count_max = self.count_max.unwrap_or(COUNT_DEFAULT).clamp(1, COUNT_MAX);
        let mut things: Vec<(String, T)> = things.into_iter().collect();
        things.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut rest =
            things.into_iter().skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
        let mut items = Vec::new();
        let mut last = None;
        for (key, item) in rest.by_ref().take(count_max) {
            items.push(item);
            last = Some(key);
        }
        let next = rest.next().and(last).map(|last| marker::encode(&last));
        Ok(Page { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let things = || ["d", "a", "e", "c", "b"].map(|key| (key.to_owned(), key));
        let mut asked = PageOf { count_max: Some(2), ..PageOf::default() };
        let mut seen = Vec::new();
        loop {
            let page = asked.of(things()).expect("a page");
            seen.push(page.items);
            asked.marker = page.next;
            if asked.marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        asked.marker = Some("~".to_owned());
        assert_eq!(asked.of(things()), Err(IamError::Validation("Invalid Marker.".to_owned())));
    }
}
