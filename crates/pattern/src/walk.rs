//! A compiled pattern, and its walk along an event.
//!
//! A list in an event stands for each of its elements: some one element must hold what the pattern says of the field.
//! Where the elements are objects, one and the same element must hold all of it, however deep the fields lie. That a field
//! is absent is said of the whole event, as AWS says it: no element may have it.

use serde_json::{Map, Value};

use crate::compare::Comparison;

/// The names that lead to a field.
pub(crate) type Path = Vec<String>;

/// What an object must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) fields: Vec<(String, Field)>,
    /// Of each of these groups, one.
    pub(crate) alternatives: Vec<Vec<Node>>,
}

/// What a field must hold.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Object(Node),
    Leaf(Leaf),
}

/// One of these.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) choices: Vec<Comparison>,
    /// Where the pattern's list of absences has this field, when being absent is one of the choices.
    pub(crate) absence: Option<usize>,
}

pub(crate) fn matches(root: &Node, absences: &[Path], event: &Value) -> bool {
    let absent: Vec<bool> = absences.iter().map(|path| !exists(path, event)).collect();
    Walk { absent: &absent, nothing: &Map::new() }.value(root, event)
}

struct Walk<'w> {
    absent: &'w [bool],
    nothing: &'w Map<String, Value>,
}

impl Walk<'_> {
    fn value(&self, node: &Node, value: &Value) -> bool {
        match value {
            Value::Object(members) => self.object(node, members),
            Value::Array(items) if !items.is_empty() => items.iter().any(|item| self.value(node, item)),
            _ => self.object(node, self.nothing),
        }
    }

    fn object(&self, node: &Node, members: &Map<String, Value>) -> bool {
        node.fields.iter().all(|(name, field)| self.field(field, members.get(name)))
            && node.alternatives.iter().all(|group| group.iter().any(|node| self.object(node, members)))
    }

    fn field(&self, field: &Field, value: Option<&Value>) -> bool {
        match field {
            Field::Object(node) => self.value(node, value.unwrap_or(&Value::Null)),
            Field::Leaf(leaf) => {
                value.is_some_and(|value| holds(&leaf.choices, value))
                    || leaf.absence.is_some_and(|index| self.absent[index])
            }
        }
    }
}

fn holds(choices: &[Comparison], value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds(choices, item)),
        Value::Object(_) => false,
        value => choices.iter().any(|choice| choice.holds(value)),
    }
}

/// Whether some value stands at the end of a path; an object is none, nor is an empty list.
fn exists(path: &[String], value: &Value) -> bool {
    match (path, value) {
        (path, Value::Array(items)) => items.iter().any(|item| exists(path, item)),
        ([name, rest @ ..], Value::Object(members)) => {
            members.get(name).is_some_and(|value| exists(rest, value))
        }
        ([], Value::Object(_)) => false,
        (path, _) => path.is_empty(),
    }
}
