//! Records of a known form, each filed under its owner and a name that is unique there: what belongs to a function
//! under the function, what belongs to an account and region under these, what belongs to an account under it.
//!
//! A kind of record is one implementation of [`Stored`], in `schema`. Knows keys and forms, not what they mean.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::id::AccountId;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Change, Key, Record, RecordError, Records, Revision, Write};
use crate::schema::SchemaError;
use crate::seal::Sealer;

/// Records that are fetched at once, and those of an older form among them replaced in one write.
const PAGE_MAX: usize = 500;

/// Pages that are being read at a time, beside the one that is being fetched.
const PAGES_HELD_MAX: usize = 2;

/// What records can belong to.
pub trait Owner: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// The namespace of its records' keys.
    fn scope(&self) -> String;
    /// What stands before the name in a key, so that no other owner in the namespace has the same.
    fn prefix(&self) -> String;
}

impl Owner for AccountId {
    fn scope(&self) -> String {
        self.to_string()
    }
    fn prefix(&self) -> String {
        String::new()
    }
}

impl Owner for Scope {
    fn scope(&self) -> String {
        format!("{}/{}", self.account, self.region)
    }
    fn prefix(&self) -> String {
        String::new()
    }
}

impl Owner for FunctionId {
    fn scope(&self) -> String {
        Owner::scope(&self.scope)
    }
    /// No function's name has a colon.
    fn prefix(&self) -> String {
        format!("{}:", self.name)
    }
}

/// A kind of record. The stored form says its own version; see `schema`.
pub trait Stored: Sized + Send + Sync + 'static {
    /// What it belongs to.
    type Owner: Owner;
    /// What sort of record: `alias`.
    const KIND: &'static str;

    /// What this one belongs to.
    fn owner(&self) -> Self::Owner;
    /// Unique within the owner; empty where there is only one.
    fn name(&self) -> String;
    /// Whether bytes are of the newest stored form; others are written anew at the next start.
    fn is_newest(_: &[u8]) -> bool {
        true
    }
    /// The newest stored form; secrets in it are sealed.
    fn encode(&self, sealer: &Sealer) -> Vec<u8>;
    /// Reads any stored form.
    ///
    /// # Errors
    /// [`SchemaError`], which never shows the bytes.
    fn decode(bytes: &[u8], sealer: &Sealer) -> Result<Self, SchemaError>;
}

/// What a page of records holds.
struct Read<T, P> {
    /// What was made of the values.
    newest: P,
    /// Those that were stored in an older form.
    outdated: Vec<(T, Revision)>,
}

/// Reads and writes records of known forms. Clones share the store.
#[derive(Clone)]
pub struct TypedRecords {
    records: Arc<dyn Records>,
    sealer: Arc<Sealer>,
}

impl fmt::Debug for TypedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedRecords").finish_non_exhaustive()
    }
}

impl TypedRecords {
    /// Keeps values in `records`, their secrets sealed by `sealer`.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, sealer: Arc<Sealer>) -> Self {
        Self { records, sealer }
    }

    /// Every record of a kind; see [`TypedRecords::each`].
    ///
    /// # Errors
    /// As [`TypedRecords::each`].
    pub async fn load<T: Stored>(&self) -> Result<Vec<(T, Revision)>, RecordError> {
        let mut values = Vec::new();
        self.each::<T>(|value, revision| values.push((value, revision))).await?;
        Ok(values)
    }

    /// Gives every record of a kind to `take`, by owner, for the start of the server. Those of an older form are
    /// replaced by the newest one, so that what an older form showed does not stay.
    ///
    /// # Errors
    /// [`RecordError::Unreadable`] if one cannot be understood: the server must not start as if it were not there.
    pub async fn each<T: Stored>(&self, mut take: impl FnMut(T, Revision)) -> Result<(), RecordError> {
        let take_each = |page: Vec<(T, Revision)>| {
            page.into_iter().for_each(|(value, stored)| take(value, stored));
        };
        self.pages(|page| page, take_each).await
    }

    /// As [`TypedRecords::each`], for kinds of which there are many: `gather` makes something of a page of values on
    /// another thread, and `take` is given that. Pages come in order, but for what was of an older form.
    ///
    /// # Errors
    /// As [`TypedRecords::each`].
    pub async fn pages<T: Stored, P: Send + 'static>(
        &self,
        gather: fn(Vec<(T, Revision)>) -> P,
        mut take: impl FnMut(P),
    ) -> Result<(), RecordError> {
        let mut reading = VecDeque::new();
        let mut after = None;
        loop {
            // While this one is fetched, earlier ones are read by other threads and given away. Only a few are held:
            // what only the start needs should not show in the memory of the server for ever.
            let fetch = self.records.page(T::KIND, after.as_ref(), PAGE_MAX);
            let give = self.give(&mut reading, PAGES_HELD_MAX, gather, &mut take);
            let (page, given) = tokio::join!(fetch, give);
            given?;
            let page = page?;
            after = page.last().filter(|_| page.len() == PAGE_MAX).map(|record| record.key.clone());
            let reader = self.clone();
            reading.push_back(spawn_blocking(move || reader.read_page(page, gather)));
            if after.is_none() {
                return self.give(&mut reading, 0, gather, &mut take).await;
            }
        }
    }

    /// Gives pages away until so few are left that are being read.
    async fn give<T: Stored, P>(
        &self,
        reading: &mut VecDeque<JoinHandle<Result<Read<T, P>, RecordError>>>,
        left_max: usize,
        gather: fn(Vec<(T, Revision)>) -> P,
        take: &mut impl FnMut(P),
    ) -> Result<(), RecordError> {
        while reading.len() > left_max
            && let Some(page) = reading.pop_front()
        {
            let Read { newest, outdated } = page.await.unwrap_or(Err(RecordError::Closed))?;
            take(newest);
            if !outdated.is_empty() {
                take(gather(self.upgrade(outdated).await?));
            }
        }
        Ok(())
    }

    fn read_page<T: Stored, P>(
        &self,
        page: Vec<Record>,
        gather: fn(Vec<(T, Revision)>) -> P,
    ) -> Result<Read<T, P>, RecordError> {
        let (mut newest, mut outdated) = (Vec::with_capacity(page.len()), Vec::new());
        for record in page {
            let values = if T::is_newest(&record.value) { &mut newest } else { &mut outdated };
            values.push(self.read::<T>(record)?);
        }
        Ok(Read { newest: gather(newest), outdated })
    }

    /// Stores values of an older form anew.
    async fn upgrade<T: Stored>(
        &self,
        outdated: Vec<(T, Revision)>,
    ) -> Result<Vec<(T, Revision)>, RecordError> {
        let upgrade = |(value, revision): &(T, Revision)| self.keep(value, Some(*revision));
        let revisions = self.commit(outdated.iter().map(upgrade).collect()).await?;
        Ok(outdated.into_iter().map(|(value, _)| value).zip(revisions).collect())
    }

    /// The write that keeps a value: a new one, or in the place of the one at `expected`.
    #[must_use]
    pub fn keep<T: Stored>(&self, value: &T, expected: Option<Revision>) -> Write {
        let bytes = value.encode(&self.sealer);
        let change = match expected {
            None => Change::Insert(bytes),
            Some(expected) => Change::Replace(bytes, expected),
        };
        Write { key: key::<T>(&value.owner(), &value.name()), change }
    }

    /// The write that removes what is still at `expected`.
    #[must_use]
    pub fn removal<T: Stored>(&self, owner: &T::Owner, name: &str, expected: Revision) -> Write {
        Write { key: key::<T>(owner, name), change: Change::Remove(expected) }
    }

    /// Adds a value that is not there.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if it is.
    pub async fn insert<T: Stored>(&self, value: &T) -> Result<Revision, RecordError> {
        self.commit_one(self.keep(value, None)).await
    }

    /// Replaces a value that is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn replace<T: Stored>(&self, value: &T, expected: Revision) -> Result<Revision, RecordError> {
        self.commit_one(self.keep(value, Some(expected))).await
    }

    /// Removes a value that is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn remove<T: Stored>(
        &self,
        owner: &T::Owner,
        name: &str,
        expected: Revision,
    ) -> Result<(), RecordError> {
        self.commit_one(self.removal::<T>(owner, name, expected)).await.map(drop)
    }

    /// Carries out all writes or none.
    ///
    /// # Errors
    /// [`RecordError`]; nothing was changed then.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Revision>, RecordError> {
        self.records.commit(writes).await
    }

    /// Carries out one write.
    ///
    /// # Errors
    /// [`RecordError`]; nothing was changed then.
    pub async fn commit_one(&self, write: Write) -> Result<Revision, RecordError> {
        self.records.commit_one(write).await
    }

    fn read<T: Stored>(&self, record: Record) -> Result<(T, Revision), RecordError> {
        let decoded = T::decode(&record.value, &self.sealer).and_then(|value| {
            let filed_right = key::<T>(&value.owner(), &value.name()) == record.key;
            if filed_right { Ok(value) } else { Err(SchemaError::Misfiled) }
        });
        match decoded {
            Ok(value) => Ok((value, record.revision)),
            Err(source) => {
                let by_hand = self.records.by_hand(&record.key);
                Err(RecordError::Unreadable { key: record.key, by_hand, source })
            }
        }
    }
}

fn key<T: Stored>(owner: &T::Owner, name: &str) -> Key {
    Key { kind: T::KIND, scope: owner.scope(), name: format!("{}{name}", owner.prefix()) }
}
