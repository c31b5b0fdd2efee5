//! The tables of the language runtimes (`runtimes/*/tests/cases.json`, explained in `runtimes/README.md`), run
//! against the whole server: real functions in real sandboxes, one fresh environment for each case.
//!
//! Every case is a function called `fn` in a region of its own, so that cases cannot meet. A language whose interpreter
//! is missing fails, and says what to install: `./x` does.

mod case;
mod check;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::http::Request;
use crate::harness::{Server, repository};
use case::Run;
use table::Table;

/// Cases that run at the same time.
const WORKERS: usize = 4;

/// The languages that have a test here: folder, and how the names of its runtimes begin.
const LANGUAGES: [(&str, &str); 5] =
    [("dotnet", "dotnet"), ("java", "java"), ("nodejs", "nodejs"), ("python", "python"), ("ruby", "ruby")];

/// Interpreters of the usual machine whose version is not one of Lambda's, or that stand in no usual place: folder, the
/// runtime that each is taken for, and where it may be. `{packages}` is what `./x` installs for Python.
const STAND_INS: [(&str, &str, &str); 2] = [
    // Debian 12 has 3.1.
    ("ruby", "ruby3.3", "/usr"),
    // Debian has none; a package of PyPI does.
    ("dotnet", "dotnet8", "{packages}/dnv/net/runtime/.net"),
];

#[test]
fn python() {
    run("python");
}

#[test]
fn nodejs() {
    run("nodejs");
}

#[test]
fn ruby() {
    run("ruby");
}

#[test]
fn java() {
    run("java");
}

#[test]
fn dotnet() {
    run("dotnet");
}

#[test]
fn every_language_with_a_table_is_run() {
    let folders = std::fs::read_dir(repository().join("runtimes")).expect("the folder is there").flatten();
    for folder in folders.filter(|folder| folder.path().join("tests/cases.json").exists()) {
        let name = folder.file_name().into_string().expect("a name");
        assert!(LANGUAGES.iter().any(|(known, _)| *known == name), "{name} has a table and no test");
    }
}

/// Runs a table with every runtime of the language that this machine has.
fn run(folder: &str) {
    let dir = repository().join("runtimes").join(folder).join("tests");
    let table = Table::open(&dir);
    let (_data, server, runtimes) = serving(folder);
    for runtime in runtimes {
        run_all(&server, &table, &runtime);
    }
}

/// A server that has runtimes of the language, the directory of its data, and the runtimes' names.
fn serving(folder: &str) -> (tempfile::TempDir, Server, Vec<String>) {
    let (data, server) = start(|_| ());
    let names = ready(&server, folder);
    if !names.is_empty() {
        return (data, server, names);
    }
    drop(server);
    let Some((runtime, directory)) = stand_in(folder) else {
        panic!("{folder}: not run, its interpreter is not installed; ./x installs it");
    };
    // As an owner would write it by hand.
    let text = format!("version = 1\n[path]\ndirectory = {:?}\n", directory.to_str().expect("text"));
    let file = format!("runtimes/{runtime}.toml");
    let (data, server) = start(|data| crate::harness::write(data, &[(&file, &text)]));
    let names = ready(&server, folder);
    let said = server.said();
    assert!(!names.is_empty(), "{folder}: not run, no interpreter in {}: {said}", directory.display());
    eprintln!("{folder}: {} stands in for {runtime}", directory.display());
    (data, server, names)
}

/// A server on a directory that was prepared for it.
fn start(prepare: impl FnOnce(&Path)) -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().expect("a temporary folder");
    prepare(data.path());
    let server = Server::start(data.path());
    (data, server)
}

fn ready(server: &Server, folder: &str) -> Vec<String> {
    let (_, prefix) = LANGUAGES.iter().find(|(name, _)| *name == folder).expect("a language of the list");
    let ready = Request::new("GET", "/_dormouse/runtimes").send(server).json();
    let names = ready["runtimes"].as_array().expect("a list").iter();
    let names = names.filter_map(|entry| entry["name"].as_str()).filter(|name| name.starts_with(prefix));
    names.map(str::to_owned).collect()
}

fn stand_in(folder: &str) -> Option<(&'static str, PathBuf)> {
    let (_, runtime, place) = STAND_INS.iter().find(|(name, ..)| *name == folder)?;
    let Some(inside) = place.strip_prefix("{packages}/") else { return Some((runtime, place.into())) };
    let versions = std::fs::read_dir(repository().join(".venv/lib")).into_iter().flatten().flatten();
    let mut packages = versions.map(|entry| entry.path().join("site-packages").join(inside));
    Some((runtime, packages.find(|path| path.is_dir())?))
}

fn run_all(server: &Server, table: &Table, runtime: &str) {
    let wanted: Vec<&Value> = table.cases.iter().filter(|case| concerns(case, runtime)).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((index, case)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            wanted.get(index).map(|case| (index, *case))
        } {
            let region = format!("{}-{index}", runtime.replace('.', "-"));
            let result = Run { server, table, region }.case(runtime, case);
            if let Err(problem) = result {
                failures.lock().expect("not poisoned").push(format!("{}: {problem}", case["name"]));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("not poisoned");
    eprintln!("{runtime}: {} of {} cases as expected", wanted.len() - failures.len(), wanted.len());
    assert!(failures.is_empty(), "{runtime}:\n{}", failures.join("\n"));
}

/// Whether a case is about this version of the language, and can come through the API, which is stricter than the
/// runtimes: its pattern for handlers allows no space, and events are JSON.
fn concerns(case: &Value, runtime: &str) -> bool {
    let spaced = case["handler"].as_str().is_some_and(|handler| handler.contains(char::is_whitespace));
    let raw = case["event_raw"].as_str();
    if spaced || raw.is_some_and(|event| serde_json::from_str::<Value>(event).is_err()) {
        return false;
    }
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let version = numbers(runtime);
    let bound = |key: &str| case[key].as_str().map(numbers);
    bound("min_version").is_none_or(|least| version >= least)
        && bound("max_version").is_none_or(|most| version <= most)
}
