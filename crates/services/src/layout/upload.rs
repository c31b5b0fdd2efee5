//! One upload: bytes that arrive in pieces, over several requests and restarts, until they are a blob.
//!
//! Invariants: `offset` counts bytes that are in the file and in the running digest; a piece that could not be
//! written whole is cut off again. One request writes at a time. After a restart the digest is computed anew
//! from the file when the upload goes on.

mod room;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{self, Arc, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::arn::Scope;
use model::id::{AccountId, Digest, Region};
use model::port::Entropy;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Layout, LayoutError, Shared, create_private, failed};
use crate::oci::name::RepositoryName;

/// How long a request waits for another one that writes to the same upload: a client that has lost its
/// connection and resumes may be quicker than the end of the lost one.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Read at a time when a digest is computed anew.
const REREAD_BYTES: usize = 1024 * 1024;

/// Names an upload: random, in the form of a UUID, which is what ECR's API asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(u128);

impl UploadId {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }

    /// Parses the hyphenated form.
    ///
    /// # Errors
    /// [`LayoutError::NoUpload`]: what has no such form names nothing.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let parsed = u128::from_str_radix(&digits, 16).ok().map(Self);
        let parsed = parsed.filter(|id| id.to_string() == text);
        parsed.ok_or_else(|| LayoutError::NoUpload { id: text.chars().take(64).collect() })
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadId({self})")
    }
}

/// Whose upload it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Account and region.
    pub scope: Scope,
    /// For which repository.
    pub repository: RepositoryName,
}

#[derive(Serialize, Deserialize)]
struct StoredOwner {
    v: u32,
    account: String,
    region: String,
    repository: String,
}

/// An upload that is open.
#[derive(Debug)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Whose it is.
    pub owner: Owner,
    offset: AtomicU64,
    /// When somebody last wrote to it.
    touched: sync::Mutex<SystemTime>,
    digest: Arc<Mutex<Running>>,
}

impl Upload {
    fn new(id: UploadId, owner: Owner, offset: u64, touched: SystemTime, running: Running) -> Arc<Self> {
        let (offset, touched) = (AtomicU64::new(offset), sync::Mutex::new(touched));
        Arc::new(Self { id, owner, offset, touched, digest: Arc::new(Mutex::new(running)) })
    }

    /// Bytes that have arrived so far.
    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    fn advance(&self, offset: u64) {
        self.offset.store(offset, Ordering::Release);
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    fn touched(&self) -> SystemTime {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since somebody wrote to it; zero if the clock was turned back since.
    fn rests(&self) -> Duration {
        self.touched().elapsed().unwrap_or_default()
    }

    /// Ends it, unless somebody is writing to it.
    fn close(&self) -> bool {
        let running = self.digest.try_lock();
        running.map(|mut running| *running = Running::Closed).is_ok()
    }
}

#[derive(Debug)]
enum Running {
    /// The digest of all bytes so far.
    Known(Sha256),
    /// Not computed since the start of the server.
    Unknown,
    /// The upload is over.
    Closed,
}

/// The right to write to an upload, held by one request.
pub struct Writer {
    layout: Layout,
    upload: Arc<Upload>,
    file: Arc<File>,
    running: OwnedMutexGuard<Running>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("upload", &self.upload.id).finish_non_exhaustive()
    }
}

impl Layout {
    /// Begins an upload. Where too many are open, another one is removed for it.
    pub async fn begin(&self, owner: Owner) -> Result<Arc<Upload>, LayoutError> {
        self.blocking(move |shared| {
            let id = UploadId::random(&*shared.entropy);
            let upload = Upload::new(id, owner, 0, SystemTime::now(), Running::Known(Sha256::new()));
            let path = shared.uploads.join(id.to_string());
            let created = create_private(&path).and_then(|_| write_owner(&shared.uploads, id, &upload.owner));
            let created = created.map_err(|source| failed("begin an upload in", &path, source));
            match created.and_then(|()| shared.admit(&upload)) {
                Ok(()) => Ok(upload),
                Err(error) => {
                    shared.forget(id);
                    Err(error)
                }
            }
        })
        .await
    }

    /// The upload of this name, if it is this owner's.
    pub fn upload(&self, id: &str, owner: &Owner) -> Result<Arc<Upload>, LayoutError> {
        let parsed = UploadId::parse(id)?;
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.get(&parsed).filter(|upload| upload.owner == *owner).cloned();
        found.ok_or_else(|| LayoutError::NoUpload { id: id.to_owned() })
    }

    /// Takes the right to write.
    pub async fn write_to(&self, upload: &Arc<Upload>) -> Result<Writer, LayoutError> {
        let lock = Arc::clone(&upload.digest).lock_owned();
        let waited = tokio::time::timeout(BUSY_WAIT_MAX, lock).await;
        let mut running = waited.map_err(|_| LayoutError::Busy { id: upload.id })?;
        if matches!(*running, Running::Closed) {
            return Err(LayoutError::NoUpload { id: upload.id.to_string() });
        }
        let (id, offset) = (upload.id, upload.offset());
        let unknown = matches!(*running, Running::Unknown);
        let (file, digest) = self
            .blocking(move |shared| {
                let path = shared.uploads.join(id.to_string());
                let opened = OpenOptions::new().read(true).write(true).open(&path);
                let reread = opened.and_then(|file| {
                    let digest = if unknown { Some(reread(&file, offset)?) } else { None };
                    Ok((file, digest))
                });
                reread.map_err(|source| failed("resume the upload in", &path, source))
            })
            .await?;
        if let Some(digest) = digest {
            *running = Running::Known(digest);
        }
        Ok(Writer { layout: self.clone(), upload: Arc::clone(upload), file: Arc::new(file), running })
    }

    /// Removes an upload and what has arrived of it.
    pub async fn cancel(&self, upload: &Arc<Upload>) -> Result<(), LayoutError> {
        let writer = self.write_to(upload).await?;
        writer.close().await;
        Ok(())
    }

    /// Removes all uploads of an owner. One that is being written to stays, and expires.
    pub async fn cancel_all(&self, owner: Owner) -> Result<(), LayoutError> {
        self.blocking(move |shared| {
            shared.forget_where(|upload| upload.owner == owner);
            Ok(())
        })
        .await
    }

    /// Uploads that are open.
    #[must_use]
    pub fn uploads_open(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Writer {
    /// Bytes that have arrived so far.
    pub fn offset(&self) -> u64 {
        self.upload.offset()
    }

    /// Adds bytes; either all of them or, on an error, none.
    pub async fn append(&mut self, pieces: Vec<Bytes>) -> Result<(), LayoutError> {
        let offset = self.offset();
        let limit_bytes = self.layout.0.bounds.blob_bytes_max;
        let added: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if offset.saturating_add(added) > limit_bytes {
            return Err(LayoutError::TooLarge { limit_bytes });
        }
        let (file, id) = (Arc::clone(&self.file), self.upload.id);
        let Running::Known(digest) = std::mem::replace(&mut *self.running, Running::Unknown) else {
            return Err(LayoutError::NoUpload { id: id.to_string() });
        };
        let work = move |shared: &Shared| match write_pieces(&file, offset, &pieces) {
            Ok(()) => Ok(pieces.iter().fold(digest, |digest, piece| digest.chain_update(piece))),
            Err(source) => {
                // The digest will be computed anew from what is left.
                let _ = file.set_len(offset);
                Err(failed("write", &shared.uploads.join(id.to_string()), source))
            }
        };
        // Should this future be dropped, the file may be longer than `offset`; the next write overwrites that.
        *self.running = Running::Known(self.layout.blocking(work).await?);
        self.upload.advance(offset + added);
        Ok(())
    }

    /// Takes back what this request has added, back to `offset`.
    pub async fn truncate(&mut self, offset: u64) -> Result<(), LayoutError> {
        let (file, id) = (Arc::clone(&self.file), self.upload.id);
        *self.running = Running::Unknown;
        self.upload.advance(offset);
        self.layout
            .blocking(move |shared| {
                let path = shared.uploads.join(id.to_string());
                file.set_len(offset).map_err(|source| failed("cut", &path, source))
            })
            .await
    }

    /// Makes the upload a blob: durable when this answers. The upload is over in any case.
    ///
    /// # Errors
    /// [`LayoutError::WrongDigest`] if the content is not what was announced.
    pub async fn finish(mut self, expected: Digest) -> Result<u64, LayoutError> {
        let (file, id, offset) = (Arc::clone(&self.file), self.upload.id, self.offset());
        let running = std::mem::replace(&mut *self.running, Running::Closed);
        let layout = self.layout.clone();
        // Once begun it is carried out, even if nobody waits any more.
        layout
            .blocking(move |shared| {
                let _held = self;
                let digest = match running {
                    Running::Known(digest) => Ok(digest),
                    _ => reread(&file, offset),
                };
                let path = shared.uploads.join(id.to_string());
                let finished = digest.map_err(|source| failed("read", &path, source)).and_then(|digest| {
                    let found = Digest::from_bytes(digest.finalize().into());
                    if found != expected {
                        return Err(LayoutError::WrongDigest { expected, found });
                    }
                    let synced = file.set_len(offset).and_then(|()| file.sync_all());
                    synced.map_err(|source| failed("sync", &path, source))?;
                    if shared.renew(expected, offset) { Ok(()) } else { shared.adopt(&path, expected) }
                });
                shared.forget(id);
                finished.map(|()| offset)
            })
            .await
    }

    async fn close(mut self) {
        *self.running = Running::Closed;
        let id = self.upload.id;
        let layout = self.layout.clone();
        let closed = layout.blocking(move |shared| {
            shared.forget(id);
            Ok(())
        });
        if closed.await.is_err() {
            tracing::warn!(%id, "an upload was not removed because the server stops; it expires");
        }
    }
}

impl Shared {
    /// Counts an upload among those that are open. Where they are too many, another one goes.
    fn admit(&self, upload: &Arc<Upload>) -> Result<(), LayoutError> {
        let limit = self.bounds.uploads_max;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = if open.len() >= limit {
            let closed = room::close_one(&open, &upload.owner);
            open.remove(&closed.ok_or(LayoutError::TooManyUploads { limit })?)
        } else {
            None
        };
        open.insert(upload.id, Arc::clone(upload));
        drop(open);
        if let Some(gone) = gone {
            self.forget(gone.id);
        }
        Ok(())
    }

    /// Removes what is left of an upload. What cannot be removed now goes when the layout is next opened.
    fn forget(&self, id: UploadId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let _ = fs::remove_file(self.uploads.join(format!("{id}.json")));
        let _ = fs::remove_file(self.uploads.join(id.to_string()));
    }

    /// Removes uploads that nobody has written to for too long; returns how many.
    pub(super) fn expire_uploads(&self) -> u64 {
        self.forget_where(|upload| upload.rests() >= self.bounds.upload_idle_max)
    }

    /// Removes these uploads but for those that are being written to; returns how many.
    fn forget_where(&self, which: impl Fn(&Upload) -> bool) -> u64 {
        let open: Vec<_> =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let closed = open.iter().filter(|upload| which(upload) && upload.close());
        closed.map(|upload| self.forget(upload.id)).count() as u64
    }
}

/// The uploads that a previous server has left, and removes what is no upload.
pub(super) fn recover(dir: &Path) -> Result<BTreeMap<UploadId, Arc<Upload>>, LayoutError> {
    let listed = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut open = BTreeMap::new();
    let mut orphans = Vec::new();
    for entry in listed.map_err(|source| failed("list", dir, source))? {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        match UploadId::parse(name).ok().map(|id| (id, read_owner(dir, id))) {
            Some((id, Some(owner))) => {
                let metadata = entry.metadata();
                let seen = metadata.and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
                let (size, touched) = seen.map_err(|source| failed("look at", &entry.path(), source))?;
                open.insert(id, Upload::new(id, owner, size, touched, Running::Unknown));
            }
            _ => orphans.push(entry.path()),
        }
    }
    // An owner's file is kept with its upload alone.
    let kept = |path: &Path| {
        let id = path.extension().filter(|extension| *extension == "json").and(path.file_stem());
        let id = id.and_then(|stem| UploadId::parse(stem.to_str()?).ok());
        id.is_some_and(|id| open.contains_key(&id))
    };
    for path in orphans.iter().filter(|path| !kept(path)) {
        fs::remove_file(path).map_err(|source| failed("remove", path, source))?;
    }
    Ok(open)
}

fn write_owner(dir: &Path, id: UploadId, owner: &Owner) -> io::Result<()> {
    let stored = StoredOwner {
        v: 1,
        account: owner.scope.account.to_string(),
        region: owner.scope.region.to_string(),
        repository: owner.repository.to_string(),
    };
    // Not synced: an upload whose owner a power failure has forgotten starts anew.
    fs::write(dir.join(format!("{id}.json")), serde_json::to_vec(&stored)?)
}

fn read_owner(dir: &Path, id: UploadId) -> Option<Owner> {
    let bytes = fs::read(dir.join(format!("{id}.json"))).ok()?;
    let stored: StoredOwner =
        serde_json::from_slice(&bytes).ok().filter(|stored: &StoredOwner| stored.v == 1)?;
    let account = AccountId::parse(&stored.account).ok()?;
    let region = Region::parse(&stored.region).ok()?;
    let repository = RepositoryName::parse(&stored.repository).ok()?;
    Some(Owner { scope: Scope { account, region }, repository })
}

fn write_pieces(file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
    for piece in pieces {
        file.write_all_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// The digest of the first `length` bytes.
fn reread(file: &File, length: u64) -> io::Result<Sha256> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; REREAD_BYTES];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..wanted], at)?;
        digest.update(&buffer[..wanted]);
        at += wanted as u64;
    }
    Ok(digest)
}
