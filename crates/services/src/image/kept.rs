//! Images that were fetched: enough to start functions from them, and to have a lost layer again.
//!
//! Each is one JSON file named by the digest of its manifest, with the marker `v`; written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::arn::Scope;
use model::id::{AccountId, Digest, Region};
use serde::{Deserialize, Serialize};

use super::error::ImageError;
use crate::layout::{create_private, create_private_dir, sync_dir};
use crate::oci::config::ImageConfig;
use crate::oci::manifest::Manifest;

/// An image that was fetched.
#[derive(Debug, Clone)]
pub(super) struct KeptImage {
    /// For whom it was fetched first: where to look for it again.
    pub(super) scope: Scope,
    /// The reference with its digest.
    pub(super) resolved_uri: String,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    /// As they were fetched.
    pub(super) bytes: (Vec<u8>, Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    account: String,
    region: String,
    resolved_uri: String,
    media_type: String,
    manifest_base64: String,
    config_base64: String,
}

pub(super) struct Kept {
    dir: PathBuf,
    temporary: PathBuf,
}

impl Kept {
    pub(super) fn open(dir: &Path, temporary: &Path) -> Result<Self, ImageError> {
        create_private_dir(dir).map_err(ImageError::io("create", dir))?;
        Ok(Self { dir: dir.to_owned(), temporary: temporary.to_owned() })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{digest}.json"))
    }

    /// Keeps an image; durable when this returns. Blocks on the disk.
    pub(super) fn put(&self, digest: Digest, image: &KeptImage) -> Result<(), ImageError> {
        let stored = Stored {
            v: 1,
            account: image.scope.account.to_string(),
            region: image.scope.region.to_string(),
            resolved_uri: image.resolved_uri.clone(),
            media_type: image.manifest.media_type.clone(),
            manifest_base64: STANDARD.encode(&image.bytes.0),
            config_base64: STANDARD.encode(&image.bytes.1),
        };
        let json = serde_json::to_vec(&stored).unwrap_or_default();
        let (path, making) = (self.path(digest), self.temporary.join(format!("{digest}.json")));
        let _ = fs::remove_file(&making);
        let written = create_private(&making)
            .and_then(|mut file| {
                file.write_all(&json)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&making, &path))
            .and_then(|()| sync_dir(&self.dir));
        written.map_err(ImageError::io("write", path))
    }

    /// An image that is kept. Blocks on the disk.
    pub(super) fn get(&self, digest: Digest) -> Result<KeptImage, ImageError> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ImageError::Missing,
            _ => ImageError::io("read", &path)(error),
        })?;
        let unreadable = || ImageError::io("understand", &path)(io::ErrorKind::InvalidData.into());
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        if stored.v != 1 {
            return Err(unreadable());
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| unreadable());
        let (manifest, config) = (decode(&stored.manifest_base64)?, decode(&stored.config_base64)?);
        let account = AccountId::parse(&stored.account).map_err(|_| unreadable())?;
        let region = Region::parse(&stored.region).map_err(|_| unreadable())?;
        Ok(KeptImage {
            scope: Scope { account, region },
            resolved_uri: stored.resolved_uri,
            manifest: Manifest::parse(&manifest, Some(&stored.media_type))?,
            config: ImageConfig::parse(&config)?,
            bytes: (manifest, config),
        })
    }

    /// Every image that is kept, and the time since it was fetched. Blocks on the disk.
    pub(super) fn list(&self) -> Result<Vec<(Digest, Duration)>, ImageError> {
        let listed = fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = listed.map_err(ImageError::io("list", &self.dir))?;
        let read = |entry: &fs::DirEntry| {
            let digest = Digest::parse(entry.file_name().to_str()?.strip_suffix(".json")?).ok()?;
            let modified = entry.metadata().ok()?.modified().ok()?;
            Some((digest, modified.elapsed().unwrap_or_default()))
        };
        Ok(entries.iter().filter_map(read).collect())
    }

    pub(super) fn remove(&self, digest: Digest) -> Result<(), ImageError> {
        let path = self.path(digest);
        fs::remove_file(&path).map_err(ImageError::io("remove", path))
    }
}
