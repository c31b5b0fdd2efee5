//! JSON paths as EventBridge has them: `$` with `.name`, `[index]`, `['name']` and `[*]`; and the parts of a JSON text that
//! they lead to, as they were written.
//!
//! Pure. What an object or a list of an event holds is read once, however many paths lead through it, if it is not small. As
//! an event can have very many small ones, all that is read for one target is bounded.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::event::LARGE_BYTES;

/// What is smaller is read again: an event may have very many of those.
const WORTH_KNOWING_BYTES: usize = 1_024;
/// What it costs to look into an object or a list, besides reading its bytes, in bytes that could be read meanwhile.
const LOOK_BYTES: usize = 64;
/// What may be read of small ones for one target: fifty paths through each of twenty thousand parts, or some tenths of a
/// second.
const READ_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The same for events that are looked at on the thread that everybody shares: some milliseconds.
const READ_AT_ONCE_MAX: usize = 4 * 1024 * 1024;

/// Whether a text is a path.
pub(super) fn is_path(text: &str) -> bool {
    steps(text).is_some()
}

/// An event, and what was read of it.
pub(super) struct Reader<'e> {
    text: &'e str,
    root: OnceCell<Option<&'e RawValue>>,
    /// By where it begins in the text.
    known: RefCell<HashMap<usize, Rc<Inside<'e>>>>,
    /// Bytes of small ones that were read for the present target.
    read: Cell<usize>,
}

/// What an object or a list holds.
struct Inside<'e> {
    members: Vec<(String, &'e RawValue)>,
    items: Vec<&'e RawValue>,
}

impl<'e> Reader<'e> {
    pub(super) fn of(text: &'e str) -> Self {
        Self { text, root: OnceCell::new(), known: RefCell::default(), read: Cell::default() }
    }

    /// From here on it is read for another target.
    pub(super) fn begin_anew(&self) {
        self.read.set(0);
    }

    /// Whether no more is to be read; what a path then leads to is not known.
    pub(super) fn is_exhausted(&self) -> bool {
        let is_large = self.text.len() >= LARGE_BYTES;
        self.read.get() > if is_large { READ_BYTES_MAX } else { READ_AT_ONCE_MAX }
    }

    /// All of it.
    pub(super) fn text(&self) -> &'e str {
        self.text
    }

    fn root(&self) -> Option<&'e RawValue> {
        *self.root.get_or_init(|| serde_json::from_str(self.text).ok())
    }

    fn inside(&self, value: &'e RawValue) -> Rc<Inside<'e>> {
        let text = value.get();
        let read = || Rc::new(Inside::of(text));
        if text.len() >= WORTH_KNOWING_BYTES {
            self.read.set(self.read.get() + LOOK_BYTES);
            return Rc::clone(self.known.borrow_mut().entry(text.as_ptr().addr()).or_insert_with(read));
        }
        self.read.set(self.read.get() + LOOK_BYTES + text.len());
        read()
    }

    fn step(&self, value: &'e RawValue, step: &Step<'_>) -> Vec<&'e RawValue> {
        let inside = self.inside(value);
        match step {
            Step::Name(wanted) => {
                let found = inside.members.iter().rev().find(|(name, _)| name == wanted);
                found.map(|(_, value)| *value).into_iter().collect()
            }
            Step::Index(index) => inside.items.get(*index).copied().into_iter().collect(),
            Step::All => {
                inside.items.iter().copied().chain(inside.members.iter().map(|(_, value)| *value)).collect()
            }
        }
    }
}

impl<'e> Inside<'e> {
    fn of(json: &'e str) -> Self {
        // By its first character, since what is refused as the other would cost more than reading it.
        match json.starts_with('{') {
            true => Self { members: members(json), items: Vec::new() },
            false => Self { members: Vec::new(), items: serde_json::from_str(json).unwrap_or_default() },
        }
    }
}

/// What stands at a path; behind `[*]`, the list of all that is found.
pub(super) fn at(event: &Reader<'_>, path: &str) -> Option<String> {
    let steps = steps(path)?;
    let several = steps.iter().any(|step| matches!(step, Step::All));
    let mut found: Vec<&RawValue> = vec![event.root()?];
    for step in &steps {
        let looked_at = found.into_iter().take_while(|_| !event.is_exhausted());
        found = looked_at.flat_map(|value| event.step(value, step)).collect();
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
