//! Where the statements of a policy stand in its text, for whoever has to show them to people.
//!
//! A statement begins where the sign before it ends, and ends after its brace, as AWS counts. Pure; made for texts that
//! were read as policies before.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

/// What is open while a text is read.
#[derive(Default)]
struct Reading {
    depth: u32,
    /// The text of the last string between the outermost braces.
    name: String,
    is_string: bool,
    is_escaped: bool,
    /// Whether the statements are being read.
    is_inside: bool,
    /// Where the next statement begins.
    next: Option<Position>,
    /// Where the statement begins that is being read, and how deep.
    begun: Option<(Position, u32)>,
}

/// Where each statement begins and ends.
pub fn statements(text: &str) -> Vec<(Position, Position)> {
    let mut reading = Reading::default();
    let mut found = Vec::new();
    let mut after = Position { line: 1, column: 1 };
    for character in text.chars() {
        match character {
            '\n' => after = Position { line: after.line + 1, column: 1 },
            _ => after.column += 1,
        }
        found.extend(reading.step(character, after));
    }
    found
}

impl Reading {
    /// Takes a character, and the place after it; gives the statement that ends with it.
    fn step(&mut self, character: char, after: Position) -> Option<(Position, Position)> {
        if self.is_string {
            self.step_in_string(character);
            return None;
        }
        match character {
            '"' => {
                self.is_string = true;
                self.name.clear();
            }
            ':' if self.depth == 1 => {
                self.is_inside = self.name == "Statement";
                self.next = Some(after);
            }
            ',' if self.depth == 1 => self.is_inside = false,
            ',' if self.depth == 2 => self.next = Some(after),
            '[' | '{' => {
                if character == '[' && self.depth == 1 {
                    self.next = Some(after);
                } else if self.is_inside && self.begun.is_none() {
                    self.begun = self.next.map(|next| (next, self.depth));
                }
                self.depth += 1;
            }
            ']' | '}' => {
                self.depth = self.depth.saturating_sub(1);
                if let Some((begin, _)) = self.begun.take_if(|(_, depth)| *depth == self.depth) {
                    return Some((begin, after));
                }
            }
            _ => {}
        }
        None
    }

    fn step_in_string(&mut self, character: char) {
        match character {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' => self.is_escaped = true,
            '"' => self.is_string = false,
            other if self.depth == 1 => self.name.push(other),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_where_they_stand() {
        let check = |text: &str, expect: &[[u32; 4]]| {
            let found: Vec<[u32; 4]> = statements(text)
                .into_iter()
                .map(|(from, to)| [from.line, from.column, to.line, to.column])
                .collect();
            assert_eq!(found, expect, "{text}");
        };
        let lines = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\"\n    }\n  ]\n}";
        check(lines, &[[3, 17, 6, 6]]);
        check(r#"{"Statement":{"Condition":{"a":{"b":["}]","\"{"]}}}}"#, &[[1, 14, 1, 52]]);
        check(
            r#"{"Id":"Statement","Statement":[{"A":[]},{"B":{}}],"Version":"{"}"#,
            &[[1, 32, 1, 40], [1, 41, 1, 49]],
        );
        check(r#"{"Statement":[]}"#, &[]);
    }
}
