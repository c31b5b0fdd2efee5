//! CloudWatch Logs' filter patterns: terms, conditions on JSON, and conditions on words separated by blanks.
//!
//! Pure. A pattern is read once and then matched often; its length and depth are bounded. Source: CloudWatch Logs User
//! Guide, "Filter pattern syntax for metric filters, subscription filters, and filter log events".

mod condition;
mod expression;
#[cfg(test)]
mod tests;
mod words;

use condition::{Condition, Fields, Reader};
use expression::Expression;
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
    Terms { all: Vec<Term>, any: Vec<Term>, none: Vec<Term> },
    Json(Condition),
    Words { fields: Fields, conditions: Vec<Condition> },
}

/// What is looked for in a whole message.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Text(String),
    Like(Expression),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Like(expression) => expression.is_in(message),
        }
    }
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
        let kind = Self::kind(text.trim())?;
        if kind.expressions() > expression::COUNT_MAX {
            return bad("it has more than two regular expressions");
        }
        Ok(Self(kind))
    }

    fn kind(text: &str) -> Result<Kind, BadFilter> {
        let inside = |open, close| text.strip_prefix(open).map(|rest: &str| rest.strip_suffix(close));
        if let Some(inside) = inside('{', '}') {
            let Some(inside) = inside else { return bad("it begins with { and does not end with }") };
            return Reader::whole(inside, None).map(Kind::Json);
        }
        if let Some(inside) = inside('[', ']') {
            let Some(inside) = inside else { return bad("it begins with [ and does not end with ]") };
            let (fields, conditions) = condition::fields(inside)?;
            return Ok(Kind::Words { fields, conditions });
        }
        terms(text)
    }

    /// Whether a message is wanted.
    #[must_use]
    pub fn matches(&self, message: &str) -> bool {
        let has = |term: &Term| term.is_in(message);
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

impl Kind {
    /// How many regular expressions it has.
    fn expressions(&self) -> usize {
        match self {
            Self::Terms { all, any, none } => {
                let terms = all.iter().chain(any).chain(none);
                terms.filter(|term| matches!(term, Term::Like(_))).count()
            }
            Self::Json(condition) => condition.expressions(),
            Self::Words { conditions, .. } => conditions.iter().map(Condition::expressions).sum(),
        }
    }
}

/// Terms between blanks: plain ones of letters and digits, others in quotation marks, and regular expressions; `-` and `?`
/// before them.
fn terms(text: &str) -> Result<Kind, BadFilter> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (to, after) = match rest.as_bytes()[0] {
            b'-' => (&mut none, &rest[1..]),
            b'?' => (&mut any, &rest[1..]),
            _ => (&mut all, rest),
        };
        if let Some(expression) = after.strip_prefix('%') {
            let (expression, after) = Expression::read(expression)?;
            to.push(Term::Like(expression));
            rest = after.trim_start();
            continue;
        }
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
        to.push(Term::Text(term));
        rest = after.trim_start();
    }
    Ok(Kind::Terms { all, any, none })
}
