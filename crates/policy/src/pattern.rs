//! What the texts of a policy match: wildcards, and variables that stand for what is known of the request.
//!
//! The value of a variable is never read as a pattern: a user called `*` matches no more than that name. Pure.
//! Source: IAM User Guide, "IAM policy elements: Variables and tags" and "Using wildcards in ARNs".

use std::borrow::Cow;

use super::Context;

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// These characters.
    Text(String),
    /// `*`: any characters, or none.
    Any,
    /// `?`: one character.
    One,
    /// `${key, 'default'}`.
    Variable { key: String, default: Option<String> },
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `*` and `?` stand for others.
    pub(crate) wildcards: bool,
    /// `${…}` stands for what is known; policies of 2012 only.
    pub(crate) variables: bool,
}

/// A text of a policy, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Box<[Piece]>);

impl Pattern {
    pub(crate) fn parse(text: &str, reading: Reading) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((piece, after)) = variable(rest).filter(|_| reading.variables) {
                match piece {
                    // `${*}`, `${?}` and `${$}` are these characters themselves.
                    Piece::Text(literal) => plain.push_str(&literal),
                    other => push(&mut pieces, &mut plain, other),
                }
                rest = after;
                continue;
            }
            match first {
                '*' if reading.wildcards => push(&mut pieces, &mut plain, Piece::Any),
                '?' if reading.wildcards => push(&mut pieces, &mut plain, Piece::One),
                other => plain.push(other),
            }
            rest = &rest[first.len_utf8()..];
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        pieces.dedup_by(|one, other| *one == Piece::Any && *other == Piece::Any);
        Self(pieces.into_boxed_slice())
    }

    /// The keys of its variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            Piece::Text(_) | Piece::Any | Piece::One => None,
        })
    }

    /// Whether a text fits. A variable whose key is unknown or has several values fits nothing.
    pub(crate) fn matches(&self, text: &str, context: &Context, ignore_case: bool) -> bool {
        let mut pieces = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            pieces.push(match piece {
                Piece::Text(plain) => Glob::Text(plain),
                Piece::Any => Glob::Any,
                Piece::One => Glob::One,
                Piece::Variable { key, default } => match (context.single(key), default) {
                    (Some(value), _) => Glob::Text(value),
                    (None, Some(default)) => Glob::Text(default),
                    (None, None) => return false,
                },
            });
        }
        fits(&pieces, text, ignore_case)
    }
}

fn push(pieces: &mut Vec<Piece>, plain: &mut String, piece: Piece) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
    pieces.push(piece);
}

/// A variable at the beginning of a text, and what follows it.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let (inner, after) = text.strip_prefix("${")?.split_once('}')?;
    let piece = match inner {
        "*" | "?" | "$" => Piece::Text(inner.to_owned()),
        _ => {
            let (key, default) = match inner.split_once(',') {
                Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
                None => (inner, None),
            };
            Piece::Variable { key: key.trim().to_owned(), default }
        }
    };
    Some((piece, after))
}

#[derive(Clone, Copy)]
enum Glob<'a> {
    Text(&'a str),
    Any,
    One,
}

/// Every `*` takes as little as it can, and the last one more where the rest does not fit: at most the product of the
/// two lengths in steps, whatever the pattern.
fn fits(pieces: &[Glob<'_>], text: &str, ignore_case: bool) -> bool {
    let (mut at_piece, mut at) = (0, 0);
    // After the last `*`, and where in the text it stopped.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let stepped = match pieces.get(at_piece) {
            None if at == text.len() => return true,
            None => None,
            Some(Glob::Any) => {
                star = Some((at_piece + 1, at));
                Some(at)
            }
            Some(Glob::One) => text[at..].chars().next().map(|one| at + one.len_utf8()),
            Some(Glob::Text(plain)) => {
                let there = text.as_bytes().get(at..at + plain.len());
                let same = |there: &&[u8]| match ignore_case {
                    true => there.eq_ignore_ascii_case(plain.as_bytes()),
                    false => *there == plain.as_bytes(),
                };
                there.filter(same).map(|_| at + plain.len())
            }
        };
        match (stepped, star) {
            (Some(next), _) => (at_piece, at) = (at_piece + 1, next),
            (None, None) => return false,
            (None, Some((after_star, stopped))) => {
                let Some(taken) = text[stopped..].chars().next() else { return false };
                let stopped = stopped + taken.len_utf8();
                star = Some((after_star, stopped));
                (at_piece, at) = (after_star, stopped);
            }
        }
    }
}

/// A pattern of ARNs: a wildcard reaches no further than the part between two colons that it stands in, but for the
/// last part, which may hold colons itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ArnPattern {
    /// Not in six parts: compared as a whole.
    Whole(Pattern),
    /// Part by part.
    Parts(Vec<Pattern>),
}

const ARN_PARTS: usize = 6;

impl ArnPattern {
    pub(crate) fn parse(text: &str, variables: bool) -> Self {
        let reading = Reading { wildcards: true, variables };
        let parts = split(text, variables);
        if parts.len() == ARN_PARTS {
            Self::Parts(parts.iter().map(|part| Pattern::parse(part, reading)).collect())
        } else {
            Self::Whole(Pattern::parse(text, reading))
        }
    }

    /// The keys of its variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let patterns = match self {
            Self::Whole(pattern) => std::slice::from_ref(pattern),
            Self::Parts(patterns) => patterns.as_slice(),
        };
        patterns.iter().flat_map(Pattern::variables)
    }

    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Whole(pattern) => pattern.matches(text, context, false),
            Self::Parts(patterns) => {
                let parts: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
                parts.len() == ARN_PARTS
                    && patterns.iter().zip(parts).all(|(pattern, part)| pattern.matches(part, context, false))
            }
        }
    }
}

/// The parts between colons, of which those inside a variable are none.
fn split(text: &str, variables: bool) -> Vec<Cow<'_, str>> {
    let mut parts = Vec::new();
    let (mut from, mut depth) = (0, false);
    for (at, one) in text.char_indices() {
        match one {
            '{' if variables && text[..at].ends_with('$') => depth = true,
            '}' => depth = false,
            ':' if !depth && parts.len() < ARN_PARTS - 1 => {
                parts.push(Cow::Borrowed(&text[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(Cow::Borrowed(&text[from..]));
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Reading = Reading { wildcards: true, variables: true };

    fn check(pattern: &str, text: &str, expect: bool) {
        let mut context = Context::default();
        context.set("aws:username", "jo*");
        let matched = Pattern::parse(pattern, ALL).matches(text, &context, false);
        assert_eq!(matched, expect, "{pattern:?} and {text:?}");
    }

    #[test]
    fn wildcards_and_variables() {
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("a*c", "abcbc", true);
        check("a*c", "abcb", false);
        check("a?c", "aéc", true);
        check("a?c", "ac", false);
        check("*a*b*", "xxaxxbxx", true);
        check("Get*", "get", false);
        check("${aws:username}", "jo*", true);
        check("${aws:username}", "john", false);
        check("x-${AWS:UserName}/*", "x-jo*/y", true);
        check("${aws:nobody}", "", false);
        check("${aws:nobody, 'all'}", "all", true);
        check("a${*}c", "a*c", true);
        check("a${*}c", "abc", false);
        check("${unclosed", "${unclosed", true);
    }

    #[test]
    fn wildcards_in_arns_stay_in_their_part() {
        let check = |pattern: &str, text: &str, expect: bool| {
            let mut context = Context::default();
            context.set("aws:PrincipalTag/team", "a:b");
            let matched = ArnPattern::parse(pattern, true).matches(text, &context);
            assert_eq!(matched, expect, "{pattern:?} and {text:?}");
        };
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:hello:prod";
        check("*", arn, true);
        check("arn:aws:lambda:*:*:function:hello*", arn, true);
        check("arn:aws:lambda:*:function:hello:prod", arn, false);
        check("arn:aws:lambda:us-*:123456789012:*", arn, true);
        check("arn:aws:lambda:us-east-1:123456789012:function:hello", arn, false);
        check("arn:aws:lambda:us-east-1:1:${aws:PrincipalTag/team}", "arn:aws:lambda:us-east-1:1:a:b", true);
    }

    proptest! {
        /// The same as trying every split, which is too slow to be used.
        #[test]
        fn as_the_plain_definition(pattern in "[ab*?]{0,7}", text in "[ab]{0,9}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, _) => text.is_empty(),
                    (Some((b'*', rest)), _) => (0..=text.len()).any(|taken| plain(rest, &text[taken..])),
                    (Some((b'?', rest)), Some((_, after))) => plain(rest, after),
                    (Some((one, rest)), Some((there, after))) => one == there && plain(rest, after),
                    (Some(_), None) => false,
                }
            }
            let matched = Pattern::parse(&pattern, ALL).matches(&text, &Context::default(), false);
            prop_assert_eq!(matched, plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
