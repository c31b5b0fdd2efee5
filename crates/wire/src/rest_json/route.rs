//! Path templates of operations and how a request finds its own.
//!
//! Labels are cut from the raw path before they are decoded, so an ARN with an encoded `/` stays one label. One
//! trailing slash is tolerated, as AWS does for `/2015-03-31/functions/`. An empty label never matches.

use crate::json::Malformed;
use crate::percent;

/// How an operation is called.
#[derive(Debug)]
pub struct Http {
    /// The operation's name.
    pub name: &'static str,
    /// The method, in capitals.
    pub method: &'static str,
    /// Path and required query.
    pub uri: Template,
    /// Status of the answer where the output does not carry one.
    pub status: u16,
}

/// A path with labels, and the query parameters by which some operations differ.
#[derive(Debug)]
pub struct Template {
    /// The path cut at its slashes.
    pub segments: &'static [Segment],
    /// Parameters that must be there with this value.
    pub query: &'static [(&'static str, &'static str)],
}

/// One part of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text that must be there.
    Literal(&'static str),
    /// `{Name}`: one segment.
    Label(&'static str),
    /// `{Name+}`: all that follows.
    Greedy(&'static str),
}

/// The labels of a matched path, still encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels<'p>(Vec<(&'static str, &'p str)>);

impl Labels<'_> {
    /// All labels by name, as they stand in the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().copied()
    }

    /// A label's text, decoded.
    pub fn get(&self, name: &str) -> Result<Option<String>, Malformed> {
        let Some((_, raw)) = self.0.iter().find(|(label, _)| *label == name) else { return Ok(None) };
        percent::decode(raw)
            .map(|text| Some(text.into_owned()))
            .map_err(|_| Malformed(format!("the path's {name} is not UTF-8")))
    }
}

/// The entry of `table` that a request matches, by its place, with the labels of its path. Entries with a
/// required query are tried before those without.
#[must_use]
pub fn match_templates<'p>(
    table: &[Http],
    method: &str,
    path: &'p str,
    query: &str,
) -> Option<(usize, Labels<'p>)> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let matches = |(place, http): (usize, &Http)| {
        if http.method != method {
            return None;
        }
        http.uri.labels(path).map(|labels| (place, labels))
    };
    let mut found = table.iter().enumerate().filter_map(matches);
    let first = found.next()?;
    // Nearly every path has one template; only then is the query looked at.
    let rest: Vec<_> = found.collect();
    if rest.is_empty() && table[first.0].uri.query.is_empty() {
        return Some(first);
    }
    let mut all: Vec<_> = std::iter::once(first).chain(rest).collect();
    all.sort_by_key(|(place, _)| std::cmp::Reverse(table[*place].uri.query.len()));
    all.into_iter().find(|(place, _)| table[*place].uri.query_matches(query))
}

impl Template {
    fn labels<'p>(&self, path: &'p str) -> Option<Labels<'p>> {
        let mut rest = Some(path);
        let mut labels = Labels::default();
        for segment in self.segments {
            let whole = rest?;
            let (part, after) = match whole.split_once('/') {
                Some((part, after)) => (part, Some(after)),
                None => (whole, None),
            };
            rest = match segment {
                Segment::Literal(text) if *text == part => after,
                Segment::Label(name) if !part.is_empty() => {
                    labels.0.push((name, part));
                    after
                }
                Segment::Greedy(name) if !whole.is_empty() => {
                    labels.0.push((name, whole));
                    None
                }
                _ => return None,
            };
        }
        rest.is_none().then_some(labels)
    }

    fn query_matches(&self, query: &str) -> bool {
        let has = |(name, value): &(&str, &str)| {
            percent::query_pairs(query).any(|pair| pair.is_ok_and(|(n, v)| n == *name && v == *value))
        };
        self.query.iter().all(has)
    }

    /// The path with its labels filled in and encoded, without the query.
    #[must_use]
    pub fn path(&self, label: impl Fn(&str) -> String) -> String {
        let mut path = String::new();
        for segment in self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Label(name) => path.push_str(&percent::encode(&label(name))),
                Segment::Greedy(name) => {
                    let parts: Vec<_> = label(name).split('/').map(percent::encode).collect();
                    path.push_str(&parts.join("/"));
                }
            }
        }
        path
    }
}
