//! All layers in memory: the source for every read. Writes go to the store first and are shown once they are durable.
//!
//! Writers take turns, all together: publishing is rare, and a turn lasts for one or two durable writes.
//! Invariant: a layer's last number only grows, and outlives its versions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::arn::Scope;
use model::id::Digest;
use model::layer::{LayerId, LayerName, LayerVersion, LayerVersionId};
use store::records::layers::LayerRecords;
use store::records::{RecordError, Revision, Write};

/// The versions of one layer, and what was given out.
#[derive(Default)]
struct Shelf {
    versions: BTreeMap<u64, (Arc<LayerVersion>, Revision)>,
    last_number: u64,
    /// The stored revision of the last number, once there is one.
    counted: Option<Revision>,
}

type Scopes = HashMap<Scope, BTreeMap<LayerName, Shelf>>;

/// See the module's description.
#[derive(Default)]
pub struct Shelves {
    scopes: RwLock<Scopes>,
    writing: tokio::sync::Mutex<()>,
}

/// What a list is narrowed to.
pub(super) type Wanted<'a> = &'a dyn Fn(&LayerVersion) -> bool;

impl Shelves {
    /// Takes the layers that were stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub(crate) async fn load(records: &LayerRecords) -> Result<Self, RecordError> {
        let mut scopes = Scopes::new();
        for counter in records.load_counters().await? {
            let shelf = shelf_of(&mut scopes, &counter.layer);
            (shelf.last_number, shelf.counted) = (counter.last_number, Some(counter.revision));
        }
        for (version, revision) in records.load_versions().await? {
            let shelf = shelf_of(&mut scopes, &version.id.layer);
            // Versions are stored after their number; both are looked at in case only one was restored by hand.
            shelf.last_number = shelf.last_number.max(version.id.number);
            shelf.versions.insert(version.id.number, (Arc::new(version), revision));
        }
        Ok(Self { scopes: RwLock::new(scopes), writing: tokio::sync::Mutex::default() })
    }

    /// The version, if it exists.
    pub(crate) fn get(&self, id: &LayerVersionId) -> Option<Arc<LayerVersion>> {
        let scopes = self.read();
        let shelf = scopes.get(&id.layer.scope)?.get(&id.layer.name)?;
        shelf.versions.get(&id.number).map(|(version, _)| Arc::clone(version))
    }

    /// Publishes the next version of a layer; `make` is given its id.
    ///
    /// # Errors
    /// [`RecordError`]; a number may then be lost, which nobody can tell from a deleted version.
    pub(super) async fn publish(
        &self,
        records: &LayerRecords,
        layer: LayerId,
        make: impl FnOnce(LayerVersionId) -> LayerVersion,
    ) -> Result<Arc<LayerVersion>, RecordError> {
        let _turn = self.writing.lock().await;
        let (last_number, counted) = self.counter(&layer);
        let number = last_number + 1;
        let counted = records.count(&layer, number, counted).await?;
        {
            let mut scopes = self.write();
            let shelf = shelf_of(&mut scopes, &layer);
            (shelf.last_number, shelf.counted) = (number, Some(counted));
        }
        let version = Arc::new(make(LayerVersionId { layer, number }));
        let stored = records.insert(&version).await?;
        let mut scopes = self.write();
        let shelf = shelf_of(&mut scopes, &version.id.layer);
        shelf.versions.insert(number, (Arc::clone(&version), stored));
        Ok(version)
    }

    /// Removes a version, and with it what belongs to it; whether there was one.
    ///
    /// # Errors
    /// [`RecordError`]; all is then still there.
    pub(super) async fn remove(
        &self,
        records: &LayerRecords,
        id: &LayerVersionId,
        belongings: Option<Write>,
    ) -> Result<bool, RecordError> {
        let _turn = self.writing.lock().await;
        let stored = {
            let scopes = self.read();
            let shelf = scopes.get(&id.layer.scope).and_then(|shelves| shelves.get(&id.layer.name));
            shelf.and_then(|shelf| shelf.versions.get(&id.number)).map(|(_, revision)| *revision)
        };
        let Some(stored) = stored else { return Ok(false) };
        records.remove(id, stored, belongings).await?;
        let mut scopes = self.write();
        // The shelf stays, with the last number on it.
        shelf_of(&mut scopes, &id.layer).versions.remove(&id.number);
        Ok(true)
    }

    /// Of up to `count_max` layers by name, after the given one, the newest version that is wanted; and whether there
    /// are more.
    pub(super) fn page(
        &self,
        scope: &Scope,
        wanted: Wanted<'_>,
        after: Option<&LayerName>,
        count_max: usize,
    ) -> (Vec<Arc<LayerVersion>>, bool) {
        let scopes = self.read();
        let Some(shelves) = scopes.get(scope) else { return (Vec::new(), false) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let newest = |shelf: &Shelf| {
            let mut versions = shelf.versions.values().rev().map(|(version, _)| version);
            versions.find(|version| wanted(version)).map(Arc::clone)
        };
        let mut found = shelves.range((from, Bound::Unbounded)).filter_map(|(_, shelf)| newest(shelf));
        let page = found.by_ref().take(count_max).collect();
        (page, found.next().is_some())
    }

    /// Up to `count_max` wanted versions of a layer, newest first, that are older than the given number; and whether
    /// there are more.
    pub(super) fn versions_page(
        &self,
        layer: &LayerId,
        wanted: Wanted<'_>,
        before: Option<u64>,
        count_max: usize,
    ) -> (Vec<Arc<LayerVersion>>, bool) {
        let scopes = self.read();
        let shelf = scopes.get(&layer.scope).and_then(|shelves| shelves.get(&layer.name));
        let Some(shelf) = shelf else { return (Vec::new(), false) };
        let older = shelf.versions.range(..before.unwrap_or(u64::MAX)).rev();
        let mut found = older.map(|(_, (version, _))| version).filter(|version| wanted(version));
        let page = found.by_ref().take(count_max).map(Arc::clone).collect();
        (page, found.next().is_some())
    }

    /// Bytes of content that the scope's layers keep.
    pub(crate) fn code_bytes(&self, scope: &Scope) -> u64 {
        let scopes = self.read();
        let shelves = scopes.get(scope).into_iter().flat_map(BTreeMap::values);
        shelves.flat_map(|shelf| shelf.versions.values()).map(|(version, _)| version.zip.size_bytes).sum()
    }

    /// The content of every version.
    pub(crate) fn digests(&self) -> HashSet<Digest> {
        let scopes = self.read();
        let shelves = scopes.values().flat_map(BTreeMap::values);
        shelves.flat_map(|shelf| shelf.versions.values()).map(|(version, _)| version.zip.digest).collect()
    }

    fn counter(&self, layer: &LayerId) -> (u64, Option<Revision>) {
        let scopes = self.read();
        let shelf = scopes.get(&layer.scope).and_then(|shelves| shelves.get(&layer.name));
        shelf.map_or((0, None), |shelf| (shelf.last_number, shelf.counted))
    }

    fn read(&self) -> RwLockReadGuard<'_, Scopes> {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Scopes> {
        self.scopes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shelf_of<'a>(scopes: &'a mut Scopes, layer: &LayerId) -> &'a mut Shelf {
    scopes.entry(layer.scope.clone()).or_default().entry(layer.name.clone()).or_default()
}
