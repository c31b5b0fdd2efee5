//! Images on this disk: OCI layouts in folders or tars, and what `docker save` writes.
//!
//! Only below folders that the owner allows. Within an image every file is opened beneath its folder; a link may
//! lead to another file of the image and nowhere else. A tar is unpacked as hostile, into a temporary folder.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::id::Digest;
use rustix::fs::{self as sys, Mode, OFlags, ResolveFlags};
use serde::Deserialize;

use super::error::ImageError;
use super::reference::{DiskForm, Version};
use super::unpack::{Bounds, Decoder, unpack};
use crate::oci::config::{CONFIG_BYTES_MAX, ImageConfig};
use crate::oci::manifest::{Content, MANIFEST_BYTES_MAX, Manifest};
use crate::oci::media_type::{Compression, OCI_CONFIG, OCI_MANIFEST};
use crate::oci::name::Tag;
use crate::oci::{digest_of, digest_text};

/// Holds the tag of a manifest in the index of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Files in an archive of an image: layers and metadata.
const ARCHIVE_BOUNDS: Bounds = Bounds { bytes_max: 20 * 1024 * 1024 * 1024, entries_max: 100_000 };

/// The folder of an image, opened.
#[derive(Debug)]
pub(super) struct DiskImage {
    folder: OwnedFd,
    path: PathBuf,
    /// Where a digest's file is, if not in `blobs/sha256`.
    files: Vec<(Digest, String)>,
    manifest: (Vec<u8>, String),
    /// Removed with the image, if it was made for it.
    _unpacked: Option<Temporary>,
}

/// A folder that is removed in the end.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        let remove = move || {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "an unpacked archive stays until the next start");
            }
        };
        // Gigabytes take a while, and the thread that drops may be the one that serves everybody.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// One image in `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

impl DiskImage {
    /// Opens an image. Blocks on the disk; `scratch` is a name for a folder that may be made.
    pub(super) fn open(
        form: DiskForm,
        path: &Path,
        version: &Version,
        allowed: &[PathBuf],
        scratch: &Path,
    ) -> Result<Self, ImageError> {
        let real = allowed_path(path, allowed)?;
        let unpacked = match form {
            DiskForm::Layout => None,
            DiskForm::LayoutArchive | DiskForm::DockerArchive => Some(unpack_archive(&real, scratch)?),
        };
        let root = unpacked.as_ref().map_or(real.as_path(), |temporary| &temporary.0);
        let folder = File::open(root).map_err(ImageError::io("open", root))?.into();
        let mut image = Self {
            folder,
            path: real.clone(),
            files: Vec::new(),
            manifest: Default::default(),
            _unpacked: unpacked,
        };
        image.manifest = match form {
            DiskForm::DockerArchive => image.saved_manifest()?,
            DiskForm::Layout | DiskForm::LayoutArchive => image.layout_manifest(version)?,
        };
        Ok(image)
    }

    /// Where it is, as the file system calls it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest, or the index that the version stands for, and its media type.
    pub(super) fn manifest(&self) -> (Vec<u8>, String) {
        self.manifest.clone()
    }

    /// A blob's file.
    pub(super) fn blob(&self, digest: Digest) -> Result<File, ImageError> {
        let known = self.files.iter().find(|(of, _)| *of == digest);
        let name = known.map_or_else(|| format!("blobs/sha256/{digest}"), |(_, name)| name.clone());
        self.file(&name)
    }

    /// A small blob whole, checked.
    pub(super) fn read(&self, digest: Digest, limit_bytes: usize) -> Result<Vec<u8>, ImageError> {
        let bytes = read_bounded(self.blob(digest)?, &self.path, limit_bytes)?;
        if digest_of(&bytes) == digest { Ok(bytes) } else { Err(ImageError::WrongDigest(digest)) }
    }

    fn layout_manifest(&self, version: &Version) -> Result<(Vec<u8>, String), ImageError> {
        let bytes = read_bounded(self.file("index.json")?, &self.path, MANIFEST_BYTES_MAX)?;
        let index = Manifest::parse(&bytes, None)?;
        let Content::Index { manifests } = &index.content else {
            return Err(ImageError::Unsupported("index.json is no index".to_owned()));
        };
        let tagged = |tag: &Tag| {
            let mut found = manifests.iter().filter(|to| {
                to.annotations.get(REF_NAME).is_some_and(|name| name.rsplit(':').next() == Some(tag.as_str()))
            });
            found.next()
        };
        let chosen = match version {
            Version::Tag(tag) => tagged(tag),
            Version::Only if manifests.len() == 1 => manifests.first(),
            // Several, and none named: an index like any other, from which the platform chooses.
            Version::Only => return Ok((bytes, index.media_type)),
            Version::Digest(digest) => {
                // It may be named by a nested index only, so its own bytes decide.
                let bytes = self.read(*digest, MANIFEST_BYTES_MAX)?;
                let media_type = Manifest::parse(&bytes, None)?.media_type;
                return Ok((bytes, media_type));
            }
        };
        let chosen = chosen.ok_or(ImageError::Missing)?;
        Ok((self.read(chosen.digest()?, MANIFEST_BYTES_MAX)?, chosen.media_type.clone()))
    }

    /// A manifest for the image that `docker save` wrote, which has none: its layers are plain tars, named by the
    /// digests that the configuration gives them.
    fn saved_manifest(&mut self) -> Result<(Vec<u8>, String), ImageError> {
        let unsupported = |what: &str| ImageError::Unsupported(what.to_owned());
        let bytes = read_bounded(self.file("manifest.json")?, &self.path, MANIFEST_BYTES_MAX)?;
        let saved: Vec<Saved> = serde_json::from_slice(&bytes)
            .map_err(|_| unsupported("manifest.json is not what docker save writes"))?;
        let saved = match <[Saved; 1]>::try_from(saved) {
            Ok([saved]) => saved,
            Err(_) => return Err(unsupported("the archive does not hold exactly one image")),
        };
        let config_bytes = read_bounded(self.file(&saved.config)?, &self.path, CONFIG_BYTES_MAX)?;
        let config = ImageConfig::parse(&config_bytes)?;
        if config.diff_ids.len() != saved.layers.len() {
            return Err(unsupported("the archive's layers are not those of its configuration"));
        }
        let config_digest = digest_of(&config_bytes);
        let mut layers = Vec::new();
        for (name, diff_id) in saved.layers.iter().zip(&config.diff_ids) {
            let mut file = self.file(name)?;
            let size = file.metadata().map_err(ImageError::io("look at", &self.path))?.len();
            let media_type = match compression_of(&mut file, &self.path)? {
                Compression::None => "application/vnd.oci.image.layer.v1.tar",
                Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
                Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            };
            layers.push(
                serde_json::json!({ "mediaType": media_type, "digest": digest_text(*diff_id), "size": size }),
            );
            self.files.push((*diff_id, name.clone()));
        }
        self.files.push((config_digest, saved.config));
        let config = serde_json::json!({
            "mediaType": OCI_CONFIG, "digest": digest_text(config_digest), "size": config_bytes.len(),
        });
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
        });
        Ok((manifest.to_string().into_bytes(), OCI_MANIFEST.to_owned()))
    }

    /// Opens a file of the image; links are followed within it.
    fn file(&self, name: &str) -> Result<File, ImageError> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = sys::openat2(self.folder.as_fd(), name, flags, Mode::empty(), resolve);
        let file = match opened {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Err(ImageError::Missing),
            Err(error) => return Err(ImageError::io("open", self.path.join(name))(error.into())),
        };
        let is_file = file.metadata().map_err(ImageError::io("look at", &self.path))?.is_file();
        if is_file { Ok(file) } else { Err(ImageError::Unsupported(format!("{name} is not a file"))) }
    }
}

fn allowed_path(path: &Path, allowed: &[PathBuf]) -> Result<PathBuf, ImageError> {
    let refused = || ImageError::NotAllowed { path: path.to_owned() };
    let below = |real: &Path| {
        allowed.iter().any(|folder| folder.canonicalize().is_ok_and(|folder| real.starts_with(folder)))
    };
    match path.canonicalize() {
        Ok(real) if below(&real) => Ok(real),
        // Whether it exists is told only where it could be used.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && below(path) => Err(ImageError::Missing),
        _ => Err(refused()),
    }
}

fn unpack_archive(archive: &Path, scratch: &Path) -> Result<Temporary, ImageError> {
    let mut file = File::open(archive).map_err(ImageError::io("open", archive))?;
    let compression = compression_of(&mut file, archive)?;
    crate::layout::create_private_dir(scratch).map_err(ImageError::io("create", scratch))?;
    let temporary = Temporary(scratch.to_owned());
    let target = File::open(scratch).map_err(ImageError::io("open", scratch))?;
    unpack(Decoder::new(file, compression), target.as_fd(), &ARCHIVE_BOUNDS)
        .map_err(|error| ImageError::Unsupported(format!("the archive cannot be unpacked: {error}")))?;
    Ok(temporary)
}

fn compression_of(file: &mut File, path: &Path) -> Result<Compression, ImageError> {
    let mut start = Vec::new();
    let read = file.by_ref().take(4).read_to_end(&mut start).and_then(|_| file.rewind());
    read.map_err(ImageError::io("read", path))?;
    Ok(Compression::of_bytes(&start))
}

fn read_bounded(file: File, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let read = file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes);
    read.map_err(ImageError::io("read", path))?;
    if bytes.len() > limit_bytes {
        return Err(ImageError::Unsupported("its metadata is too large".to_owned()));
    }
    Ok(bytes)
}
