//! Numbers: equal by value whatever way they are written, and ranges as `numeric` states them.
//!
//! Whole numbers are compared exactly, so that account numbers and ids are not taken for their neighbours.

use serde_json::Number;

use crate::Malformed;
use crate::tree::Tree;

/// Whether two numbers are the same number.
pub(crate) fn equal(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// From here to there. An open end is the largest number that is compared at all.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    low: End,
    high: End,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: f64,
    included: bool,
}

impl Range {
    /// Exactly this number.
    fn just(at: f64) -> Self {
        let end = End { at, included: true };
        Self { low: end, high: end }
    }

    /// The list after `numeric`.
    pub(crate) fn parse(terms: &[Tree], max: f64) -> Result<Self, Malformed> {
        let (low, high) = (End { at: -max, included: true }, End { at: max, included: true });
        let (first, rest) = term(terms, max, "Invalid member in numeric match")?;
        let range = match first {
            ("=", at) => Self::just(at),
            (sign @ ("<" | "<="), at) => Self { low, high: End { at, included: sign == "<=" } },
            (sign @ (">" | ">="), at) => {
                let low = End { at, included: sign == ">=" };
                if rest.is_empty() {
                    return Ok(Self { low, high });
                }
                return Self { low, high }.closed(rest, max);
            }
            (sign, _) => return Err(Malformed::new(format!("Unrecognized numeric range operator: {sign}"))),
        };
        if rest.is_empty() {
            Ok(range)
        } else {
            Err(Malformed::new("Too many elements in numeric expression"))
        }
    }

    /// A lower bound that an upper one follows.
    fn closed(mut self, terms: &[Tree], max: f64) -> Result<Self, Malformed> {
        let ((sign, at), rest) = term(terms, max, "Bad value in numeric range")?;
        self.high = match sign {
            "<" | "<=" => End { at, included: sign == "<=" },
            _ => return Err(Malformed::new(format!("Bad numeric range operator: {sign}"))),
        };
        if !rest.is_empty() {
            return Err(Malformed::new("Too many terms in numeric range expression"));
        }
        if self.low.at >= self.high.at {
            return Err(Malformed::new("Bottom must be less than top"));
        }
        Ok(self)
    }

    pub(crate) fn holds(&self, number: &Number) -> bool {
        let Some(number) = number.as_f64() else { return false };
        let above = number > self.low.at || (self.low.included && number == self.low.at);
        let below = number < self.high.at || (self.high.included && number == self.high.at);
        above && below
    }
}

/// A sign with its number, and what follows them.
type Term<'t> = ((&'t str, f64), &'t [Tree]);

fn term<'t>(terms: &'t [Tree], max: f64, no_sign: &str) -> Result<Term<'t>, Malformed> {
    let sign = terms.first().and_then(Tree::as_str).ok_or_else(|| Malformed::new(no_sign))?;
    let name = if sign == "=" { "equals" } else { sign };
    let at = terms
        .get(1)
        .and_then(Tree::as_number)
        .and_then(Number::as_f64)
        .ok_or_else(|| Malformed::new(format!("Value of {name} must be numeric")))?;
    if at.abs() > max {
        let max = format!("{max:.1E}");
        return Err(Malformed::new(format!("Value must be between -{max} and {max}, inclusive")));
    }
    Ok(((sign, at), terms.get(2..).unwrap_or_default()))
}
