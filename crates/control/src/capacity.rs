//! What the operations on capacity providers mean: create, read, list, change, delete.
//!
//! Providers are kept by Lambda's rules and shown as they were set; nothing is launched for them. A function may name a
//! provider that is not there, so changes of providers take turns with each other only. Transport-free.
//!
//! Sources: Lambda API reference, `CreateCapacityProvider` and its kin; Lambda Developer Guide, "Capacity providers".

use std::sync::Arc;

use model::arn::Scope;
use model::capacity::{
    InstanceTypes, PropagatedTags, Provider, ProviderId, ProviderLogging, ProviderState, ScalingMode,
    ScalingPolicy,
};
use model::error::ServiceError;
use model::function::Architecture;
use model::limits;
use model::port::Pending;

use crate::durable::{not_written, to_the_end};
use crate::function::{Functions, Page, check_key};
use crate::marker;
use crate::table::Entry;
use crate::tags::{TagChange, Tagged, TaggedArn, Tags, check_labels};

/// The providers of all accounts. Clones share them.
#[derive(Clone)]
pub struct Capacity {
    functions: Functions,
}

/// A provider to be created.
#[derive(Debug, Clone, Default)]
pub struct CreateProvider {
    /// Its name, or the ARN that it is to have.
    pub name: String,
    /// Where instances would be launched.
    pub subnets: Vec<String>,
    /// What would guard them.
    pub security_groups: Vec<String>,
    /// ARN of the role that would launch them.
    pub operator_role: String,
    /// Their instruction set; `x86_64` if none is named.
    pub architecture: Option<Architecture>,
    /// Their types, if not all.
    pub allowed_types: Vec<String>,
    /// The types that they may not be.
    pub excluded_types: Vec<String>,
    /// ARN of the key.
    pub kms_key: Option<String>,
    /// What can be changed later.
    pub change: ProviderChange,
    /// The owner's labels.
    pub tags: Tags,
}

/// What can be changed of a provider; what is absent stays, or has its default.
#[derive(Debug, Clone, Default)]
pub struct ProviderChange {
    /// How many vCPUs its instances may have together.
    pub vcpus_max: Option<u32>,
    /// Whether their number follows policies.
    pub is_manual: Option<bool>,
    /// These policies.
    pub policies: Option<Vec<ScalingPolicy>>,
    /// Which labels instances would get.
    pub propagated: Option<PropagatedChange>,
    /// What would be logged about them.
    pub logging: Option<ProviderLogging>,
}

/// Which labels instances would get, as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct PropagatedChange {
    /// Whether they get any.
    pub is_explicit: bool,
    /// Which.
    pub tags: Option<Tags>,
}

/// One page of providers.
pub struct ProviderPage {
    /// By name.
    pub providers: Vec<Arc<Provider>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Capacity {
    /// The providers that these functions use.
    #[must_use]
    pub fn new(functions: Functions) -> Self {
        Self { functions }
    }

    /// Creates a provider.
    ///
    /// # Errors
    /// `ResourceConflict` if the name is taken; `InvalidParameterValue` for what contradicts itself;
    /// `CapacityProviderLimitExceeded`.
    pub async fn create(
        &self,
        caller: &Scope,
        request: CreateProvider,
    ) -> Result<Arc<Provider>, ServiceError> {
        let id = id_of(caller, &request.name)?;
        let mut provider = request.into_provider(id)?;
        self.in_turn(async move |capacity| {
            let providers = &capacity.functions.capacity().providers;
            let id = &provider.id;
            if providers.get(&id.scope, &id.name).is_some() {
                return Err(ServiceError::ResourceConflict(format!(
                    "Capacity provider already exists: {id}"
                )));
            }
            let most = capacity.functions.parts().quotas.capacity_providers;
            if providers.count(&id.scope) >= most {
                return Err(ServiceError::CapacityProviderLimitExceeded(format!(
                    "The account has {most} capacity providers in this region, which is the maximum."
                )));
            }
            provider.last_modified = capacity.functions.parts().clock.now();
            capacity.put(provider, None).await
        })
        .await
    }

    /// One provider, by name or ARN.
    ///
    /// # Errors
    /// `ResourceNotFound`; `AccessDenied` for the ARN of another account.
    pub fn get(&self, caller: &Scope, name: &str) -> Result<Arc<Provider>, ServiceError> {
        self.find(caller, name).map(|entry| entry.value)
    }

    /// Changes a provider.
    ///
    /// # Errors
    /// As [`Capacity::get`]; `InvalidParameterValue` for what contradicts itself.
    pub async fn update(
        &self,
        caller: &Scope,
        name: &str,
        change: ProviderChange,
    ) -> Result<Arc<Provider>, ServiceError> {
        let (caller, name) = (caller.clone(), name.to_owned());
        self.in_turn(async move |capacity| {
            let entry = capacity.find(&caller, &name)?;
            let mut provider = change.apply(Provider::clone(&entry.value))?;
            provider.last_modified = capacity.functions.parts().clock.now();
            capacity.put(provider, Some(entry)).await
        })
        .await
    }

    /// Deletes a provider that no version of a function uses.
    ///
    /// # Errors
    /// As [`Capacity::get`]; `ResourceConflict` while a version uses it.
    pub async fn delete(&self, caller: &Scope, name: &str) -> Result<Arc<Provider>, ServiceError> {
        let (caller, name) = (caller.clone(), name.to_owned());
        self.in_turn(async move |capacity| {
            let Entry { value, stored } = capacity.find(&caller, &name)?;
            if let Some(user) = capacity.functions.versions_on(&value.id, None, 1)?.functions.first() {
                return Err(ServiceError::ResourceConflict(format!(
                    "The capacity provider {} is in use by function version {}:{}. Delete all function versions \
                     that use it first.",
                    value.id,
                    user.id.arn(),
                    user.version
                )));
            }
            let providers = &capacity.functions.capacity().providers;
            let removed = providers.remove(&caller, &value.id.name, stored).await;
            removed.map(|()| Arc::clone(&value)).map_err(|error| not_written(&value.id, &error))
        })
        .await
    }

    /// The providers of the caller's scope, a page at a time; those in one state only, if one is named.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(
        &self,
        caller: &Scope,
        state: Option<ProviderState>,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<ProviderPage, ServiceError> {
        let after = marker.map(|marker| marker::decode(marker, |name| Some(name.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let wanted = |_: &Provider| state.is_none_or(|state| state == ProviderState::Active);
        let providers = &self.functions.capacity().providers;
        let (providers, has_more) = providers.page(caller, after.as_deref(), count_max, wanted);
        let next = providers.last().filter(|_| has_more).map(|last| marker::encode(&last.id.name));
        Ok(ProviderPage { providers, next })
    }

    /// The versions of functions that use a provider, a page at a time, with the provider.
    ///
    /// # Errors
    /// As [`Capacity::get`]; `InvalidParameterValue` for a marker that was not given out here.
    pub fn users(
        &self,
        caller: &Scope,
        name: &str,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<(Arc<Provider>, Page), ServiceError> {
        let provider = self.get(caller, name)?;
        let page = self.functions.versions_on(&provider.id, marker, count_max)?;
        Ok((provider, page))
    }

    fn find(&self, caller: &Scope, name: &str) -> Result<Entry<Provider>, ServiceError> {
        let id = id_of(caller, name)?;
        let entry = self.functions.capacity().providers.get(&id.scope, &id.name);
        entry.ok_or_else(|| ServiceError::ResourceNotFound(format!("Capacity provider not found: {id}")))
    }

    async fn put(
        &self,
        provider: Provider,
        before: Option<Entry<Provider>>,
    ) -> Result<Arc<Provider>, ServiceError> {
        let subject = provider.id.clone();
        let providers = &self.functions.capacity().providers;
        let kept = providers.put(provider, before.map(|entry| entry.stored)).await;
        kept.map_err(|error| not_written(subject, &error))
    }

    /// Carries out a change in turn with all others, to its end even if the caller stops waiting.
    async fn in_turn<T: Send + 'static, F>(
        &self,
        change: impl FnOnce(Capacity) -> F + Send + 'static,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let capacity = self.clone();
        to_the_end(async move {
            let functions = capacity.functions.clone();
            let _turn = functions.capacity().turn.lock().await;
            change(capacity).await
        })
        .await
    }
}

impl Tagged for Capacity {
    fn tags(&self, scope: &Scope, id: &str) -> Result<Tags, ServiceError> {
        Ok(self.get(scope, id)?.tags.clone())
    }

    fn change_tags(
        &self,
        scope: &Scope,
        id: &str,
        change: TagChange,
    ) -> Pending<'_, Result<(), ServiceError>> {
        let (scope, id) = (scope.clone(), id.to_owned());
        Box::pin(self.in_turn(async move |capacity| {
            let entry = capacity.find(&scope, &id)?;
            let mut provider = Provider::clone(&entry.value);
            provider.tags = change.apply(provider.tags)?;
            capacity.put(provider, Some(entry)).await.map(drop)
        }))
    }
}

impl CreateProvider {
    fn into_provider(self, id: ProviderId) -> Result<Provider, ServiceError> {
        if id.to_string().len() > ProviderId::ARN_LENGTH_MAX {
            return invalid(&format!(
                "The capacity provider's name is too long: its ARN may have {} characters.",
                ProviderId::ARN_LENGTH_MAX
            ));
        }
        let instances = match (self.allowed_types.is_empty(), self.excluded_types.is_empty()) {
            (true, true) => InstanceTypes::Any,
            (false, true) => InstanceTypes::Allowed(self.allowed_types),
            (true, false) => InstanceTypes::Excluded(self.excluded_types),
            (false, false) => {
                return invalid("AllowedInstanceTypes and ExcludedInstanceTypes cannot be given together.");
            }
        };
        check_key(self.kms_key.as_deref())?;
        check_labels(&self.tags)?;
        self.change.apply(Provider {
            id,
            subnets: self.subnets,
            security_groups: self.security_groups,
            operator_role: self.operator_role,
            architecture: self.architecture.unwrap_or(Architecture::X86_64),
            instances,
            vcpus_max: None,
            scaling: ScalingMode::default(),
            kms_key: self.kms_key,
            propagated: None,
            logging: None,
            last_modified: model::time::Timestamp::from_millis(0),
            tags: self.tags,
        })
    }
}

impl ProviderChange {
    fn apply(self, mut provider: Provider) -> Result<Provider, ServiceError> {
        provider.vcpus_max = self.vcpus_max.or(provider.vcpus_max);
        provider.scaling = scaling(provider.scaling, self.is_manual, self.policies)?;
        if let Some(change) = self.propagated {
            provider.propagated = Some(change.check()?);
        }
        provider.logging = self.logging.or(provider.logging);
        Ok(provider)
    }
}

impl PropagatedChange {
    fn check(self) -> Result<PropagatedTags, ServiceError> {
        let tags = self.tags.unwrap_or_default();
        match self.is_explicit {
            true => {
                check_labels(&tags)?;
                Ok(PropagatedTags::Explicit(tags))
            }
            false if tags.is_empty() => Ok(PropagatedTags::Nothing),
            false => invalid("PropagateTags.ExplicitTags can only be given with the mode Explicit."),
        }
    }
}

/// The mode after a change. Policies stay as long as the mode that needs them does.
fn scaling(
    before: ScalingMode,
    is_manual: Option<bool>,
    policies: Option<Vec<ScalingPolicy>>,
) -> Result<ScalingMode, ServiceError> {
    let before = match before {
        ScalingMode::Auto => None,
        ScalingMode::Manual(policies) => Some(policies),
    };
    match (is_manual.unwrap_or(before.is_some()), policies) {
        (true, policies) => match policies.or(before) {
            Some(policies) => Ok(ScalingMode::Manual(policies)),
            None => invalid("ScalingPolicies are required with the ScalingMode Manual."),
        },
        (false, None) => Ok(ScalingMode::Auto),
        (false, Some(_)) => invalid("ScalingPolicies can only be given with the ScalingMode Manual."),
    }
}

/// The provider that a name or an ARN means.
fn id_of(caller: &Scope, name: &str) -> Result<ProviderId, ServiceError> {
    if !name.starts_with("arn:") {
        return Ok(ProviderId { scope: caller.clone(), name: name.to_owned() });
    }
    let TaggedArn { scope, id: name_in_arn, .. } = TaggedArn::parse(caller, name)?;
    let id = ProviderId { scope, name: name_in_arn };
    match id.to_string() == name {
        true => Ok(id),
        // Of another partition.
        false => Err(ServiceError::ResourceNotFound(format!("Capacity provider not found: {name}"))),
    }
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use model::capacity::ScalingMetric;
    use model::id::{AccountId, Region};

    use super::*;

    fn policies(target: f64) -> Vec<ScalingPolicy> {
        vec![ScalingPolicy { metric: ScalingMetric::Cpu, target }]
    }

    #[test]
    fn policies_go_with_the_mode_that_needs_them() {
        let manual = || ScalingMode::Manual(policies(50.0));
        for (before, is_manual, asked, expect) in [
            (ScalingMode::Auto, None, None, Some(ScalingMode::Auto)),
            (ScalingMode::Auto, Some(true), Some(policies(50.0)), Some(manual())),
            (ScalingMode::Auto, Some(true), None, None),
            (ScalingMode::Auto, None, Some(policies(50.0)), None),
            (manual(), None, None, Some(manual())),
            (manual(), Some(true), None, Some(manual())),
            (manual(), None, Some(policies(7.0)), Some(ScalingMode::Manual(policies(7.0)))),
            (manual(), Some(false), None, Some(ScalingMode::Auto)),
            (manual(), Some(false), Some(policies(7.0)), None),
        ] {
            let title = format!("{before:?} {is_manual:?} {asked:?}");
            assert_eq!(scaling(before, is_manual, asked).ok(), expect, "{title}");
        }
    }

    #[test]
    fn names_and_arns_mean_the_same_here_and_nothing_elsewhere() {
        let caller = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let id = id_of(&caller, "pool").expect("a name");
        assert_eq!(id_of(&caller, &id.to_string()), Ok(id.clone()));
        let elsewhere = |from: &str, to: &str| id_of(&caller, &id.to_string().replace(from, to));
        assert!(matches!(elsewhere("arn:aws:", "arn:aws-cn:"), Err(ServiceError::ResourceNotFound(_))));
        assert!(matches!(elsewhere("us-east-1", "eu-west-1"), Err(ServiceError::ResourceNotFound(_))));
        assert!(matches!(elsewhere("000000000000", "123456789012"), Err(ServiceError::AccessDenied(_))));
    }

    #[test]
    fn an_arn_has_to_fit_where_functions_name_it() {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let create = |chars| {
            let id = ProviderId { scope: scope.clone(), name: "p".repeat(chars) };
            CreateProvider::default().into_provider(id).is_ok()
        };
        let fits = ProviderId::ARN_LENGTH_MAX
            - ProviderId { scope: scope.clone(), name: String::new() }.to_string().len();
        assert!(create(fits));
        assert!(!create(fits + 1));
    }
}
