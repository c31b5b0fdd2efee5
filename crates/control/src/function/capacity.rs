//! Which versions use which capacity provider, and how many environments they may have there: put, get.
//!
//! Bounds are kept and shown. How many environments a version has follows from its invocations, as for every function.
//!
//! Source: Lambda API reference, `PutFunctionScalingConfig`.

use std::sync::Arc;

use model::arn::Scope;
use model::capacity::{FunctionScaling, Provider, ProviderId, ScalingBounds};
use model::error::ServiceError;
use model::function::{Function, Settings};
use model::name::{FunctionReference, Qualifier, Version};
use store::records::RecordError;
use store::records::typed::TypedRecords;
use tokio::sync::{Mutex, MutexGuard};

use super::live::Live;
use super::reference::{one_qualifier, own_id};
use super::refusal::not_found;
use super::{Functions, Page};
use crate::durable::not_written;
use crate::table::Table;

/// All capacity providers.
pub(crate) struct Providers {
    /// By scope and name.
    pub(crate) providers: Table<Provider>,
    /// Held while one changes.
    pub(crate) turn: Mutex<()>,
}

impl Providers {
    /// Takes what was stored.
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read.
    pub(super) async fn load(records: &TypedRecords) -> Result<Self, RecordError> {
        Ok(Self { providers: Table::load(records).await?, turn: Mutex::default() })
    }
}

impl Functions {
    /// Says how many environments a version on a capacity provider may have; bounds that say nothing take away what was
    /// said before. The version as it is then.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for bounds that contradict each other, and for a function that is on
    /// no capacity provider.
    pub async fn bound_scaling(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        bounds: ScalingBounds,
    ) -> Result<Arc<Function>, ServiceError> {
        if let ScalingBounds { min: Some(min), max: Some(max) } = bounds
            && min > max
        {
            return Err(ServiceError::InvalidParameterValue(format!(
                "MinExecutionEnvironments ({min}) must not be greater than MaxExecutionEnvironments ({max})."
            )));
        }
        let id = own_id(caller, reference)?;
        let qualifier = one_qualifier(reference, qualifier)?.cloned();
        self.in_turn(&id.clone(), async move |functions, live| {
            let version = on_provider(&live, qualifier.as_ref())?;
            let (table, name) = (&functions.0.attachments.scaling, version.version.to_string());
            let before = table.get(&id, &name).map(|entry| entry.stored);
            let written = match before {
                Some(before) if bounds == ScalingBounds::default() => table.remove(&id, &name, before).await,
                None if bounds == ScalingBounds::default() => Ok(()),
                before => {
                    let value = FunctionScaling { function: id.clone(), qualifier: name, bounds };
                    table.put(value, before).await.map(drop)
                }
            };
            written.map(|()| version).map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// How many environments a version may have, with the version.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a function that is on no capacity provider.
    pub fn scaling_bounds(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(Arc<Function>, ScalingBounds), ServiceError> {
        let id = own_id(caller, reference)?;
        let live = self.0.registry.get(&id).ok_or_else(|| not_found(&id, None))?;
        let version = on_provider(&live, one_qualifier(reference, qualifier)?)?;
        let entry = self.0.attachments.scaling.get(&id, &version.version.to_string());
        Ok((version, entry.map(|entry| entry.value.bounds).unwrap_or_default()))
    }

    /// The versions on a capacity provider, `$LATEST` among them, by name and number, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub(crate) fn versions_on(
        &self,
        provider: &ProviderId,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<Page, ServiceError> {
        let arn = provider.to_string();
        self.page(&provider.scope, marker, count_max, |function| is_on(function, &arn))
    }

    /// Room for more versions on the capacity provider of these settings, if they name one; nobody else takes it while
    /// what this gives is held.
    ///
    /// # Errors
    /// `ProviderVersionsLimitExceeded`.
    pub(super) async fn room_on_provider(
        &self,
        scope: &Scope,
        settings: &Settings,
        more: usize,
    ) -> Result<Option<MutexGuard<'_, ()>>, ServiceError> {
        let Some(provider) = settings.capacity.as_ref().filter(|_| more > 0) else { return Ok(None) };
        let turn = self.0.capacity.turn.lock().await;
        let most = self.0.parts.quotas.provider_versions;
        let (versions, _) =
            self.0.registry.page(scope, None, most, |function| is_on(function, &provider.arn));
        if versions.len() + more > most {
            return Err(ServiceError::ProviderVersionsLimitExceeded(format!(
                "The maximum number of function versions ({most}) on the capacity provider {} is exceeded.",
                provider.arn
            )));
        }
        Ok(Some(turn))
    }

    /// All capacity providers.
    pub(crate) fn capacity(&self) -> &Providers {
        &self.0.capacity
    }
}

fn is_on(function: &Function, provider_arn: &str) -> bool {
    function.settings.capacity.as_ref().is_some_and(|provider| provider.arn == provider_arn)
}

/// The version that is meant, if it is on a capacity provider.
fn on_provider(live: &Live, qualifier: Option<&Qualifier>) -> Result<Arc<Function>, ServiceError> {
    let version = match qualifier {
        Some(Qualifier::Version(version)) => live.version(*version),
        Some(Qualifier::Alias(_)) => None,
        None => live.version(Version::Latest),
    };
    let version = version.ok_or_else(|| not_found(&live.current.id, qualifier))?;
    match &version.settings.capacity {
        Some(_) => Ok(Arc::clone(version)),
        None => Err(ServiceError::InvalidParameterValue(format!(
            "FunctionScalingConfig is only supported for functions with a CapacityProviderConfig, which {}:{} has \
             not.",
            version.id.arn(),
            version.version
        ))),
    }
}
