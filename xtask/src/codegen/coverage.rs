//! Emits the golden list of what the conformance tables of a service cover: for each operation whether a case succeeds,
//! and which of the errors that the model lists for it some case expects. What many operations have in common is
//! covered by a sweep (`conformance/sweeps`), and what cannot happen is explained (`conformance/unreachable`).
//!
//! An operation that is called done has a table. Where its service has a file of explanations, each of its outcomes is
//! covered or explained, never neither and never both; without a table there is nothing to explain. Nothing else about a
//! table is judged: the tests that run the tables read them whole, and fail when an operation that a sweep claims is not
//! swept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::Source;
use super::served::Coverage;

/// Stands in the lists where an error could.
const SUCCESS: &str = "success";

/// What one table holds.
#[derive(Default)]
struct Table {
    cases: usize,
    outcomes: BTreeSet<String>,
}

/// An error that is brought about for many operations in one way.
struct Sweep {
    name: String,
    error: String,
    only: Option<Vec<String>>,
    but: Vec<String>,
}

/// Outcomes that cannot happen, for one reason.
struct Group {
    why: String,
    outcomes: Vec<String>,
    /// None is every operation that lists one of them.
    operations: Option<Vec<String>>,
}

/// Operations with what each can answer: success first, then the errors of the model.
type Outcomes<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The list, or nothing for a service without tables.
pub(super) fn emit(source: &Source<'_>, root: &Path) -> anyhow::Result<Option<String>> {
    let service = source.service.name;
    let conformance = root.join("conformance");
    if !conformance.join(service).is_dir() {
        return Ok(None);
    }
    let mut text = format!(
        "# What the tables of conformance/{service} cover: success, and the errors that the model lists for the\n\
         # operation, with a case (+), without (-), or impossible (=) as conformance/unreachable explains.\n\
         # Errors of conformance/sweeps bear the sweep's name. Written by `cargo xtask codegen`.\n"
    );
    let outcomes = source.model.operations.iter().map(|(name, operation)| {
        let errors = operation.errors.iter().map(|error| error.shape.as_str());
        (name.as_str(), [SUCCESS].into_iter().chain(errors).collect())
    });
    let outcomes: Outcomes<'_> = outcomes.collect();
    let sweeps = sweeps(&conformance.join(format!("sweeps/{service}.json")), &outcomes)?;
    let reasons = conformance.join(format!("unreachable/{service}.json"));
    let groups = groups(&reasons, &outcomes)?;
    for (name, outcomes) in &outcomes {
        let path = conformance.join(service).join(format!("{name}.json"));
        let is_done = source.service.operations.contains(&(*name, Coverage::Done));
        ensure!(path.exists() || !is_done, "{name} is done, and {} is missing", path.display());
        let table = if path.exists() { Table::read(&path)? } else { Table::default() };
        ensure!(table.cases > 0 || !is_done, "{name} is done, and {} has no case", path.display());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}");
        for outcome in outcomes {
            let sweep = sweeps.iter().find(|sweep| table.cases > 0 && sweep.is_about(name, outcome));
            let is_covered = table.outcomes.contains(code_of(source, outcome)) || sweep.is_some();
            let why = if table.cases == 0 { None } else { explanation(&groups, name, outcome)? };
            let sign = match (is_covered, why) {
                (true, None) => '+',
                (false, Some(_)) => '=',
                (false, None) if !is_done || !reasons.exists() => '-',
                (false, None) => bail!("{name}: {outcome} has no case, and no reason why it cannot have one"),
                (true, Some(why)) => {
                    bail!("{name}: {outcome} has a case, and is said to be impossible: {why}")
                }
            };
            let sweep = sweep.map_or_else(String::new, |sweep| format!(" ({})", sweep.name));
            let _ = writeln!(text, "  {sign} {outcome}{sweep}");
        }
    }
    Ok(Some(text))
}

/// What a table calls an outcome: an error by its code.
fn code_of<'a>(source: &'a Source<'_>, outcome: &'a str) -> &'a str {
    let error = source.model.shapes.get(outcome).and_then(|shape| shape.error.as_ref());
    error.and_then(|error| error.code.as_deref()).unwrap_or(outcome)
}

fn sweeps(path: &Path, outcomes: &Outcomes<'_>) -> anyhow::Result<Vec<Sweep>> {
    let read = |entry: &Value| -> anyhow::Result<Sweep> {
        let sweep = Sweep {
            name: text(entry, "name")?,
            error: text(entry, "error")?,
            only: names(entry, "only"),
            but: names(entry, "but").unwrap_or_default(),
        };
        for name in sweep.only.iter().flatten().chain(&sweep.but) {
            check_listed(outcomes, name, &sweep.error).with_context(|| sweep.name.clone())?;
        }
        Ok(sweep)
    };
    list(path)?.iter().map(read).collect::<anyhow::Result<_>>().with_context(|| path.display().to_string())
}

fn groups(path: &Path, outcomes: &Outcomes<'_>) -> anyhow::Result<Vec<Group>> {
    let read = |entry: &Value| -> anyhow::Result<Group> {
        let group = Group {
            why: text(entry, "why")?,
            outcomes: names(entry, "outcomes").context("a group without outcomes")?,
            operations: names(entry, "operations"),
        };
        for outcome in &group.outcomes {
            for name in group.operations.iter().flatten() {
                check_listed(outcomes, name, outcome).with_context(|| group.why.clone())?;
            }
            let is_known = outcomes.values().any(|listed| listed.contains(&outcome.as_str()));
            ensure!(is_known, "no operation lists {outcome}: {}", group.why);
        }
        Ok(group)
    };
    list(path)?.iter().map(read).collect::<anyhow::Result<_>>().with_context(|| path.display().to_string())
}

fn check_listed(outcomes: &Outcomes<'_>, operation: &str, outcome: &str) -> anyhow::Result<()> {
    let listed = outcomes.get(operation).with_context(|| format!("{operation} is no operation"))?;
    ensure!(listed.contains(&outcome), "the model does not list {outcome} for {operation}");
    Ok(())
}

/// Why an outcome is impossible, if it is said to be.
fn explanation<'a>(groups: &'a [Group], operation: &str, outcome: &str) -> anyhow::Result<Option<&'a str>> {
    let is_meant = |group: &&Group| {
        let operations = group.operations.as_ref();
        group.outcomes.iter().any(|meant| meant == outcome)
            && operations.is_none_or(|names| names.iter().any(|name| name == operation))
    };
    let mut meant = groups.iter().filter(is_meant);
    let first = meant.next();
    ensure!(meant.next().is_none(), "{operation}: {outcome} is explained twice");
    Ok(first.map(|group| group.why.as_str()))
}

/// The entries of a file that may be missing.
fn list(path: &Path) -> anyhow::Result<Vec<Value>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no list in JSON", path.display()))
}

fn text(entry: &Value, member: &str) -> anyhow::Result<String> {
    entry[member].as_str().map(str::to_owned).with_context(|| format!("an entry without {member}"))
}

fn names(entry: &Value, member: &str) -> Option<Vec<String>> {
    let list = entry.get(member)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

impl Sweep {
    fn is_about(&self, operation: &str, outcome: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == operation);
        self.error == outcome && self.only.as_deref().is_none_or(names) && !names(&self.but)
    }
}

impl Table {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let table: Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))?;
        let expected = table["cases"].as_array().into_iter().flatten().map(|case| &case["expect"]);
        let mut read = Self::default();
        for expect in expected {
            read.cases += 1;
            let is_success = expect["status"].as_u64().is_some_and(|status| status < 300);
            read.outcomes.extend(is_success.then(|| SUCCESS.to_owned()));
            read.outcomes.extend(expect["error"].as_str().map(str::to_owned));
        }
        Ok(read)
    }
}
