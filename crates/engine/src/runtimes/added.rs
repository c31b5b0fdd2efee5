//! The runtimes that the owner added, as files: `NAME.toml` in the catalogue's directory, one for each, so that they
//! survive the server and can be written by hand.
//!
//! ```toml
//! version = 1
//! [path]
//! directory = "/opt/ruby-3.3"
//! ```
//!
//! or `[image]` with `uri`, `resolved_uri`, `digest` and `size_bytes`. A file that cannot be read is reported and
//! left alone; it never keeps the server from starting.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use model::function::Image;
use model::id::Digest;
use model::runtime::{Added, AddedFrom, Family, RuntimeName};
use serde::Deserialize;

/// The form of the files.
const VERSION: u32 = 1;
const EXTENSION: &str = "toml";
/// More than any file of ours has.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    path: Option<StoredPath>,
    image: Option<StoredImage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPath {
    directory: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredImage {
    uri: String,
    resolved_uri: String,
    digest: String,
    size_bytes: u64,
}

/// All that are stored below `dir`, by name. Files that cannot be read are skipped with a warning.
pub(super) fn load(dir: &Path) -> Vec<Added> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    files.sort();
    let added = files.iter().filter_map(|path| match read(path) {
        Ok(added) => Some(added),
        Err(detail) => {
            tracing::warn!(path = %path.display(), detail, "a file of an added runtime is skipped");
            None
        }
    });
    added.collect()
}

/// Stores a runtime, durably, in place of an earlier one of that name.
pub(super) fn save(dir: &Path, added: &Added) -> io::Result<()> {
    let (path, temporary) = (file(dir, &added.name), dir.join(format!(".{}.new", added.name)));
    let mut stored = File::create(&temporary)?;
    stored.write_all(render(added).as_bytes())?;
    stored.sync_all()?;
    fs::rename(&temporary, &path)?;
    File::open(dir)?.sync_all()
}

/// Forgets a runtime; whether there was one.
pub(super) fn delete(dir: &Path, name: &RuntimeName) -> io::Result<bool> {
    match fs::remove_file(file(dir, name)) {
        Ok(()) => File::open(dir)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Names of a known family are letters, digits and dots, so they are file names.
fn file(dir: &Path, name: &RuntimeName) -> PathBuf {
    dir.join(format!("{name}.{EXTENSION}"))
}

fn read(path: &Path) -> Result<Added, String> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).map(RuntimeName::new);
    let name = name.filter(|name| name.family() != Family::Other).ok_or("its name is no runtime")?;
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err("it is too large".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(name, &text)
}

fn parse(name: RuntimeName, text: &str) -> Result<Added, String> {
    let stored: Stored = toml::from_str(text).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        return Err(format!("its version is {}, and this server knows {VERSION}", stored.version));
    }
    let from = match (stored.path, stored.image) {
        (Some(path), None) => AddedFrom::Path(path.directory),
        (None, Some(image)) => AddedFrom::Image(Image {
            digest: Digest::parse(&image.digest).map_err(|error| error.to_string())?,
            uri: image.uri,
            resolved_uri: image.resolved_uri,
            size_bytes: image.size_bytes,
        }),
        _ => return Err("it needs either a path or an image".to_owned()),
    };
    Ok(Added { name, from })
}

fn render(added: &Added) -> String {
    match &added.from {
        AddedFrom::Path(directory) => {
            format!("version = {VERSION}\n[path]\ndirectory = {}\n", quote(&directory.to_string_lossy()))
        }
        AddedFrom::Image(image) => format!(
            "version = {VERSION}\n[image]\nuri = {}\nresolved_uri = {}\ndigest = \"{}\"\nsize_bytes = {}\n",
            quote(&image.uri),
            quote(&image.resolved_uri),
            image.digest,
            image.size_bytes,
        ),
    }
}

/// A string of TOML; every string of JSON is one.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str, directory: &str) -> Added {
        Added { name: RuntimeName::new(name), from: AddedFrom::Path(directory.into()) }
    }

    fn image(name: &str) -> Added {
        let image = Image {
            uri: "registry.example/ruby:3.3".to_owned(),
            resolved_uri: "registry.example/ruby@sha256:ab".to_owned(),
            digest: Digest::from_bytes([0xab; 32]),
            size_bytes: 12_345,
        };
        Added { name: RuntimeName::new(name), from: AddedFrom::Image(image) }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let wanted = vec![path("java21", "/opt/\"odd\" ☕\\n"), image("ruby3.3")];
        for added in &wanted {
            save(dir.path(), added).expect("saved");
        }
        assert_eq!(load(dir.path()), wanted);
        assert!(delete(dir.path(), &RuntimeName::new("java21")).expect("deleted"));
        assert!(!delete(dir.path(), &RuntimeName::new("java21")).expect("nothing there"));
        assert_eq!(load(dir.path()), wanted[1..]);
    }

    #[test]
    fn version_1_stays_readable() {
        let text = "version = 1\n[path]\ndirectory = \"/opt/ruby\"\n";
        assert_eq!(parse(RuntimeName::new("ruby3.3"), text), Ok(path("ruby3.3", "/opt/ruby")));
    }

    #[test]
    fn files_that_cannot_be_read_are_skipped() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in [
            ("ruby3.3.toml", "version = 2\n[path]\ndirectory = \"/opt\"\n"),
            ("ruby3.4.toml", "version = 1\n"),
            ("java21.toml", "version = 1\nsurprise = true\n[path]\ndirectory = \"/opt\"\n"),
            ("cobol.toml", "version = 1\n[path]\ndirectory = \"/opt\"\n"),
            ("ruby3.2", "version = 1\n[path]\ndirectory = \"/opt\"\n"),
        ] {
            fs::write(dir.path().join(name), text).expect("written");
        }
        assert_eq!(load(dir.path()), []);
    }
}
