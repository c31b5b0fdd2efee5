//! A table on the disk: its cases, what they are built from, and the packages that are made for them.
//! Sources stay as they are: what commands make goes to a directory that ends with the table. A tool that is missing
//! or fails ends the test, with what it said.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::harness::told;

/// A table that is ready to be run.
pub(super) struct Table {
    pub cases: Vec<Value>,
    /// Files of cases that name none.
    files: Value,
    /// Holds the handler files.
    dir: PathBuf,
    /// Holds what was built.
    build: tempfile::TempDir,
}

impl Table {
    /// Reads `cases.json` in a folder and runs its commands.
    pub(super) fn open(dir: &Path) -> Self {
        let text = std::fs::read(dir.join("cases.json")).expect("the table is there");
        let mut whole: Value = serde_json::from_slice(&text).expect("a table");
        if whole.is_array() {
            whole = Value::Object(Map::from_iter([("cases".to_owned(), whole)]));
        }
        let Value::Array(cases) = whole["cases"].take() else { panic!("the table has no cases") };
        let table = Self {
            cases,
            files: whole["files"].take(),
            dir: dir.to_owned(),
            build: tempfile::tempdir().expect("a temporary folder"),
        };
        whole["build"].as_array().into_iter().flatten().for_each(|command| table.run(command));
        table
    }

    fn run(&self, command: &Value) {
        let build = self.build.path().to_str().expect("text");
        let words = command.as_array().expect("a command").iter().map(|word| word.as_str().expect("a word"));
        let words: Vec<String> = words.map(|word| word.replace("{build}", build)).collect();
        let (program, arguments) = words.split_first().expect("a program");
        let output = Command::new(program).args(arguments).current_dir(&self.dir).output();
        let output =
            output.unwrap_or_else(|error| panic!("cannot start {program} ({error}); ./x installs it"));
        assert!(output.status.success(), "{}: {}", words.join(" "), told(&output));
    }

    /// The zip of a case's files.
    pub(super) fn package(&self, case: &Value) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (target, source) in self.files(case) {
            copy(&self.source(&source), &folder.path().join(target));
        }
        let settings = cli::package::Settings::default();
        cli::package::pack_folder(folder.path(), &settings, &mut |_, _| ()).expect("packed").zip
    }

    /// Path in the package and file of the table.
    fn files(&self, case: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a name").to_owned();
        match if case["files"].is_null() { &self.files } else { &case["files"] } {
            Value::Array(names) => names.iter().map(|name| (text(name), text(name))).collect(),
            Value::Object(map) => map.iter().map(|(path, name)| (path.clone(), text(name))).collect(),
            other => panic!("files is {other}"),
        }
    }

    fn source(&self, name: &str) -> PathBuf {
        match name.strip_prefix("{build}/") {
            Some(built) => self.build.path().join(built),
            None => self.dir.join(name),
        }
    }
}

/// Copies a file, or all that is in a directory, with its permissions.
fn copy(source: &Path, target: &Path) {
    if !source.is_dir() {
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("made");
        std::fs::copy(source, target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        return;
    }
    for entry in std::fs::read_dir(source).expect("a directory").flatten() {
        copy(&entry.path(), &target.join(entry.file_name()));
    }
}
