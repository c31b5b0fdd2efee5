//! Regular expressions in patterns: what stands between two `%`.
//!
//! Matching takes no longer than the length of the message allows (the engine never goes back), and what an expression
//! takes in memory is bounded. Classes such as `\w` are of ASCII. At most two stand in a pattern.
//! Source: CloudWatch Logs User Guide, "Supported regular expressions (regex) syntax".

use regex::bytes::{Regex, RegexBuilder};

use super::{BadFilter, bad};

/// Most of them in one pattern.
pub(super) const COUNT_MAX: usize = 2;
/// What one takes once it is read.
const BYTES_MAX: usize = 256 * 1024;

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
        let Some(end) = end_of(text) else { return bad("a regular expression is not closed by %") };
        if end == 0 {
            return bad("a regular expression is empty");
        }
        let built = RegexBuilder::new(&text[..end]).unicode(false).size_limit(BYTES_MAX).build();
        let regex = built.map_err(|_| BadFilter(format!("{:?} is no regular expression", &text[..end])))?;
        Ok((Self(regex), &text[end + 1..]))
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// Where the closing `%` stands: one that is not escaped.
fn end_of(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'%' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}
