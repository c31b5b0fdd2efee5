//! Texts by key that never change: the tags of a function and its environment variables.
//!
//! Made for thousands of small maps that live as long as the server: one block and no slack, where a B-tree's first
//! node alone has room for eleven entries. Clones share it. Invariant: sorted by key, each key once.

use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pairs(Arc<[(Box<str>, Box<str>)]>);

impl Pairs {
    /// The text of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(other, _)| (**other).cmp(key));
        found.ok().and_then(|at| self.0.get(at)).map(|(_, text)| &**text)
    }

    /// All by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (&**key, &**text))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are one and the same, so that keeping both costs what one does.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A copy that can be changed.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
    }
}

impl From<BTreeMap<String, String>> for Pairs {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map.into_iter().map(|(key, text)| (key.into(), text.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_hold_what_the_map_held() {
        let map: BTreeMap<String, String> =
            [("b", "2"), ("a", ""), ("c", "3")].map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        let pairs = Pairs::from(map.clone());
        assert_eq!(pairs.to_map(), map);
        assert_eq!((pairs.get("a"), pairs.get("c"), pairs.get("d")), (Some(""), Some("3"), None));
        assert!(!pairs.is_empty() && Pairs::default().is_empty());
        assert!(pairs.is_shared_with(&pairs.clone()) && !pairs.is_shared_with(&map.into()));
    }
}
