//! The registry's files: content-addressed blobs of any size, and uploads that are not finished yet.
//!
//! ```text
//! DIR/blobs/ab/abcdef…      whole and durable under this name, or absent
//! DIR/uploads/ID            what has arrived of an upload
//! DIR/uploads/ID.json       to whom it belongs; written last, removed first
//! ```
//!
//! `store::blobs` takes content from memory; layers have gigabytes, so they are streamed here. Who refers to a
//! blob is not known here. All disk work runs on the runtime's blocking threads.

mod upload;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::id::Digest;
use model::port::Entropy;

use crate::oci;

pub use upload::{Owner, Upload, UploadId, Writer};

/// Why a blob or an upload was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// There is no such blob.
    #[error("there is no blob {digest}")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// There is no such upload: finished, cancelled, expired, or never begun.
    #[error("there is no upload {id}")]
    NoUpload {
        /// As asked for.
        id: String,
    },
    /// The file's content is not what its name says.
    #[error("the blob in {path} is damaged: its content does not have the digest that names it")]
    Damaged {
        /// Its file.
        path: PathBuf,
    },
    /// What was uploaded is not what was announced. The upload is gone.
    #[error("the content has digest sha256:{found}, not sha256:{expected}")]
    WrongDigest {
        /// As announced.
        expected: Digest,
        /// As computed.
        found: Digest,
    },
    /// The upload would outgrow the largest blob.
    #[error("the blob is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The largest blob.
        limit_bytes: u64,
    },
    /// Too many uploads are open and are being written to.
    #[error("{limit} uploads are open, and no more are taken")]
    TooManyUploads {
        /// The most.
        limit: usize,
    },
    /// Another request is writing to the upload.
    #[error("upload {id} is being written to by another request")]
    Busy {
        /// The upload.
        id: UploadId,
    },
    /// The disk failed. A blob that was to be written is absent, or whole.
    #[error("could not {operation} {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The async runtime is shutting down.
    #[error("the server is stopping")]
    Stopping,
}

/// What bounds the files.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Largest blob. Lambda takes images of up to 10 GB, so no single layer need be larger.
    pub blob_bytes_max: u64,
    /// Uploads open at a time, of all owners.
    pub uploads_max: usize,
    /// How long an upload may rest before it is removed.
    pub upload_idle_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            blob_bytes_max: 10 * 1024 * 1024 * 1024,
            uploads_max: 1_000,
            upload_idle_max: Duration::from_secs(24 * 3600),
        }
    }
}

/// All blobs and uploads. Cloning gives another handle.
#[derive(Clone)]
pub struct Layout(Arc<Shared>);

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("blobs", &self.0.blobs).finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    blobs: PathBuf,
    uploads: PathBuf,
    bounds: Bounds,
    entropy: Arc<dyn Entropy>,
    /// Held while a blob is found present and marked young, and while an old one is removed.
    gate: Mutex<()>,
    open: Mutex<BTreeMap<UploadId, Arc<Upload>>>,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Blobs removed.
    pub blobs: u64,
    /// Their size together.
    pub bytes: u64,
    /// Uploads removed.
    pub uploads: u64,
}

impl Layout {
    /// Opens `dir`, which is created if missing. Uploads that a crash interrupted can be resumed; what belongs to
    /// nobody is removed. Blocks on the disk.
    pub fn open(dir: &Path, bounds: Bounds, entropy: Arc<dyn Entropy>) -> Result<Self, LayoutError> {
        let (blobs, uploads) = (dir.join("blobs"), dir.join("uploads"));
        for folder in [&blobs, &uploads] {
            create_private_dir(folder).map_err(|source| failed("create", folder, source))?;
        }
        let open = upload::recover(&uploads)?;
        sync_dir(dir).map_err(|source| failed("sync", dir, source))?;
        let open = Mutex::new(open);
        Ok(Self(Arc::new(Shared { blobs, uploads, bounds, entropy, gate: Mutex::new(()), open })))
    }

    /// The bounds given when it was opened.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.0.path(digest)
    }

    /// The blob's file and its size. Its content is not checked.
    pub async fn open_blob(&self, digest: Digest) -> Result<(File, u64), LayoutError> {
        self.blocking(move |shared| shared.open_blob(digest)).await
    }

    /// A small blob whole, checked against its digest; one of more than `limit_bytes` is refused.
    pub async fn read(&self, digest: Digest, limit_bytes: usize) -> Result<Bytes, LayoutError> {
        self.blocking(move |shared| {
            let path = shared.path(digest);
            let (file, size_bytes) = shared.open_blob(digest)?;
            let limit = limit_bytes as u64;
            if size_bytes > limit {
                return Err(LayoutError::TooLarge { limit_bytes: limit });
            }
            let mut bytes = Vec::new();
            file.take(limit).read_to_end(&mut bytes).map_err(|source| failed("read", &path, source))?;
            if oci::digest_of(&bytes) != digest {
                return Err(LayoutError::Damaged { path });
            }
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// Stores a small blob; durable when this answers.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, LayoutError> {
        self.blocking(move |shared| {
            let digest = oci::digest_of(&bytes);
            if shared.renew(digest, bytes.len() as u64) {
                return Ok(digest);
            }
            let temporary = shared.uploads.join(format!("{}.tmp", UploadId::random(&*shared.entropy)));
            let written = create_private(&temporary).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            if let Err(source) = written {
                let _ = fs::remove_file(&temporary);
                return Err(failed("write", &shared.path(digest), source));
            }
            shared.adopt(&temporary, digest)?;
            Ok(digest)
        })
        .await
    }

    /// Makes sure that these blobs are there and counts them as new from now on, so that no sweep takes them.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] for the first that is not there.
    pub async fn touch(&self, digests: Vec<Digest>) -> Result<(), LayoutError> {
        self.blocking(move |shared| {
            let _gate = shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
            digests.into_iter().try_for_each(|digest| {
                let (file, _) = shared.open_blob(digest)?;
                let touched = file.set_modified(SystemTime::now());
                touched.map_err(|source| failed("touch", &shared.path(digest), source))
            })
        })
        .await
    }

    /// Removes every blob that is not in `live` and was last put longer than `grace` ago, and uploads that rest
    /// for too long.
    pub async fn sweep(&self, live: HashSet<Digest>, grace: Duration) -> Result<Swept, LayoutError> {
        self.blocking(move |shared| {
            let mut swept = Swept { uploads: shared.expire_uploads(), ..Swept::default() };
            for folder in subfolders(&shared.blobs)? {
                shared.sweep_folder(&folder, &live, grace, &mut swept)?;
            }
            Ok(swept)
        })
        .await
    }

    /// Runs disk work where it may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LayoutError> + Send + 'static,
    ) -> Result<T, LayoutError> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&shared)).await.unwrap_or(Err(LayoutError::Stopping))
    }
}

impl Shared {
    fn path(&self, digest: Digest) -> PathBuf {
        self.blobs.join(format!("{:02x}", digest.as_bytes()[0])).join(digest.to_string())
    }

    fn open_blob(&self, digest: Digest) -> Result<(File, u64), LayoutError> {
        let path = self.path(digest);
        let opened =
            File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => LayoutError::Missing { digest },
            _ => failed("open", &path, source),
        })
    }

    /// Whether the blob is there already; then it counts as new from now on.
    fn renew(&self, digest: Digest, size_bytes: u64) -> bool {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = File::open(self.path(digest)).and_then(|file| {
            file.set_modified(SystemTime::now())?;
            file.metadata()
        });
        renewed.is_ok_and(|metadata| metadata.len() == size_bytes)
    }

    /// Gives a synced file its name as a blob. The file is then gone from its old place, whatever happens.
    fn adopt(&self, temporary: &Path, digest: Digest) -> Result<(), LayoutError> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.blobs);
        let named = create_private_dir(folder)
            .and_then(|()| sync_dir(&self.blobs))
            .and_then(|()| fs::rename(temporary, &path))
            .and_then(|()| sync_dir(folder));
        named.map_err(|source| {
            let _ = fs::remove_file(temporary);
            failed("name", &path, source)
        })
    }

    fn sweep_folder(
        &self,
        folder: &Path,
        live: &HashSet<Digest>,
        grace: Duration,
        swept: &mut Swept,
    ) -> Result<(), LayoutError> {
        for entry in fs::read_dir(folder).map_err(|source| failed("list", folder, source))? {
            let entry = entry.map_err(|source| failed("list", folder, source))?;
            let digest = entry.file_name().to_str().and_then(|name| Digest::parse(name).ok());
            let Some(digest) = digest.filter(|digest| !live.contains(digest)) else { continue };
            let path = self.path(digest);
            let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::metadata(&path) {
                Ok(metadata) if age(&metadata) >= grace => {
                    fs::remove_file(&path).map_err(|source| failed("remove", &path, source))?;
                    swept.blobs += 1;
                    swept.bytes += metadata.len();
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed("look at", &path, source)),
            }
        }
        Ok(())
    }
}

pub(crate) fn failed(operation: &'static str, path: &Path, source: io::Error) -> LayoutError {
    LayoutError::Io { operation, path: path.to_owned(), source }
}

fn subfolders(dir: &Path) -> Result<Vec<PathBuf>, LayoutError> {
    let listed = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = listed.map_err(|source| failed("list", dir, source))?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// Time since the last put; zero if the clock was turned back since.
fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

/// Creates a directory of mode 0700 and its missing parents; one that is there is left as it is.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a file of mode 0600 that must not exist.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
