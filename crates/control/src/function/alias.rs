//! Aliases: create, get, change, list, delete.
//!
//! An alias is changed in turn with its function, so it never refers to a version that is not there. What an
//! invocation of an alias runs is decided in [`super::resolve`].
//!
//! Source: Lambda API reference, `CreateAlias` and its kin; Developer Guide, "Implement Lambda canary deployments using
//! a weighted alias".

use std::sync::Arc;

use model::alias::{Alias, Weighted};
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::limits;
use model::name::{FunctionReference, Qualifier, Version};
use store::records::RecordError;

use super::Functions;
use super::live::Live;
use super::reference::own_whole;
use super::refusal::not_found;
use super::update::check_revision;
use crate::durable::not_written;
use crate::marker;

/// Which further versions get a share, as it was asked for: version and weight. Empty means none.
pub type Routing = Vec<(Version, f64)>;

/// An alias to be made.
#[derive(Debug, Clone)]
pub struct CreateAlias {
    /// The function.
    pub reference: FunctionReference,
    /// Its name, not digits only.
    pub name: String,
    /// What it stands for.
    pub version: Version,
    /// Free text.
    pub description: String,
    /// Weights.
    pub routing: Routing,
}

/// A change of an alias. What is absent stays as it is.
#[derive(Debug, Clone)]
pub struct UpdateAlias {
    /// The function.
    pub reference: FunctionReference,
    /// The alias.
    pub name: String,
    /// What it stands for from now on.
    pub version: Option<Version>,
    /// Free text.
    pub description: Option<String>,
    /// Weights.
    pub routing: Option<Routing>,
    /// Refuse unless the alias is at this revision.
    pub revision: Option<String>,
}

/// One page of aliases.
#[derive(Debug, Clone)]
pub struct AliasPage {
    /// Ordered by name.
    pub aliases: Vec<Arc<Alias>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Functions {
    /// Makes an alias.
    ///
    /// # Errors
    /// `ResourceNotFound` for function or version; `ResourceConflict` if it exists; `InvalidParameterValue` for a
    /// routing that cannot be; `AliasLimitExceeded`.
    pub async fn create_alias(
        &self,
        caller: &Scope,
        request: CreateAlias,
    ) -> Result<Arc<Alias>, ServiceError> {
        let id = own_whole(caller, &request.reference)?;
        self.in_turn(&id.clone(), async move |functions, live| {
            let table = &functions.0.attachments.aliases;
            if table.get(&id, &request.name).is_some() {
                return Err(exists(&id, &request.name));
            }
            let most = functions.0.parts.quotas.aliases;
            if table.count(&id) >= most {
                let message = format!("A function can have at most {most} aliases.");
                return Err(ServiceError::AliasLimitExceeded(message));
            }
            let additional = check_routing(&live, request.version, &request.routing)?;
            let alias = Alias {
                function: id,
                name: request.name,
                version: request.version,
                additional,
                description: request.description,
                revision: functions.new_revision(),
            };
            functions.keep_alias(alias, None).await
        })
        .await
    }

    /// Changes an alias.
    ///
    /// # Errors
    /// As [`Functions::create_alias`], and `PreconditionFailed`.
    pub async fn update_alias(
        &self,
        caller: &Scope,
        request: UpdateAlias,
    ) -> Result<Arc<Alias>, ServiceError> {
        let id = own_whole(caller, &request.reference)?;
        self.in_turn(&id.clone(), async move |functions, live| {
            let entry = functions.0.attachments.aliases.get(&id, &request.name);
            let entry = entry.ok_or_else(|| missing(&id, &request.name))?;
            let before = &*entry.value;
            check_revision(&before.revision, request.revision.as_deref())?;
            let version = request.version.unwrap_or(before.version);
            let kept = || before.additional.iter().map(|kept| (kept.version, kept.weight)).collect();
            let additional = check_routing(&live, version, &request.routing.unwrap_or_else(kept))?;
            let alias = Alias {
                version,
                additional,
                description: request.description.unwrap_or_else(|| before.description.clone()),
                revision: functions.new_revision(),
                ..before.clone()
            };
            functions.check_provisioned_alias(&live, &alias)?;
            let kept = functions.keep_alias(alias, Some(entry.stored)).await?;
            functions.tell_provisioned(&id);
            Ok(kept)
        })
        .await
    }

    async fn keep_alias(
        &self,
        alias: Alias,
        before: Option<store::records::Revision>,
    ) -> Result<Arc<Alias>, ServiceError> {
        let qualifier = Qualifier::Alias(alias.name.clone());
        let arn = alias.function.qualified_arn(&qualifier).to_string();
        let kept = self.0.attachments.aliases.put(alias, before).await;
        kept.map_err(|error: RecordError| not_written(arn, &error))
    }

    /// An alias.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn alias(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        name: &str,
    ) -> Result<Arc<Alias>, ServiceError> {
        let id = self.existing(caller, reference)?;
        let entry = self.0.attachments.aliases.get(&id, name);
        entry.map(|entry| entry.value).ok_or_else(|| missing(&id, name))
    }

    /// The aliases of a function by name, a page at a time; only those that refer to `version`, if one is given.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn aliases(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        version: Option<Version>,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<AliasPage, ServiceError> {
        let id = self.existing(caller, reference)?;
        let after = marker.map(|marker| marker::decode(marker, |name| Some(name.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let wanted = |alias: &Alias| version.is_none_or(|version| alias.refers_to(version));
        let (aliases, has_more) = self.0.attachments.aliases.page(&id, after.as_deref(), count_max, wanted);
        let next = aliases.last().filter(|_| has_more).map(|last| marker::encode(&last.name));
        Ok(AliasPage { aliases, next })
    }

    /// Removes an alias, with what belongs to it alone; one that is not there is no error.
    ///
    /// # Errors
    /// `ResourceNotFound` if there is no such function.
    pub async fn delete_alias(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        name: String,
    ) -> Result<(), ServiceError> {
        let id = own_whole(caller, reference)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let attached = functions.0.attachments.all();
            let writes: Vec<_> = attached.iter().flat_map(|kind| kind.removals(&id, Some(&name))).collect();
            if writes.is_empty() {
                return Ok(());
            }
            let removed = functions.0.parts.records.commit(writes).await;
            removed.map_err(|error| not_written(id.arn(), &error))?;
            attached.iter().for_each(|kind| kind.forget(&id, Some(&name)));
            functions.tell_provisioned(&id);
            Ok(())
        })
        .await
    }

    /// The function that a reference names, if there is one: as a whole, without a version or alias.
    pub(super) fn existing(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
    ) -> Result<FunctionId, ServiceError> {
        let id = own_whole(caller, reference)?;
        self.0.registry.look(&id, |_| ()).ok_or_else(|| not_found(&id, None))?;
        Ok(id)
    }
}

fn exists(id: &FunctionId, name: &str) -> ServiceError {
    let qualifier = Qualifier::Alias(name.to_owned());
    ServiceError::ResourceConflict(format!("Alias already exists: {}", id.qualified_arn(&qualifier)))
}

pub(super) fn missing(id: &FunctionId, name: &str) -> ServiceError {
    let qualifier = Qualifier::Alias(name.to_owned());
    ServiceError::ResourceNotFound(format!("Cannot find alias arn: {}", id.qualified_arn(&qualifier)))
}

/// What may stand behind an alias.
fn check_routing(
    live: &Live,
    version: Version,
    routing: &[(Version, f64)],
) -> Result<Option<Weighted>, ServiceError> {
    let find = |version: Version| {
        let qualifier = Qualifier::Version(version);
        live.version(version).ok_or_else(|| not_found(&live.current.id, Some(&qualifier)))
    };
    let first = find(version)?;
    let [(additional, weight)] = *routing else {
        return match routing {
            [] => Ok(None),
            _ => invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"),
        };
    };
    if !(0.0..=1.0).contains(&weight) {
        return invalid("The weight of an additional version must be at least 0 and at most 1.");
    }
    if version == Version::Latest || additional == Version::Latest {
        return invalid("$LATEST is not supported for an alias pointing to more than 1 version");
    }
    if version == additional {
        return invalid(&format!(
            "Invalid function version {version}. Function version {version} is already included in routing \
             configuration."
        ));
    }
    let second = find(additional)?;
    if first.settings.role != second.settings.role {
        return invalid(&format!(
            "Versions {version} and {additional} must have the same execution role to share an alias."
        ));
    }
    if first.settings.noted.dead_letter != second.settings.noted.dead_letter {
        return invalid(&format!(
            "Versions {version} and {additional} must have the same dead-letter configuration to share an alias."
        ));
    }
    Ok(Some(Weighted { version: additional, weight }))
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}
