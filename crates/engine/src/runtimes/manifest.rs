//! The manifests of the languages (`runtimes/*/manifest.toml`, explained in `runtimes/README.md`): their format, and
//! the folders themselves, which are part of the binary. A language is one folder; nothing here knows any of them.
//!
//! Placeholders stand in braces. One that is not known is left as it is, so that a mistake shows in the log.

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};
use model::runtime::{Family, RuntimeName};
use serde::Deserialize;

use super::CatalogueError;

/// All language folders.
static FOLDERS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../runtimes");

/// How a language's interpreter is found, and its bootstrap shipped and started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    family: FamilyName,
    /// Lambda's identifiers, best known first.
    pub runtimes: Vec<String>,
    pub find: Find,
    pub start: Start,
    /// Variables that the language expects unless the owner sets them.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    pub files: Files,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FamilyName {
    Python,
    Nodejs,
    Ruby,
    Java,
    Dotnet,
}

/// How an interpreter is recognised.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Find {
    /// File names; `*` stands for digits and dots.
    pub executables: Vec<String>,
    /// A command that prints the version. This or `read`.
    #[serde(default)]
    pub ask: Vec<String>,
    /// A file below the prefix that holds the version, where starting the interpreter would take long.
    pub read: Option<String>,
    /// How the line with the version begins.
    #[serde(default)]
    pub line: String,
    /// Directories of the system that hold an interpreter each; a `*` at the end stands for any name.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Files of the host outside `/usr` that the interpreter needs, where they exist.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// How an environment is started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// The command of an environment.
    pub argv: Vec<String>,
    /// A command run once for each interpreter after the files are written; empty for none.
    #[serde(default)]
    pub prepare: Vec<String>,
    /// Arguments that give way to the function's own settings.
    #[serde(default)]
    pub unless: Vec<Unless>,
}

/// Arguments that are left out when an environment variable of the function says something of the kind itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unless {
    /// The variable.
    pub variable: String,
    /// Any of these texts in its value, with `_` read as `-`; none means: whatever its value.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Arguments of `argv`, as written there.
    pub arguments: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// Files to ship, relative to the language's folder; a folder stands for all files in it.
    pub ship: Vec<String>,
}

/// A language folder: its name, its manifest and the files to ship.
pub(super) struct Folder {
    pub name: String,
    pub manifest: Manifest,
    pub files: BTreeMap<&'static Path, &'static [u8]>,
}

/// All folders that hold a manifest, by name.
pub(super) fn folders() -> Result<Vec<Folder>, CatalogueError> {
    let mut folders: Vec<Folder> =
        FOLDERS.dirs().filter_map(|dir| folder(dir).transpose()).collect::<Result<_, _>>()?;
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(folders)
}

fn folder(dir: &'static Dir<'static>) -> Result<Option<Folder>, CatalogueError> {
    let name = dir.path().to_string_lossy().into_owned();
    let Some(text) = dir.get_file(dir.path().join("manifest.toml")) else { return Ok(None) };
    let wrong = |detail: String| CatalogueError::Manifest { language: name.clone(), detail };
    let manifest: Manifest =
        toml::from_str(text.contents_utf8().unwrap_or_default()).map_err(|error| wrong(error.to_string()))?;
    let mut files = BTreeMap::new();
    for shipped in &manifest.files.ship {
        let path = dir.path().join(shipped);
        let found = match (dir.get_file(&path), dir.get_dir(&path)) {
            (Some(file), _) => vec![file],
            (None, Some(dir)) => dir.files().collect(),
            (None, None) => Vec::new(),
        };
        if found.is_empty() {
            return Err(wrong(format!("there is no {shipped} to ship")));
        }
        for file in found {
            let inside = file.path().strip_prefix(dir.path()).unwrap_or(file.path());
            files.insert(inside, file.contents());
        }
    }
    Ok(Some(Folder { name, manifest, files }))
}

impl Manifest {
    pub(super) fn family(&self) -> Family {
        match self.family {
            FamilyName::Python => Family::Python,
            FamilyName::Nodejs => Family::Node,
            FamilyName::Ruby => Family::Ruby,
            FamilyName::Java => Family::Java,
            FamilyName::Dotnet => Family::Dotnet,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = RuntimeName> {
        self.runtimes.iter().map(|name| RuntimeName::new(name))
    }
}

impl Start {
    /// The command for a function whose variables `variable` gives, placeholders unfilled.
    pub(super) fn argv_for<'a>(&'a self, variable: impl Fn(&str) -> Option<&'a str>) -> Vec<&'a str> {
        let applies = |unless: &&Unless| {
            let value = variable(&unless.variable).map(|value| value.replace('_', "-"));
            value.is_some_and(|value| {
                unless.mentions.is_empty() || unless.mentions.iter().any(|text| value.contains(text.as_str()))
            })
        };
        let dropped: Vec<&String> =
            self.unless.iter().filter(applies).flat_map(|unless| &unless.arguments).collect();
        self.argv.iter().filter(|argument| !dropped.contains(argument)).map(String::as_str).collect()
    }
}

/// Replaces placeholders by their values, and `{memory_mb:N%}` by that share of `memory_mb`, rounded down.
pub(super) fn fill(text: &str, values: &[(&str, String)], memory_mb: u32) -> String {
    let filled = values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    let Some((before, rest)) = filled.split_once("{memory_mb:") else { return filled };
    let Some((percent, after)) = rest.split_once("%}") else { return filled };
    match percent.parse::<u32>() {
        Ok(percent) if percent <= 100 => {
            format!("{before}{}{after}", u64::from(memory_mb) * u64::from(percent) / 100)
        }
        _ => filled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_has_a_valid_manifest_and_the_files_that_it_names() {
        let folders = folders().expect("valid manifests");
        let names: Vec<&str> = folders.iter().map(|folder| folder.name.as_str()).collect();
        for language in ["nodejs", "python", "ruby"] {
            assert!(names.contains(&language), "{language} is missing of {names:?}");
        }
        for Folder { name, manifest, files } in &folders {
            assert!(!files.is_empty(), "{name} ships nothing");
            assert!(manifest.start.argv.iter().any(|text| text.contains("{interpreter}")), "{name}");
            assert!(
                manifest.find.ask.is_empty() != manifest.find.read.is_none(),
                "{name}: one of ask and read"
            );
            for runtime in manifest.names() {
                assert_eq!(runtime.family(), manifest.family(), "{name}: {runtime}");
            }
            for argument in manifest.start.unless.iter().flat_map(|unless| &unless.arguments) {
                assert!(manifest.start.argv.contains(argument), "{name}: {argument} is no argument");
            }
        }
    }

    #[test]
    fn arguments_give_way_to_variables() {
        let text = r#"
            argv = ["{interpreter}", "--old={old_space_mb}", "--fast", "main"]
            [[unless]]
            variable = "OPTIONS"
            mentions = ["--old", "--semi-space"]
            arguments = ["--old={old_space_mb}"]
            [[unless]]
            variable = "ANY"
            arguments = ["--fast"]
        "#;
        let start: Start = toml::from_str(text).expect("valid");
        let check = |variables: &[(&str, &'static str)], expect: &[&str]| {
            let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            assert_eq!(start.argv_for(value), expect, "{variables:?}");
        };
        check(&[], &["{interpreter}", "--old={old_space_mb}", "--fast", "main"]);
        check(&[("OPTIONS", "--other")], &["{interpreter}", "--old={old_space_mb}", "--fast", "main"]);
        check(&[("OPTIONS", "--semi_space=1")], &["{interpreter}", "--fast", "main"]);
        check(&[("ANY", "")], &["{interpreter}", "--old={old_space_mb}", "main"]);
    }

    #[test]
    fn placeholders() {
        let check = |text: &str, expect: &str| {
            assert_eq!(fill(text, &[("{major}", "17".to_owned())], 256), expect);
        };
        check("java{major}", "java17");
        check("-Xmx{memory_mb:85%}m", "-Xmx217m");
        check("{memory_mb:850%} {else}", "{memory_mb:850%} {else}");
    }
}
