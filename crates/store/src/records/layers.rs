//! Layers as records: each version filed under account, region and `NAME:NUMBER`, and beside them one record for each
//! name that holds the last number given out. That one stays when versions go, so no number is used twice.
//!
//! Knows keys and forms, not what a layer may hold.

use std::fmt;
use std::sync::Arc;

use model::arn::Scope;
use model::layer::{LayerId, LayerVersion, LayerVersionId};

use super::{Change, Key, Record, RecordError, Records, Revision, Write};
use crate::schema::{self, SchemaError};

const KIND: &str = "layer-version";
const COUNTER_KIND: &str = "layer";

/// The durable form of all layers.
#[derive(Clone)]
pub struct LayerRecords {
    records: Arc<dyn Records>,
}

/// A layer's last number, and the revision that the next write has to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The layer.
    pub layer: LayerId,
    /// The last number that was given out.
    pub last_number: u64,
    /// To be named by [`LayerRecords::count`].
    pub revision: Revision,
}

impl fmt::Debug for LayerRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerRecords").finish_non_exhaustive()
    }
}

impl LayerRecords {
    /// Keeps layers in `records`.
    #[must_use]
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self { records }
    }

    /// Every version of every layer, for the start of the server.
    ///
    /// # Errors
    /// [`RecordError::Unreadable`] if one cannot be understood: the server must not start as if it were not there.
    pub async fn load_versions(&self) -> Result<Vec<(LayerVersion, Revision)>, RecordError> {
        let records = self.records.list(KIND).await?;
        let read = |record: Record| {
            let decoded = schema::decode_layer(&record.value);
            let layer = self.filed(decoded, &record, |layer| key(&layer.id))?;
            Ok((layer, record.revision))
        };
        records.into_iter().map(read).collect()
    }

    /// The last number of every layer that ever was.
    ///
    /// # Errors
    /// As [`LayerRecords::load_versions`].
    pub async fn load_counters(&self) -> Result<Vec<Counter>, RecordError> {
        let records = self.records.list(COUNTER_KIND).await?;
        let read = |record: Record| {
            let decoded = schema::decode_counter(&record.value);
            let (layer, last_number) = self.filed(decoded, &record, |(layer, _)| counter_key(layer))?;
            Ok(Counter { layer, last_number, revision: record.revision })
        };
        records.into_iter().map(read).collect()
    }

    /// Gives out a number: durable before the version that bears it, so that a crash between the two wastes a
    /// number and never repeats one. `expected` is none for the first.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if somebody else gave one out meanwhile.
    pub async fn count(
        &self,
        layer: &LayerId,
        number: u64,
        expected: Option<Revision>,
    ) -> Result<Revision, RecordError> {
        let (key, value) = (counter_key(layer), schema::encode_counter(layer, number));
        match expected {
            None => self.records.insert(key, value).await,
            Some(expected) => self.records.replace(key, value, expected).await,
        }
    }

    /// Adds a version that does not exist.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if it does.
    pub async fn insert(&self, layer: &LayerVersion) -> Result<Revision, RecordError> {
        self.records.insert(key(&layer.id), schema::encode_layer(layer)).await
    }

    /// Removes a version that is still at `expected`, and with it what belongs to it: all or nothing.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn remove(
        &self,
        id: &LayerVersionId,
        expected: Revision,
        belongings: Option<Write>,
    ) -> Result<(), RecordError> {
        let version = Write { key: key(id), change: Change::Remove(expected) };
        self.records.commit([version].into_iter().chain(belongings).collect()).await.map(drop)
    }

    /// What was decoded, if it lies where it belongs.
    fn filed<T>(
        &self,
        decoded: Result<T, SchemaError>,
        record: &Record,
        key_of: impl FnOnce(&T) -> Key,
    ) -> Result<T, RecordError> {
        let checked = decoded.and_then(|value| {
            if key_of(&value) == record.key { Ok(value) } else { Err(SchemaError::Misfiled) }
        });
        checked.map_err(|source| {
            let by_hand = self.records.by_hand(&record.key);
            RecordError::Unreadable { key: record.key.clone(), by_hand, source }
        })
    }
}

fn scope_key(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

fn key(id: &LayerVersionId) -> Key {
    let name = format!("{}:{}", id.layer.name, id.number);
    Key { kind: KIND, scope: scope_key(&id.layer.scope), name }
}

fn counter_key(layer: &LayerId) -> Key {
    Key { kind: COUNTER_KIND, scope: scope_key(&layer.scope), name: layer.name.to_string() }
}
