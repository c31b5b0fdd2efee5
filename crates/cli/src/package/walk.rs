//! Which files of a folder belong in its package.
//!
//! Everything does, except what [`is_skipped`] names and what `.dormouseignore` files list (the syntax of
//! `.gitignore`, in any folder). `.gitignore` itself counts only where the settings say so. Empty folders are
//! left out, as version control leaves them out. Links stay links and must stay inside.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};
use model::limits::{UNZIPPED_BYTES_MAX, ZIP_ENTRIES_MAX};

use super::{PackageError, SETTINGS_FILE};

const IGNORE_FILE: &str = ".dormouseignore";

/// Names that are never code: version control, our own state, virtual environments made for the host, caches.
/// Compiled Python is among them because the zip's fixed times make it stale.
const SKIPPED: [&str; 10] = [
    ".git",
    ".hg",
    ".svn",
    ".dormouse",
    ".venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".DS_Store",
];

/// One file or link of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path in the zip, with `/` between its parts.
    pub name: String,
    /// Where it is now.
    pub source: PathBuf,
    /// Size when it was listed; zero for links.
    pub size_bytes: u64,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Whether its owner may execute it, the one bit of the mode that Lambda keeps.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Its target, relative and inside the package.
        target: String,
    },
}

/// Whether a file or folder of this name is never packed.
#[must_use]
pub fn is_skipped(name: &str) -> bool {
    SKIPPED.contains(&name) || name == IGNORE_FILE
}

/// Lists what belongs in the package, sorted by name.
///
/// # Errors
/// [`PackageError`] when the folder cannot be read, or holds what a package cannot.
pub fn entries(dir: &Path, gitignore: bool) -> Result<Vec<Entry>, PackageError> {
    std::fs::read_dir(dir).map_err(|source| PackageError::Folder { path: dir.to_owned(), source })?;
    let walk = WalkBuilder::new(dir)
        .standard_filters(false)
        .git_ignore(gitignore)
        .require_git(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .follow_links(false)
        .filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_str().is_some_and(is_skipped))
        .build();

    let mut found = Vec::new();
    let mut total_bytes = 0;
    for item in walk {
        let item = item.map_err(|source| PackageError::Walk { path: dir.to_owned(), source })?;
        if item.depth() == 0 || item.file_type().is_some_and(|kind| kind.is_dir()) {
            continue;
        }
        if item.depth() == 1 && item.file_name() == SETTINGS_FILE {
            continue;
        }
        let entry = entry(dir, &item)?;
        total_bytes += entry.size_bytes;
        if total_bytes > UNZIPPED_BYTES_MAX {
            return Err(PackageError::UnzippedTooLarge { bytes: total_bytes });
        }
        if found.len() == ZIP_ENTRIES_MAX {
            return Err(PackageError::TooManyFiles);
        }
        found.push(entry);
    }
    if found.is_empty() {
        return Err(PackageError::Empty { path: dir.to_owned() });
    }
    found.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(found)
}

fn entry(dir: &Path, item: &DirEntry) -> Result<Entry, PackageError> {
    let source = item.path().to_owned();
    let inside = source.strip_prefix(dir).unwrap_or(&source);
    let name = inside.to_str().ok_or_else(|| PackageError::NotUtf8 { path: source.clone() })?.to_owned();
    let metadata =
        item.metadata().map_err(|error| PackageError::Walk { path: dir.to_owned(), source: error })?;
    if metadata.is_symlink() {
        let target = link_target(&source, inside)?;
        return Ok(Entry { name, source, size_bytes: 0, kind: EntryKind::Link { target } });
    }
    if !metadata.is_file() {
        return Err(PackageError::Special { path: source });
    }
    let kind = EntryKind::File { executable: is_executable(&metadata) };
    Ok(Entry { name, source, size_bytes: metadata.len(), kind })
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

/// The target of the link at `inside`, if following it lexically never climbs out of the package.
fn link_target(source: &Path, inside: &Path) -> Result<String, PackageError> {
    let target = std::fs::read_link(source)
        .map_err(|error| PackageError::Read { path: source.to_owned(), source: error })?;
    let leaves = || PackageError::LinkLeaves { path: source.to_owned(), target: target.clone() };
    let mut depth = inside.parent().map_or(0, |parent| parent.components().count());
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(leaves)?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    target.to_str().map(str::to_owned).ok_or_else(|| PackageError::NotUtf8 { path: source.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes a folder of files and lists the names that would be packed.
    fn check(files: &[(&str, &str)], gitignore: bool, expect: &[&str]) {
        let dir = folder(files);
        let found = entries(dir.path(), gitignore).expect("a package");
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, expect);
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        dir
    }

    #[test]
    fn everything_is_packed_but_tool_state() {
        check(
            &[
                ("z.py", ""),
                ("lib/a.py", ""),
                ("lib.py", ""),
                (".env", ""),
                ("dormouse.toml", ""),
                ("lib/dormouse.toml", ""),
                (".git/HEAD", ""),
                ("lib/__pycache__/a.pyc", ""),
                (".venv/bin/python", ""),
                (".dormouse/state", ""),
            ],
            false,
            &[".env", "lib.py", "lib/a.py", "lib/dormouse.toml", "z.py"],
        );
    }

    #[test]
    fn ignore_files_of_any_folder_count() {
        check(
            &[
                (".dormouseignore", "*.jpg\n/build/\n!keep.jpg\n"),
                ("app.py", ""),
                ("photo.jpg", ""),
                ("keep.jpg", ""),
                ("build/x", ""),
                ("sub/build/x", ""),
                ("sub/.dormouseignore", "secret"),
                ("sub/secret", ""),
            ],
            false,
            &["app.py", "keep.jpg", "sub/build/x"],
        );
    }

    #[test]
    fn gitignore_counts_only_when_asked() {
        let files = &[(".gitignore", "node_modules/\n"), ("index.mjs", ""), ("node_modules/x/index.js", "")];
        check(files, false, &[".gitignore", "index.mjs", "node_modules/x/index.js"]);
        check(files, true, &[".gitignore", "index.mjs"]);
    }

    #[test]
    fn links_inside_are_kept_and_others_refused() {
        let dir = folder(&[("a/b/c.py", "")]);
        symlink("../b/c.py", dir.path().join("a/b/same.py")).expect("linked");
        let found = entries(dir.path(), false).expect("a package");
        assert_eq!(found[1].kind, EntryKind::Link { target: "../b/c.py".to_owned() });

        for target in ["/etc/passwd", "../../../etc/passwd", "../../b/../../x"] {
            let dir = folder(&[("a/b/c.py", "")]);
            symlink(target, dir.path().join("a/b/out")).expect("linked");
            let error = entries(dir.path(), false).expect_err("refused");
            assert!(matches!(error, PackageError::LinkLeaves { .. }), "{target}: {error}");
        }
    }

    #[test]
    fn empty_missing_and_special_are_refused() {
        let dir = folder(&[("dormouse.toml", "")]);
        assert!(matches!(entries(dir.path(), false), Err(PackageError::Empty { .. })));
        let missing = dir.path().join("nothing");
        assert!(matches!(entries(&missing, false), Err(PackageError::Folder { .. })));
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("bound");
        assert!(matches!(entries(dir.path(), false), Err(PackageError::Special { .. })));
    }
}
