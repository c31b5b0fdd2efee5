//! Concurrency as it is counted: what functions have reserved, and the account as a whole.
//!
//! What is reserved is durable first, and then told to whoever runs functions. What is being reserved counts for others
//! already (`taking`), so that all reservations together never take more than there is.
//!
//! Source: Lambda API reference, `PutFunctionConcurrency` and its kin, `GetAccountSettings`; Developer Guide,
//! "Configuring reserved concurrency for a function".

use model::arn::{FunctionId, Scope};
use model::concurrency::ReservedConcurrency;
use model::error::ServiceError;
use model::limits;
use model::name::FunctionReference;

use super::reference::{own_unqualified, own_whole};
use super::refusal::not_found;
use super::{Functions, Inner};
use crate::durable::not_written;

/// What an account may use and uses in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSettings {
    /// Invocations at once.
    pub concurrency: u32,
    /// Those of them that no function has reserved or, without reservation, provisioned.
    pub unreserved: u32,
    /// Code of all versions of functions and layers.
    pub code_bytes: u64,
    /// What that may grow to.
    pub code_bytes_max: u64,
    /// Functions, whatever their versions.
    pub functions: usize,
}

impl Functions {
    /// Reserves concurrency for a function, with all its versions.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a qualified name (even `$LATEST`), or if too little would be left for all other functions, or for what is
    /// provisioned.
    pub async fn reserve_concurrency(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        executions: u32,
    ) -> Result<u32, ServiceError> {
        let id = own_unqualified(caller, reference)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.reserved;
            let before = table.get(&id, "");
            check_provisioned(functions.provisioned_sum(&id, None), executions)?;
            let check = |about_to_be: u32| {
                let others = functions.taken_in(&id.scope, Some(&id)).saturating_add(about_to_be);
                check_reservation(functions.0.parts.concurrency, others, executions)
            };
            let _taking = functions.0.takings.begin(&id.scope, executions, check).await?;
            let reserved = ReservedConcurrency { function: id.clone(), executions };
            let kept = table.put(reserved, before.map(|entry| entry.stored)).await;
            kept.map_err(|error| not_written(id.arn(), &error))?;
            functions.0.parts.invoke.reserve(&id, Some(executions));
            Ok(executions)
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
        let id = own_whole(caller, reference)?;
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
        let id = own_whole(caller, reference)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.reserved;
            let Some(entry) = table.get(&id, "") else { return Ok(()) };
            let removed = table.remove(&id, "", entry.stored).await;
            removed.map_err(|error| not_written(id.arn(), &error))?;
            functions.0.parts.invoke.reserve(&id, None);
            Ok(())
        })
        .await
    }

    /// What the caller's account may use and uses, in the region that it calls.
    #[must_use]
    pub fn account(&self, caller: &Scope) -> AccountSettings {
        let Inner { parts, registry, shelves, .. } = &*self.0;
        AccountSettings {
            concurrency: parts.concurrency,
            unreserved: parts.concurrency.saturating_sub(self.taken_in(caller, None)),
            code_bytes: registry.code_bytes(caller) + shelves.code_bytes(caller),
            code_bytes_max: parts.quotas.code_bytes,
            functions: registry.count(caller),
        }
    }

    /// Tells whoever runs functions what is reserved, after a start.
    pub(super) fn tell_reservations(&self) {
        let all = self.0.attachments.reserved.gather(|own| Some((own.function.clone(), own.executions)));
        all.iter().for_each(|(id, executions)| self.0.parts.invoke.reserve(id, Some(*executions)));
    }

    pub(super) fn reserved(&self, id: &FunctionId) -> Option<u32> {
        self.0.attachments.reserved.get(id, "").map(|entry| entry.value.executions)
    }
}

/// Whether a reservation is enough for what is provisioned.
fn check_provisioned(provisioned: u32, executions: u32) -> Result<(), ServiceError> {
    if provisioned <= executions {
        return Ok(());
    }
    Err(ServiceError::InvalidParameterValue(format!(
        "ReservedConcurrentExecutions {executions} should not be lower than function's total provisioned concurrency \
         [{provisioned}]."
    )))
}

/// Whether a reservation leaves enough for functions without one.
fn check_reservation(limit: u32, others: u32, executions: u32) -> Result<(), ServiceError> {
    let least = limits::UNRESERVED_MIN.min(limit / 2);
    if others.saturating_add(executions) <= limit - least {
        return Ok(());
    }
    Err(ServiceError::InvalidParameterValue(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
         minimum value of [{least}]."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_stay_for_all_others() {
        let check = |limit, others, executions| check_reservation(limit, others, executions).is_ok();
        assert!(check(1_000, 0, 900) && !check(1_000, 0, 901));
        assert!(check(1_000, 800, 100) && !check(1_000, 800, 101));
        assert!(check(1_000, 900, 0) && !check(1_000, u32::MAX, 1));
        // Half of it, where there are fewer than two hundred.
        assert!(check(10, 0, 5) && !check(10, 0, 6));
    }
}
