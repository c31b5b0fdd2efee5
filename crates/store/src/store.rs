//! The data directory as a whole: who may use it, what lies where in it, and in which order it opens and closes.
//!
//! ```text
//! DIR/lock              held by the one server that uses DIR
//! DIR/records.sqlite3   control records (with its write-ahead log beside it)
//! DIR/queue.sqlite3     messages that wait (likewise)
//! DIR/blobs/            content-addressed files
//! DIR/secrets/          the server's own secrets
//! DIR/ledger/           usage
//! DIR/logs/             logs
//! ```
//!
//! Other parts of the server may keep further folders there; they are left alone. The path is used as given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blobs::{BlobError, Blobs};
use crate::disk::{Disk, OsDisk, create_private_dir};
use crate::ledger::{LedgerError, LedgerFiles};
use crate::lock::{DataLock, LockError};
use crate::logs::{LogError, LogFiles};
use crate::queue::QueueFile;
use crate::records::layers::LayerRecords;
use crate::records::typed::TypedRecords;
use crate::records::{EmbeddedRecords, RecordError, Records};
use crate::seal::Sealer;
use crate::secrets::{SecretError, Secrets};

/// Why the data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory could not be made.
    #[error("could not create the data directory {path}")]
    CreateDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server uses the directory.
    #[error("{}", in_use(dir, *holder))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other server's process id, if it is known.
        holder: Option<u32>,
    },
    /// The lock file could not be used.
    #[error("could not lock the data directory with {path}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The names in the directory could not be made durable.
    #[error("could not sync the data directory {path}")]
    Sync {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The records could not be opened.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The blobs could not be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The secrets could not be opened.
    #[error(transparent)]
    Secrets(#[from] SecretError),
    /// The ledger could not be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The logs could not be opened.
    #[error(transparent)]
    Logs(#[from] LogError),
}

fn in_use(dir: &Path, holder: Option<u32>) -> String {
    let dir = dir.display();
    match holder {
        Some(pid) => format!(
            "the data directory {dir} is in use by another server, process {pid}: stop that one, or choose \
             another directory"
        ),
        None => format!(
            "the data directory {dir} is in use by another server: stop that one, or choose another directory"
        ),
    }
}

/// The data directory, opened and locked.
#[derive(Debug)]
pub struct Store {
    records: Arc<EmbeddedRecords>,
    queue: Arc<QueueFile>,
    blobs: Arc<Blobs>,
    secrets: Arc<Secrets>,
    sealer: Arc<Sealer>,
    ledger: Arc<LedgerFiles>,
    logs: Arc<LogFiles>,
    /// Last, so that it is released when all else is closed.
    _lock: DataLock,
}

impl Store {
    /// Opens everything in `dir`, which is created (mode 0700) if missing, and recovers what a crash has left.
    /// Blocks on the disk; needs no async runtime.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another server has it; else what could not be opened. Nothing is then forgotten
    /// or repaired by guess.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let created = create_private_dir(dir);
        created.map_err(|source| StoreError::CreateDir { path: dir.to_owned(), source })?;
        let lock = take_lock(dir)?;
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let records = Arc::new(EmbeddedRecords::open(&dir.join("records.sqlite3"))?);
        let queue = Arc::new(QueueFile::open(&dir.join("queue.sqlite3"))?);
        let secrets = Arc::new(Secrets::open(&dir.join("secrets"), Arc::clone(&disk))?);
        let sealer = Arc::new(Sealer::open(&secrets)?);
        let store = Self {
            records,
            queue,
            blobs: Arc::new(Blobs::open(&dir.join("blobs"), Arc::clone(&disk))?),
            secrets,
            sealer,
            ledger: Arc::new(LedgerFiles::open(&dir.join("ledger"))?),
            logs: Arc::new(LogFiles::open(&dir.join("logs"))?),
            _lock: lock,
        };
        // The folders made above are durable only with this.
        disk.sync_dir(dir).map_err(|source| StoreError::Sync { path: dir.to_owned(), source })?;
        Ok(store)
    }

    /// Layers.
    #[must_use]
    pub fn layers(&self) -> Arc<LayerRecords> {
        Arc::new(LayerRecords::new(self.records()))
    }

    /// Records of any kind, for typed forms of them.
    #[must_use]
    pub fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.records) as Arc<dyn Records>
    }

    /// Records of the forms that this crate knows, their secrets sealed.
    #[must_use]
    pub fn typed_records(&self) -> TypedRecords {
        TypedRecords::new(self.records(), Arc::clone(&self.sealer))
    }

    /// Messages that wait.
    #[must_use]
    pub fn queue(&self) -> Arc<QueueFile> {
        Arc::clone(&self.queue)
    }

    /// Packages and other large content.
    #[must_use]
    pub fn blobs(&self) -> Arc<Blobs> {
        Arc::clone(&self.blobs)
    }

    /// The server's own secrets.
    #[must_use]
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// Usage.
    #[must_use]
    pub fn ledger(&self) -> Arc<LedgerFiles> {
        Arc::clone(&self.ledger)
    }

    /// Logs.
    #[must_use]
    pub fn logs(&self) -> Arc<LogFiles> {
        Arc::clone(&self.logs)
    }

    /// Carries out what is queued, syncs, and releases the directory. Handles that are still held answer that the
    /// store is closed. Without it nothing acknowledged is lost either, but queued log lines may be.
    pub async fn close(self) {
        let (ledger, logs) = (Arc::clone(&self.ledger), Arc::clone(&self.logs));
        let files = tokio::task::spawn_blocking(move || {
            logs.close();
            ledger.close();
        });
        self.queue.close().await;
        self.records.close().await;
        if files.await.is_err() {
            tracing::error!("closing the logs and the ledger was cut short");
        }
    }
}

fn take_lock(dir: &Path) -> Result<DataLock, StoreError> {
    let path = dir.join("lock");
    DataLock::take(&path).map_err(|error| match error {
        LockError::Held(holder) => StoreError::InUse { dir: dir.to_owned(), holder },
        LockError::Io(source) => StoreError::Lock { path, source },
    })
}
