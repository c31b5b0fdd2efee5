//! Rust source with its comments and literals taken apart, so that rules can look for words without being
//! fooled by a string or a comment that mentions them.
//!
//! This is a scanner, not a parser: it knows just enough of the lexical grammar (nested comments, raw and
//! byte strings, characters against lifetimes) to sort every byte into code, comment or literal. Both results
//! keep the original line breaks, so line numbers carry over.

/// One source text, seen twice.
pub struct Masked {
    /// Code only: comments and the insides of literals are spaces.
    pub code: String,
    /// Comments only: everything else is spaces.
    pub comments: String,
}

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Sorts a source text into code and comments. Unterminated comments and literals reach to the end.
pub fn mask(text: &str) -> Masked {
    let bytes = text.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let (end, kind) = token(bytes, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    let only = |wanted: Kind| {
        let keep = |(byte, kind): (&u8, &Kind)| match byte {
            b'\n' => '\n',
            // Non-ASCII text appears in comments and literals; a placeholder per byte keeps columns simple.
            byte if *kind == wanted && byte.is_ascii() => char::from(*byte),
            _ => ' ',
        };
        bytes.iter().zip(&kinds).map(keep).collect()
    };
    Masked { code: only(Kind::Code), comments: only(Kind::Comment) }
}

/// The end and the kind of what starts at `at`.
fn token(bytes: &[u8], at: usize) -> (usize, Kind) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return (at + length, Kind::Comment);
    }
    if rest.starts_with(b"/*") {
        return (at + block_comment(rest), Kind::Comment);
    }
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    if starts_word && let Some(length) = raw_string(rest) {
        return (at + length, Kind::Literal);
    }
    match rest[0] {
        b'"' => (at + quoted(rest, b'"'), Kind::Literal),
        b'\'' if is_character(rest) => (at + quoted(rest, b'\''), Kind::Literal),
        _ => (at + 1, Kind::Code),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"` and so on, if one starts here.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"r"[..], b"br", b"cr"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix) && matches!(rest.get(prefix.len()), Some(b'"' | b'#')))?;
    let hashes = rest[prefix.len()..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix.len() + hashes;
    if rest.get(open) != Some(&b'"') {
        // `r#name` is an identifier.
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[open + 1..];
    let length = body.windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Whether a quote opens a character (`'x'`, `'\n'`) and not a lifetime (`'a`).
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        // A character of several bytes: no lifetime is written so here.
        Some(_) => rest.iter().take(6).skip(2).any(|byte| *byte == b'\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares by words, and makes sure that nothing has moved.
    fn check(text: &str, code: &str, comments: &str) {
        let masked = mask(text);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&masked.code), code, "code of {text:?}");
        assert_eq!(words(&masked.comments), comments, "comments of {text:?}");
        let line_lengths = |text: &str| text.split('\n').map(str::len).collect::<Vec<_>>();
        assert_eq!(line_lengths(&masked.code), line_lengths(text));
        assert_eq!(line_lengths(&masked.comments), line_lengths(text));
    }

    #[test]
    fn comments_and_literals_are_told_from_code() {
        check("a // b", "a", "// b");
        check("a /* b /* c */ d */ e", "a e", "/* b /* c */ d */");
        check(r#"f("{ // no", g)"#, "f( , g)", "");
        check(r#"f("\"{", g)"#, "f( , g)", "");
        check(r##"f(r#"a"{"#, g)"##, "f( , g)", "");
        check(r#"f(br"{", g)"#, "f( , g)", "");
        check("f('{', '\\'', '\\u{1}', b'}')", "f( , , , b )", "");
        check("fn f<'a>(x: &'a str) {", "fn f<'a>(x: &'a str) {", "");
        check("let r#type = 1; // r\"", "let r#type = 1;", "// r\"");
        check("let car = 1; \"x\"", "let car = 1;", "");
        check("'é' {\n}", "{ }", "");
    }

    #[test]
    fn what_is_left_open_reaches_to_the_end() {
        check("a /* b", "a", "/* b");
        check("a \"b\nc", "a", "");
        check("a \"b\\", "a", "");
    }
}
