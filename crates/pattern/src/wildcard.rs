//! Texts with `*` for any run of characters. `\*` and `\\` stand for themselves; two stars in a row are refused.
//!
//! Matching looks for the pieces between the stars, each once and leftmost, so its time is linear.

use crate::Malformed;

/// What must stand at the beginning, then in this order somewhere, then at the end.
#[derive(Debug, Clone)]
pub(crate) struct Wildcard {
    first: String,
    /// The pieces after each star; none when there is no star.
    rest: Vec<String>,
}

impl Wildcard {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut pieces = vec![String::new()];
        let mut after_star = false;
        let mut chars = text.char_indices();
        while let Some((at, char)) = chars.next() {
            let star = char == '*';
            if star && after_star {
                return Err(Malformed::new(format!("Consecutive wildcard characters at pos {}", at - 1)));
            }
            let literal = match char {
                '*' => None,
                '\\' => match chars.next() {
                    Some((_, escaped @ ('*' | '\\'))) => Some(escaped),
                    _ => return Err(Malformed::new(format!("Invalid escape character at pos {at}"))),
                },
                other => Some(other),
            };
            match (literal, pieces.last_mut()) {
                (Some(literal), Some(piece)) => piece.push(literal),
                _ => pieces.push(String::new()),
            }
            after_star = star;
        }
        let rest = pieces.split_off(1);
        Ok(Self { first: pieces.pop().unwrap_or_default(), rest })
    }

    /// How many stars it has.
    pub(crate) fn stars(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return text == self.first };
        let Some(mut left) = text.strip_prefix(self.first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = left.find(piece.as_str()) else { return false };
            left = &left[at + piece.len()..];
        }
        left.ends_with(last.as_str())
    }
}
