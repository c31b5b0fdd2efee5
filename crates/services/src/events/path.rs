//! JSON paths as EventBridge has them: `$` with `.name`, `[index]`, `['name']` and `[*]`; and the parts of a JSON text that
//! they lead to, as they were written.
//!
//! Pure. Each step reads the text again, so the time is the length of the text times that of the path.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Whether a text is a path.
pub(super) fn is_path(text: &str) -> bool {
    steps(text).is_some()
}

/// What stands at a path; behind `[*]`, the list of all that is found.
pub(super) fn at(event: &str, path: &str) -> Option<String> {
    let steps = steps(path)?;
    let several = steps.iter().any(|step| matches!(step, Step::All));
    let mut found: Vec<&RawValue> = vec![serde_json::from_str(event).ok()?];
    for step in &steps {
        found = found.into_iter().flat_map(|value| inside(value, step)).collect();
    }
    let mut found = found.into_iter().map(RawValue::get);
    if several {
        Some(format!("[{}]", found.collect::<Vec<_>>().join(",")))
    } else {
        found.next().map(str::to_owned)
    }
}

/// The members of an object in their order; of anything else, none.
pub(super) fn members(json: &str) -> Vec<(String, &RawValue)> {
    serde_json::from_str::<Members<'_>>(json).map(|members| members.0).unwrap_or_default()
}

enum Step<'p> {
    Name(&'p str),
    Index(usize),
    All,
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut left = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !left.is_empty() {
        if let Some(inside) = left.strip_prefix('[') {
            let (index, rest) = inside.split_once(']')?;
            let quoted = index.strip_prefix('\'').and_then(|name| name.strip_suffix('\''));
            steps.push(match (index, quoted) {
                ("*", _) => Step::All,
                (_, Some(name)) if !name.is_empty() => Step::Name(name),
                _ => Step::Index(index.parse().ok()?),
            });
            left = rest;
        } else {
            let name = left.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(match &name[..end] {
                "" => return None,
                "*" => Step::All,
                name => Step::Name(name),
            });
            left = &name[end..];
        }
    }
    Some(steps)
}

fn inside<'v>(value: &'v RawValue, step: &Step<'_>) -> Vec<&'v RawValue> {
    let items = || serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
    match step {
        Step::Name(wanted) => {
            let mut named = members(value.get()).into_iter().filter(|(name, _)| name == wanted);
            named.next_back().map(|(_, value)| value).into_iter().collect()
        }
        Step::Index(index) => items().get(*index).copied().into_iter().collect(),
        Step::All => {
            items().into_iter().chain(members(value.get()).into_iter().map(|(_, value)| value)).collect()
        }
    }
}

struct Members<'v>(Vec<(String, &'v RawValue)>);

impl<'v> Deserialize<'v> for Members<'v> {
    fn deserialize<D: Deserializer<'v>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'v> Visitor<'v> for Reader {
            type Value = Members<'v>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'v>>(self, mut entries: A) -> Result<Members<'v>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = entries.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
