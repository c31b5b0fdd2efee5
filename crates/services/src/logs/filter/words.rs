//! A message as words between blanks; what stands in quotation marks or brackets is one word without them.
//!
//! A mark that is never closed is a sign like any other. Knows nothing of patterns, and copies nothing: words are parts of
//! the message.

/// The words of a message.
pub(super) fn of(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let closing = match first {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        let closed = closing.and_then(|closing| rest[1..].find(closing));
        let (word, after) = match closed {
            Some(end) => (&rest[1..=end], &rest[end + 2..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
