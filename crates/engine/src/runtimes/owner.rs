//! What the owner of the machine adds, removes and sees: directories that hold an interpreter, and images.
//!
//! The files that remember it belong to the server's own user, while the start of a server may still be root's. So at
//! start nothing that they name is run as anybody but that user.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use model::error::ServiceError;
use model::function::Image;
use model::runtime::{Added, AddedFrom, Effect, Family, Offer, Origin, RuntimeName};

use super::find::{self, Interpreter, User};
use super::{Behind, Catalogue, PROVIDED, added};

/// An added runtime.
pub(super) struct Entry {
    pub from: AddedFrom,
    /// For a directory: its interpreter. `None` when there is none, or sandboxes may not see it yet.
    pub interpreter: Option<Arc<Interpreter>>,
}

impl Catalogue {
    /// The images that added runtimes use, which must be kept.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        let added = self.added();
        let images = added.values().filter_map(|entry| match &entry.from {
            AddedFrom::Image(image) => Some(image.clone()),
            AddedFrom::Path(_) => None,
        });
        images.collect()
    }

    /// All runtimes that functions can use, and what is behind each, sorted by name; and those that were added but
    /// wait for the next start.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let known = self.languages.iter().flat_map(|language| language.manifest.names());
        let provided = PROVIDED.map(RuntimeName::new);
        let mut names: BTreeSet<RuntimeName> = known.chain(provided).collect();
        names.extend(self.added().keys().cloned());
        names.into_iter().filter_map(|name| self.offer(name)).collect()
    }

    /// Adds a runtime, in place of an earlier one of that name, for good. An image must have been fetched. Looks at
    /// files and may start the interpreter: not for a thread that others wait for.
    ///
    /// # Errors
    /// `InvalidParameterValue` when no such runtime can exist or the directory holds no interpreter for it;
    /// `Internal` when it cannot be stored.
    pub fn add(&self, added: &Added) -> Result<Effect, ServiceError> {
        let entry = self.entry(added)?;
        added::save(&self.dir, added).map_err(|error| {
            tracing::error!(runtime = %added.name, %error, "cannot store an added runtime");
            ServiceError::Internal(format!("The runtime {} could not be stored.", added.name))
        })?;
        let effect = match (&added.from, &entry.interpreter) {
            (AddedFrom::Path(_), None) => Effect::NextStart,
            _ => Effect::Now,
        };
        self.added_mut().insert(added.name.clone(), entry);
        Ok(effect)
    }

    /// Forgets an added runtime; what the host has under the name serves it again.
    ///
    /// # Errors
    /// `ResourceNotFound` when none was added under the name; `Internal` when its file cannot be removed.
    pub fn remove(&self, name: &RuntimeName) -> Result<(), ServiceError> {
        if self.added().get(name).is_none() {
            return Err(ServiceError::ResourceNotFound(format!(
                "No runtime {name} was added; `dormouse runtimes` lists those that were."
            )));
        }
        added::delete(&self.dir, name).map_err(|error| {
            tracing::error!(runtime = %name, %error, "cannot remove the file of an added runtime");
            ServiceError::Internal(format!("The runtime {name} could not be removed."))
        })?;
        self.added_mut().remove(name);
        Ok(())
    }

    /// A runtime that an earlier server stored. What is broken is reported, and stays listed.
    pub(super) fn restored(&self, added: Added) -> Entry {
        let AddedFrom::Path(directory) = &added.from else {
            return Entry { from: added.from, interpreter: None };
        };
        let interpreter = self.interpreter_in(&added.name, directory, stored_by(&self.dir));
        if let Err(detail) = &interpreter {
            tracing::warn!(runtime = %added.name, detail, "an added runtime cannot serve any more");
        }
        Entry { from: added.from, interpreter: interpreter.ok().map(Arc::new) }
    }

    /// Checks what is to be added.
    fn entry(&self, added: &Added) -> Result<Entry, ServiceError> {
        let AddedFrom::Path(directory) = &added.from else {
            if added.name.family() == Family::Other {
                let message = format!("{} is no runtime of a language that is served.", added.name);
                return Err(ServiceError::InvalidParameterValue(message));
            }
            return Ok(Entry { from: added.from.clone(), interpreter: None });
        };
        let found = self.interpreter_in(&added.name, directory, None);
        let interpreter = found.map_err(ServiceError::InvalidParameterValue)?;
        let seen = |mount: &Path| self.visible.iter().any(|visible| mount.starts_with(visible));
        let visible = interpreter.mounts.iter().all(|mount| seen(mount));
        if let Some(language) = self.language(added.name.family()).filter(|_| visible) {
            language.prepare_for(&interpreter);
        }
        Ok(Entry { from: added.from.clone(), interpreter: visible.then(|| Arc::new(interpreter)) })
    }

    /// The interpreter for a runtime in a directory, or why there is none.
    fn interpreter_in(
        &self,
        name: &RuntimeName,
        directory: &Path,
        user: Option<User>,
    ) -> Result<Interpreter, String> {
        let family = name.family();
        let language =
            self.language(family).ok_or_else(|| format!("{name} is no runtime that has an interpreter."))?;
        if !directory.is_absolute() {
            return Err(format!("The directory {} is not absolute.", directory.display()));
        }
        let real = fs::canonicalize(directory).map_err(|error| {
            format!("The directory {} cannot be entered by the server: {error}.", directory.display())
        })?;
        let found = find::beneath(&language.manifest, &real, user);
        let interpreter = found.ok_or_else(|| {
            format!(
                "There is no working {family} interpreter in {}: none of {} in it or in its folder bin.",
                real.display(),
                language.manifest.find.executables.join(", "),
            )
        })?;
        if interpreter.mounts.iter().any(|mount| is_broad(mount)) {
            return Err(format!("The directory {} is more than an interpreter.", real.display()));
        }
        Ok(interpreter)
    }

    fn offer(&self, name: RuntimeName) -> Option<Offer> {
        let directory = self.added().get(&name).and_then(|entry| match &entry.from {
            AddedFrom::Path(directory) => Some((directory.clone(), entry.interpreter.clone())),
            AddedFrom::Image(_) => None,
        });
        let (version, origin) = match (directory, self.exact(&name)) {
            (Some((directory, found)), _) => {
                let interpreter = found.as_ref().map(|found| found.path.clone());
                (found.map(|found| found.version_text.clone()), Origin::Added { directory, interpreter })
            }
            (None, Some(Behind::Interpreter(found))) => {
                (Some(found.version_text.clone()), Origin::Host { interpreter: found.path.clone() })
            }
            (None, Some(Behind::Image(image))) => (None, Origin::Image { uri: image.uri }),
            (None, Some(Behind::Package)) => (None, Origin::Package),
            (None, None) => return None,
        };
        Some(Offer { name, version, origin })
    }
}

/// Who stored the files in a directory, if that is not who we are.
fn stored_by(dir: &Path) -> Option<User> {
    let metadata = fs::metadata(dir).ok()?;
    let other = rustix::process::geteuid().is_root() && metadata.uid() != 0;
    other.then(|| User { uid: metadata.uid(), gid: metadata.gid() })
}

/// Whether a directory is the root or stands right below it: functions see all of what is added.
fn is_broad(directory: &Path) -> bool {
    directory.components().count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_parts_of_the_system_are_no_interpreters() {
        for (directory, expect) in [("/", true), ("/srv", true), ("/opt/ruby", false)] {
            assert_eq!(is_broad(Path::new(directory)), expect, "{directory}");
        }
    }
}
