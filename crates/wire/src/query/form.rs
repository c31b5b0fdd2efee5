//! The tree of a request's parameters, read by the form of the input that it becomes.
//!
//! `Tags.member.1.Key=team` is a path through structures and lists to a text. Which step is which, and what a text
//! stands for, is known from the input's [`Form`] alone; so parameters become the JSON that the same input has in the
//! other protocols, and are read by the same code. Bounded: so many parameters, so deep, lists without gaps to fill.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::json::Malformed;
use crate::percent;

/// Parameters of one request; the largest that AWS's tools send is a simulation of a few hundred actions.
const PARAMETERS_MAX: usize = 10_000;
/// Steps of one path. The deepest input of the models has fewer.
const STEPS_MAX: usize = 16;

/// How the values of a shape travel.
#[derive(Debug)]
pub enum Form {
    /// A string.
    Text,
    /// A whole number.
    Whole,
    /// A number.
    Real,
    /// `true` or `false`.
    Truth,
    /// A point in time: RFC 3339 here, seconds since the epoch in JSON.
    Time,
    /// Bytes in Base64.
    Blob,
    /// `.member.N`, from 1.
    List(&'static Form),
    /// `.entry.N.KEY` and `.entry.N.VALUE`, which are mostly called `key` and `value`.
    Map([&'static str; 2], &'static Form),
    /// `.NAME.N` in the place of the member's own name, from 1.
    FlatList(&'static str, &'static Form),
    /// `.NAME.N.KEY` and `.NAME.N.VALUE` in the place of the member's own name.
    FlatMap(&'static str, [&'static str; 2], &'static Form),
    /// `.NAME`.
    Structure(&'static [(&'static str, &'static Form)]),
}

/// The parameters of a request: its form body, or its query.
#[derive(Debug, Default, PartialEq)]
pub struct Parameters {
    top: BTreeMap<String, Node>,
}

#[derive(Debug, PartialEq)]
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`, in which `+` is a space.
    ///
    /// # Errors
    /// [`Malformed`] for what is not UTF-8, too much, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let spaced = text.replace('+', "%20");
        let mut top = BTreeMap::new();
        for (count, pair) in percent::query_pairs(&spaced).enumerate() {
            let (name, value) = pair.map_err(|_| Malformed("the parameters are not UTF-8".to_owned()))?;
            if count == PARAMETERS_MAX {
                return Err(Malformed(format!("more than {PARAMETERS_MAX} parameters")));
            }
            let steps: Vec<&str> = name.split('.').collect();
            if steps.len() > STEPS_MAX {
                return Err(Malformed(format!("a parameter of more than {STEPS_MAX} steps")));
            }
            insert(&mut top, &steps, value.into_owned())?;
        }
        Ok(Self { top })
    }

    /// A parameter of one step.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.top.get(name)? {
            Node::Leaf(text) => Some(text),
            Node::Branch(_) => None,
        }
    }

    /// Every parameter of one step, and the JSON of every other: for showing them.
    #[must_use]
    pub fn shown(&self) -> Value {
        fn of(node: &Node) -> Value {
            match node {
                Node::Leaf(text) => Value::from(text.as_str()),
                Node::Branch(below) => all(below),
            }
        }
        fn all(branch: &BTreeMap<String, Node>) -> Value {
            Value::Object(branch.iter().map(|(name, node)| (name.clone(), of(node))).collect())
        }
        all(&self.top)
    }

    /// The members of a structure in their JSON form; parameters that it does not have are passed over.
    pub(super) fn to_json(&self, form: &Form) -> Result<Value, Malformed> {
        match form {
            Form::Structure(members) => structure(&self.top, members),
            _ => Ok(Value::Object(Map::new())),
        }
    }
}

fn insert(branch: &mut BTreeMap<String, Node>, steps: &[&str], value: String) -> Result<(), Malformed> {
    let Some((first, rest)) = steps.split_first() else { return Ok(()) };
    let contradiction = || Malformed(format!("{first} is a value and more than a value"));
    if rest.is_empty() {
        match branch.get(*first) {
            // The first one counts.
            Some(Node::Leaf(_)) => {}
            Some(Node::Branch(_)) => return Err(contradiction()),
            None => drop(branch.insert((*first).to_owned(), Node::Leaf(value))),
        }
        return Ok(());
    }
    match branch.entry((*first).to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new())) {
        Node::Branch(below) => insert(below, rest, value),
        Node::Leaf(_) => Err(contradiction()),
    }
}

fn structure(
    branch: &BTreeMap<String, Node>,
    members: &[(&'static str, &'static Form)],
) -> Result<Value, Malformed> {
    let mut object = Map::new();
    for (name, form) in members {
        let value = match form {
            Form::FlatList(flat, element) if branch.contains_key(*flat) => list(branch, flat, element)?,
            Form::FlatMap(flat, entry, element) if branch.contains_key(*flat) => {
                map(branch, flat, *entry, element)?
            }
            Form::FlatList(..) | Form::FlatMap(..) => continue,
            form => match branch.get(*name) {
                Some(node) => value(node, form)?,
                None => continue,
            },
        };
        object.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(object))
}

fn list(branch: &BTreeMap<String, Node>, name: &str, element: &Form) -> Result<Value, Malformed> {
    let items = numbered(branch, name)?;
    items.into_iter().map(|item| value(item, element)).collect::<Result<_, _>>().map(Value::Array)
}

fn map(
    branch: &BTreeMap<String, Node>,
    name: &str,
    [key_name, value_name]: [&str; 2],
    element: &Form,
) -> Result<Value, Malformed> {
    let mut object = Map::new();
    for entry in numbered(branch, name)? {
        let Node::Branch(entry) = entry else { return Err(unexpected("a map")) };
        let (Some(Node::Leaf(key)), Some(item)) = (entry.get(key_name), entry.get(value_name)) else {
            return Err(Malformed("an entry of a map without key or value".to_owned()));
        };
        object.insert(key.clone(), value(item, element)?);
    }
    Ok(Value::Object(object))
}

fn value(node: &Node, form: &Form) -> Result<Value, Malformed> {
    match (form, node) {
        (Form::Structure(members), Node::Branch(branch)) => structure(branch, members),
        (Form::List(element), Node::Branch(branch)) => list(branch, "member", element),
        // An empty list is sent as its bare name.
        (Form::List(_), Node::Leaf(text)) if text.is_empty() => Ok(Value::Array(Vec::new())),
        (Form::Map(entry, element), Node::Branch(branch)) => map(branch, "entry", *entry, element),
        (Form::Map(..), Node::Leaf(text)) if text.is_empty() => Ok(Value::Object(Map::new())),
        (Form::Text | Form::Blob, Node::Leaf(text)) => Ok(Value::from(text.as_str())),
        (Form::Whole, Node::Leaf(text)) => {
            text.parse::<i64>().map(Value::from).map_err(|_| unexpected("a whole number"))
        }
        (Form::Real, Node::Leaf(text)) => real(text.parse().ok()).ok_or_else(|| unexpected("a number")),
        (Form::Truth, Node::Leaf(text)) => {
            text.parse::<bool>().map(Value::from).map_err(|_| unexpected("true or false"))
        }
        (Form::Time, Node::Leaf(text)) => {
            let time = crate::time::parse_rfc3339(text);
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of any year that people live in are exact"
            )]
            let seconds = time.map(|time| time.as_millis() as f64 / 1_000.0);
            real(seconds).ok_or_else(|| unexpected("a time such as 2026-01-01T00:00:00Z"))
        }
        _ => Err(unexpected("another form of value")),
    }
}

fn real(number: Option<f64>) -> Option<Value> {
    number.and_then(Number::from_f64).map(Value::Number)
}

/// The elements below `NAME.N`, in the order of their numbers.
fn numbered<'a>(branch: &'a BTreeMap<String, Node>, name: &str) -> Result<Vec<&'a Node>, Malformed> {
    let items = match branch.get(name) {
        Some(Node::Branch(items)) => items,
        Some(Node::Leaf(_)) => return Err(unexpected("a numbered element")),
        None => return Ok(Vec::new()),
    };
    let mut found = Vec::with_capacity(items.len());
    for (number, item) in items {
        found.push((number.parse::<u32>().map_err(|_| unexpected("a number of an element"))?, item));
    }
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, item)| item).collect())
}

fn unexpected(expected: &str) -> Malformed {
    Malformed(format!("a parameter is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    static TAG: Form = Form::Structure(&[("Key", &Form::Text), ("Value", &Form::Text)]);
    static TAGS: Form = Form::List(&TAG);
    static COUNTS: Form = Form::Map(["key", "value"], &Form::Whole);
    static INPUT: Form = Form::Structure(&[
        ("Name", &Form::Text),
        ("MaxItems", &Form::Whole),
        ("On", &Form::Truth),
        ("At", &Form::Time),
        ("Tags", &TAGS),
        ("Counts", &COUNTS),
        ("Flats", &Form::FlatList("Flat", &TAG)),
        ("Sizes", &Form::FlatMap("Size", ["Name", "Value"], &Form::Whole)),
    ]);

    fn check(text: &str, expect: &str) {
        let json = Parameters::parse(text).and_then(|parameters| parameters.to_json(&INPUT));
        assert_eq!(json.expect(text).to_string(), expect, "{text}");
    }

    #[test]
    fn parameters_become_the_same_json() {
        check("", "{}");
        check("Action=X&Name=a+b%2Bc&Else=1", r#"{"Name":"a b+c"}"#);
        // A text of digits stays a text.
        check("Name=7&MaxItems=7&On=true", r#"{"MaxItems":7,"Name":"7","On":true}"#);
        check("At=2026-01-01T00:00:00Z", r#"{"At":1767225600.0}"#);
        check(
            "Tags.member.10.Key=c&Tags.member.2.Key=b&Tags.member.2.Value=x",
            r#"{"Tags":[{"Key":"b","Value":"x"},{"Key":"c"}]}"#,
        );
        check("Tags=", r#"{"Tags":[]}"#);
        check("Counts.entry.1.key=a&Counts.entry.1.value=3", r#"{"Counts":{"a":3}}"#);
        check("Flat.2.Key=b&Flat.1.Key=a&Flats=x", r#"{"Flats":[{"Key":"a"},{"Key":"b"}]}"#);
        check("Size.1.Name=a&Size.1.Value=3", r#"{"Sizes":{"a":3}}"#);
        check("Name=first&Name=second", r#"{"Name":"first"}"#);
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = "a.".repeat(STEPS_MAX) + "=1";
        let many = "a=1&".repeat(PARAMETERS_MAX + 1);
        for text in [
            "Name.x=1",
            "Name=1&Name.x=2",
            "Tags.member.1.Key=1&Tags.member=2",
            "Tags.member.x.Key=1",
            "Tags=1",
            "MaxItems=many",
            "MaxItems=",
            "On=yes",
            "At=now",
            "Counts.entry.1.key=a",
            "Name=%FF",
            "Flat=1",
            "Size.1.Name=a",
            &deep,
            &many,
        ] {
            let json = Parameters::parse(text).and_then(|parameters| parameters.to_json(&INPUT));
            assert!(json.is_err(), "{}: {json:?}", &text[..text.len().min(60)]);
        }
    }
}
