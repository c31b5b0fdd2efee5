//! Functions as records: one per version, filed under account, region and `NAME:VERSION`, in the stored form
//! that `schema` owns. Knows keys and forms, not what a function may do.

use std::fmt;
use std::sync::Arc;

use model::arn::FunctionId;
use model::function::Function;
use model::name::Version;

use super::{Key, Record, RecordError, Records, Revision};
use crate::schema::{self, SchemaError};

const KIND: &str = "function";

/// The durable form of all functions.
#[derive(Clone)]
pub struct FunctionRecords {
    records: Arc<dyn Records>,
}

impl fmt::Debug for FunctionRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionRecords").finish_non_exhaustive()
    }
}

impl FunctionRecords {
    /// Keeps functions in `records`.
    #[must_use]
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self { records }
    }

    /// Every version of every function, for the start of the server.
    ///
    /// # Errors
    /// [`RecordError::Unreadable`] if one cannot be understood: the server must not start as if it were not there.
    pub async fn load_all(&self) -> Result<Vec<(Function, Revision)>, RecordError> {
        let records = self.records.list(KIND).await?;
        records.into_iter().map(|record| self.read(record)).collect()
    }

    /// Adds a version that does not exist.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if it does.
    pub async fn insert(&self, function: &Function) -> Result<Revision, RecordError> {
        let key = key(&function.id, function.version);
        self.records.insert(key, schema::encode_function(function)).await
    }

    /// Replaces a version that is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn replace(&self, function: &Function, expected: Revision) -> Result<Revision, RecordError> {
        let key = key(&function.id, function.version);
        self.records.replace(key, schema::encode_function(function), expected).await
    }

    /// Removes a version that is still at `expected`.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] or [`RecordError::Missing`] if it is not.
    pub async fn remove(
        &self,
        id: &FunctionId,
        version: Version,
        expected: Revision,
    ) -> Result<(), RecordError> {
        self.records.remove(key(id, version), expected).await
    }

    fn read(&self, record: Record) -> Result<(Function, Revision), RecordError> {
        let decoded = schema::decode_function(&record.value).and_then(|function| {
            let filed_right = key(&function.id, function.version) == record.key;
            if filed_right { Ok(function) } else { Err(SchemaError::Misfiled) }
        });
        match decoded {
            Ok(function) => Ok((function, record.revision)),
            Err(source) => {
                let by_hand = self.records.by_hand(&record.key);
                Err(RecordError::Unreadable { key: record.key, by_hand, source })
            }
        }
    }
}

fn key(id: &FunctionId, version: Version) -> Key {
    let scope = format!("{}/{}", id.scope.account, id.scope.region);
    Key { kind: KIND, scope, name: format!("{}:{version}", id.name) }
}
