//! Runtime management and recursion: put, get. Both are kept and shown; runtimes are updated by the machine's owner.
//!
//! Sources: Lambda Developer Guide, "Understanding how Lambda manages runtime version updates" and "Use Lambda recursive
//! loop detection".

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Function, Start};
use model::management::{Recursion, RuntimeManagement, RuntimeUpdates};
use model::name::{FunctionReference, Qualifier, Version};
use sha2::{Digest as _, Sha256};

use super::Functions;
use super::reference::{one_qualifier, own_id, own_whole};
use super::refusal::not_found;
use crate::durable::not_written;

/// How the runtime of a version is looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedRuntime {
    /// The ARN that was asked for, with its qualifier if it had one.
    pub arn: String,
    /// When it is updated.
    pub updates: RuntimeUpdates,
}

impl Functions {
    /// Says when the runtime of a version is to be updated.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for an alias, an image, or a runtime version of another region.
    pub async fn manage_runtime(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        updates: RuntimeUpdates,
    ) -> Result<ManagedRuntime, ServiceError> {
        let (id, version, arn) = version_of(caller, reference, qualifier)?;
        let function = self.get(caller, reference, qualifier)?;
        if matches!(function.settings.start, Start::Image(_)) {
            return invalid(
                "Runtime management is not supported for functions created with container images.".to_owned(),
            );
        }
        if let RuntimeUpdates::Manual(arn) = &updates
            && arn.split(':').nth(3) != Some(id.scope.region.as_str())
        {
            return invalid(format!("The runtime version {arn} is not in region {}.", id.scope.region));
        }
        self.in_turn(&id.clone(), async move |functions, _| {
            let (table, qualifier) = (&functions.0.attachments.runtimes, version.to_string());
            let before = table.get(&id, &qualifier).map(|entry| entry.stored);
            let value = RuntimeManagement { function: id, qualifier, updates: updates.clone() };
            table.put(value, before).await.map_err(|error| not_written(&arn, &error))?;
            Ok(ManagedRuntime { arn, updates })
        })
        .await
    }

    /// When the runtime of a version is updated.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for an alias.
    pub fn managed_runtime(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<ManagedRuntime, ServiceError> {
        let (id, version, arn) = version_of(caller, reference, qualifier)?;
        self.get(caller, reference, qualifier)?;
        Ok(ManagedRuntime { arn, updates: self.runtime_updates(&id, version) })
    }

    /// The runtime version that a function shows: the one that it was told to stay at, or the one that is installed
    /// here. Images bring their own.
    #[must_use]
    pub fn runtime_version(&self, function: &Function) -> Option<String> {
        let runtime = function.settings.runtime()?;
        Some(match self.runtime_updates(&function.id, function.version) {
            RuntimeUpdates::Manual(arn) => arn,
            RuntimeUpdates::Auto | RuntimeUpdates::FunctionUpdate => {
                let digest = Sha256::digest(runtime.as_str());
                format!("arn:aws:lambda:{}::runtime:{digest:x}", function.id.scope.region)
            }
        })
    }

    /// Says whether a function may invoke itself in a circle.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn allow_recursion(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        is_allowed: bool,
    ) -> Result<bool, ServiceError> {
        let id = own_whole(caller, reference)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.recursion;
            let before = table.get(&id, "").map(|entry| entry.stored);
            let arn = id.arn().to_string();
            let kept = table.put(Recursion { function: id, is_allowed }, before).await;
            kept.map(|kept| kept.is_allowed).map_err(|error| not_written(arn, &error))
        })
        .await
    }

    /// Whether a function may invoke itself in a circle; if nobody said so, it may not.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn recursion_allowed(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<bool, ServiceError> {
        let id = own_whole(caller, reference)?;
        self.0.registry.look(&id, |_| ()).ok_or_else(|| not_found(&id, None))?;
        Ok(self.0.attachments.recursion.get(&id, "").is_some_and(|entry| entry.value.is_allowed))
    }

    fn runtime_updates(&self, id: &FunctionId, version: Version) -> RuntimeUpdates {
        let entry = self.0.attachments.runtimes.get(id, &version.to_string());
        entry.map(|entry| entry.value.updates.clone()).unwrap_or_default()
    }
}

/// The function, the version and the ARN that are meant.
fn version_of(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<(FunctionId, Version, String), ServiceError> {
    let id = own_id(caller, reference)?;
    match one_qualifier(reference, qualifier)? {
        None => Ok((id.clone(), Version::Latest, id.arn().to_string())),
        Some(Qualifier::Version(version)) => {
            let arn = id.qualified_arn(&Qualifier::Version(*version)).to_string();
            Ok((id, *version, arn))
        }
        Some(Qualifier::Alias(alias)) => invalid(format!(
            "Runtime management is not supported for aliases such as {alias}. Name a version."
        )),
    }
}

fn invalid<T>(message: String) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message))
}
