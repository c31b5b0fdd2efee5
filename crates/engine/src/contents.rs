//! What stands inside a function's environments: the package or the image, the layers merged at `/opt`, shared
//! directories, and the external extensions found among them.
//!
//! Everything here is read from directories that the server itself has unpacked; links in them lead to places inside
//! the sandbox and are never followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use model::error::ServiceError;
use model::function::{Code, Function};
use model::port::ImageRoot;
use sandbox::{Access, Mount, Source};

use crate::engine::Shared;
use crate::runtimes::{Inside, Plan};

/// Where the function's code stands.
pub(crate) const TASK: &str = "/var/task";
/// Where the layers stand.
const LAYERS: &str = "/opt";
/// Where external extensions stand, below `/opt`.
const EXTENSIONS: &str = "extensions";
/// Marks a directory that hides what merged directories below it have at its place.
const OPAQUE: &str = "user.overlay.opaque";

/// All that an environment is made of.
pub(crate) struct Contents {
    pub plan: Plan,
    /// Code, layers and shared directories; the plan has mounts of its own.
    pub mounts: Vec<Mount>,
    /// File names of the external extensions, sorted.
    pub extensions: Vec<String>,
    /// Whether the working directory is there, where that is known.
    pub cwd_exists: bool,
}

/// Finds or unpacks everything that the function needs.
pub(crate) async fn of(shared: &Shared, function: &Function) -> Result<Contents, ServiceError> {
    let ports = &shared.ports;
    let code = match &function.code {
        Code::Zip(zip) => Some(ports.artifacts.code_dir(*zip).await?),
        Code::Image(_) => None,
    };
    let mut layers = Vec::with_capacity(function.settings.layers.len());
    for layer in &function.settings.layers {
        layers.push(ports.artifacts.code_dir(layer.zip).await?);
    }
    let image = match ports.catalogue.image_of(function) {
        Some(image) => Some(ports.images.root(&image).await?),
        None => None,
    };
    let inside = Inside { code: code.as_deref(), layers: &layers, image: image.as_ref() };
    let plan = ports.catalogue.launch(function, &inside)?;
    // The last layer is on top.
    layers.reverse();
    let extensions = match (&image, layers.is_empty()) {
        (Some(image), true) => extensions_in(&image.layers, &Path::new("opt").join(EXTENSIONS)),
        _ => extensions_in(&layers, Path::new(EXTENSIONS)),
    };
    let cwd_exists = code.is_some() || image.as_ref().is_none_or(|image| is_in(image, &plan.cwd));
    let mut mounts: Vec<_> = code.map(|code| Mount::read_only(code, TASK.into())).into_iter().collect();
    mounts.extend(merged(layers));
    mounts.extend(shared_directories(function, &shared.file_systems)?);
    Ok(Contents { plan, mounts, extensions, cwd_exists })
}

/// The layers at `/opt`, topmost first.
fn merged(mut layers: Vec<PathBuf>) -> Option<Mount> {
    let target = PathBuf::from(LAYERS);
    match layers.len() {
        0 => None,
        1 => layers.pop().map(|layer| Mount::read_only(layer, target)),
        _ => Some(Mount { source: Source::Merged(layers), target, access: Access::ReadOnly }),
    }
}

/// The directories that the owner of the machine shares under the ARNs that the function names.
fn shared_directories(
    function: &Function,
    allowed: &BTreeMap<String, PathBuf>,
) -> Result<Vec<Mount>, ServiceError> {
    let mount = |system: &model::function::FileSystem| {
        let source = allowed.get(&system.arn).ok_or_else(|| {
            ServiceError::InvalidParameterValue(format!(
                "The file system {} is not shared by this machine; its owner can add it to file-systems.",
                system.arn
            ))
        })?;
        Ok(Mount {
            source: Source::Tree(source.clone()),
            target: PathBuf::from(&system.local_path),
            access: Access::ReadWrite,
        })
    };
    function.settings.file_systems.iter().map(mount).collect()
}

/// Names of the files at `place`, given directories that are merged, the topmost first.
fn extensions_in(directories: &[PathBuf], place: &Path) -> Vec<String> {
    let (mut found, mut hidden) = (BTreeSet::new(), BTreeSet::new());
    for directory in directories {
        let (folder, is_opaque) = match folder_at(directory, place) {
            Folder::Here { path, is_opaque } => (path, is_opaque),
            Folder::Absent => continue,
            Folder::Hidden => break,
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else {
                continue;
            };
            let kind = metadata.file_type();
            if kind.is_char_device() && metadata.rdev() == 0 {
                hidden.insert(name);
            } else if !hidden.contains(&name) && !kind.is_dir() {
                found.insert(name);
            }
        }
        if is_opaque {
            break;
        }
    }
    found.into_iter().collect()
}

/// What one of several merged directories has at a place.
enum Folder {
    Here {
        path: PathBuf,
        /// Whether it hides what the directories below have there.
        is_opaque: bool,
    },
    Absent,
    /// Something else, which also hides what the directories below have there.
    Hidden,
}

/// Looks at each step of the way, so that no link is followed: it would lead to the server's own files.
fn folder_at(directory: &Path, place: &Path) -> Folder {
    let (mut path, mut is_opaque) = (directory.to_owned(), false);
    for step in place.components() {
        path.push(step);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Folder::Hidden,
            Err(_) => return Folder::Absent,
        }
        let mut mark = [0; 1];
        is_opaque |= matches!(rustix::fs::lgetxattr(&path, OPAQUE, &mut mark), Ok(1) if mark == *b"y");
    }
    Folder::Here { path, is_opaque }
}

/// Whether a path stands in one of an image's layers.
fn is_in(image: &ImageRoot, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    relative.as_os_str().is_empty()
        || image.layers.iter().any(|layer| layer.join(relative).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_files_of_all_layers() {
        let (top, below) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        for (layer, name) in [(&top, "b"), (&below, "b"), (&below, "a")] {
            fs::create_dir_all(layer.path().join(EXTENSIONS)).expect("made");
            fs::write(layer.path().join(EXTENSIONS).join(name), "").expect("written");
        }
        fs::create_dir(below.path().join(EXTENSIONS).join("lib")).expect("made");
        let layers = [top.path().to_owned(), below.path().to_owned()];
        assert_eq!(extensions_in(&layers, Path::new(EXTENSIONS)), ["a", "b"]);
        assert!(extensions_in(&[], Path::new(EXTENSIONS)).is_empty());
        assert!(extensions_in(&layers, Path::new("absent")).is_empty());
    }

    #[test]
    fn a_link_is_not_followed_and_hides_what_is_below() {
        let (top, below) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let elsewhere = tempfile::tempdir().expect("made");
        let place = Path::new("opt").join(EXTENSIONS);
        for (root, name) in [(below.path().join(&place), "a"), (elsewhere.path().join(EXTENSIONS), "secret")]
        {
            fs::create_dir_all(&root).expect("made");
            fs::write(root.join(name), "").expect("written");
        }
        let layers = [top.path().to_owned(), below.path().to_owned()];
        assert_eq!(extensions_in(&layers, &place), ["a"]);
        std::os::unix::fs::symlink(elsewhere.path(), top.path().join("opt")).expect("linked");
        assert!(extensions_in(&layers, &place).is_empty());
        fs::remove_file(top.path().join("opt")).expect("removed");
        fs::create_dir(top.path().join("opt")).expect("made");
        let link = top.path().join(&place);
        std::os::unix::fs::symlink(elsewhere.path().join(EXTENSIONS), link).expect("linked");
        assert!(extensions_in(&layers, &place).is_empty());
    }

    #[test]
    fn later_layers_win() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(merged(Vec::new()), None);
        assert_eq!(merged(paths(&["/a"])), Some(Mount::read_only("/a".into(), "/opt".into())));
        let two = merged(paths(&["/b", "/a"])).expect("a mount");
        assert_eq!(two.source, Source::Merged(paths(&["/b", "/a"])));
    }
}
