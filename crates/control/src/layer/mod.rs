//! What the operations on layers mean: publish, read, list, delete.
//!
//! A version is checked and stored as a function's package is, numbered, made durable, then shown. Deleting one only
//! takes it off the shelf: functions that use it keep its content, which they pin by digest.
//!
//! Transport-free, like [`crate::function`]. The layers themselves lie with the functions that refer to them.

mod permissions;
mod shelves;

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::function::Architecture;
use model::layer::{LayerId, LayerName, LayerReference, LayerVersion, LayerVersionId};
use model::limits;
use model::runtime::RuntimeName;

use crate::durable::{not_written, to_the_end};
use crate::function::{Functions, ZipSource};
use crate::marker;
use crate::policy::{Actor, Context, Held, Request, decide};
pub(crate) use permissions::LayerPolicies;
pub use shelves::Shelves;

/// The layers of all accounts. Clones share them.
#[derive(Clone)]
pub struct Layers {
    functions: Functions,
}

/// A version to be published.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The layer, which need not exist.
    pub layer: LayerReference,
    /// Its content.
    pub zip: ZipSource,
    /// Free text.
    pub description: String,
    /// Licence.
    pub license: Option<String>,
    /// Runtimes that it is meant for.
    pub runtimes: Vec<RuntimeName>,
    /// Instruction sets that it is meant for.
    pub architectures: Vec<Architecture>,
}

/// What a list is narrowed to. A version that names no runtime (or architecture) is meant for none in particular and
/// found by no filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Meant for this runtime.
    pub runtime: Option<RuntimeName>,
    /// Meant for this instruction set.
    pub architecture: Option<Architecture>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct LayerPage {
    /// Versions: of one layer, newest first; or the newest of each layer, by name.
    pub versions: Vec<Arc<LayerVersion>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Layers {
    /// The layers that these functions use.
    #[must_use]
    pub fn new(functions: Functions) -> Self {
        Self { functions }
    }

    /// Publishes the next version of a layer.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what is no package; `RequestTooLarge`; `CodeStorageExceeded`.
    pub async fn publish(&self, caller: &Scope, request: Publish) -> Result<Arc<LayerVersion>, ServiceError> {
        let (layers, layer) = (self.clone(), own(caller, &request.layer)?);
        to_the_end(async move { layers.publish_now(layer, request).await }).await
    }

    async fn publish_now(&self, layer: LayerId, request: Publish) -> Result<Arc<LayerVersion>, ServiceError> {
        let Publish { zip, description, license, runtimes, architectures, .. } = request;
        let package = self.functions.check_zip(&layer.scope, zip).await?;
        self.functions.check_code_storage(&layer.scope, package.zip.size_bytes, 0)?;
        // Held until the version refers to the package.
        let kept = self.functions.keep_zip(package).await?;
        let parts = self.functions.parts();
        let created = parts.clock.now();
        let make =
            |id| LayerVersion { id, zip: kept.zip, description, license, runtimes, architectures, created };
        let named = layer.clone();
        let published = self.shelves().publish(&parts.layer_records, layer, make).await;
        published.map_err(|error| not_written(named, &error))
    }

    /// One version of a layer.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a number below 1.
    pub fn get(
        &self,
        caller: &Scope,
        layer: &LayerReference,
        number: i64,
    ) -> Result<Arc<LayerVersion>, ServiceError> {
        let number = number_of(number)?;
        self.get_by_id(caller, &LayerVersionId { layer: named(caller, layer), number })
    }

    /// The same by its ARN.
    ///
    /// # Errors
    /// `ResourceNotFound`; `AccessDenied` for another account's.
    pub fn get_by_id(&self, caller: &Scope, id: &LayerVersionId) -> Result<Arc<LayerVersion>, ServiceError> {
        if id.layer.scope.account != caller.account {
            check_shared(self.policies(), caller, id)?;
        }
        let reachable = id.layer.scope.region == caller.region;
        reachable.then(|| self.shelves().get(id)).flatten().ok_or_else(missing)
    }

    /// Removes a version; one that is not there is no error.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a number below 1.
    pub async fn delete(
        &self,
        caller: &Scope,
        layer: &LayerReference,
        number: i64,
    ) -> Result<(), ServiceError> {
        let id = LayerVersionId { number: number_of(number)?, layer: own(caller, layer)? };
        let layers = self.clone();
        to_the_end(async move {
            let policy = layers.policies().leaving(&id).await;
            let records = &layers.functions.parts().layer_records;
            let was_there = layers.shelves().remove(records, &id, policy.removal()).await;
            if was_there.map_err(|error| not_written(&id, &error))? {
                policy.forget();
            }
            Ok(())
        })
        .await
    }

    /// The layers of the caller's scope by name, each with its newest version that the filter lets through.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(
        &self,
        caller: &Scope,
        filter: &Filter,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<LayerPage, ServiceError> {
        let parse = |name: &str| LayerName::parse(name).ok();
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let wanted = |version: &LayerVersion| filter.admits(version);
        let (versions, has_more) = self.shelves().page(caller, &wanted, after.as_ref(), count_max);
        let last = versions.last().filter(|_| has_more);
        let next = last.map(|last| marker::encode(last.id.layer.name.as_str()));
        Ok(LayerPage { versions, next })
    }

    /// The versions of a layer, newest first. A layer that is not there has none.
    ///
    /// # Errors
    /// As [`Layers::list`]; `AccessDenied` for another account's layer.
    pub fn list_versions(
        &self,
        caller: &Scope,
        layer: &LayerReference,
        filter: &Filter,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<LayerPage, ServiceError> {
        let layer = own(caller, layer)?;
        let parse = |number: &str| number.parse::<u64>().ok();
        let before = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let wanted = |version: &LayerVersion| filter.admits(version);
        let (versions, has_more) = self.shelves().versions_page(&layer, &wanted, before, count_max);
        let last = versions.last().filter(|_| has_more);
        let next = last.map(|last| marker::encode(&last.id.number.to_string()));
        Ok(LayerPage { versions, next })
    }

    fn shelves(&self) -> &Shelves {
        self.functions.shelves()
    }
}

impl Filter {
    fn admits(&self, version: &LayerVersion) -> bool {
        self.runtime.as_ref().is_none_or(|runtime| version.runtimes.contains(runtime))
            && self.architecture.is_none_or(|architecture| version.architectures.contains(&architecture))
    }
}

/// The layer that a caller names, wherever it lies.
fn named(caller: &Scope, layer: &LayerReference) -> LayerId {
    LayerId { scope: layer.scope.clone().unwrap_or_else(|| caller.clone()), name: layer.name.clone() }
}

/// The layer that a caller names, which must lie in its own scope.
fn own(caller: &Scope, layer: &LayerReference) -> Result<LayerId, ServiceError> {
    let id = named(caller, layer);
    if id.scope.account != caller.account {
        return Err(ServiceError::AccessDenied(format!(
            "The caller's account is {}; layers of other accounts grant it nothing.",
            caller.account
        )));
    }
    if id.scope.region != caller.region {
        return Err(missing());
    }
    Ok(id)
}

fn number_of(number: i64) -> Result<u64, ServiceError> {
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(ServiceError::InvalidParameterValue("Layer Version Cannot be less than 1.".to_owned())),
    }
}

/// Whether a version of another account's layer is shared with this one. What its principals may do is for their own
/// policies to say.
///
/// # Errors
/// `AccessDenied`, whether or not there is such a version.
pub(crate) fn check_shared(
    policies: &LayerPolicies,
    caller: &Scope,
    id: &LayerVersionId,
) -> Result<(), ServiceError> {
    let (account, resource) = (caller.account.as_str(), id.to_string());
    let (arn, action) = (format!("arn:aws:iam::{account}:root"), "lambda:GetLayerVersion");
    let actor = Actor::Principal { account, arn: &arn, role_arn: None, id: "" };
    let context = Context::new();
    let request = Request { action, resource: &resource, actor: Some(actor), context: &context };
    let decision = decide(&request, &Held::everything(), policies.document(id).as_deref(), false);
    decision.denial(&arn, action, &resource).map_or(Ok(()), |denial| Err(ServiceError::AccessDenied(denial)))
}

fn missing() -> ServiceError {
    ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned())
}
