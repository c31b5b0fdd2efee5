//! One entry of a field's list: what it says, and whether a value of an event is so.
//!
//! A value is a string, number, boolean or null; lists and objects of the event were taken apart before.

use serde_json::Value;

use crate::Malformed;
use crate::cidr::Network;
use crate::dialect::Dialect;
use crate::number::{self, Range};
use crate::tree::Tree;
use crate::wildcard::Wildcard;

/// What a value must be.
#[derive(Debug, Clone)]
pub(crate) enum Comparison {
    Is(Value),
    Prefix(String),
    Suffix(String),
    Wildcard(Wildcard),
    /// Holds for the value in lower case; what is inside is in lower case.
    IgnoringCase(Box<Comparison>),
    AnythingBut(Vec<Comparison>),
    Within(Range),
    InNetwork(Network),
    Present,
    /// Said of a field, not of a value: `walk` decides it.
    Absent,
}

const ONE_KEY: &str = "Only one key allowed in match expression";

impl Comparison {
    /// One entry of a list.
    pub(crate) fn parse(entry: &Tree, dialect: Dialect) -> Result<Self, Malformed> {
        match entry {
            Tree::Scalar(value) => Ok(Self::Is(value.clone())),
            Tree::List(_) => Err(Malformed::new("Match value must be String, number, true, false, or null")),
            Tree::Object(members) => {
                let (name, operand) = only(members, "Match expression name not found")?;
                if !dialect.has(name) {
                    return Err(Malformed::new(format!("Unrecognized match type {name}")));
                }
                Self::expression(name, operand, dialect)
            }
        }
    }

    fn expression(name: &str, operand: &Tree, dialect: Dialect) -> Result<Self, Malformed> {
        match name {
            "anything-but" => anything_but(operand),
            "exists" => match operand {
                Tree::Scalar(Value::Bool(true)) => Ok(Self::Present),
                Tree::Scalar(Value::Bool(false)) => Ok(Self::Absent),
                _ => Err(Malformed::new("exists match pattern must be either true or false.")),
            },
            "numeric" => match operand {
                Tree::List(terms) => Ok(Self::Within(Range::parse(terms, dialect.number_max())?)),
                _ => Err(Malformed::new("Value of numeric must be an array.")),
            },
            "cidr" => match operand.as_str() {
                Some(text) => Ok(Self::InNetwork(Network::parse(text)?)),
                None => Err(Malformed::new("cidr match pattern must be a string")),
            },
            _ => text(name, operand),
        }
    }

    /// How many `*` it has.
    pub(crate) fn stars(&self) -> usize {
        match self {
            Self::Wildcard(wildcard) => wildcard.stars(),
            Self::AnythingBut(these) => these.iter().map(Self::stars).sum(),
            _ => 0,
        }
    }

    /// Whether a value is so.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Present, _) => true,
            (Self::AnythingBut(these), value) => !these.iter().any(|this| this.holds(value)),
            (Self::Is(Value::Number(number)), Value::Number(value)) => number::equal(number, value),
            (Self::Is(this), value) => this == value,
            (Self::Within(range), Value::Number(value)) => range.holds(value),
            (of_text, Value::String(value)) => of_text.holds_of_text(value),
            _ => false,
        }
    }

    fn holds_of_text(&self, value: &str) -> bool {
        match self {
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Suffix(suffix) => value.ends_with(suffix),
            Self::Wildcard(wildcard) => wildcard.holds(value),
            Self::InNetwork(network) => network.holds(value),
            Self::IgnoringCase(this) => this.holds(&Value::String(value.to_lowercase())),
            _ => false,
        }
    }
}

/// The one member of a match expression.
fn only<'t>(members: &'t [(String, Tree)], none: &str) -> Result<(&'t str, &'t Tree), Malformed> {
    match members {
        [(name, operand)] => Ok((name, operand)),
        [] => Err(Malformed::new(none)),
        _ => Err(Malformed::new(ONE_KEY)),
    }
}

/// The comparisons of texts: `prefix` and `suffix` also without regard to case.
fn text(name: &str, operand: &Tree) -> Result<Comparison, Malformed> {
    let (operand, ignoring_case) = match operand {
        Tree::Object(members) if matches!(name, "prefix" | "suffix") => {
            match only(members, &format!("{name} match pattern must be a string"))? {
                ("equals-ignore-case", operand) => (operand, true),
                (other, _) => return Err(Malformed::new(format!("Unsupported {name} pattern: {other}"))),
            }
        }
        other => (other, name == "equals-ignore-case"),
    };
    let Some(text) = operand.as_str() else {
        return Err(Malformed::new(format!("{name} match pattern must be a string")));
    };
    let text = if ignoring_case { text.to_lowercase() } else { text.to_owned() };
    let comparison = match name {
        "prefix" => Comparison::Prefix(text),
        "suffix" => Comparison::Suffix(text),
        "wildcard" => Comparison::Wildcard(Wildcard::parse(&text)?),
        _ => Comparison::Is(Value::String(text)),
    };
    Ok(if ignoring_case { Comparison::IgnoringCase(Box::new(comparison)) } else { comparison })
}

/// `anything-but`: a value, a list of one kind, or texts compared in another way, one or a list.
fn anything_but(operand: &Tree) -> Result<Comparison, Malformed> {
    let Tree::Object(members) = operand else {
        return plain(operand).map(Comparison::AnythingBut);
    };
    let (name, operand) = only(members, "Anything-But expression name not found")?;
    if !matches!(name, "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
        return Err(Malformed::new(format!("Unsupported anything-but pattern: {name}")));
    }
    let these: Vec<_> =
        one_or_more(operand).iter().map(|entry| affix(name, entry)).collect::<Result<_, _>>()?;
    if these.is_empty() {
        return Err(Malformed::new("Empty arrays are not allowed"));
    }
    Ok(Comparison::AnythingBut(these))
}

fn affix(name: &str, entry: &Tree) -> Result<Comparison, Malformed> {
    match entry.as_str() {
        Some("") if matches!(name, "prefix" | "suffix") => {
            Err(Malformed::new("Null prefix/suffix not allowed"))
        }
        Some(_) => text(name, entry),
        None => Err(Malformed::new(format!(
            "Inside anything-but/{name} list, number|start|null|boolean is not supported."
        ))),
    }
}

/// The values that `anything-but` lists: all strings or all numbers.
fn plain(operand: &Tree) -> Result<Vec<Comparison>, Malformed> {
    if matches!(operand, Tree::Scalar(Value::Null | Value::Bool(_))) {
        return Err(Malformed::new("Value of anything-but must be an array or single string/number value."));
    }
    let entries = one_or_more(operand);
    let texts = entries.iter().filter(|entry| entry.as_str().is_some()).count();
    let numbers = entries.iter().filter(|entry| entry.as_number().is_some()).count();
    if texts + numbers < entries.len() {
        return Err(Malformed::new("Inside anything but list, start|null|boolean is not supported."));
    }
    if (texts == 0) == (numbers == 0) {
        return Err(Malformed::new(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ));
    }
    let is = |entry: &Tree| match entry {
        Tree::Scalar(value) => Some(Comparison::Is(value.clone())),
        _ => None,
    };
    Ok(entries.iter().filter_map(is).collect())
}

fn one_or_more(operand: &Tree) -> &[Tree] {
    match operand {
        Tree::List(entries) => entries,
        one => std::slice::from_ref(one),
    }
}
