//! The generated files as a set: formatted, then written or compared. A folder that the generator owns holds
//! exactly this set afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Path below the repository's root, to text.
#[derive(Default)]
pub(super) struct Files(BTreeMap<PathBuf, String>);

impl Files {
    /// Adds a file as it is.
    pub(super) fn text(&mut self, path: impl Into<PathBuf>, text: String) {
        self.0.insert(path.into(), text);
    }

    /// Adds Rust code, formatted as the repository's other code is.
    pub(super) fn rust(&mut self, path: &str, code: &str) -> anyhow::Result<()> {
        let formatted = rustfmt(code).with_context(|| format!("format {path}"))?;
        self.text(path, formatted);
        Ok(())
    }

    /// Writes what changed and removes what is no longer generated.
    pub(super) fn write(&self, root: &Path, owned: &[&str]) -> anyhow::Result<()> {
        for (path, text) in &self.0 {
            let path = root.join(path);
            if std::fs::read_to_string(&path).ok().as_ref() == Some(text) {
                continue;
            }
            let folder = path.parent().context("a generated file lies in a folder")?;
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
        for path in self.stale(root, owned)? {
            std::fs::remove_file(root.join(&path)).with_context(|| format!("remove {}", path.display()))?;
            println!("removed {}", path.display());
        }
        Ok(())
    }

    /// Fails, with the differences, unless [`Files::write`] would change nothing.
    pub(super) fn compare(&self, root: &Path, owned: &[&str]) -> anyhow::Result<()> {
        let mut differences = String::new();
        for (path, text) in &self.0 {
            let present = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            if &present != text {
                differences.push_str(&difference(path, &present, text));
            }
        }
        for path in self.stale(root, owned)? {
            differences.push_str(&format!("{}: no longer generated\n", path.display()));
        }
        if differences.is_empty() {
            return Ok(());
        }
        bail!("generated files are out of date; run `cargo xtask codegen`\n{differences}")
    }

    fn stale(&self, root: &Path, owned: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
        let mut present = BTreeSet::new();
        for folder in owned {
            list(root, Path::new(folder), &mut present)?;
        }
        Ok(present.into_iter().filter(|path| !self.0.contains_key(path)).collect())
    }
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            list(root, &path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// The import of those `names` of a module that `code` uses: unused imports are errors.
pub(super) fn used(code: &str, module: &str, names: &[&str]) -> String {
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let used: Vec<&str> = names.iter().copied().filter(|name| words.contains(name)).collect();
    if used.is_empty() { String::new() } else { format!("use {module}::{{{}}};\n", used.join(", ")) }
}

/// The first lines that differ; enough to see what changed without a diff program.
fn difference(path: &Path, present: &str, wanted: &str) -> String {
    const LINES_SHOWN: usize = 10;
    let mut text = format!("--- {} as it is\n+++ as generated\n", path.display());
    let (mut old, mut new) = (present.lines(), wanted.lines());
    let mut number = 0;
    let mut shown = 0;
    while shown < LINES_SHOWN {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                shown += 1;
                a.iter().for_each(|line| text.push_str(&format!("{number}: - {line}\n")));
                b.iter().for_each(|line| text.push_str(&format!("{number}: + {line}\n")));
            }
        }
    }
    text
}

fn rustfmt(code: &str) -> anyhow::Result<String> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("rustfmt.toml");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start rustfmt; `rustup component add rustfmt` installs it")?;
    let mut stdin = child.stdin.take().context("rustfmt takes its input")?;
    let code = code.to_owned();
    // From its own thread: rustfmt may begin to answer before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(code.as_bytes()));
    let done = child.wait_with_output().context("wait for rustfmt")?;
    writer.join().ok().context("write to rustfmt")?.context("write to rustfmt")?;
    if !done.status.success() {
        bail!("rustfmt refused the code");
    }
    String::from_utf8(done.stdout).context("rustfmt answers in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_formatted_as_the_repository_is() {
        let formatted = rustfmt("fn  main( ) { }").expect("rustfmt runs");
        assert_eq!(formatted, "fn main() {}\n");
    }

    #[test]
    fn differences_name_file_and_line() {
        let shown = difference(Path::new("a.rs"), "one\ntwo\n", "one\nthree\n");
        assert_eq!(shown, "--- a.rs as it is\n+++ as generated\n2: - two\n2: + three\n");
    }
}
