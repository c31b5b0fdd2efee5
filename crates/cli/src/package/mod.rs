//! Deployment packages: which files of a folder belong in, and how they become a zip.
//!
//! The same folder always gives the same bytes: entries are sorted, times are fixed and modes are reduced to
//! what Lambda keeps, so an unchanged folder has an unchanged `CodeSha256` on every machine. Whatever the
//! server would refuse (links that leave the folder, devices, too many or too large files) is refused here,
//! before anything is sent. Nothing in this module talks to a server.

mod archive;
mod entrypoint;
mod error;
mod settings;
mod walk;

use std::path::Path;

pub use archive::{Package, pack};
pub use entrypoint::{Entrypoint, Language};
pub use error::PackageError;
pub use settings::{SETTINGS_FILE, Settings};
pub use walk::{Entry, EntryKind, entries, is_skipped};

/// Packs a folder by the rules of its own `dormouse.toml`, telling `progress` how many bytes have been read of
/// how many.
///
/// # Errors
/// [`PackageError`] when the settings or a file cannot be read, or the package would be refused.
pub fn pack_folder(
    dir: &Path,
    settings: &Settings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Package, PackageError> {
    let entries = entries(dir, settings.gitignore)?;
    let total = entries.iter().map(|entry| entry.size_bytes).sum();
    pack(&entries, &mut |read| progress(read, total))
}

/// Whether a folder looks like the code of a function: it has settings, or an entry point can be found in it.
#[must_use]
pub fn is_function_folder(dir: &Path) -> bool {
    dir.join(SETTINGS_FILE).is_file() || entrypoint::find(dir, None).is_ok()
}

/// The entry point of a folder: the one that `handler` names, or the one that convention does.
///
/// # Errors
/// [`PackageError::NoEntrypoint`] when there is none, or none in the language asked for.
pub fn entrypoint(
    dir: &Path,
    language: Option<Language>,
    handler: Option<&str>,
) -> Result<Entrypoint, PackageError> {
    match handler {
        Some(handler) => entrypoint::of_handler(dir, language, handler),
        None => entrypoint::find(dir, language),
    }
}
