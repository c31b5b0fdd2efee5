//! Event patterns: the language in which rules of EventBridge, filter criteria of Lambda and filter policies of SNS
//! say which events they want. A pattern is compiled once and matched often.
//!
//! Pure. A pattern holds when every field that it names holds one of the values listed for it. Matching visits each pair
//! of a place in the pattern and a place in the event at most once, so nothing in either can make it run away; how deep
//! both may nest is bounded by the JSON parser (128).
//!
//! Source: EventBridge User Guide, "Comparison operators for use in event patterns"; Lambda Developer Guide, "Filter
//! rule syntax"; SNS Developer Guide, "Filter policy constraints".

mod cidr;
mod compare;
mod compile;
mod dialect;
mod number;
mod tree;
mod walk;
mod wildcard;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use dialect::Dialect;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    root: walk::Node,
    /// The fields that some part of the pattern wants to be absent.
    absences: Vec<walk::Path>,
}

/// Why a text is no pattern, in AWS's words; each service puts its own sentence around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// The reason alone.
    pub reason: String,
}

impl Malformed {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl Pattern {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Malformed> {
        compile::pattern(text, dialect)
    }

    /// Whether an event has what the pattern asks for.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        walk::matches(&self.root, &self.absences, event)
    }
}
