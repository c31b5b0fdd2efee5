//! Conditions on members of JSON (`$.a.b[0] = "x*"`) and on named words (`status = 4*`), joined by `&&` and `||`.
//!
//! Reading goes no deeper than a bound, and matching takes no longer than the product of the pattern's and the message's
//! lengths. Knows no terms: those are `filter`'s.

use std::collections::HashMap;

use serde_json::Value;

use super::expression::Expression;
use super::{BadFilter, bad};

/// How deep conditions may stand in parentheses.
const DEPTH_MAX: usize = 32;

/// A condition, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Compare(Selector, Operator, Literal),
    Is(Selector, Value),
    NotExists(Selector),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selector {
    Path(Vec<Step>),
    Field(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(String),
    Index(usize),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Number(f64),
    Text(String),
    Like(Expression),
}

/// The names of words: those before the dots, and those behind them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fields {
    first: Vec<String>,
    last: Option<Vec<String>>,
}

impl Fields {
    /// The words by their names, if there are as many as there must be.
    pub(super) fn assign<'a>(&'a self, words: &[&'a str]) -> Option<HashMap<&'a str, &'a str>> {
        let last = self.last.as_deref().unwrap_or_default();
        let count = self.first.len() + last.len();
        let fits = if self.last.is_some() { words.len() >= count } else { words.len() == count };
        fits.then(|| {
            let first = self.first.iter().zip(words);
            let last = last.iter().rev().zip(words.iter().rev());
            first.chain(last).map(|(name, word)| (name.as_str(), *word)).collect()
        })
    }
}

/// Reads what stands between the brackets of `[a, b = x*, ...]`.
pub(super) fn fields(text: &str) -> Result<(Fields, Vec<Condition>), BadFilter> {
    let (mut fields, mut conditions) = (Fields::default(), Vec::new());
    for part in split(text) {
        let part = part.trim();
        if part == "..." {
            if fields.last.replace(Vec::new()).is_some() {
                return bad("... stands more than once");
            }
            continue;
        }
        let name: String = part.chars().take_while(|sign| is_name(*sign)).collect();
        let names = fields.last.as_mut().unwrap_or(&mut fields.first);
        // A field without a name is only counted.
        names.push(if name.is_empty() { format!("w{}", names.len()) } else { name.clone() });
        if part.len() > name.len() {
            conditions.push(Reader::whole(part, Some(&name))?);
        }
    }
    Ok((fields, conditions))
}

/// What stands between commas, but for those in quotation marks and regular expressions.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut inside, mut is_escaped) = (Vec::new(), 0, None, false);
    for (place, byte) in text.bytes().enumerate() {
        let escapes = byte == b'\\' && inside == Some(b'"') && !is_escaped;
        let is_escaped = std::mem::replace(&mut is_escaped, escapes);
        // Elsewhere than where a value begins it is a sign like others.
        let opens = byte == b'"' || byte == b'%' && text[..place].trim_end().ends_with('=');
        match byte {
            b'"' | b'%' if inside == Some(byte) && !is_escaped => inside = None,
            b'"' | b'%' if inside.is_none() && opens => inside = Some(byte),
            b',' if inside.is_none() => {
                parts.push(&text[from..place]);
                from = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The text up to the closing quotation mark, and what follows it.
pub(super) fn quoted(text: &str) -> Result<(String, &str), BadFilter> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((place, sign)) = signs.next() {
        match sign {
            '"' => return Ok((value, &text[place + 1..])),
            '\\' => value.extend(signs.next().map(|(_, sign)| sign)),
            sign => value.push(sign),
        }
    }
    bad("a quotation mark is not closed")
}

fn is_name(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '-')
}

/// Reads conditions from left to right.
pub(super) struct Reader<'t> {
    rest: &'t str,
    /// Whether names stand for words, not `$` paths for members.
    is_words: bool,
}

impl<'t> Reader<'t> {
    /// Reads a whole text; `field` is the name of the word that it is about, if it is about words.
    pub(super) fn whole(text: &'t str, field: Option<&str>) -> Result<Condition, BadFilter> {
        let mut reader = Self { rest: text, is_words: field.is_some() };
        let condition = reader.either(0)?;
        reader.skip();
        if reader.rest.is_empty() {
            Ok(condition)
        } else {
            bad(format!("{:?} is not understood", reader.rest))
        }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        self.rest.strip_prefix(sign).map(|rest| self.rest = rest).is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip();
        let Some(start) = self.rest.get(..word.len()) else { return false };
        let after = &self.rest[word.len()..];
        let is_whole = !after.starts_with(is_name);
        let found = start.eq_ignore_ascii_case(word) && is_whole;
        if found {
            self.rest = after;
        }
        found
    }

    fn either(&mut self, depth: usize) -> Result<Condition, BadFilter> {
        let mut conditions = vec![self.both(depth)?];
        while self.take("||") {
            conditions.push(self.both(depth)?);
        }
        Ok(Self::joined(conditions, Condition::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Condition, BadFilter> {
        let mut conditions = vec![self.one(depth)?];
        while self.take("&&") {
            conditions.push(self.one(depth)?);
        }
        Ok(Self::joined(conditions, Condition::And))
    }

    fn joined(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
        match conditions.pop() {
            Some(only) if conditions.is_empty() => only,
            last => {
                conditions.extend(last);
                join(conditions)
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Condition, BadFilter> {
        if self.take("(") {
            if depth == DEPTH_MAX {
                return bad("it is too deep");
            }
            let inside = self.either(depth + 1)?;
            return if self.take(")") { Ok(inside) } else { bad("a parenthesis is not closed") };
        }
        let selector = self.selector()?;
        if self.word("IS") {
            let known = [("NULL", Value::Null), ("TRUE", true.into()), ("FALSE", false.into())];
            let found = known.into_iter().find(|(word, _)| self.word(word));
            return found.map_or_else(
                || bad("IS is followed by NULL, TRUE or FALSE"),
                |(_, value)| Ok(Condition::Is(selector, value)),
            );
        }
        if self.word("NOT") {
            let exists = self.word("EXISTS");
            return if exists {
                Ok(Condition::NotExists(selector))
            } else {
                bad("NOT is followed by EXISTS")
            };
        }
        let operator = self.operator()?;
        let literal = self.literal()?;
        let is_equality = matches!(operator, Operator::Equal | Operator::Unequal);
        if matches!(literal, Literal::Like(_)) && !is_equality {
            return bad("a regular expression follows = or !=");
        }
        Ok(Condition::Compare(selector, operator, literal))
    }

    fn operator(&mut self) -> Result<Operator, BadFilter> {
        let known = [
            ("!=", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = known.into_iter().find(|(sign, _)| self.take(sign));
        found.map_or_else(|| bad("a comparison is missing"), |(_, operator)| Ok(operator))
    }

    fn literal(&mut self) -> Result<Literal, BadFilter> {
        self.skip();
        if let Some(after) = self.rest.strip_prefix('"') {
            let (text, rest) = quoted(after)?;
            self.rest = rest;
            return Ok(Literal::Text(text));
        }
        if let Some(after) = self.rest.strip_prefix('%') {
            let (expression, rest) = Expression::read(after)?;
            self.rest = rest;
            return Ok(Literal::Like(expression));
        }
        let ends = |sign: char| sign.is_whitespace() || matches!(sign, '&' | '|' | '(' | ')');
        let (text, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        if text.is_empty() {
            return bad("a value is missing");
        }
        self.rest = rest;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        Ok(number.map_or_else(|| Literal::Text(text.to_owned()), Literal::Number))
    }

    fn selector(&mut self) -> Result<Selector, BadFilter> {
        self.skip();
        if self.is_words {
            let end = self.rest.find(|sign| !is_name(sign)).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            return if name.is_empty() {
                bad("a name is missing")
            } else {
                Ok(Selector::Field(name.to_owned()))
            };
        }
        if !self.take("$") {
            return bad("a selector begins with $");
        }
        let mut steps = Vec::new();
        loop {
            if let Some(after) = self.rest.strip_prefix("[") {
                self.rest = after;
                steps.push(self.bracket()?);
            } else if let Some(after) = self.rest.strip_prefix('.') {
                if after.starts_with('[') {
                    self.rest = after;
                    continue;
                }
                let end = after.find(|sign| !is_name(sign)).unwrap_or(after.len());
                if end == 0 {
                    return bad("a member's name is missing");
                }
                steps.push(Step::Member(after[..end].to_owned()));
                self.rest = &after[end..];
            } else if steps.is_empty() {
                return bad("a selector names a member");
            } else {
                return Ok(Selector::Path(steps));
            }
        }
    }

    /// What stands in brackets behind a path: an index, `*`, or a member's name in quotation marks.
    fn bracket(&mut self) -> Result<Step, BadFilter> {
        let Some((inside, rest)) = self.rest.split_once(']') else { return bad("a bracket is not closed") };
        self.rest = rest;
        let inside = inside.trim();
        if inside == "*" {
            return Ok(Step::Any);
        }
        let name = ['"', '\''].into_iter().find_map(|mark| inside.strip_prefix(mark)?.strip_suffix(mark));
        match (name, inside.parse()) {
            (Some(name), _) => Ok(Step::Member(name.to_owned())),
            (None, Ok(index)) => Ok(Step::Index(index)),
            _ => bad(format!("[{inside}] is no index")),
        }
    }
}

impl Condition {
    /// How many regular expressions it has.
    pub(super) fn expressions(&self) -> usize {
        match self {
            Self::And(conditions) | Self::Or(conditions) => conditions.iter().map(Self::expressions).sum(),
            Self::Compare(_, _, Literal::Like(_)) => 1,
            Self::Compare(..) | Self::Is(..) | Self::NotExists(_) => 0,
        }
    }

    pub(super) fn holds_of_json(&self, document: &Value) -> bool {
        let found = |selector: &Selector| match selector {
            Selector::Path(steps) => reached(document, steps),
            Selector::Field(_) => Vec::new(),
        };
        match self {
            Self::And(all) => all.iter().all(|condition| condition.holds_of_json(document)),
            Self::Or(any) => any.iter().any(|condition| condition.holds_of_json(document)),
            Self::Compare(selector, operator, literal) => {
                found(selector).into_iter().any(|value| compares_json(value, *operator, literal))
            }
            Self::Is(selector, wanted) => found(selector).contains(&wanted),
            Self::NotExists(selector) => found(selector).is_empty(),
        }
    }

    pub(super) fn holds_of_words(&self, words: &HashMap<&str, &str>) -> bool {
        let found = |selector: &Selector| match selector {
            Selector::Field(name) => words.get(name.as_str()).copied(),
            Selector::Path(_) => None,
        };
        match self {
            Self::And(all) => all.iter().all(|condition| condition.holds_of_words(words)),
            Self::Or(any) => any.iter().any(|condition| condition.holds_of_words(words)),
            Self::Compare(selector, operator, literal) => {
                found(selector).is_some_and(|word| compares_word(word, *operator, literal))
            }
            Self::Is(..) => false,
            Self::NotExists(selector) => found(selector).is_none(),
        }
    }
}

/// All values at a path.
fn reached<'v>(document: &'v Value, steps: &[Step]) -> Vec<&'v Value> {
    let mut found = vec![document];
    for step in steps {
        found = match step {
            Step::Member(name) => found.into_iter().filter_map(|value| value.get(name)).collect(),
            Step::Index(index) => found.into_iter().filter_map(|value| value.get(index)).collect(),
            Step::Any => found.into_iter().filter_map(Value::as_array).flatten().collect(),
        };
    }
    found
}

fn compares_json(value: &Value, operator: Operator, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::Number(number), Literal::Number(_)) => {
            number.as_f64().is_some_and(|number| compares_number(number, operator, literal))
        }
        (Value::String(text), _) => match operator {
            Operator::Equal | Operator::Unequal => compares_text(text, operator, literal),
            _ => false,
        },
        (Value::Bool(_) | Value::Number(_), Literal::Text(_) | Literal::Like(_)) => {
            compares_text(&value.to_string(), operator, literal)
        }
        _ => operator == Operator::Unequal,
    }
}

fn compares_word(word: &str, operator: Operator, literal: &Literal) -> bool {
    match (literal, word.parse::<f64>()) {
        (Literal::Number(_), Ok(number)) => compares_number(number, operator, literal),
        _ => compares_text(word, operator, literal),
    }
}

#[expect(clippy::float_cmp, reason = "numbers are equal as they are written")]
fn compares_number(number: f64, operator: Operator, literal: &Literal) -> bool {
    let Literal::Number(wanted) = literal else { return false };
    match operator {
        Operator::Equal => number == *wanted,
        Operator::Unequal => number != *wanted,
        Operator::Less => number < *wanted,
        Operator::LessOrEqual => number <= *wanted,
        Operator::Greater => number > *wanted,
        Operator::GreaterOrEqual => number >= *wanted,
    }
}

fn compares_text(text: &str, operator: Operator, literal: &Literal) -> bool {
    let equal = match literal {
        Literal::Text(wanted) => is_like(text.as_bytes(), wanted.as_bytes()),
        Literal::Number(wanted) => text == wanted.to_string(),
        Literal::Like(expression) => expression.is_in(text),
    };
    match operator {
        Operator::Equal => equal,
        Operator::Unequal => !equal,
        _ => false,
    }
}

/// Whether a text is like a pattern in which `*` stands for anything. No slower than the product of their lengths.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern, mut star) = (0, 0, None);
    while at < text.len() {
        if pattern.get(in_pattern) == Some(&b'*') {
            star = Some((in_pattern, at));
            in_pattern += 1;
        } else if pattern.get(in_pattern) == Some(&text[at]) {
            at += 1;
            in_pattern += 1;
        } else if let Some((place, from)) = star {
            star = Some((place, from + 1));
            at = from + 1;
            in_pattern = place + 1;
        } else {
            return false;
        }
    }
    pattern[in_pattern..].iter().all(|sign| *sign == b'*')
}
