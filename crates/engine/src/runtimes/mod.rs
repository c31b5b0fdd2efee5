//! The catalogue: which runtimes this machine can serve, and with what.
//!
//! A language is one folder of `runtimes/` with a manifest; nothing here knows any of them by name. What serves a
//! runtime is, in this order: what the owner added under its name (a directory with an interpreter, or an image),
//! then an interpreter of the host. Interpreters are found, and the bootstraps written out, once, at start, before
//! privileges are dropped; a runtime that is added later must stand below what sandboxes may see already, or waits
//! for the next start.

mod added;
mod bootstrap;
mod find;
mod manifest;
mod owner;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::error::ServiceError;
use model::function::{Architecture, Function, Image};
use model::port::{ReadyRuntime, Runtimes};
use model::runtime::{AddedFrom, Family, LanguageVersion, Origin, RuntimeName};

use bootstrap::Bootstrap;
use find::Interpreter;
use manifest::Manifest;
use owner::Entry;
pub(crate) use plan::{Inside, Plan};

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
        /// The language's folder.
        language: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// The runtimes of this machine.
pub struct Catalogue {
    /// Holds the bootstraps and the files of added runtimes.
    dir: PathBuf,
    languages: Vec<Bootstrap>,
    /// Best first within a language.
    host: Vec<Arc<Interpreter>>,
    added: RwLock<BTreeMap<RuntimeName, Entry>>,
    /// What sandboxes may see besides `/usr`, fixed at start.
    visible: Vec<PathBuf>,
    /// Take the nearest version of a language where the wanted one is missing.
    nearest: bool,
}

/// What serves a runtime.
enum Behind {
    Interpreter(Arc<Interpreter>),
    /// An image with a client of its own.
    Image(Image),
    /// The function's package.
    Package,
}

impl Catalogue {
    /// Finds interpreters in `search` (directories that hold executables, best first) and writes the bootstraps
    /// below `dir`, where runtimes that were added are found again. With `nearest`, a missing version is replaced by
    /// the nearest of its language.
    ///
    /// # Errors
    /// When the bootstraps cannot be written.
    pub fn prepare(dir: &Path, search: &[PathBuf], nearest: bool) -> Result<Self, CatalogueError> {
        let folders = manifest::folders()?.into_iter();
        let languages: Vec<Bootstrap> =
            folders.map(|folder| Bootstrap::install(folder, dir)).collect::<Result<_, _>>()?;
        let found = languages.iter().flat_map(|language| {
            let found = find::on_host(&language.manifest, search);
            useful(&language.manifest, found, nearest)
        });
        let host = found.map(Arc::new).collect();
        let mut catalogue = Self {
            dir: dir.to_owned(),
            languages,
            host,
            added: RwLock::default(),
            visible: Vec::new(),
            nearest,
        };
        let stored = added::load(dir).into_iter();
        let added = stored.map(|added| (added.name.clone(), catalogue.restored(added))).collect();
        catalogue.added = RwLock::new(added);
        catalogue.visible = catalogue.needed_sources();
        catalogue.prepare_interpreters();
        Ok(catalogue)
    }

    /// Directories where interpreters usually are: the system's, then those of version managers in `home`.
    #[must_use]
    pub fn usual_places(home: Option<&Path>) -> Vec<PathBuf> {
        let mut places = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
        for manager in [".pyenv/versions", ".nvm/versions/node", ".rbenv/versions", ".sdkman/candidates/java"]
        {
            let Some(versions) = home.map(|home| home.join(manager)) else { continue };
            let entries = fs::read_dir(versions).into_iter().flatten().flatten();
            let mut found: Vec<_> = entries.map(|entry| entry.path().join("bin")).collect();
            found.sort();
            places.extend(found.into_iter().rev());
        }
        places
    }

    /// What sandboxes must be allowed to mount.
    #[must_use]
    pub fn sources(&self) -> Vec<PathBuf> {
        self.visible.clone()
    }

    /// The image whose file system is the root of the function's environments, if it is not the generic one: the
    /// function's own, or that of its runtime.
    pub(crate) fn image_of(&self, function: &Function) -> Option<Image> {
        if let model::function::Code::Image(image) = &function.code {
            return Some(image.clone());
        }
        match self.behind(function.settings.runtime()?) {
            Some(Behind::Image(image)) => Some(image),
            _ => None,
        }
    }

    /// The command, variables and mounts for a function's environments.
    ///
    /// # Errors
    /// `InvalidParameterValue` when nothing on this machine serves the function's runtime any more.
    pub(crate) fn launch(&self, function: &Function, inside: &Inside<'_>) -> Result<Plan, ServiceError> {
        let Some(runtime) = function.settings.runtime() else { return Ok(plan::of_image(function, inside)) };
        let behind = self.behind(runtime).ok_or_else(|| self.not_ready(runtime))?;
        Ok(match behind {
            Behind::Package => plan::provided(inside),
            Behind::Image(_) if runtime.family() == Family::Provided => plan::provided(inside),
            Behind::Image(_) => plan::of_runtime_image(function, inside),
            Behind::Interpreter(interpreter) => {
                let language = self.language(interpreter.family).ok_or_else(|| self.not_ready(runtime))?;
                plan::of_interpreter(function, language, &interpreter)
            }
        })
    }

    fn language(&self, family: Family) -> Option<&Bootstrap> {
        self.languages.iter().find(|language| language.manifest.family() == family)
    }

    /// What serves a runtime: as added, of the host, or the nearest.
    fn behind(&self, wanted: &RuntimeName) -> Option<Behind> {
        self.exact(wanted).or_else(|| {
            let interpreter = self.nearest_to(wanted).filter(|_| self.nearest)?;
            Some(Behind::Interpreter(interpreter))
        })
    }

    fn exact(&self, wanted: &RuntimeName) -> Option<Behind> {
        if let Some(entry) = self.added().get(wanted) {
            match (&entry.from, &entry.interpreter) {
                (AddedFrom::Image(image), _) => return Some(Behind::Image(image.clone())),
                (AddedFrom::Path(_), Some(interpreter)) => {
                    return Some(Behind::Interpreter(Arc::clone(interpreter)));
                }
                // Not before the next start; until then the host's.
                (AddedFrom::Path(_), None) => {}
            }
        }
        let (family, version) = (wanted.family(), wanted.version());
        if family == Family::Provided {
            return Some(Behind::Package);
        }
        self.language(family)?.manifest.names().find(|name| name == wanted)?;
        let found =
            self.host.iter().find(|found| found.family == family && Some(found.version) == version)?;
        Some(Behind::Interpreter(Arc::clone(found)))
    }

    fn nearest_to(&self, wanted: &RuntimeName) -> Option<Arc<Interpreter>> {
        let (family, version) = (wanted.family(), wanted.version()?);
        let added: Vec<_> = self.added().values().filter_map(|entry| entry.interpreter.clone()).collect();
        let candidates = self.host.iter().chain(&added).filter(|found| found.family == family);
        candidates.min_by_key(|found| version.distance(found.version)).cloned()
    }

    fn interpreters(&self) -> Vec<Arc<Interpreter>> {
        let added: Vec<_> = self.added().values().filter_map(|entry| entry.interpreter.clone()).collect();
        let wanted = self.languages.iter().flat_map(|language| language.manifest.names());
        let served: Vec<_> = wanted
            .filter_map(|name| match self.behind(&name)? {
                Behind::Interpreter(interpreter) => Some(interpreter),
                Behind::Image(_) | Behind::Package => None,
            })
            .collect();
        let mut unique: Vec<Arc<Interpreter>> = Vec::new();
        for interpreter in served.into_iter().chain(added) {
            if !unique.contains(&interpreter) {
                unique.push(interpreter);
            }
        }
        unique
    }

    fn needed_sources(&self) -> Vec<PathBuf> {
        let bootstraps = self.languages.iter().map(|language| language.dir.clone());
        let interpreters = self.interpreters();
        let mounts = interpreters.iter().flat_map(|interpreter| interpreter.mounts.clone());
        bootstraps.chain(mounts).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn prepare_interpreters(&self) {
        for interpreter in self.interpreters() {
            if let Some(language) = self.language(interpreter.family) {
                language.prepare_for(&interpreter);
            }
        }
    }

    fn not_ready(&self, wanted: &RuntimeName) -> ServiceError {
        let names: Vec<_> = self.ready().iter().map(|runtime| runtime.name.to_string()).collect();
        ServiceError::InvalidParameterValue(format!(
            "The runtime {wanted} is not installed on this machine. Ready are: {}. Install the interpreter (for \
             example with the system's package manager) and start Dormouse again, or add one with `dormouse runtimes \
             add {wanted} --path DIR` or `--image REF`.",
            names.join(", ")
        ))
    }

    fn added(&self) -> RwLockReadGuard<'_, BTreeMap<RuntimeName, Entry>> {
        self.added.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn added_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<RuntimeName, Entry>> {
        self.added.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtimes for Catalogue {
    fn ready(&self) -> Vec<ReadyRuntime> {
        let ready = self.offers().into_iter().filter_map(|offer| match offer.origin {
            Origin::Added { interpreter: None, .. } => None,
            Origin::Host { interpreter } | Origin::Added { interpreter: Some(interpreter), .. } => {
                Some(ReadyRuntime { name: offer.name, interpreter: Some(interpreter) })
            }
            Origin::Image { .. } | Origin::Package => {
                Some(ReadyRuntime { name: offer.name, interpreter: None })
            }
        });
        ready.collect()
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
        if self.exact(wanted).is_some() {
            return Ok(wanted.clone());
        }
        let nearest = if self.nearest { self.nearest_to(wanted) } else { None };
        let chosen = nearest.ok_or_else(|| self.not_ready(wanted))?;
        let chosen = name_like(wanted, chosen.version);
        tracing::warn!(%wanted, %chosen, "the wanted runtime is not installed; the nearest is used");
        Ok(chosen)
    }
}

/// Of the interpreters of a language, best first, those that can serve: one for each version that the language's
/// runtimes have; or else, to stand in for any, the first of each version.
fn useful(manifest: &Manifest, found: Vec<Interpreter>, stand_ins: bool) -> Vec<Interpreter> {
    let listed = |found: &Interpreter| manifest.names().any(|name| name.version() == Some(found.version));
    let only_listed = !stand_ins || found.iter().any(listed);
    let mut useful: Vec<Interpreter> = Vec::new();
    for interpreter in found {
        let seen = useful.iter().any(|known| known.version == interpreter.version);
        if !seen && (!only_listed || listed(&interpreter)) {
            useful.push(interpreter);
        }
    }
    useful
}

/// The identifier of another version of the same language; not always one that AWS has.
fn name_like(wanted: &RuntimeName, version: LanguageVersion) -> RuntimeName {
    RuntimeName::new(&match wanted.family() {
        Family::Python => format!("python{version}"),
        Family::Node => format!("nodejs{version}.x"),
        Family::Ruby => format!("ruby{version}"),
        Family::Java => format!("java{version}"),
        Family::Dotnet => format!("dotnet{version}"),
        Family::Provided | Family::Other => wanted.to_string(),
    })
}

#[cfg(test)]
mod tests;
