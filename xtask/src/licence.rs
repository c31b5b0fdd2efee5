//! The licences of everything that we build on, held against the list that `deny.toml` allows.
//!
//! The same list serves `cargo deny`, where that tool is installed; this check needs no tool and no network.
//! A package's SPDX expression must be satisfiable from the list: one side of an `OR`, both sides of an `AND`.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::metadata::Metadata;
use crate::repo;

#[derive(Deserialize)]
struct DenyFile {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// A licence that one package alone may use; the reason stands beside it in `deny.toml`.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

/// What is not allowed, one sentence each.
pub fn violations(metadata: &Metadata) -> Result<Vec<String>> {
    let text = fs::read_to_string(repo::root().join("deny.toml")).context("cannot read deny.toml")?;
    let file: DenyFile = toml::from_str(&text).context("deny.toml is not as expected")?;
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|package| !package.is_ours()) {
        let excepted = file.licenses.exceptions.iter().filter(|entry| entry.package == package.name);
        let allowed: Vec<&str> = (file.licenses.allow.iter())
            .chain(excepted.flat_map(|entry| &entry.allow))
            .map(String::as_str)
            .collect();
        let Some(expression) = &package.license else {
            found.push(format!("{} {} states no licence", package.name, package.version));
            continue;
        };
        if !satisfied(expression, &allowed) {
            found.push(format!(
                "{} {} is under `{expression}`, which deny.toml does not allow",
                package.name, package.version
            ));
        }
    }
    Ok(found)
}

/// Whether the allowed licences satisfy an SPDX expression. Malformed expressions are not satisfied.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    // Before SPDX expressions, `/` meant `OR`; old packages still write it so.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let result = parser.any();
    parser.words.is_empty() && result == Some(true)
}

struct Parser<'t> {
    words: &'t [&'t str],
    allowed: &'t [&'t str],
}

impl<'t> Parser<'t> {
    fn any(&mut self) -> Option<bool> {
        let mut result = self.all()?;
        while self.accept("OR") {
            result |= self.all()?;
        }
        Some(result)
    }

    fn all(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.accept("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    fn one(&mut self) -> Option<bool> {
        if self.accept("(") {
            let result = self.any()?;
            return self.accept(")").then_some(result);
        }
        let licence = self.next()?;
        if self.accept("WITH") {
            let exception = self.next()?;
            return Some(self.allowed.contains(&format!("{licence} WITH {exception}").as_str()));
        }
        Some(self.allowed.contains(&licence))
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Option<&'t str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_satisfied_from_the_list() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("(MIT OR GPL-3.0) AND Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("GPL-2.0 WITH LLVM-exception", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT Apache-2.0", false),
            ("", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), expected, "{expression:?}");
        }
    }
}
