//! Path templates of operations and how a request finds its own.
//!
//! Labels are cut from the raw path before they are decoded, so an ARN with an encoded `/` stays one label. One
//! trailing slash is tolerated, as AWS does for `/2015-03-31/functions/`. An empty label never matches.

use std::cmp::Reverse;

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
    let parts: Vec<&str> = path.split('/').collect();
    let matches =
        |http: &Http| http.method == method && http.uri.fits(&parts) && http.uri.query_matches(query);
    let found = table.iter().enumerate().filter(|(_, http)| matches(http));
    let (place, http) = found.min_by_key(|(_, http)| Reverse(http.uri.query.len()))?;
    Some((place, http.uri.labels(path)))
}

impl Template {
    /// Whether a path that is cut at its slashes has this form.
    fn fits(&self, parts: &[&str]) -> bool {
        let is_longer = parts.len() > self.segments.len();
        let is_as_long = match self.segments.last() {
            Some(Segment::Greedy(_)) => parts.len() >= self.segments.len(),
            _ => parts.len() == self.segments.len(),
        };
        is_as_long
            && self.segments.iter().zip(parts).all(|(segment, part)| match segment {
                Segment::Literal(text) => text == part,
                Segment::Label(_) => !part.is_empty(),
                Segment::Greedy(_) => is_longer || !part.is_empty(),
            })
    }

    fn labels<'p>(&self, path: &'p str) -> Labels<'p> {
        let labels = self.cut(path).filter_map(|(segment, part)| match segment {
            Segment::Literal(_) => None,
            Segment::Label(name) | Segment::Greedy(name) => Some((*name, part)),
        });
        Labels(labels.collect())
    }

    /// What stands in a path at each segment; at the last, all the rest.
    fn cut<'p>(&self, path: &'p str) -> impl Iterator<Item = (&'static Segment, &'p str)> {
        self.segments.iter().zip(path.splitn(self.segments.len(), '/'))
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
