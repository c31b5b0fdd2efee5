//! From a text to a pattern: its form, what the dialect allows, and the bounds.
//!
//! Messages are AWS's, as far as they are known; where in the text the mistake is, they do not say.

use std::collections::HashSet;

use crate::compare::Comparison;
use crate::dialect::{Dialect, WILDCARDS_MAX};
use crate::tree::Tree;
use crate::walk::{Field, Leaf, Node, Path};
use crate::{Malformed, Pattern};

/// What means something else than a field's name, and may not name a field among alternatives.
const RESERVED: [&str; 8] =
    ["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr"];

pub(crate) fn pattern(text: &str, dialect: Dialect) -> Result<Pattern, Malformed> {
    let tree: Tree = serde_json::from_str(text).map_err(|error| {
        Malformed::new(format!("Invalid JSON at line {}, column {}", error.line(), error.column()))
    })?;
    let Tree::Object(members) = &tree else { return Err(Malformed::new("Filter is not an object")) };
    let mut compiler = Compiler { dialect, path: Vec::new(), absences: Vec::new(), stars: 0 };
    let root = compiler.object(members, false)?;
    bounds(&root, compiler.stars, dialect)?;
    Ok(Pattern { root, absences: compiler.absences })
}

struct Compiler {
    dialect: Dialect,
    /// Where it is.
    path: Path,
    absences: Vec<Path>,
    stars: usize,
}

impl Compiler {
    fn object(&mut self, members: &[(String, Tree)], among_alternatives: bool) -> Result<Node, Malformed> {
        if members.is_empty() {
            return Err(Malformed::new("Empty objects are not allowed"));
        }
        let mut node = Node::default();
        let mut names = HashSet::new();
        for (name, tree) in members {
            if !names.insert(name) {
                self.path.push(name.clone());
                let path = self.path.join(".");
                return Err(Malformed::new(format!("Path `{path}` cannot be allowed multiple times")));
            }
            if name == "$or" {
                node.alternatives.push(self.alternatives(tree)?);
                continue;
            }
            if among_alternatives && RESERVED.contains(&name.as_str()) {
                let reason = format!("{name} is Ruler reserved fieldName which cannot be used inside $or.");
                return Err(Malformed::new(reason));
            }
            self.path.push(name.clone());
            node.fields.push((name.clone(), self.field(name, tree, among_alternatives)?));
            self.path.pop();
        }
        Ok(node)
    }

    fn alternatives(&mut self, tree: &Tree) -> Result<Vec<Node>, Malformed> {
        let Tree::List(entries) = tree else {
            return Err(Malformed::new("It must be an Array followed with $or."));
        };
        let mut group = Vec::new();
        for entry in entries {
            let Tree::Object(members) = entry else {
                return Err(Malformed::new("Only JSON object is allowed in array of $or relationship."));
            };
            group.push(self.object(members, true)?);
        }
        if group.len() < 2 {
            return Err(Malformed::new("There must have at least 2 Objects in $or relationship."));
        }
        Ok(group)
    }

    fn field(&mut self, name: &str, tree: &Tree, among_alternatives: bool) -> Result<Field, Malformed> {
        match tree {
            Tree::Object(_) if !self.dialect.nests() => Err(Malformed::new(
                "Filter policy scope MessageAttributes does not support nested filter policy",
            )),
            Tree::Object(members) => Ok(Field::Object(self.object(members, among_alternatives)?)),
            Tree::List(entries) => Ok(Field::Leaf(self.leaf(entries)?)),
            Tree::Scalar(_) => Err(Malformed::new(format!("\"{name}\" must be an object or an array"))),
        }
    }

    fn leaf(&mut self, entries: &[Tree]) -> Result<Leaf, Malformed> {
        if entries.is_empty() {
            return Err(Malformed::new("Empty arrays are not allowed"));
        }
        let mut choices = Vec::with_capacity(entries.len());
        for entry in entries {
            choices.push(Comparison::parse(entry, self.dialect)?);
        }
        self.stars += choices.iter().map(Comparison::stars).sum::<usize>();
        let absence =
            choices.iter().any(|choice| matches!(choice, Comparison::Absent)).then(|| self.absence());
        Ok(Leaf { choices, absence })
    }

    /// Where this field stands in the list of absences.
    fn absence(&mut self) -> usize {
        self.absences.push(self.path.clone());
        self.absences.len() - 1
    }
}

fn bounds(root: &Node, stars: usize, dialect: Dialect) -> Result<(), Malformed> {
    if let Some(max) = dialect.fields_max() {
        let mut names = HashSet::new();
        collect_names(root, &mut names);
        if names.len() > max {
            return Err(Malformed::new(format!("Filter policy can not have more than {max} keys")));
        }
    }
    if stars > WILDCARDS_MAX {
        return Err(Malformed::new(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences \
             after a wildcard character",
        ));
    }
    if combinations(root, 1, dialect) > dialect.combinations_max() {
        let reason = if dialect.is_sns() { "Filter policy is too complex" } else { "Rule is too complex" };
        return Err(Malformed::new(reason));
    }
    Ok(())
}

fn collect_names<'n>(node: &'n Node, names: &mut HashSet<&'n str>) {
    names.extend(node.fields.iter().map(|(name, _)| name.as_str()));
    node.alternatives.iter().flatten().for_each(|node| collect_names(node, names));
}

/// In how many ways a pattern can hold: by its alternatives, and for SNS by each value of each list, the more the deeper.
fn combinations(node: &Node, depth: u64, dialect: Dialect) -> u64 {
    let fields = node.fields.iter().map(|(_, field)| match field {
        Field::Object(node) => combinations(node, depth + 1, dialect),
        Field::Leaf(leaf) if dialect.is_sns() => (leaf.choices.len() as u64).saturating_mul(depth),
        Field::Leaf(_) => 1,
    });
    let groups = node.alternatives.iter().map(|group| {
        group.iter().map(|node| combinations(node, depth, dialect)).fold(0, u64::saturating_add)
    });
    fields.chain(groups).fold(1, u64::saturating_mul)
}
