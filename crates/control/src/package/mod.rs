//! The packages of functions and layers: checked when they come in, kept as blobs, unpacked for environments, collected when
//! nothing needs them any more.
//!
//! Invariants: nothing is stored that was not checked whole; a directory under its digest's name is complete
//! (it is written under another name and renamed); a package is removed only when neither a function nor
//! a layer has referred to it for [`GRACE`], which is longer than an invocation that still runs it can last.
//! A blob is durable, a directory is not: directories from before the machine's last boot are thrown away and
//! made again when needed, because a power cut may have torn them.

mod archive;
mod plan;
mod tree;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::error::ServiceError;
use model::function::Zip;
use model::id::Digest;
use model::limits;
use model::port::{Artifacts, Clock, Entropy, Pending};
use model::time::Timestamp;
use store::blobs::{BlobError, Blobs, digest_of};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, Semaphore};

pub use archive::ArchiveError;
pub use plan::{PackageError, inspect, stated_bytes, unpack};
pub use tree::NameError;

/// How long a package outlives the last function that referred to it: the longest invocation, twice over.
pub const GRACE: Duration = Duration::from_secs(30 * 60);

/// Archives inflated at the same time; each may hold 50 MB of memory and a whole core.
const INFLATIONS_MAX: usize = 2;
/// What directories in the making are called.
const TEMPORARY_PREFIX: &str = ".tmp-";
/// Names the boot in which the directories were made.
const BOOT_FILE: &str = ".boot";

/// See the module's description.
pub struct Packages {
    /// Unpacked packages, each under its digest.
    root: PathBuf,
    blobs: Arc<Blobs>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    inflations: Arc<Semaphore>,
    /// Shared by those who store a package until a function refers to it, exclusive to the collector, so that it
    /// never removes what is just being stored again.
    storing: Arc<RwLock<()>>,
    /// Since when packages have been out of use.
    unused: Mutex<HashMap<Digest, Timestamp>>,
}

/// A package that was checked and is not stored yet.
#[derive(Debug, Clone)]
pub struct Checked {
    bytes: Bytes,
    /// What a function or layer would refer to.
    pub zip: Zip,
    /// The size of its files.
    pub unzipped_bytes: u64,
}

/// A package that is stored and will not be collected while this is held.
pub struct Kept {
    /// What a function or layer may now refer to.
    pub zip: Zip,
    _storing: OwnedRwLockReadGuard<()>,
}

/// Why the packages cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the directory of unpacked code {}", path.display())]
pub struct OpenError {
    /// The directory or file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl Packages {
    /// Takes `root`, makes it if need be, and removes what an earlier run or boot left half done.
    pub fn open(
        root: PathBuf,
        blobs: Arc<Blobs>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        prepare_root(&root).map_err(|source| OpenError { path: root.clone(), source })?;
        Ok(Self {
            root,
            blobs,
            clock,
            entropy,
            inflations: Arc::new(Semaphore::new(INFLATIONS_MAX)),
            storing: Arc::new(RwLock::new(())),
            unused: Mutex::new(HashMap::new()),
        })
    }

    /// Checks a zip whole, without storing anything.
    ///
    /// # Errors
    /// `InvalidParameterValue` in AWS's words, followed by what is wrong with the archive.
    pub async fn check(&self, bytes: Bytes) -> Result<Checked, ServiceError> {
        self.inflate(move || {
            let unzipped_bytes = inspect(&bytes).map_err(|error| refusal(&error))?;
            let zip = Zip { digest: digest_of(&bytes), size_bytes: bytes.len() as u64 };
            Ok(Checked { bytes, zip, unzipped_bytes })
        })
        .await
    }

    /// The size of the files in a package that is kept.
    ///
    /// # Errors
    /// `Internal` when it cannot be read.
    pub async fn unzipped_bytes(&self, zip: Zip) -> Result<u64, ServiceError> {
        let bytes = self.kept(zip).await?;
        let size = move || stated_bytes(&bytes).map_err(|error| internal("read a package", &error));
        self.inflate(size).await
    }

    /// Makes a checked package durable.
    ///
    /// # Errors
    /// `Internal` when it cannot be written.
    pub async fn keep(&self, package: Checked) -> Result<Kept, ServiceError> {
        let storing = Arc::clone(&self.storing).read_owned().await;
        let stored = self.blobs.put_as(package.zip.digest, package.bytes).await;
        stored.map_err(|error| internal("store a package", &error))?;
        Ok(Kept { zip: package.zip, _storing: storing })
    }

    /// The zip as it was sent, or `None` if it is not kept any more.
    ///
    /// # Errors
    /// `Internal` when it cannot be read.
    pub async fn zip(&self, digest: Digest) -> Result<Option<Bytes>, ServiceError> {
        match self.blobs.read(digest).await {
            Ok(zip) => Ok(Some(zip)),
            Err(BlobError::Missing { .. }) => Ok(None),
            Err(error) => Err(internal("read a package", &error)),
        }
    }

    /// Removes what nothing in `live` refers to and nothing has for [`GRACE`].
    ///
    /// # Errors
    /// `Internal` when the packages cannot be listed.
    pub async fn collect(&self, live: &(dyn Fn() -> HashSet<Digest> + Sync)) -> Result<usize, ServiceError> {
        let _alone = self.storing.write().await;
        let stored = self.blobs.list().await.map_err(|error| internal("list the packages", &error))?;
        let doomed = self.doomed(stored.into_iter().map(|(digest, _size)| digest), &live());
        for digest in &doomed {
            let (from, to) = (self.directory(*digest), self.temporary());
            let gone = move || match fs::rename(&from, &to) {
                Ok(()) => fs::remove_dir_all(&to),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            blocking(gone).await?.map_err(|error| internal("remove unpacked code", &error))?;
            self.blobs.remove(*digest).await.map_err(|error| internal("remove a package", &error))?;
        }
        Ok(doomed.len())
    }

    /// Notes which packages are out of use, and names those that have been for long enough.
    fn doomed(&self, stored: impl IntoIterator<Item = Digest>, live: &HashSet<Digest>) -> Vec<Digest> {
        let now = self.clock.now();
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        let dead: HashSet<Digest> = stored.into_iter().filter(|digest| !live.contains(digest)).collect();
        unused.retain(|digest, _| dead.contains(digest));
        for digest in dead {
            unused.entry(digest).or_insert(now);
        }
        let doomed: Vec<Digest> = unused
            .iter()
            .filter(|(_, since)| now.since(**since) >= GRACE)
            .map(|(digest, _)| *digest)
            .collect();
        unused.retain(|digest, _| !doomed.contains(digest));
        doomed
    }

    async fn code_dir(&self, zip: Zip) -> Result<PathBuf, ServiceError> {
        if let Some(since) = self.unused.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&zip.digest) {
            *since = self.clock.now();
        }
        let directory = self.directory(zip.digest);
        // One look-up of a name: microseconds, and only when an environment starts.
        if directory.is_dir() {
            return Ok(directory);
        }
        let bytes = self.kept(zip).await?;
        let temporary = self.temporary();
        self.inflate(move || match materialize(&bytes, &temporary, &directory) {
            Ok(()) => Ok(directory),
            Err(error) => Err(internal("unpack a package", &error)),
        })
        .await
    }

    /// The bytes of a package that must be there, because something refers to it.
    async fn kept(&self, zip: Zip) -> Result<Bytes, ServiceError> {
        let missing = || internal("read a package", &format!("the package {} is missing", zip.digest));
        self.zip(zip.digest).await?.ok_or_else(missing)
    }

    /// Runs work that inflates an archive off the async threads, a few at a time.
    async fn inflate<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let permit = Arc::clone(&self.inflations).acquire_owned().await;
        let work = move || {
            // Held by the work itself: a caller who goes away does not make room for another one.
            let _permit = permit;
            work()
        };
        blocking(work).await?
    }

    fn directory(&self, digest: Digest) -> PathBuf {
        self.root.join(digest.to_string())
    }

    fn temporary(&self) -> PathBuf {
        let mut random = [0; 32];
        self.entropy.fill(&mut random);
        self.root.join(format!("{TEMPORARY_PREFIX}{}", Digest::from_bytes(random)))
    }
}

impl Artifacts for Packages {
    fn code_dir(&self, zip: Zip) -> Pending<'_, Result<PathBuf, ServiceError>> {
        Box::pin(self.code_dir(zip))
    }
}

/// Unpacks into `temporary`, then gives it its final name.
fn materialize(zip: &[u8], temporary: &Path, directory: &Path) -> Result<(), PackageError> {
    if directory.is_dir() {
        // Somebody else unpacked it while we waited for our turn.
        return Ok(());
    }
    let failed = |source| PackageError::Write { path: directory.to_owned(), source };
    plan::make_directory(temporary)?;
    let unpacked = unpack(zip, temporary).and_then(|()| match fs::rename(temporary, directory) {
        Err(_) if directory.is_dir() => Ok(()),
        renamed => renamed.map_err(failed),
    });
    // Gone already if the rename succeeded; what cannot be removed now is removed at the next start.
    let _ = fs::remove_dir_all(temporary);
    unpacked
}

fn prepare_root(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let is_same_boot = fs::read_to_string(root.join(BOOT_FILE)).is_ok_and(|seen| seen == boot);
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let is_temporary = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
        if entry.file_type()?.is_dir() && (is_temporary || !is_same_boot) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    fs::write(root.join(BOOT_FILE), boot)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal("finish work on a package", &error))
}

/// What the caller is told about an archive that is no package.
fn refusal(error: &PackageError) -> ServiceError {
    match error {
        PackageError::Archive(ArchiveError::TooLarge) => ServiceError::InvalidParameterValue(format!(
            "Unzipped size must be smaller than {} bytes",
            limits::UNZIPPED_BYTES_MAX
        )),
        PackageError::Empty => {
            ServiceError::InvalidParameterValue("Uploaded file must be a non-empty zip".to_owned())
        }
        other => ServiceError::InvalidParameterValue(format!(
            "Could not unzip uploaded file. Please check your file, then try to upload again. Reason: {other}"
        )),
    }
}

/// Logs the cause and hides it from the caller.
fn internal(what: &str, error: &dyn std::fmt::Display) -> ServiceError {
    tracing::error!(%error, "cannot {what}");
    ServiceError::Internal("The service failed to process the request; its log says why.".to_owned())
}
