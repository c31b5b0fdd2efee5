//! Reserved concurrency: put, get, delete.
//!
//! Source: Lambda API reference, `PutFunctionConcurrency` and its kin.

use model::arn::{FunctionId, Scope};
use model::concurrency::ReservedConcurrency;
use model::error::ServiceError;
use model::name::FunctionReference;

use super::Functions;
use super::reference::own_latest;
use super::refusal::not_found;
use crate::durable::not_written;

impl Functions {
    /// Reserves concurrency for a function, with all its versions.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn reserve_concurrency(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        executions: u32,
    ) -> Result<u32, ServiceError> {
        let id = own_latest(caller, reference, None)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.reserved;
            let before = table.get(&id, "").map(|entry| entry.stored);
            let arn = id.arn().to_string();
            let kept = table.put(ReservedConcurrency { function: id, executions }, before).await;
            kept.map(|kept| kept.executions).map_err(|error| not_written(arn, &error))
        })
        .await
    }

    /// What is reserved for a function.
    ///
    /// # Errors
    /// `ResourceNotFound` if there is no such function.
    pub fn reserved_concurrency(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<Option<u32>, ServiceError> {
        let id = own_latest(caller, reference, None)?;
        self.0.registry.get(&id).ok_or_else(|| not_found(&id, None))?;
        Ok(self.reserved(&id))
    }

    /// Gives back what is reserved; nothing is no error.
    ///
    /// # Errors
    /// `ResourceNotFound` if there is no such function.
    pub async fn release_concurrency(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<(), ServiceError> {
        let id = own_latest(caller, reference, None)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.reserved;
            let Some(entry) = table.get(&id, "") else { return Ok(()) };
            table.remove(&id, "", entry.stored).await.map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    pub(super) fn reserved(&self, id: &FunctionId) -> Option<u32> {
        self.0.attachments.reserved.get(id, "").map(|entry| entry.value.executions)
    }
}
