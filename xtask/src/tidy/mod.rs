//! The repository's own rules, checked: what a reviewer would otherwise have to say again and again.
//!
//! Each kind of file has its module of rules (`rust`, `manifest`, `document`); rules are pure functions from
//! text to findings, and only this module reads files. A failure stops the test run, a warning is printed.
//! Two rules that look at the whole workspace (edges between crates, licences) are called from here as well.

mod document;
mod manifest;
mod mask;
mod rust;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::{edges, licence, metadata, repo};

/// Something that a rule has to say about one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the root.
    pub file: String,
    /// The line it is about, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// What is wrong, and where it is not obvious, what to do.
    pub message: String,
    /// Whether it fails the run.
    pub fails: bool,
}

impl Finding {
    fn failure(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into(), fails: true }
    }

    fn warning(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into(), fails: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fails { "error" } else { "warning" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.file, self.message),
            line => write!(f, "{kind}: {}:{line}: {}", self.file, self.message),
        }
    }
}

/// The text files of the repository by their path; what rules may consult besides the file at hand.
pub struct Tree {
    texts: BTreeMap<String, String>,
    /// Files that are not text (pictures); they exist, and that is all a rule may know.
    others: Vec<PathBuf>,
}

impl Tree {
    fn read() -> Result<Self> {
        let mut tree = Self { texts: BTreeMap::new(), others: Vec::new() };
        for file in repo::files()? {
            let bytes = fs::read(repo::root().join(&file))
                .with_context(|| format!("cannot read {}", file.display()))?;
            match String::from_utf8(bytes) {
                Ok(text) => drop(tree.texts.insert(file.to_string_lossy().into_owned(), text)),
                Err(_) => tree.others.push(file),
            }
        }
        Ok(tree)
    }

    /// The text of a file, if it is one.
    fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether a file or folder of the repository has this path.
    fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.texts.keys().any(|file| file == path || file.starts_with(&folder))
            || self.others.iter().any(|file| file.starts_with(path))
    }
}

/// Checks everything; an error when a rule is broken.
pub fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "tidy takes no arguments");
    let tree = Tree::read()?;
    let mut findings = Vec::new();
    for (file, text) in &tree.texts {
        findings.extend(check(&tree, file, text));
    }
    let metadata = metadata::read()?;
    let about_workspace = edges::violations(&metadata).into_iter().chain(licence::violations(&metadata)?);
    findings.extend(about_workspace.map(|message| Finding::failure("Cargo.toml", 0, message)));

    for finding in &findings {
        eprintln!("{finding}");
    }
    let failures = findings.iter().filter(|finding| finding.fails).count();
    if failures > 0 {
        bail!("{failures} rule{} broken", if failures == 1 { "" } else { "s" });
    }
    println!("tidy: {} files, {} packages, no rule broken", tree.texts.len(), metadata.packages.len());
    Ok(())
}

fn check(tree: &Tree, file: &str, text: &str) -> Vec<Finding> {
    let mut findings = spacing(file, text);
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => findings.extend(rust::check(file, text)),
        Some("md") => findings.extend(document::check(tree, file, text)),
        Some("toml") if file.ends_with("Cargo.toml") => findings.extend(manifest::check(file, text)),
        _ => {}
    }
    findings
}

/// No space at the end of a line, no carriage returns, one newline at the end of the file.
fn spacing(file: &str, text: &str) -> Vec<Finding> {
    // Written by tools in their own way.
    if file == "Cargo.lock" || file == "LICENSE" || is_generated(file, text) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::failure(file, index + 1, "space at the end of the line"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::failure(file, 0, "the last line has no newline"));
    }
    findings
}

/// Whether a program wrote the file: it says so in its first lines, or stands in a `generated` place.
fn is_generated(file: &str, text: &str) -> bool {
    text.lines().take(3).any(|line| line.contains("@generated"))
        || file.split(['/', '.']).any(|part| part == "generated")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_checked_by_line() {
        assert_eq!(spacing("a.py", "one\ntwo\n"), []);
        assert_eq!(spacing("a.py", "one \n"), [Finding::failure("a.py", 1, "space at the end of the line")]);
        assert_eq!(spacing("a.py", "one\r\ntwo\n").len(), 1, "a carriage return is a space");
        assert_eq!(spacing("a.py", "one"), [Finding::failure("a.py", 0, "the last line has no newline")]);
        assert_eq!(spacing("wire/generated/a.rs", "one "), []);
    }

    #[test]
    fn a_finding_reads_as_a_compiler_message() {
        assert_eq!(Finding::failure("a.rs", 3, "no").to_string(), "error: a.rs:3: no");
        assert_eq!(Finding::warning("a.rs", 0, "long").to_string(), "warning: a.rs: long");
    }

    #[test]
    fn a_tree_knows_files_and_folders() {
        let tree = Tree {
            texts: BTreeMap::from([("crates/model/src/arn.rs".to_owned(), String::new())]),
            others: vec![PathBuf::from("examples/thumbnail/photo.jpg")],
        };
        for (path, expected) in [
            ("crates/model/src/arn.rs", true),
            ("crates/model/", true),
            ("crates/mod", false),
            ("examples/thumbnail/photo.jpg", true),
            ("examples/thumbnail", true),
            ("examples/thumb", false),
        ] {
            assert_eq!(tree.exists(path), expected, "{path}");
        }
    }
}
