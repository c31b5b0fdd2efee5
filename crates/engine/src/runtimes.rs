//! The runtimes of this machine: which interpreters the host has, our bootstraps for them, and the command that
//! starts each.
//!
//! Interpreters are found by file name and, for Node.js, by asking for the version; never through a version
//! manager's shim, which would cost more than the interpreter itself. The bootstraps are part of the binary and
//! are written out once per content. All of this happens once, at start, before privileges are dropped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use include_dir::{Dir, include_dir};
use model::error::ServiceError;
use model::function::{Architecture, Function};
use model::port::{ReadyRuntime, Runtimes};
use model::runtime::{Family, RuntimeName};
use sandbox::Bind;
use serde::Deserialize;
use sha2::{Digest, Sha256};

static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../runtimes/python");
static NODE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../runtimes/nodejs");

/// Where the bootstraps stand inside every sandbox.
const RUNTIME_DIR: &str = "/var/runtime";
const PROVIDED: [&str; 2] = ["provided.al2", "provided.al2023"];

/// The runtimes could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A bootstrap could not be written.
    #[error("write the runtime file {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A manifest in the binary is wrong, which a test rules out.
    #[error("read the manifest of the {language} runtime: {detail}")]
    Manifest {
        /// The language.
        language: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// How a language's bootstrap is shipped and started; `runtimes/README.md` explains the placeholders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// For people; the runtime's name decides.
    #[expect(dead_code, reason = "part of the format")]
    family: String,
    /// Runtime names and the interpreter version of each.
    versions: BTreeMap<String, String>,
    start: Start,
    /// Variables that the language expects unless the owner sets them.
    environment: BTreeMap<String, String>,
    files: Files,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The command of an environment.
    argv: Vec<String>,
    /// A command run once for each interpreter after the files are written; empty for none.
    prepare: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    /// Files to ship, relative to the language's folder.
    ship: Vec<String>,
}

/// The runtimes that are ready, by name.
pub struct Catalogue {
    ready: BTreeMap<RuntimeName, Interpreter>,
    python: Bootstrap,
    node: Bootstrap,
    /// Take the nearest version of a language where the wanted one is missing.
    nearest: bool,
}

struct Interpreter {
    family: Family,
    path: PathBuf,
    /// What must be visible inside besides `/usr`.
    prefix: Option<PathBuf>,
}

struct Bootstrap {
    manifest: Manifest,
    dir: PathBuf,
}

/// How one function's runtime is started.
pub(crate) struct Plan {
    pub argv: Vec<OsString>,
    pub environment: Vec<(String, String)>,
    pub mounts: Vec<Bind>,
}

impl Catalogue {
    /// Finds interpreters in `search` (directories that hold executables, best first) and writes the bootstraps
    /// below `dir`. With `nearest`, a missing version is replaced by the nearest of its language.
    ///
    /// # Errors
    /// When the bootstraps cannot be written.
    pub fn prepare(dir: &Path, search: &[PathBuf], nearest: bool) -> Result<Self, CatalogueError> {
        let python = Bootstrap::install("python", &PYTHON, dir)?;
        let node = Bootstrap::install("nodejs", &NODE, dir)?;
        let mut ready = BTreeMap::new();
        for (name, interpreter) in search.iter().flat_map(|place| interpreters_in(place)) {
            let bootstrap = if matches!(interpreter.family, Family::Python { .. }) { &python } else { &node };
            if bootstrap.manifest.versions.contains_key(name.as_str()) && !ready.contains_key(&name) {
                bootstrap.ready_for(&interpreter.path);
                ready.insert(name, interpreter);
            }
        }
        Ok(Self { ready, python, node, nearest })
    }

    /// Directories where interpreters usually are: the system's, then those of version managers in `home`.
    #[must_use]
    pub fn usual_places(home: Option<&Path>) -> Vec<PathBuf> {
        let mut places = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
        for manager in [".pyenv/versions", ".nvm/versions/node"] {
            let Some(versions) = home.map(|home| home.join(manager)) else { continue };
            let mut found: Vec<_> = fs::read_dir(versions)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path().join("bin"))
                .collect();
            found.sort();
            places.extend(found.into_iter().rev());
        }
        places
    }

    /// What sandboxes must be allowed to mount.
    #[must_use]
    pub fn sources(&self) -> Vec<PathBuf> {
        let prefixes = self.ready.values().filter_map(|interpreter| interpreter.prefix.clone());
        prefixes.chain([self.python.dir.clone(), self.node.dir.clone()]).collect()
    }

    /// The command, variables and mounts for a function's runtime.
    pub(crate) fn launch(&self, function: &Function) -> Result<Plan, ServiceError> {
        let settings = &function.settings;
        let name = self.choose(&settings.runtime, settings.architecture)?;
        let Some(interpreter) = self.ready.get(&name) else { return Ok(provided()) };
        let (bootstrap, version) = match interpreter.family {
            Family::Python { minor } => (&self.python, minor),
            Family::Node { major } => (&self.node, major),
            Family::Provided | Family::Other => return Ok(provided()),
        };
        let memory_mb = settings.memory_mb;
        let values = [
            ("{interpreter}", interpreter.path.to_string_lossy().into_owned()),
            ("{major}", version.to_string()),
            ("{runtime_dir}", RUNTIME_DIR.to_owned()),
            ("{old_space_mb}", (memory_mb - memory_mb / 10).to_string()),
            ("{semi_space_mb}", (memory_mb / 10 / 2).to_string()),
        ];
        let fill = |text: &String| fill(text, &values);
        let runtime_dir = Bind { source: bootstrap.dir.clone(), target: RUNTIME_DIR.into() };
        let prefix = interpreter.prefix.iter().map(|dir| Bind { source: dir.clone(), target: dir.clone() });
        let manifest = &bootstrap.manifest;
        Ok(Plan {
            argv: manifest.start.argv.iter().map(|text| fill(text).into()).collect(),
            environment: manifest.environment.iter().map(|(k, v)| (k.clone(), fill(v))).collect(),
            mounts: std::iter::once(runtime_dir).chain(prefix).collect(),
        })
    }

    fn nearest_to(&self, wanted: Family) -> Option<&RuntimeName> {
        let distance = |family: Family| match (wanted, family) {
            (Family::Python { minor: a }, Family::Python { minor: b })
            | (Family::Node { major: a }, Family::Node { major: b }) => Some(a.abs_diff(b)),
            _ => None,
        };
        let candidates = self.ready.iter().filter_map(|(name, i)| Some((name, distance(i.family)?)));
        candidates.min_by_key(|(_, distance)| *distance).map(|(name, _)| name)
    }

    fn not_ready(&self, wanted: &RuntimeName) -> ServiceError {
        let names: Vec<_> = self.ready().iter().map(|runtime| runtime.name.to_string()).collect();
        ServiceError::InvalidParameterValue(format!(
            "The runtime {wanted} is not installed on this machine. Ready are: {}. Install the interpreter \
             (for example with the system's package manager), then start Dormouse again.",
            names.join(", ")
        ))
    }
}

impl Runtimes for Catalogue {
    fn ready(&self) -> Vec<ReadyRuntime> {
        let found = self.ready.iter().map(|(name, interpreter)| ReadyRuntime {
            name: name.clone(),
            interpreter: Some(interpreter.path.clone()),
        });
        let provided = PROVIDED.map(|name| ReadyRuntime { name: RuntimeName::new(name), interpreter: None });
        found.chain(provided).collect()
    }

    fn choose(&self, wanted: &RuntimeName, architecture: Architecture) -> Result<RuntimeName, ServiceError> {
        let family = wanted.family();
        if architecture != Architecture::HOST && (family == Family::Provided || !self.nearest) {
            return Err(ServiceError::InvalidParameterValue(format!(
                "Code for {} cannot run on this machine, which is {}. Build the package for {} and create the \
                 function with that architecture.",
                architecture.as_str(),
                Architecture::HOST.as_str(),
                Architecture::HOST.as_str(),
            )));
        }
        if family == Family::Provided || self.ready.contains_key(wanted) {
            return Ok(wanted.clone());
        }
        let nearest = if self.nearest { self.nearest_to(family) } else { None };
        let chosen = nearest.ok_or_else(|| self.not_ready(wanted))?;
        tracing::warn!(%wanted, %chosen, "the wanted runtime is not installed; the nearest is used");
        Ok(chosen.clone())
    }
}

impl Bootstrap {
    /// Writes the language's files to a directory named by their content.
    fn install(language: &'static str, shipped: &Dir<'_>, dir: &Path) -> Result<Self, CatalogueError> {
        let manifest = manifest(language, shipped)?;
        let files = shipped_files(shipped, &manifest);
        let mut hash = Sha256::new();
        for (path, contents) in &files {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(contents);
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let target = dir.join(format!("{language}-{digest}"));
        let complete = target.join(".complete");
        if !complete.exists() {
            for (path, contents) in &files {
                write(&target.join(path), contents)?;
            }
            write(&complete, b"")?;
        }
        Ok(Self { manifest, dir: target })
    }

    /// Runs the language's preparation once for an interpreter: a sandbox could not keep its result. A failure
    /// only costs time at each cold start.
    fn ready_for(&self, interpreter: &Path) {
        let name = interpreter.to_string_lossy().replace('/', "-");
        let stamp = self.dir.join(format!(".prepared{name}"));
        let values = [
            ("{interpreter}", interpreter.to_string_lossy().into_owned()),
            ("{runtime_dir}", self.dir.to_string_lossy().into_owned()),
        ];
        let command: Vec<_> = self.manifest.start.prepare.iter().map(|text| fill(text, &values)).collect();
        let Some((program, arguments)) = command.split_first().filter(|_| !stamp.exists()) else { return };
        let prepared = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match prepared {
            Ok(status) if status.success() => drop(fs::write(&stamp, b"")),
            other => {
                tracing::warn!(interpreter = %interpreter.display(), ?other, "cannot prepare the bootstrap")
            }
        }
    }
}

/// Replaces placeholders by their values.
fn fill(text: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

fn write(path: &Path, contents: &[u8]) -> Result<(), CatalogueError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, contents));
    written.map_err(|source| CatalogueError::Write { path: path.to_owned(), source })
}

fn manifest(language: &'static str, shipped: &Dir<'_>) -> Result<Manifest, CatalogueError> {
    let text = shipped.get_file("manifest.toml").and_then(|file| file.contents_utf8()).unwrap_or_default();
    toml::from_str(text).map_err(|error| CatalogueError::Manifest { language, detail: error.to_string() })
}

/// The files that the manifest names, in a fixed order.
fn shipped_files<'a>(shipped: &'a Dir<'a>, manifest: &Manifest) -> BTreeMap<&'a Path, &'a [u8]> {
    let files = manifest.files.ship.iter().filter_map(|name| shipped.get_file(name));
    files.map(|file| (file.path(), file.contents())).collect()
}

/// A package that brings its own `bootstrap`. Layers at `/opt` come with their own issue.
fn provided() -> Plan {
    Plan { argv: vec!["/var/task/bootstrap".into()], environment: Vec::new(), mounts: Vec::new() }
}

/// Interpreters among a directory's files.
fn interpreters_in(place: &Path) -> Vec<(RuntimeName, Interpreter)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries.filter_map(|entry| interpreter(&entry.path())).collect()
}

fn interpreter(path: &Path) -> Option<(RuntimeName, Interpreter)> {
    let file_name = path.file_name()?.to_str()?;
    let name = match file_name.strip_prefix("python3.") {
        Some(minor) if minor.parse::<u16>().is_ok() => RuntimeName::new(file_name),
        _ if file_name == "node" => RuntimeName::new(&format!("nodejs{}.x", node_major(path)?)),
        _ => return None,
    };
    let path = fs::canonicalize(path).ok().filter(|path| path.is_file())?;
    let prefix = (!path.starts_with("/usr")).then(|| path.parent()?.parent().map(Path::to_owned)).flatten();
    Some((name.clone(), Interpreter { family: name.family(), path, prefix }))
}

/// `v20.1.2` → 20, by asking.
fn node_major(path: &Path) -> Option<u16> {
    let output = Command::new(path).arg("--version").env_clear().stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(names: &[&str], nearest: bool) -> Catalogue {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut catalogue = Catalogue::prepare(dir.path(), &[], nearest).expect("the manifests are right");
        catalogue.ready = names
            .iter()
            .map(|name| {
                let name = RuntimeName::new(name);
                let path = PathBuf::from("/usr/bin").join(name.as_str());
                (name.clone(), Interpreter { family: name.family(), path, prefix: None })
            })
            .collect();
        catalogue
    }

    #[test]
    fn a_missing_version_is_refused_with_what_is_ready() {
        let catalogue = catalogue(&["python3.11", "nodejs20.x"], false);
        let choose = |name| catalogue.choose(&RuntimeName::new(name), Architecture::HOST);
        assert_eq!(choose("python3.11"), Ok(RuntimeName::new("python3.11")));
        assert_eq!(choose("provided.al2023"), Ok(RuntimeName::new("provided.al2023")));
        let message = choose("python3.13").expect_err("not installed").to_string();
        assert!(message.contains("python3.13 is not installed"), "{message}");
        assert!(message.contains("nodejs20.x, python3.11, provided.al2"), "{message}");
    }

    #[test]
    fn the_nearest_version_stands_in_only_where_asked() {
        let catalogue = catalogue(&["python3.8", "python3.11", "nodejs20.x"], true);
        let choose = |name| catalogue.choose(&RuntimeName::new(name), Architecture::HOST);
        assert_eq!(choose("python3.13"), Ok(RuntimeName::new("python3.11")));
        assert_eq!(choose("nodejs22.x"), Ok(RuntimeName::new("nodejs20.x")));
        assert!(choose("java21").is_err(), "another language never stands in");
    }

    #[test]
    fn installed_bootstraps_hold_every_file_of_their_manifest() {
        for shipped in [&PYTHON, &NODE] {
            let manifest = manifest("test", shipped).expect("a valid manifest");
            for name in &manifest.files.ship {
                assert!(shipped.get_file(name).is_some(), "{name} is missing");
            }
            assert!(manifest.start.argv.iter().any(|text| text.contains("{interpreter}")));
        }
    }
}
