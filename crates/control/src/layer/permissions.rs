//! The policies of layer versions: which other accounts may use one.
//!
//! Writers take turns, and a version that is deleted takes its policy along, in one commit.
//!
//! Source: Lambda API reference, `AddLayerVersionPermission` and its kin.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::id::RevisionId;
use model::layer::{LayerReference, LayerVersionId};
use model::resource_policy::LayerPolicy;
use store::records::typed::TypedRecords;
use store::records::{RecordError, Write};

use super::{Layers, missing, named, number_of};
use crate::durable::{not_written, to_the_end};
use crate::permission::{self, Documents, LayerPermission};
use crate::policy::Document;
use crate::table::Table;

/// All policies of layer versions.
pub(crate) struct LayerPolicies {
    table: Table<LayerPolicy>,
    documents: Documents,
    writing: tokio::sync::Mutex<()>,
}

/// See [`LayerPolicies::leaving`].
pub(super) struct Leaving<'a> {
    policies: &'a LayerPolicies,
    id: &'a LayerVersionId,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Leaving<'_> {
    /// The write that removes it, if there is one.
    pub(super) fn removal(&self) -> Option<Write> {
        let (table, scope, name) = (&self.policies.table, &self.id.layer.scope, name(self.id));
        table.get(scope, &name).map(|entry| table.removal(scope, &name, entry.stored))
    }

    /// Forgets it, once it is removed.
    pub(super) fn forget(self) {
        self.policies.table.forget_one(&self.id.layer.scope, &name(self.id));
    }
}

impl LayerPolicies {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read.
    pub(crate) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        let table = Table::load(records).await?;
        Ok(Self { table, documents: Documents::default(), writing: tokio::sync::Mutex::default() })
    }

    fn get(&self, id: &LayerVersionId) -> Option<Arc<LayerPolicy>> {
        self.table.get(&id.layer.scope, &name(id)).map(|entry| entry.value)
    }

    /// What the policy of a version says, read.
    pub(crate) fn document(&self, id: &LayerVersionId) -> Option<Arc<Document>> {
        self.get(id).map(|policy| self.documents.read(policy.revision, &policy.text))
    }

    /// The policy of a version that is about to be deleted. Nobody changes it before this is dropped.
    pub(super) async fn leaving<'a>(&'a self, id: &'a LayerVersionId) -> Leaving<'a> {
        let _turn = self.writing.lock().await;
        Leaving { policies: self, id, _turn }
    }

    /// Changes a policy; gives its revision afterwards, if it is still there.
    async fn change(
        &self,
        id: &LayerVersionId,
        asked: Option<&str>,
        revision: RevisionId,
        change: impl FnOnce(Option<&str>) -> Result<Option<String>, ServiceError>,
    ) -> Result<Option<RevisionId>, ServiceError> {
        let _turn = self.writing.lock().await;
        let before = self.table.get(&id.layer.scope, &name(id));
        permission::check_revision(before.as_ref().map(|entry| entry.value.revision), asked)?;
        let failed = |error| not_written(id, &error);
        match (change(before.as_ref().map(|entry| entry.value.text.as_str()))?, before) {
            (Some(text), before) => {
                let policy = LayerPolicy { layer: id.clone(), text, revision };
                self.table.put(policy, before.map(|entry| entry.stored)).await.map_err(failed)?;
                Ok(Some(revision))
            }
            (None, Some(entry)) => {
                let removed = self.table.remove(&id.layer.scope, &name(id), entry.stored).await;
                removed.map(|()| None).map_err(failed)
            }
            (None, None) => Ok(None),
        }
    }
}

impl Layers {
    /// Lets others use a version; gives the statement and the policy's revision.
    ///
    /// # Errors
    /// `ResourceNotFound`, `ResourceConflict`, `InvalidParameterValue`, `PolicyLengthExceeded`, `PreconditionFailed`.
    pub async fn add_permission(
        &self,
        caller: &Scope,
        (layer, number): (&LayerReference, i64),
        permission: LayerPermission,
        revision: Option<String>,
    ) -> Result<(String, Option<RevisionId>), ServiceError> {
        let id = self.existing(caller, layer, number)?;
        let statement = permission.statement(&id)?;
        let shown = statement.to_string();
        let change = move |text: Option<&str>| permission::with(text, &permission.sid, statement).map(Some);
        let revision = self.change_policy(id, revision, change).await?;
        Ok((shown, revision))
    }

    /// Takes a statement back.
    ///
    /// # Errors
    /// `ResourceNotFound`, `PreconditionFailed`.
    pub async fn remove_permission(
        &self,
        caller: &Scope,
        (layer, number): (&LayerReference, i64),
        sid: String,
        revision: Option<String>,
    ) -> Result<(), ServiceError> {
        let id = self.existing(caller, layer, number)?;
        let change = move |text: Option<&str>| permission::without(text, &sid);
        self.change_policy(id, revision, change).await.map(drop)
    }

    /// The policy of a version.
    ///
    /// # Errors
    /// `ResourceNotFound` where there is none.
    pub fn policy(
        &self,
        caller: &Scope,
        (layer, number): (&LayerReference, i64),
    ) -> Result<Arc<LayerPolicy>, ServiceError> {
        let id = self.existing(caller, layer, number)?;
        self.policies().get(&id).ok_or_else(permission::missing)
    }

    /// What the policy of a version says, read; for whoever decides on a call.
    #[must_use]
    pub fn policy_document(&self, id: &LayerVersionId) -> Option<Arc<Document>> {
        self.policies().document(id)
    }

    pub(super) fn policies(&self) -> &LayerPolicies {
        self.functions.layer_policies()
    }

    async fn change_policy(
        &self,
        id: LayerVersionId,
        asked: Option<String>,
        change: impl FnOnce(Option<&str>) -> Result<Option<String>, ServiceError> + Send + 'static,
    ) -> Result<Option<RevisionId>, ServiceError> {
        let layers = self.clone();
        to_the_end(async move {
            let revision = layers.functions.new_revision();
            // It may have gone while others had their turn.
            let is_there = || layers.shelves().get(&id).is_some();
            let change = |text: Option<&str>| if is_there() { change(text) } else { Err(missing()) };
            layers.policies().change(&id, asked.as_deref(), revision, change).await
        })
        .await
    }

    fn existing(
        &self,
        caller: &Scope,
        layer: &LayerReference,
        number: i64,
    ) -> Result<LayerVersionId, ServiceError> {
        let id = LayerVersionId { number: number_of(number)?, layer: named(caller, layer) };
        let reachable = id.layer.scope.region == caller.region && self.shelves().get(&id).is_some();
        if reachable { Ok(id) } else { Err(missing()) }
    }
}

fn name(id: &LayerVersionId) -> String {
    format!("{}:{}", id.layer.name, id.number)
}
