//! The model's constraints, checked with AWS's wording: all violations of a request are gathered into one
//! `ValidationException` message.
//!
//! A member's own failure names its value, except where the model calls it sensitive. Failures of list elements
//! and map keys are reported on the list or map with all constraints of the element, as AWS does. Work and
//! message are bounded: values are cut, and no more than [`VIOLATIONS_MAX`] violations are written out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use regex::Regex;

use crate::json::Malformed;

/// Violations that are written out; the count in front stays true.
pub const VIOLATIONS_MAX: usize = 50;
/// Characters of an offending value that are echoed.
const ECHO_CHARS_MAX: usize = 500;

/// A regular expression of the model, compiled at first use and always matched against the whole text.
#[derive(Debug)]
pub struct Pattern {
    /// As the model writes it and as violations show it.
    shown: &'static str,
    /// The same language for the `regex` crate, anchored at both ends.
    anchored: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    /// `anchored` has been compiled once by the generator.
    #[must_use]
    pub const fn new(shown: &'static str, anchored: &'static str) -> Self {
        Self { shown, anchored, compiled: OnceLock::new() }
    }

    fn matches(&self, text: &str) -> bool {
        let compile = || Regex::new(self.anchored).expect("the generator has compiled this pattern");
        self.compiled.get_or_init(compile).is_match(text)
    }
}

/// Constraints of a string, in the terms of the model.
#[derive(Debug)]
pub struct Text {
    /// Fewest characters.
    pub min: Option<usize>,
    /// Most characters.
    pub max: Option<usize>,
    /// What the whole text must match.
    pub pattern: Option<Pattern>,
    /// The only values, of an enum.
    pub values: Option<&'static [&'static str]>,
    /// Never echo the value.
    pub sensitive: bool,
}

impl Text {
    /// No constraint: the value to start from in generated code.
    pub const ANY: Text = Text { min: None, max: None, pattern: None, values: None, sensitive: false };

    fn pattern_failure(&self, text: &str) -> Option<String> {
        let pattern = self.pattern.as_ref()?;
        (!pattern.matches(text))
            .then(|| format!("Member must satisfy regular expression pattern: {}", pattern.shown))
    }

    fn values_failure(&self, text: &str) -> Option<String> {
        let values = self.values?;
        (!values.contains(&text)).then(|| enum_message(values))
    }

    fn accepts(&self, text: &str) -> bool {
        size_failure(self.min, self.max, || text.chars().count()).is_none()
            && self.values.is_none_or(|values| values.contains(&text))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
    }

    /// Every constraint, as AWS lists them for an element of a list or map.
    fn all(&self) -> String {
        let mut all = Vec::new();
        all.extend(self.max.map(max_length_message));
        all.extend(self.min.map(min_length_message));
        all.extend(
            self.pattern
                .as_ref()
                .map(|pattern| format!("Member must satisfy regular expression pattern: {}", pattern.shown)),
        );
        all.extend(self.values.map(enum_message));
        all.join(", ")
    }
}

/// Bounds of a number.
#[derive(Debug)]
pub struct Number {
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
}

/// Constraints of a list; `element` for lists of strings.
#[derive(Debug)]
pub struct List {
    /// Fewest elements.
    pub min: Option<usize>,
    /// Most elements.
    pub max: Option<usize>,
    /// What each string must satisfy.
    pub element: Option<&'static Text>,
    /// Never echo the list.
    pub sensitive: bool,
}

/// Constraints of a map from strings to strings.
#[derive(Debug)]
pub struct Map {
    /// Fewest entries.
    pub min: Option<usize>,
    /// Most entries.
    pub max: Option<usize>,
    /// What each key must satisfy.
    pub key: Option<&'static Text>,
    /// What each value must satisfy.
    pub value: Option<&'static Text>,
    /// Never echo the map.
    pub sensitive: bool,
}

/// Constraints of a map from strings to numbers.
#[derive(Debug)]
pub struct NumberMap {
    /// Fewest entries.
    pub min: Option<usize>,
    /// Most entries.
    pub max: Option<usize>,
    /// What each key must satisfy.
    pub key: Option<&'static Text>,
    /// What each value must satisfy.
    pub value: Number,
}

/// Constraints of a map from strings to lists of strings.
#[derive(Debug)]
pub struct ListMap {
    /// Fewest entries.
    pub min: Option<usize>,
    /// Most entries.
    pub max: Option<usize>,
    /// What each key must satisfy.
    pub key: Option<&'static Text>,
    /// What each value must satisfy.
    pub value: List,
}

/// A structure that can check its members.
pub trait Check {
    /// Adds what is wrong to `found`.
    fn check(&self, found: &mut Violations);
}

/// Why a request does not become an input.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not in the form of the operation: `SerializationException`.
    #[error(transparent)]
    Malformed(Malformed),
    /// In form, but against the model's constraints: `ValidationException`, or what the service has in its place.
    #[error("{0}")]
    Invalid(Violations),
}

/// The violations found so far, and where the check is now.
#[derive(Debug, Default)]
pub struct Violations {
    path: Vec<String>,
    count: usize,
    messages: Vec<Message>,
}

/// One violation, written out.
#[derive(Debug)]
struct Message {
    /// `Value 'x'`, or `Value` alone.
    value: String,
    /// The member's path from the input.
    at: String,
    failure: String,
}

/// A violation's parts, for services that word it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation<'a> {
    /// The member's path from the input, as AWS writes it: `imageIds.1.member.imageTag`.
    pub member: &'a str,
    /// The constraint: `Member must …`.
    pub failure: &'a str,
}

impl Violations {
    /// Checks a whole input.
    pub fn of<T: Check>(input: &T) -> Result<(), Violations> {
        let mut found = Violations::default();
        input.check(&mut found);
        if found.count == 0 { Ok(()) } else { Err(found) }
    }

    /// The first violation in the order of the model's members.
    #[must_use]
    pub fn first(&self) -> Option<Violation<'_>> {
        self.messages.first().map(|message| Violation { member: &message.at, failure: &message.failure })
    }

    /// A member that must be there.
    pub fn required<T>(&mut self, name: &'static str, value: Option<&T>) {
        if value.is_none() {
            self.add(name, "Value null", "Member must not be null");
        }
    }

    /// A string or enum.
    pub fn text<T: AsRef<str>>(&mut self, name: &'static str, value: Option<&T>, rule: &Text) {
        let Some(text) = value.map(AsRef::as_ref) else { return };
        let size = size_failure(rule.min, rule.max, || text.chars().count());
        let failures = [rule.pattern_failure(text), size, rule.values_failure(text)];
        for failure in failures.into_iter().flatten() {
            self.add(name, &shown(text, rule.sensitive), &failure);
        }
    }

    /// A whole or real number.
    pub fn number(&mut self, name: &'static str, value: Option<f64>, rule: &Number) {
        let Some(value) = value else { return };
        if let Some(max) = rule.max.filter(|max| value > *max) {
            let failure = format!("Member must have value less than or equal to {max}");
            self.add(name, &shown(value, false), &failure);
        }
        if let Some(min) = rule.min.filter(|min| value < *min) {
            let failure = format!("Member must have value greater than or equal to {min}");
            self.add(name, &shown(value, false), &failure);
        }
    }

    /// A blob's size.
    pub fn blob(
        &mut self,
        name: &'static str,
        value: Option<&Bytes>,
        min: Option<usize>,
        max: Option<usize>,
    ) {
        let failure = value.and_then(|blob| size_failure(min, max, || blob.len()));
        if let Some(failure) = failure {
            self.add(name, "Value", &failure);
        }
    }

    /// A structure's members.
    pub fn structure<T: Check>(&mut self, name: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.within(name.to_owned(), |found| value.check(found));
        }
    }

    /// A list of strings or enums.
    pub fn list<T: AsRef<str>>(&mut self, name: &'static str, value: Option<&Vec<T>>, rule: &List) {
        let Some(list) = value else { return };
        let all = || format!("[{}]", Join(list.iter().map(AsRef::as_ref)));
        if let Some(failure) = size_failure(rule.min, rule.max, || list.len()) {
            self.add(name, &shown(all(), rule.sensitive), &failure);
        }
        let element = rule.element.filter(|rule| !list.iter().all(|text| rule.accepts(text.as_ref())));
        if let Some(element) = element {
            let failure =
                format!("Member must satisfy constraint: [{}, Member must not be null]", element.all());
            self.add(name, &shown(all(), rule.sensitive || element.sensitive), &failure);
        }
    }

    /// A list of structures: its size, and the members of each, counted from 1.
    pub fn structures<T: Check>(&mut self, name: &'static str, value: Option<&Vec<T>>, rule: &List) {
        let Some(list) = value else { return };
        if let Some(failure) = size_failure(rule.min, rule.max, || list.len()) {
            self.add(name, "Value", &failure);
        }
        for (i, element) in list.iter().enumerate() {
            self.within(format!("{name}.{}.member", i + 1), |found| element.check(found));
        }
    }

    /// A list of which only the size is bounded.
    pub fn sized<T>(
        &mut self,
        name: &'static str,
        value: Option<&Vec<T>>,
        min: Option<usize>,
        max: Option<usize>,
    ) {
        let failure = value.and_then(|list| size_failure(min, max, || list.len()));
        if let Some(failure) = failure {
            self.add(name, "Value", &failure);
        }
    }

    /// A map of structures: its size, its keys, and the members of each.
    pub fn structure_map<T: Check>(
        &mut self,
        name: &'static str,
        value: Option<&BTreeMap<String, T>>,
        rule: &Map,
    ) {
        let Some(map) = value else { return };
        self.entries(name, map, (rule.min, rule.max, rule.key), || "Value".to_owned());
        for (key, element) in map {
            self.within(format!("{name}.{key}.member"), |found| element.check(found));
        }
    }

    /// A map of strings.
    pub fn map(&mut self, name: &'static str, value: Option<&BTreeMap<String, String>>, rule: &Map) {
        let Some(map) = value else { return };
        let sensitive = rule.sensitive || [rule.key, rule.value].iter().flatten().any(|rule| rule.sensitive);
        let all = || format!("{{{}}}", Join(map.iter().map(|(key, value)| format!("{key}={value}"))));
        if let Some(failure) = size_failure(rule.min, rule.max, || map.len()) {
            self.add(name, &shown(all(), sensitive), &failure);
        }
        if let Some(key) = rule.key.filter(|rule| !map.keys().all(|key| rule.accepts(key))) {
            let failure = format!("Map keys must satisfy constraint: [{}]", key.all());
            self.add(name, &shown(all(), sensitive), &failure);
        }
        if let Some(value) = rule.value.filter(|rule| !map.values().all(|value| rule.accepts(value))) {
            let failure = format!("Map value must satisfy constraint: [{}]", value.all());
            self.add(name, &shown(all(), sensitive), &failure);
        }
    }

    /// A map of numbers.
    pub fn numbers(&mut self, name: &'static str, value: Option<&BTreeMap<String, f64>>, rule: &NumberMap) {
        let Some(map) = value else { return };
        let all =
            || shown(format!("{{{}}}", Join(map.iter().map(|(key, value)| format!("{key}={value}")))), false);
        self.entries(name, map, (rule.min, rule.max, rule.key), all);
        let Number { min, max } = rule.value;
        let is_legal =
            |value: &f64| min.is_none_or(|min| *value >= min) && max.is_none_or(|max| *value <= max);
        if !map.values().all(is_legal) {
            let bounds = [
                max.map(|max| format!("Member must have value less than or equal to {max}")),
                min.map(|min| format!("Member must have value greater than or equal to {min}")),
            ];
            let bounds: Vec<String> = bounds.into_iter().flatten().collect();
            self.add(name, &all(), &format!("Map value must satisfy constraint: [{}]", bounds.join(", ")));
        }
    }

    /// A map of lists of strings.
    pub fn lists(
        &mut self,
        name: &'static str,
        value: Option<&BTreeMap<String, Vec<String>>>,
        rule: &ListMap,
    ) {
        let Some(map) = value else { return };
        let all = || {
            let entry = |(key, list): (&String, &Vec<String>)| format!("{key}=[{}]", Join(list.iter()));
            shown(format!("{{{}}}", Join(map.iter().map(entry))), false)
        };
        self.entries(name, map, (rule.min, rule.max, rule.key), all);
        let List { min, max, element, .. } = &rule.value;
        let sizes_fit = map.values().all(|list| size_failure(*min, *max, || list.len()).is_none());
        let texts_fit = element.is_none_or(|rule| map.values().flatten().all(|text| rule.accepts(text)));
        if !(sizes_fit && texts_fit) {
            let bounds = [max.map(max_length_message), min.map(min_length_message), element.map(Text::all)];
            let bounds: Vec<String> = bounds.into_iter().flatten().collect();
            self.add(name, &all(), &format!("Map value must satisfy constraint: [{}]", bounds.join(", ")));
        }
    }

    /// The number and the keys of a map's entries.
    fn entries<T>(
        &mut self,
        name: &'static str,
        map: &BTreeMap<String, T>,
        (min, max, key): (Option<usize>, Option<usize>, Option<&'static Text>),
        all: impl Fn() -> String,
    ) {
        if let Some(failure) = size_failure(min, max, || map.len()) {
            self.add(name, &all(), &failure);
        }
        if let Some(key) = key.filter(|rule| !map.keys().all(|key| rule.accepts(key))) {
            self.add(name, &all(), &format!("Map keys must satisfy constraint: [{}]", key.all()));
        }
    }

    fn within(&mut self, step: String, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    fn add(&mut self, name: &str, value: &str, failure: &str) {
        self.count += 1;
        if self.messages.len() == VIOLATIONS_MAX {
            return;
        }
        let mut at = String::new();
        for step in &self.path {
            at.push_str(step);
            at.push('.');
        }
        at.push_str(name);
        self.messages.push(Message { value: value.to_owned(), at, failure: failure.to_owned() });
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} validation error{plural} detected: ", self.count)?;
        for (i, Message { value, at, failure }) in self.messages.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{value} at '{at}' failed to satisfy constraint: {failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// `Value 'x'`, cut if long, or `Value` alone where it must not be told.
fn shown(value: impl fmt::Display, sensitive: bool) -> String {
    if sensitive {
        return "Value".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("Value '{}…'", &text[..end]),
        None => format!("Value '{text}'"),
    }
}

fn size_failure(min: Option<usize>, max: Option<usize>, size: impl Fn() -> usize) -> Option<String> {
    // Most strings have no bound of size, and counting characters is linear.
    if min.is_none() && max.is_none() {
        return None;
    }
    let size = size();
    let too_long = max.filter(|max| size > *max).map(max_length_message);
    too_long.or_else(|| min.filter(|min| size < *min).map(min_length_message))
}

fn max_length_message(max: usize) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn min_length_message(min: usize) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn enum_message(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// Items separated as AWS prints lists and maps, no more of them than will be shown.
struct Join<I>(I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for Join<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.clone().take(ECHO_CHARS_MAX).enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_fmt(format_args!("{item}"))?;
        }
        Ok(())
    }
}
