//! Percent-encoding as AWS wants it: everything but letters, digits, `-`, `.`, `_` and `~` is encoded, hex digits
//! are capitals, and a space is `%20`. A `+` in a query stands for itself, as SigV4 has it.

use std::borrow::Cow;
use std::str::Utf8Error;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All that RFC 3986 does not call unreserved.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes one path segment, query name or query value.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Decodes; a `%` that starts no escape stands for itself.
pub fn decode(text: &str) -> Result<Cow<'_, str>, Utf8Error> {
    percent_decode_str(text).decode_utf8()
}

/// A decoded name and value, or why one of them is not text.
pub type Pair<'q> = Result<(Cow<'q, str>, Cow<'q, str>), Utf8Error>;

/// The pairs of a raw query, in order. A name without `=` has an empty value.
pub fn query_pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    })
}
