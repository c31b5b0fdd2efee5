//! CloudWatch Logs' filter patterns: terms, conditions on JSON, and conditions on words separated by blanks.
//!
//! Pure. A pattern is read once and then matched often; its length and depth are bounded. Regular expressions (`%…%`) are
//! refused. Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, and
//! filter log events".

mod condition;
#[cfg(test)]
mod tests;
mod words;

use condition::{Condition, Fields, Reader};
use serde_json::Value;

/// Longest pattern (API Reference, `filterPattern`).
const BYTES_MAX: usize = 1_024;

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern: {0}")]
pub struct BadFilter(String);

fn bad<T>(message: impl Into<String>) -> Result<T, BadFilter> {
    Err(BadFilter(message.into()))
}

/// A pattern, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Terms { all: Vec<String>, any: Vec<String>, none: Vec<String> },
    Json(Condition),
    Words { fields: Fields, conditions: Vec<Condition> },
}

impl Filter {
    /// Reads a pattern; an empty one wants everything.
    ///
    /// # Errors
    /// [`BadFilter`], which says what is wrong.
    pub fn parse(text: &str) -> Result<Self, BadFilter> {
        if text.len() > BYTES_MAX {
            return bad("it is longer than 1024 bytes");
        }
        let text = text.trim();
        let inside = |open, close| text.strip_prefix(open).map(|rest: &str| rest.strip_suffix(close));
        if let Some(inside) = inside('{', '}') {
            let Some(inside) = inside else { return bad("it begins with { and does not end with }") };
            return Reader::whole(inside, None).map(|condition| Self(Kind::Json(condition)));
        }
        if let Some(inside) = inside('[', ']') {
            let Some(inside) = inside else { return bad("it begins with [ and does not end with ]") };
            let (fields, conditions) = condition::fields(inside)?;
            return Ok(Self(Kind::Words { fields, conditions }));
        }
        terms(text).map(Self)
    }

    /// Whether a message is wanted.
    #[must_use]
    pub fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        match &self.0 {
            Kind::Terms { all, any, none } => {
                // Beside terms that must be there, optional ones change nothing.
                let optional = !all.is_empty() || any.is_empty() || any.iter().any(has);
                all.iter().all(has) && optional && !none.iter().any(has)
            }
            Kind::Json(condition) => match serde_json::from_str::<Value>(message) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => condition.holds_of_json(&value),
                _ => false,
            },
            Kind::Words { fields, conditions } => {
                let Some(named) = fields.assign(&words::of(message)) else { return false };
                conditions.iter().all(|condition| condition.holds_of_words(&named))
            }
        }
    }
}

/// Terms between blanks: plain ones of letters and digits, others in quotation marks; `-` and `?` before them.
fn terms(text: &str) -> Result<Kind, BadFilter> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (to, after) = match rest.as_bytes()[0] {
            b'-' => (&mut none, &rest[1..]),
            b'?' => (&mut any, &rest[1..]),
            b'%' => return bad("regular expressions are not served by Dormouse"),
            _ => (&mut all, rest),
        };
        let (term, after) = match after.strip_prefix('"') {
            Some(quoted) => condition::quoted(quoted)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                let term = &after[..end];
                if !term.chars().all(|sign| sign.is_alphanumeric() || sign == '_' || sign == '.') {
                    return bad(format!("Invalid character(s) in term '{term}'"));
                }
                (term.to_owned(), &after[end..])
            }
        };
        if term.is_empty() {
            return bad("a term is empty");
        }
        to.push(term);
        rest = after.trim_start();
    }
    Ok(Kind::Terms { all, any, none })
}
