//! Regular expressions in patterns: what stands between two `%`.
//!
//! They are of few signs, all of ASCII; others are written `\xhh`, and parts cannot stand in parentheses. Matching takes
//! no longer than the product of both lengths (the engine never goes back), and what an expression takes in memory is
//! bounded. At most two stand in a pattern; the quota of five patterns with expressions for each group needs no check,
//! since a group has no more than two subscription filters.
//! Source: CloudWatch Logs User Guide, "Supported regular expressions (regex) syntax".

use regex::Error;
use regex::bytes::{Regex, RegexBuilder};

use super::{BadFilter, bad};

/// Most of them in one pattern.
pub(super) const COUNT_MAX: usize = 2;
/// What stands in them beside letters and digits.
const SIGNS: &[u8] = br":_#=@/;,-^$?[]{}|\*+.";
/// What one takes once it is read. A repeat stands there as often as it says; matching may take as long as the product of
/// this and the length of the message.
const BYTES_MAX: usize = 16 * 1024;

/// One expression, read.
#[derive(Debug, Clone)]
pub(super) struct Expression(Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Expression {
    /// Reads one whose opening `%` is read already; also gives what follows it.
    pub(super) fn read(text: &str) -> Result<(Self, &str), BadFilter> {
        let Some((expression, rest)) = text.split_once('%') else {
            return bad("a regular expression is not closed by %");
        };
        if expression.is_empty() {
            return bad("a regular expression is empty");
        }
        let is_served = |sign: char| u8::try_from(sign).is_ok_and(|sign| SIGNS.contains(&sign));
        if let Some(sign) = expression.chars().find(|sign| !sign.is_ascii_alphanumeric() && !is_served(*sign))
        {
            return bad(format!("{sign:?} is not supported in regular expressions"));
        }
        let built = RegexBuilder::new(expression).unicode(false).size_limit(BYTES_MAX).build();
        let regex = built.map_err(|error| match error {
            Error::CompiledTooBig(_) => BadFilter(format!("{expression:?} is too complex")),
            _ => BadFilter(format!("{expression:?} is no regular expression")),
        })?;
        Ok((Self(regex), rest))
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}
