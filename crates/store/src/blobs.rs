//! Content-addressed files: `DIR/ab/abcdef…`, each named by the SHA-256 of its bytes.
//!
//! Invariants: under its name a blob is whole; once `put` has answered it is durable; writing it again changes
//! nothing. Who refers to a blob is not known here: a blob is written before the record that names it, so a
//! crash between the two leaves garbage and never a gap, and [`Blobs::retain`] sweeps what the caller did not
//! mark. All disk work runs on the runtime's blocking threads.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::id::Digest;
use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, create_private_dir, publish};

/// Why a blob was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {digest}")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// The file's content is not what its name says: the disk has damaged it. Storing the same content again
    /// (deploying the same package) repairs it.
    #[error("the blob in {path} is damaged: its content does not have the digest that names it")]
    Damaged {
        /// Its file.
        path: PathBuf,
    },
    /// The disk failed. A blob that was to be written is absent, or whole.
    #[error("could not {operation} the blob in {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The async runtime is shutting down.
    #[error("the server is stopping")]
    Stopping,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Blobs removed.
    pub blobs: u64,
    /// Their size together.
    pub bytes: u64,
}

/// All blobs. Cloning gives another handle.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    /// Where files are written before they have a name.
    temporary: PathBuf,
    disk: Arc<dyn Disk>,
    /// Makes temporary names unique.
    next: AtomicU64,
    /// Held while a blob is found present and marked young, and while an old one is removed: a sweep must not
    /// take a blob that somebody has just been told is there.
    gate: Mutex<()>,
    /// First bytes of digests whose folder exists durably.
    folders: Mutex<HashSet<u8>>,
}

/// SHA-256 of `bytes`, the name that [`Blobs::put`] gives them.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

impl Blobs {
    /// Keeps blobs in `dir`, which is created if missing, and removes files that a crash left half-written.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, BlobError> {
        let temporary = dir.join(".tmp");
        let failed = |source| BlobError::Io { operation: "make room for", path: dir.to_owned(), source };
        create_private_dir(&temporary).map_err(failed)?;
        let exists = |prefix: &u8| dir.join(folder_name(*prefix)).is_dir();
        let folders: HashSet<u8> = (0..=u8::MAX).filter(exists).collect();
        // A crash may have left folders whose names are not durable yet.
        disk.sync_dir(dir).map_err(failed)?;
        for entry in fs::read_dir(&temporary).map_err(failed)? {
            disk.remove(&entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(Self(Arc::new(Shared {
            dir: dir.to_owned(),
            temporary,
            disk,
            next: AtomicU64::new(0),
            gate: Mutex::new(()),
            folders: Mutex::new(folders),
        })))
    }

    /// Stores bytes; durable when this answers.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, BlobError> {
        self.blocking(move |blobs| {
            let digest = digest_of(&bytes);
            blobs.put(digest, &bytes).map(|()| digest)
        })
        .await
    }

    /// Stores bytes whose digest the caller has computed with [`digest_of`].
    pub async fn put_as(&self, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        debug_assert_eq!(digest, digest_of(&bytes), "a blob must be stored under its own digest");
        self.blocking(move |blobs| blobs.put(digest, &bytes)).await
    }

    /// The whole content, checked against its digest.
    pub async fn read(&self, digest: Digest) -> Result<Bytes, BlobError> {
        self.blocking(move |blobs| {
            let path = blobs.path(digest);
            let bytes = fs::read(&path).map_err(|source| blobs.failed("read", digest, source))?;
            if digest_of(&bytes) != digest {
                return Err(BlobError::Damaged { path });
            }
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// The file, opened for reading, for callers that stream. Its content is not checked.
    pub async fn open_file(&self, digest: Digest) -> Result<File, BlobError> {
        self.blocking(move |blobs| {
            File::open(blobs.path(digest)).map_err(|source| blobs.failed("open", digest, source))
        })
        .await
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.0.path(digest)
    }

    /// Removes a blob; one that is not there is no error.
    pub async fn remove(&self, digest: Digest) -> Result<(), BlobError> {
        self.blocking(move |blobs| blobs.remove(digest)).await
    }

    /// Every blob and its size in bytes, in no order.
    pub async fn list(&self) -> Result<Vec<(Digest, u64)>, BlobError> {
        self.blocking(|blobs| {
            let mut found = Vec::new();
            blobs.each(|digest, metadata| {
                found.push((digest, metadata.len()));
                Ok(())
            })?;
            Ok(found)
        })
        .await
    }

    /// Removes every blob that is not in `live` and was last put longer than `grace` ago. While puts are going
    /// on, `grace` must exceed the time between a put and the record that refers to it; at start it may be zero.
    /// The age is taken from the file system's clock, which no test needs to turn.
    pub async fn retain(&self, live: HashSet<Digest>, grace: Duration) -> Result<Swept, BlobError> {
        self.blocking(move |blobs| blobs.retain(&live, grace)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&shared)).await.unwrap_or(Err(BlobError::Stopping))
    }
}

impl Shared {
    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(folder_name(digest.as_bytes()[0])).join(digest.to_string())
    }

    /// Makes sure that the digest's folder exists durably.
    fn ensure_folder(&self, digest: Digest) -> io::Result<()> {
        let prefix = digest.as_bytes()[0];
        // Held over the sync, so that whoever finds the folder known can rely on it.
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if !folders.contains(&prefix) {
            self.disk.create_dir(&self.dir.join(folder_name(prefix)))?;
            self.disk.sync_dir(&self.dir)?;
            folders.insert(prefix);
        }
        Ok(())
    }

    fn failed(&self, operation: &'static str, digest: Digest, source: io::Error) -> BlobError {
        match source.kind() {
            io::ErrorKind::NotFound => BlobError::Missing { digest },
            _ => BlobError::Io { operation, path: self.path(digest), source },
        }
    }

    fn put(&self, digest: Digest, bytes: &[u8]) -> Result<(), BlobError> {
        let path = self.path(digest);
        let failed = |source| BlobError::Io { operation: "write", path: path.clone(), source };
        if self.renew(&path, bytes.len() as u64) {
            // Another put may have renamed it without having synced the name yet.
            return self.disk.sync_dir(path.parent().unwrap_or(&self.dir)).map_err(failed);
        }
        self.ensure_folder(digest).map_err(failed)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.temporary.join(format!("{digest}.{number}"));
        publish(&*self.disk, &temporary, &path, bytes).map_err(failed)
    }

    /// Whether the blob is there already, whole as far as its size tells; then it counts as new from now on.
    fn renew(&self, path: &Path, size_bytes: u64) -> bool {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = File::open(path).and_then(|file| {
            file.set_modified(SystemTime::now())?;
            file.metadata()
        });
        renewed.is_ok_and(|metadata| metadata.len() == size_bytes)
    }

    fn remove(&self, digest: Digest) -> Result<(), BlobError> {
        match self.disk.remove(&self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove", digest, error))
            }
            _ => Ok(()),
        }
    }

    fn retain(&self, live: &HashSet<Digest>, grace: Duration) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        self.each(|digest, _| {
            if live.contains(&digest) {
                return Ok(());
            }
            let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            let metadata = match fs::metadata(self.path(digest)) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(self.failed("look at", digest, error)),
            };
            if age(&metadata) >= grace {
                self.remove(digest)?;
                swept.blobs += 1;
                swept.bytes += metadata.len();
            }
            Ok(())
        })?;
        Ok(swept)
    }

    /// Calls `visit` for every file whose name is a digest; strangers' files are left alone.
    fn each(
        &self,
        mut visit: impl FnMut(Digest, &Metadata) -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        for prefix in 0..=u8::MAX {
            let folder = self.dir.join(folder_name(prefix));
            let failed = |source| BlobError::Io { operation: "list", path: folder.clone(), source };
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let digest = entry.file_name().to_str().and_then(|name| Digest::parse(name).ok());
                match (digest, entry.metadata()) {
                    (Some(digest), Ok(metadata)) if self.path(digest) == entry.path() => {
                        visit(digest, &metadata)?;
                    }
                    // Removed since it was listed.
                    (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                    (_, Err(error)) => return Err(failed(error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Blobs are spread over folders by the first byte of their digest.
fn folder_name(prefix: u8) -> String {
    format!("{prefix:02x}")
}

/// Time since the last put; zero if the clock was turned back since.
fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}
