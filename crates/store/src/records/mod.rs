//! Small control records: a key, some bytes, and a revision that every write must name.
//!
//! A write is durable when it is answered. Two writers of one record cannot both win: each says which revision
//! it has seen, and the second is refused. Revisions only ever grow, across all records and restarts, so that a
//! record removed and made again never passes for the old one. What the bytes mean is for the typed layers
//! such as [`typed`]; nothing here looks inside.

mod embedded;
pub mod layers;
pub mod table;
pub mod typed;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use model::port::Pending;

pub(crate) use embedded::EmbeddedRecords;

use crate::schema::SchemaError;

/// Largest value of one record. The biggest known, a function with all its tags and variables, is under 40 KB.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Names one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What sort of record: `function`.
    pub kind: &'static str,
    /// The namespace, such as account and region.
    pub scope: String,
    /// Unique within kind and scope.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.scope, self.name)
    }
}

/// The state of a record that a write refers to. Grows with every write to the store, never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub(crate) i64);

/// One stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// To be named by the next write.
    pub revision: Revision,
    /// What was stored; records that were read together share the memory.
    pub value: Bytes,
}

/// One write to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The record.
    pub key: Key,
    /// What is done to it.
    pub change: Change,
}

/// What a write does, and what it takes the record to be.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds it where there is none.
    Insert(Vec<u8>),
    /// Replaces it if it is still at that revision.
    Replace(Vec<u8>, Revision),
    /// Removes it if it is still at that revision.
    Remove(Revision),
}

/// Without the value, which may hold secrets.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insert(value) => f.debug_tuple("Insert").field(&value.len()).finish(),
            Self::Replace(value, expected) => {
                f.debug_tuple("Replace").field(&value.len()).field(expected).finish()
            }
            Self::Remove(expected) => f.debug_tuple("Remove").field(expected).finish(),
        }
    }
}

/// Keeps records. Futures may be dropped: a write that was handed over is then still carried out.
pub trait Records: Send + Sync {
    /// All records of a kind, ordered by scope and name. Meant for the start of the server, not for each request.
    fn list(&self, kind: &'static str) -> Pending<'_, Result<Vec<Record>, RecordError>>;
    /// Up to `count_max` records of a kind, in the order of [`Records::list`], after the given one.
    fn page<'a>(
        &'a self,
        kind: &'static str,
        after: Option<&'a Key>,
        count_max: usize,
    ) -> Pending<'a, Result<Vec<Record>, RecordError>>;
    /// Carries out all writes or none, and gives the revision of each. The first that is refused is told.
    fn commit(&self, writes: Vec<Write>) -> Pending<'_, Result<Vec<Revision>, RecordError>>;
    /// What an operator does to look at or delete one record by hand, as half a sentence for error messages.
    fn by_hand(&self, key: &Key) -> String;
}

impl dyn Records + '_ {
    /// Adds a record where there is none.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if there is one.
    pub async fn insert(&self, key: Key, value: Vec<u8>) -> Result<Revision, RecordError> {
        self.commit_one(Write { key, change: Change::Insert(value) }).await
    }

    /// Replaces a record if it is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn replace(
        &self,
        key: Key,
        value: Vec<u8>,
        expected: Revision,
    ) -> Result<Revision, RecordError> {
        self.commit_one(Write { key, change: Change::Replace(value, expected) }).await
    }

    /// Removes a record if it is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn remove(&self, key: Key, expected: Revision) -> Result<(), RecordError> {
        self.commit_one(Write { key, change: Change::Remove(expected) }).await.map(drop)
    }

    /// Carries out one write.
    ///
    /// # Errors
    /// As [`Records::commit`].
    pub async fn commit_one(&self, write: Write) -> Result<Revision, RecordError> {
        let revisions = self.commit(vec![write]).await?;
        // As many as there were writes.
        revisions.first().copied().ok_or(RecordError::Closed)
    }
}

/// Why a record was not read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The record exists already, or is not at the expected revision any more. Nothing was changed.
    #[error("the record {key} was changed meanwhile")]
    Conflict {
        /// Which record.
        key: Key,
        /// Where it stands now.
        current: Revision,
    },
    /// There is no such record. Nothing was changed.
    #[error("there is no record {key}")]
    Missing {
        /// Which record.
        key: Key,
    },
    /// The value is larger than [`RECORD_BYTES_MAX`]. Nothing was changed.
    #[error("the record {key} would take {size_bytes} bytes, and {RECORD_BYTES_MAX} is the most")]
    TooLarge {
        /// Which record.
        key: Key,
        /// Size of the value.
        size_bytes: usize,
    },
    /// The disk failed. What was to be written is not there, or wholly there once the store is opened again.
    #[error("could not {operation} the records in {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the storage said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The file was written by a later version of Dormouse.
    #[error(
        "{path} has format {found}, and this version of Dormouse reads up to {known}: start the version that \
         wrote it, or restore a backup"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest format known here.
        known: i64,
    },
    /// A record cannot be understood. The store is not opened rather than forgetting it.
    #[error("the record {key} cannot be read; restore a backup, or {by_hand}")]
    Unreadable {
        /// Which record.
        key: Key,
        /// How to get at it by hand.
        by_hand: String,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}
