//! Emits the golden list of what the conformance tables of a service cover: for each operation whether a case succeeds,
//! and which of the errors that the model lists for it some case expects.
//!
//! An operation that is called done without a table is an error here. Nothing else about a table is judged: the tests
//! that run the tables read them whole.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Source;
use super::served::Coverage;

/// What one table holds.
#[derive(Default)]
struct Table {
    cases: usize,
    has_success: bool,
    errors: BTreeSet<String>,
}

/// The list, or nothing for a service without tables.
pub(super) fn emit(source: &Source<'_>, root: &Path) -> anyhow::Result<Option<String>> {
    let service = source.service.name;
    let folder = root.join("conformance").join(service);
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut text = format!(
        "# What the tables of conformance/{service} cover: success, and the errors that the model lists for the\n\
         # operation, with a case (+) or without (-). Written by `cargo xtask codegen`.\n"
    );
    for (name, operation) in &source.model.operations {
        let path = folder.join(format!("{name}.json"));
        let is_done = source.service.operations.contains(&(name.as_str(), Coverage::Done));
        ensure!(path.exists() || !is_done, "{name} is done, and {} is missing", path.display());
        let table = if path.exists() { Table::read(&path)? } else { Table::default() };
        ensure!(table.cases > 0 || !is_done, "{name} is done, and {} has no case", path.display());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}\n  {} success", sign(table.has_success));
        for error in operation.errors.iter().map(|error| &error.shape) {
            let shape = source.model.shapes.get(error).and_then(|shape| shape.error.as_ref());
            let code = shape.and_then(|shape| shape.code.as_ref()).unwrap_or(error);
            let _ = writeln!(text, "  {} {error}", sign(table.errors.contains(code)));
        }
    }
    Ok(Some(text))
}

fn sign(is_covered: bool) -> char {
    if is_covered { '+' } else { '-' }
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
            read.has_success |= expect["status"].as_u64().is_some_and(|status| status < 300);
            read.errors.extend(expect["error"].as_str().map(str::to_owned));
        }
        Ok(read)
    }
}
