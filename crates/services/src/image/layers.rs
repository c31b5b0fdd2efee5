//! Unpacked layers, each once, named by the digest of its content (`diff_id`).
//!
//! A layer is unpacked in the temporary folder, synced and renamed, so under its name it is whole. One flight
//! unpacks it, whoever asks meanwhile waits. How unpacking is done is the [`Unpacker`]'s: in this process, or in
//! one that may give files to other users.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::id::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::error::ImageError;
use super::flights::Flights;
use super::unpack::{Bounds, UnpackError, Unpacked, unpack_layer, verify_layer};
use crate::layout::{create_private, create_private_dir, sync_dir};
use crate::oci::media_type::Compression;

/// Layers that are unpacked at a time: each keeps a core busy.
const UNPACKING_MAX: usize = 2;

/// A layer to unpack.
#[derive(Debug)]
pub struct LayerJob {
    /// The layer in transport form.
    pub blob: File,
    /// How that is packed.
    pub compression: Compression,
    /// Digest of the content, to be verified.
    pub diff_id: Digest,
    /// The empty folder to unpack into.
    pub target: PathBuf,
    /// What bounds it.
    pub bounds: Bounds,
}

/// Unpacks layers and removes them again. Called on threads that may block.
pub trait Unpacker: Send + Sync {
    /// See [`unpack_layer`].
    fn unpack(&self, job: LayerJob) -> Result<Unpacked, UnpackError>;
    /// Removes a folder with all that is in it, whoever owns that.
    fn remove(&self, folder: &Path) -> io::Result<()>;
}

/// Unpacks in the server's own process: files belong to the server's user, unless that is root.
#[derive(Debug, Clone, Copy)]
pub struct InProcess;

impl Unpacker for InProcess {
    fn unpack(&self, job: LayerJob) -> Result<Unpacked, UnpackError> {
        let target = File::open(&job.target).map_err(|source| UnpackError::Write {
            operation: "open",
            path: job.target.display().to_string(),
            source,
        })?;
        unpack_layer(job.blob, job.compression, job.diff_id, target.as_fd(), &job.bounds)
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // A directory that its owner may not write to: legal in a layer.
                open_up(folder)?;
                fs::remove_dir_all(folder)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Lets the owner into every directory beneath. Links are not followed.
fn open_up(folder: &Path) -> io::Result<()> {
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct StoredLayer {
    v: u32,
    bytes: u64,
    entries: u64,
    ownership_kept: bool,
}

/// That an account has shown a layer in one packing and from one source, by the name that this has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof(pub(super) Digest);

impl Proof {
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join("proofs").join(self.0.to_string())
    }

    /// Not synced: a proof that a power failure has forgotten is given again.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let path = self.path(folder);
        create_private_dir(path.parent().unwrap_or(folder))?;
        fs::write(path, "")
    }
}

/// All unpacked layers.
pub(super) struct Layers {
    dir: PathBuf,
    temporary: PathBuf,
    unpacker: Arc<dyn Unpacker>,
    unpacking: Arc<Semaphore>,
    /// By `diff_id`: held while a layer is looked for and made.
    pub(super) flights: Flights,
}

impl Layers {
    pub(super) fn open(
        dir: &Path,
        temporary: &Path,
        unpacker: Arc<dyn Unpacker>,
    ) -> Result<Self, ImageError> {
        create_private_dir(dir).map_err(ImageError::io("create", dir))?;
        let unpacking = Arc::new(Semaphore::new(UNPACKING_MAX));
        let (dir, temporary) = (dir.to_owned(), temporary.to_owned());
        Ok(Self { dir, temporary, unpacker, unpacking, flights: Flights::default() })
    }

    /// The folder that is mounted.
    pub(super) fn path(&self, diff_id: Digest) -> PathBuf {
        self.folder(diff_id).join("fs")
    }

    fn folder(&self, diff_id: Digest) -> PathBuf {
        self.dir.join(diff_id.to_string())
    }

    /// The unpacked size of a layer that is here.
    pub(super) async fn size(&self, diff_id: Digest) -> Option<u64> {
        let folder = self.folder(diff_id);
        let read = tokio::task::spawn_blocking(move || {
            let stored: StoredLayer =
                serde_json::from_slice(&fs::read(folder.join("layer.json")).ok()?).ok()?;
            (stored.v == 1 && folder.join("fs").is_dir()).then_some(stored.bytes)
        });
        read.await.ok().flatten()
    }

    /// Whether this owner has shown the layer in this packing and from this source before. A digest is no proof: whoever
    /// learnt one could read a stranger's layer by naming it, in a registry that does not even have it.
    pub(super) async fn is_proven(&self, diff_id: Digest, proof: &Proof) -> bool {
        let path = proof.path(&self.folder(diff_id));
        tokio::task::spawn_blocking(move || path.exists()).await.unwrap_or(false)
    }

    /// Checks that a blob is the packed form of a layer that is here, and remembers it.
    pub(super) async fn prove(
        &self,
        blob: File,
        compression: Compression,
        diff_id: Digest,
        bounds: Bounds,
        proof: Proof,
    ) -> Result<(), ImageError> {
        let permit = Arc::clone(&self.unpacking).acquire_owned().await;
        let permit = permit.map_err(|_| ImageError::Stopping)?;
        let folder = self.folder(diff_id);
        let proving = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            verify_layer(blob, compression, diff_id, &bounds)
                .map_err(|source| ImageError::Layer { layer: diff_id, source })?;
            proof.write(&folder).map_err(ImageError::io("write", folder))
        });
        proving.await.unwrap_or(Err(ImageError::Stopping))
    }

    /// Whether all of these layers are here: as little as can be asked, since a function waits for the answer.
    pub(super) async fn all_here(&self, diff_ids: &[Digest]) -> bool {
        let paths: Vec<_> = diff_ids.iter().map(|diff_id| self.path(*diff_id)).collect();
        let looking = tokio::task::spawn_blocking(move || paths.iter().all(|path| path.is_dir()));
        looking.await.unwrap_or(false)
    }

    /// Unpacks a layer; the caller holds its flight. Returns its unpacked size.
    pub(super) async fn unpack(
        &self,
        blob: File,
        compression: Compression,
        diff_id: Digest,
        bounds: Bounds,
        proof: Proof,
    ) -> Result<u64, ImageError> {
        let permit = Arc::clone(&self.unpacking).acquire_owned().await;
        let permit = permit.map_err(|_| ImageError::Stopping)?;
        let (unpacker, making) = (Arc::clone(&self.unpacker), self.temporary.join(diff_id.to_string()));
        let (folder, dir) = (self.folder(diff_id), self.dir.clone());
        let unpacked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let job = |target| LayerJob { blob, compression, diff_id, target, bounds };
            let made = make(&*unpacker, job, &proof, &making, &folder, &dir);
            if made.is_err() {
                // What cannot be removed now is removed at the next start.
                let _ = unpacker.remove(&making);
            }
            made
        });
        unpacked.await.unwrap_or(Err(ImageError::Stopping))
    }

    /// Every layer that is here.
    pub(super) fn list(&self) -> Result<Vec<Digest>, ImageError> {
        let listed = fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = listed.map_err(ImageError::io("list", &self.dir))?;
        let digest = |entry: &fs::DirEntry| Digest::parse(entry.file_name().to_str()?).ok();
        Ok(entries.iter().filter_map(digest).collect())
    }

    /// Removes a layer that nobody is looking for. Its name goes first, so a half-removed one is never found.
    pub(super) fn remove(&self, diff_id: Digest) -> Result<(), ImageError> {
        let (folder, going) = (self.folder(diff_id), self.temporary.join(format!("{diff_id}.old")));
        fs::rename(&folder, &going).map_err(ImageError::io("remove", &folder))?;
        self.unpacker.remove(&going).map_err(ImageError::io("remove", going))
    }
}

fn make(
    unpacker: &dyn Unpacker,
    job: impl FnOnce(PathBuf) -> LayerJob,
    proof: &Proof,
    making: &Path,
    folder: &Path,
    dir: &Path,
) -> Result<u64, ImageError> {
    // Left over where a previous attempt could not clean up.
    unpacker.remove(making).map_err(ImageError::io("clear", making))?;
    let target = making.join("fs");
    create_private_dir(&target).map_err(ImageError::io("create", &target))?;
    let job = job(target);
    let layer = job.diff_id;
    let unpacked = unpacker.unpack(job).map_err(|source| ImageError::Layer { layer, source })?;
    let stored = StoredLayer {
        v: 1,
        bytes: unpacked.bytes,
        entries: unpacked.entries,
        ownership_kept: unpacked.ownership == super::unpack::Ownership::Kept,
    };
    let json = serde_json::to_vec(&stored).unwrap_or_default();
    let sealed = create_private(&making.join("layer.json"))
        .and_then(|mut file| file.write_all(&json))
        .and_then(|()| proof.write(making))
        // One sync for all files of the layer: syncing each takes minutes where there are many.
        .and_then(|()| rustix::fs::syncfs(File::open(making)?).map_err(io::Error::from))
        .and_then(|()| clear(unpacker, folder))
        .and_then(|()| fs::rename(making, folder))
        .and_then(|()| sync_dir(dir));
    sealed.map_err(ImageError::io("name", folder))?;
    Ok(unpacked.bytes)
}

/// Makes way for a layer whose folder is there without being usable.
fn clear(unpacker: &dyn Unpacker, folder: &Path) -> io::Result<()> {
    if folder.exists() { unpacker.remove(folder) } else { Ok(()) }
}
