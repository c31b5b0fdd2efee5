//! Rules for Markdown: what a document points at exists, and nothing in it belongs to one machine.
//!
//! Checked are links to files, paths in backticks that start with one of the repository's folders, and, with
//! `path/to/file.rs::name`, that the file has a function or constant of that name. `SPECIFICATION.md` carries
//! its claims that way, so a claim cannot outlive its test; `./x bench NAME` must be known to the benches.

use super::{Finding, Tree};

/// Folders that exist on some machine, not on the reader's. In parts, so that no search finds them here.
const MACHINE_PATHS: &[&str] = &["/root/", "/home/", concat!("/wo", "rk/")];

/// A backticked word that starts so is meant as a path in the repository.
const FOLDERS: &[&str] =
    &["crates/", "xtask/", "bench/", "examples/", "conformance/", "runtimes/", "docs/", "fuzz/", ".ci/"];

/// Everything the rules have to say about one document.
pub fn check(tree: &Tree, file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        let mut say = |message: String| findings.push(Finding::failure(file, index + 1, message));
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| line.contains(*path)) {
            say(format!("`{path}` is a path of one machine"));
        }
        if in_block {
            continue;
        }
        for word in backticked(line) {
            if let Some(problem) = broken_reference(tree, word) {
                say(problem);
            }
        }
        for target in link_targets(line) {
            let path = resolve(file, target);
            if !path.is_empty() && !tree.exists(&path) {
                say(format!("the link to `{target}` leads nowhere"));
            }
        }
    }
    findings
}

/// What is wrong with a word in backticks, if it points into the repository at all.
fn broken_reference(tree: &Tree, word: &str) -> Option<String> {
    if let Some(name) = word.strip_prefix("./x bench ") {
        let name = name.split_whitespace().next().unwrap_or_default();
        let known = name == "NAME"
            || tree.exists(&format!("bench/src/{name}.rs"))
            || tree.texts.iter().any(|(file, text)| {
                file.starts_with("bench/") && file.ends_with(".rs") && text.contains(&format!("\"{name}\""))
            });
        return (!known).then(|| format!("there is no bench `{name}`"));
    }
    let is_pattern = word.contains(['<', '*', '{', '…', ' ', '$']);
    if is_pattern || !FOLDERS.iter().any(|folder| word.starts_with(folder)) {
        return None;
    }
    let (path, name) = word.split_once("::").map_or((word, None), |(path, name)| (path, Some(name)));
    if !tree.exists(path) {
        return Some(format!("`{path}` does not exist"));
    }
    let name = name?.rsplit("::").next().unwrap_or_default();
    let text = tree.text(path).unwrap_or_default();
    let declared = ["fn ", "const ", "mod "].iter().any(|keyword| text.contains(&format!("{keyword}{name}")));
    (!declared).then(|| format!("`{path}` declares no `{name}`"))
}

/// The words in single backticks of one line.
fn backticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of `[text](target)` that are files, without their anchors.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.contains("://") && !target.starts_with("mailto:")).then_some(target)
    })
}

/// A link's target relative to the root; empty for a link within the document.
fn resolve(file: &str, target: &str) -> String {
    if target.is_empty() {
        return String::new();
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check_text(text: &str, expected: &[&str]) {
        let texts = [
            ("README.md", ""),
            ("docs/guide/start.md", ""),
            ("bench/src/main.rs", "match name { \"warm\" => {} }"),
            ("crates/daemon/tests/it/main.rs", "async fn survives_a_kill() {}"),
        ];
        let texts: BTreeMap<_, _> =
            texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        let tree = Tree { texts, others: Vec::new() };
        let messages: Vec<String> =
            check(&tree, "docs/internals/a.md", text).into_iter().map(|finding| finding.message).collect();
        assert_eq!(messages, expected, "of {text:?}");
    }

    #[test]
    fn what_backticks_name_must_exist() {
        check_text("see `crates/daemon/tests/it/main.rs`, `crates/daemon/` and `crates/<name>/src`", &[]);
        check_text("see `crates/demon`", &["`crates/demon` does not exist"]);
        check_text("`crates/daemon/tests/it/main.rs::survives_a_kill`", &[]);
        check_text(
            "`crates/daemon/tests/it/main.rs::survives_a_flood`",
            &["`crates/daemon/tests/it/main.rs` declares no `survives_a_flood`"],
        );
    }

    #[test]
    fn benches_named_must_be_known() {
        check_text("`./x bench warm`, or in general `./x bench NAME`", &[]);
        check_text("`./x bench hot --seconds 3`", &["there is no bench `hot`"]);
    }

    #[test]
    fn links_are_followed_from_where_they_stand() {
        check_text(
            "[start](../guide/start.md#first), [top](../../README.md), [here](#a), [web](https://a/b)",
            &[],
        );
        check_text("[gone](guide/start.md)", &["the link to `guide/start.md` leads nowhere"]);
    }

    #[test]
    fn machine_paths_are_refused_even_in_blocks() {
        check_text("```\ncd /home/me/`crates/none`\n```\n", &["`/home/` is a path of one machine"]);
    }
}
