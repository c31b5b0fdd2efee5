//! Things of one kind by owner and name: in memory for every read, durable before they are shown.
//!
//! A writer names the stored revision that it has seen, so of two who saw the same one wins and the other is refused.
//! What belongs to functions is written under the function's claim (`function::Functions::in_turn`), and so goes with
//! the function whatever happens at the same time.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::typed::{Stored, TypedRecords};
use super::{RecordError, Revision, Write};
use model::arn::FunctionId;

type Owners<T> = HashMap<<T as Stored>::Owner, BTreeMap<String, Entry<T>>>;

/// See the module's description.
pub struct Table<T: Stored> {
    records: TypedRecords,
    owners: RwLock<Owners<T>>,
}

/// One thing that is there.
pub struct Entry<T> {
    /// The thing.
    pub value: Arc<T>,
    /// The stored revision, to be named by the next write.
    pub stored: Revision,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), stored: self.stored }
    }
}

impl<T: Stored> Table<T> {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        let mut owners = Owners::<T>::new();
        let take = |value: T, stored| {
            let (owner, name) = (value.owner(), value.name());
            owners.entry(owner).or_default().insert(name, Entry { value: Arc::new(value), stored });
        };
        records.each(take).await?;
        Ok(Self { records: records.clone(), owners: RwLock::new(owners) })
    }

    /// The thing of this name, if it is there.
    pub fn get(&self, owner: &T::Owner, name: &str) -> Option<Entry<T>> {
        self.read().get(owner)?.get(name).cloned()
    }

    /// All things of an owner by name.
    pub fn all(&self, owner: &T::Owner) -> Vec<Entry<T>> {
        self.read().get(owner).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// How many things an owner has.
    pub fn count(&self, owner: &T::Owner) -> usize {
        self.read().get(owner).map_or(0, BTreeMap::len)
    }

    /// What `gather` makes of every thing of every owner.
    pub fn gather<R>(&self, gather: impl Fn(&T) -> Option<R>) -> Vec<R> {
        let owners = self.read();
        owners.values().flat_map(BTreeMap::values).filter_map(|entry| gather(&entry.value)).collect()
    }

    /// Up to `count_max` wanted things of an owner by name, after the given one; and whether there are more.
    pub fn page(
        &self,
        owner: &T::Owner,
        after: Option<&str>,
        count_max: usize,
        wanted: impl Fn(&T) -> bool,
    ) -> (Vec<Arc<T>>, bool) {
        let owners = self.read();
        let Some(things) = owners.get(owner) else { return (Vec::new(), false) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = things.range::<str, _>((from, Bound::Unbounded));
        let mut found = range.map(|(_, entry)| &entry.value).filter(|value| wanted(value));
        let page = found.by_ref().take(count_max).map(Arc::clone).collect();
        (page, found.next().is_some())
    }

    /// Keeps a thing: a new one, or in the place of the one at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] when somebody else was faster; nothing was changed then.
    pub async fn put(&self, value: T, expected: Option<Revision>) -> Result<Arc<T>, RecordError> {
        let stored = self.records.commit_one(self.records.keep(&value, expected)).await?;
        let value = Arc::new(value);
        self.install(Arc::clone(&value), stored);
        Ok(value)
    }

    /// Removes the thing that is at `expected`.
    ///
    /// # Errors
    /// As [`Table::put`].
    pub async fn remove(&self, owner: &T::Owner, name: &str, expected: Revision) -> Result<(), RecordError> {
        self.records.commit_one(self.records.removal::<T>(owner, name, expected)).await?;
        self.forget_one(owner, name);
        Ok(())
    }

    /// The write that keeps a thing, to be committed together with others and then shown with [`Table::install`].
    pub fn keep(&self, value: &T, expected: Option<Revision>) -> Write {
        self.records.keep(value, expected)
    }

    /// The write that removes a thing, to be committed together with others and followed by [`Table::forget_one`].
    pub fn removal(&self, owner: &T::Owner, name: &str, expected: Revision) -> Write {
        self.records.removal::<T>(owner, name, expected)
    }

    /// Shows a thing that has become durable.
    pub fn install(&self, value: Arc<T>, stored: Revision) {
        let (owner, name) = (value.owner(), value.name());
        self.write().entry(owner).or_default().insert(name, Entry { value, stored });
    }

    /// Forgets a thing whose removal has become durable.
    pub fn forget_one(&self, owner: &T::Owner, name: &str) {
        let mut owners = self.write();
        if let Some(things) = owners.get_mut(owner) {
            things.remove(name);
            if things.is_empty() {
                owners.remove(owner);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Owners<T>> {
        self.owners.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Owners<T>> {
        self.owners.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What belongs to functions, of whatever kind: it goes when its function goes. A thing that belongs to one qualifier
/// (a version or an alias) has that as its name.
pub trait Attached: Send + Sync {
    /// The writes that remove what belongs to a function; of one qualifier only, if one is given.
    fn removals(&self, function: &FunctionId, qualifier: Option<&str>) -> Vec<Write>;
    /// Forgets it, once these writes are durable.
    fn forget(&self, function: &FunctionId, qualifier: Option<&str>);
}

impl<T: Stored<Owner = FunctionId>> Attached for Table<T> {
    fn removals(&self, function: &FunctionId, qualifier: Option<&str>) -> Vec<Write> {
        let owners = self.read();
        let things = owners.get(function).into_iter().flatten();
        let meant = things.filter(|(name, _)| qualifier.is_none_or(|qualifier| qualifier == name.as_str()));
        meant.map(|(name, entry)| self.removal(function, name, entry.stored)).collect()
    }

    fn forget(&self, function: &FunctionId, qualifier: Option<&str>) {
        match qualifier {
            Some(qualifier) => self.forget_one(function, qualifier),
            None => drop(self.write().remove(function)),
        }
    }
}
