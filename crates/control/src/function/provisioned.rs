//! Provisioned concurrency: put, get, list, delete, and what of it is told to whoever runs functions.
//!
//! A configuration is durable first. What it means for versions follows from aliases and their weights, which may change
//! at any time, so it is worked out anew after each change and told as a whole; the last one who tells has seen
//! everything that was changed before.
//!
//! Source: Lambda API reference, `PutProvisionedConcurrencyConfig` and its kin; Developer Guide, "Configuring provisioned
//! concurrency for a function".

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};

use model::alias::Alias;
use model::arn::{FunctionId, Scope};
use model::concurrency::ProvisionedConcurrency;
use model::error::ServiceError;
use model::function::{Function, State};
use model::limits;
use model::name::{FunctionReference, Qualifier, Version};
use model::port::Provisioned;

use super::Functions;
use super::alias::missing as no_alias;
use super::live::Live;
use super::reference::{one_qualifier, own_id};
use super::refusal::{in_state, not_found};
use crate::durable::not_written;
use crate::marker;

/// What is said of `$LATEST` when something is to be provisioned.
const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
/// What is said of `$LATEST` when something provisioned is looked for.
const NOT_A_VERSION: &str = "The function resource provided must be an alias or a published version.";

/// A configuration and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// What is asked for.
    pub config: Arc<ProvisionedConcurrency>,
    /// Environments that exist for it.
    pub allocated: u32,
    /// Environments that have initialised.
    pub available: u32,
    /// In one word.
    pub status: ProvisionStatus,
}

/// How far a configuration has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionStatus {
    /// Environments are being started.
    InProgress,
    /// All that were asked for have initialised.
    Ready,
    /// The last start failed; it is tried again.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ProvisionPage {
    /// Ordered by qualifier.
    pub provisions: Vec<Provision>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Functions {
    /// Provisions concurrency for a version, or for what an alias stands for; takes the place of what was provisioned.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` where alias and version would both have it; `InvalidParameterValue` for
    /// `$LATEST`, for an alias with weights, for a function that cannot have it, and for more than there is.
    pub async fn provision(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        executions: u32,
    ) -> Result<Provision, ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier, UNPUBLISHED)?;
        self.check_there(&id, &qualifier)?;
        self.in_turn(&id.clone(), async move |functions, live| {
            functions.check_provisionable(&live, &qualifier)?;
            // What is reserved is the function's already.
            let taken = if functions.reserved(&id).is_some() { 0 } else { executions };
            let check = |about_to_be| functions.check_share(&id, &qualifier, executions, about_to_be);
            let _taking = functions.0.takings.begin(&id.scope, taken, check).await?;
            let table = &functions.0.attachments.provisioned;
            let name = qualifier.to_string();
            let before = table.get(&id, &name).map(|entry| entry.stored);
            let modified = functions.0.parts.clock.now();
            let config = ProvisionedConcurrency { function: id.clone(), qualifier, executions, modified };
            table.put(config, before).await.map_err(|error| not_written(id.arn(), &error))?;
            functions.tell_provisioned(&id);
            functions.provision_of(&id, &name)
        })
        .await
    }

    /// What is provisioned for a version or an alias.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ProvisionedConcurrencyConfigNotFound`; `InvalidParameterValue` for `$LATEST`.
    pub fn provisioned(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Provision, ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier, NOT_A_VERSION)?;
        self.check_there(&id, &qualifier)?;
        self.provision_of(&id, &qualifier.to_string())
    }

    /// What is provisioned for the versions and aliases of a function, a page at a time.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn provisions(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<ProvisionPage, ServiceError> {
        let id = self.existing(caller, reference)?;
        let after = marker.map(|marker| marker::decode(marker, |name| Some(name.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let name = |provision: &Provision| provision.config.qualifier.to_string();
        let is_after = |provision: &Provision| {
            after.as_ref().is_none_or(|after| name(provision).as_str() > after.as_str())
        };
        let mut found = self.progress(&id).into_iter().filter(is_after);
        let provisions: Vec<_> = found.by_ref().take(count_max).collect();
        let next = provisions.last().filter(|_| found.next().is_some());
        let next = next.map(|last| marker::encode(&name(last)));
        Ok(ProvisionPage { provisions, next })
    }

    /// Takes away what is provisioned for a version or an alias; nothing is no error.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for `$LATEST`.
    pub async fn unprovision(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier, NOT_A_VERSION)?;
        self.check_there(&id, &qualifier)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let (table, name) = (&functions.0.attachments.provisioned, qualifier.to_string());
            let Some(entry) = table.get(&id, &name) else { return Ok(()) };
            let removed = table.remove(&id, &name, entry.stored).await;
            removed.map_err(|error| not_written(id.arn(), &error))?;
            functions.tell_provisioned(&id);
            Ok(())
        })
        .await
    }

    /// Tells whoever runs functions what is to be kept ready of this one. To be called after each change of what that
    /// follows from: configurations, aliases, versions and their states.
    pub(super) fn tell_provisioned(&self, id: &FunctionId) {
        let _turn = self.0.provisioning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::<Version, u32>::new();
        for entry in self.0.attachments.provisioned.all(id) {
            for (version, count) in self.shares(&entry.value) {
                *counts.entry(version).or_default() += count;
            }
        }
        let serving = |(version, count): (&Version, &u32)| {
            let function = self.0.registry.look(id, |live| live.serving(*version).cloned())??;
            Some((function, *count))
        };
        let wanted: Vec<_> = counts.iter().filter_map(serving).collect();
        self.0.parts.invoke.provision(id, &wanted);
    }

    /// The same for all functions, after a start.
    pub(super) fn tell_all_provisioned(&self) {
        let all = self.0.attachments.provisioned.gather(|config| Some(config.function.clone()));
        all.into_iter().collect::<HashSet<_>>().iter().for_each(|id| self.tell_provisioned(id));
    }

    /// Whether an alias that is about to become this can keep what is provisioned for it, if anything is.
    pub(super) fn check_provisioned_alias(&self, live: &Live, alias: &Alias) -> Result<(), ServiceError> {
        if self.0.attachments.provisioned.get(&alias.function, &alias.name).is_none() {
            return Ok(());
        }
        self.check_alias_versions(live, alias)
    }

    /// The sum of what is provisioned for a function, but for one qualifier.
    pub(super) fn provisioned_sum(&self, id: &FunctionId, without: Option<&Qualifier>) -> u32 {
        let all = self.0.attachments.provisioned.all(id);
        let counted = all.iter().map(|entry| &entry.value).filter(|own| Some(&own.qualifier) != without);
        counted.fold(0, |sum, own| sum.saturating_add(own.executions))
    }

    fn provision_of(&self, id: &FunctionId, name: &str) -> Result<Provision, ServiceError> {
        let found = self.progress(id).into_iter().find(|own| own.config.qualifier.to_string() == name);
        found.ok_or_else(|| {
            ServiceError::ProvisionedConcurrencyConfigNotFound(
                "No Provisioned Concurrency Config found for this function".to_owned(),
            )
        })
    }

    /// How far every configuration of a function has come. Where two aliases stand for one version, the first has the
    /// first environments.
    fn progress(&self, id: &FunctionId) -> Vec<Provision> {
        let mut left = BTreeMap::<Version, Provisioned>::new();
        let of = |entry: crate::table::Entry<ProvisionedConcurrency>| {
            let config = entry.value;
            let parts: Vec<_> = self
                .shares(&config)
                .into_iter()
                .map(|(version, count)| {
                    let left =
                        left.entry(version).or_insert_with(|| self.0.parts.invoke.provisioned(id, version));
                    take(left, count)
                })
                .collect();
            summed(config, &parts)
        };
        self.0.attachments.provisioned.all(id).into_iter().map(of).collect()
    }

    /// How many environments of which versions a configuration asks for.
    fn shares(&self, config: &ProvisionedConcurrency) -> Vec<(Version, u32)> {
        match &config.qualifier {
            Qualifier::Version(version) => vec![(*version, config.executions)],
            Qualifier::Alias(name) => {
                let alias = self.0.attachments.aliases.get(&config.function, name);
                alias.map(|alias| alias_shares(&alias.value, config.executions)).unwrap_or_default()
            }
        }
    }

    fn check_there(&self, id: &FunctionId, qualifier: &Qualifier) -> Result<(), ServiceError> {
        let exists = match qualifier {
            Qualifier::Version(version) => {
                self.0.registry.look(id, |live| live.version(*version).is_some()).unwrap_or(false)
            }
            Qualifier::Alias(name) => self.0.attachments.aliases.get(id, name).is_some(),
        };
        if exists { Ok(()) } else { Err(absent(id, qualifier)) }
    }

    fn check_provisionable(&self, live: &Live, qualifier: &Qualifier) -> Result<(), ServiceError> {
        let id = &live.current.id;
        match qualifier {
            Qualifier::Alias(name) => {
                let alias = self.0.attachments.aliases.get(id, name);
                let alias = alias.ok_or_else(|| absent(id, qualifier))?.value;
                if alias.additional.is_some() {
                    return invalid("Alias with weights can not be used with Provisioned Concurrency");
                }
                self.check_alias_versions(live, &alias)
            }
            Qualifier::Version(version) => {
                let function = live.version(*version).ok_or_else(|| absent(id, qualifier))?;
                let aliases = self.0.attachments.aliases.all(id);
                let mut pointing = aliases.iter().filter(|alias| alias.value.refers_to(*version));
                if pointing.any(|alias| self.0.attachments.provisioned.get(id, &alias.value.name).is_some()) {
                    return Err(ServiceError::ResourceConflict(
                        "Version is pointed by a Provisioned Concurrency alias".to_owned(),
                    ));
                }
                check_function(function)
            }
        }
    }

    /// Whether what an alias stands for can be provisioned.
    fn check_alias_versions(&self, live: &Live, alias: &Alias) -> Result<(), ServiceError> {
        for version in [Some(alias.version), alias.additional.map(|additional| additional.version)] {
            let Some(version) = version else { continue };
            if version == Version::Latest {
                return invalid(UNPUBLISHED);
            }
            if self.0.attachments.provisioned.get(&alias.function, &version.to_string()).is_some() {
                return Err(ServiceError::ResourceConflict(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                        .to_owned(),
                ));
            }
            let qualifier = Qualifier::Version(version);
            let function = live.version(version);
            check_function(function.ok_or_else(|| not_found(&alias.function, Some(&qualifier)))?)?;
        }
        Ok(())
    }

    /// Whether there is as much to be had while others are `about_to_be` taking some.
    fn check_share(
        &self,
        id: &FunctionId,
        qualifier: &Qualifier,
        executions: u32,
        about_to_be: u32,
    ) -> Result<(), ServiceError> {
        let own = self.provisioned_sum(id, Some(qualifier));
        match self.reserved(id) {
            Some(reserved) if own.saturating_add(executions) > reserved => invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for \
                 function",
            ),
            Some(_) => Ok(()),
            None => {
                let taken =
                    self.taken_in(&id.scope, Some(id)).saturating_add(own).saturating_add(about_to_be);
                check_unreserved(self.0.parts.concurrency, taken, executions)
            }
        }
    }

    /// What functions of a scope have reserved or, without reservation, provisioned; all but one.
    pub(super) fn taken_in(&self, scope: &Scope, without: Option<&FunctionId>) -> u32 {
        let counts = |id: &FunctionId| id.scope == *scope && Some(id) != without;
        let attachments = &self.0.attachments;
        let reserved = attachments.reserved.gather(|own| counts(&own.function).then_some(own.executions));
        let provisioned = attachments.provisioned.gather(|own| {
            (counts(&own.function) && self.reserved(&own.function).is_none()).then_some(own.executions)
        });
        reserved.into_iter().chain(provisioned).fold(0, u32::saturating_add)
    }
}

/// The function, and the version or alias that is meant; of `$LATEST` it says what it is told.
fn addressed(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
    of_latest: &str,
) -> Result<(FunctionId, Qualifier), ServiceError> {
    match one_qualifier(reference, qualifier)? {
        None | Some(Qualifier::Version(Version::Latest)) => invalid(of_latest),
        Some(named) => Ok((own_id(caller, reference)?, named.clone())),
    }
}

/// Which versions an alias has its environments of, by their weights.
fn alias_shares(alias: &Alias, executions: u32) -> Vec<(Version, u32)> {
    let Some(additional) = alias.additional else { return vec![(alias.version, executions)] };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a weight is from 0 to 1, so the product is from 0 to a u32"
    )]
    let second = (f64::from(executions) * additional.weight).round() as u32;
    let shares = [(alias.version, executions.saturating_sub(second)), (additional.version, second)];
    shares.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Takes up to so many environments; a failure is everybody's.
fn take(left: &mut Provisioned, count: u32) -> Provisioned {
    let mine = Provisioned {
        allocated: left.allocated.min(count),
        available: left.available.min(count),
        failure: left.failure.clone(),
    };
    left.allocated -= mine.allocated;
    left.available -= mine.available;
    mine
}

fn summed(config: Arc<ProvisionedConcurrency>, parts: &[Provisioned]) -> Provision {
    let available = parts.iter().map(|part| part.available).sum();
    let failure = parts.iter().find_map(|part| part.failure.clone());
    let status = match failure {
        _ if available == config.executions => ProvisionStatus::Ready,
        Some(reason) => ProvisionStatus::Failed { reason },
        None => ProvisionStatus::InProgress,
    };
    let allocated = parts.iter().map(|part| part.allocated).sum();
    Provision { config, allocated, available, status }
}

/// Whether a version can have environments before it is invoked.
fn check_function(function: &Function) -> Result<(), ServiceError> {
    let settings = &function.settings;
    let hindrance = if settings.tenant_isolation {
        Some("functions that isolate tenants (TenancyConfig)")
    } else if settings.capacity.is_some() {
        Some("functions on capacity providers (CapacityProviderConfig)")
    } else if settings.noted.snap_start {
        Some("functions with SnapStart enabled")
    } else {
        settings.noted.unperformed()
    };
    match (hindrance, &function.state) {
        (Some(what), _) => invalid(&format!("Provisioned Concurrency is not supported for {what}.")),
        (None, State::Failed { .. }) => Err(in_state(&function.state)),
        (None, _) => Ok(()),
    }
}

/// Whether what others have not taken is enough.
fn check_unreserved(limit: u32, taken: u32, executions: u32) -> Result<(), ServiceError> {
    let unreserved = limit.saturating_sub(taken);
    if executions > unreserved {
        return invalid(&format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency \
             [{unreserved}]."
        ));
    }
    let least = limits::UNRESERVED_MIN.min(limit / 2);
    if unreserved - executions < least {
        return invalid(&format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{least}]."
        ));
    }
    Ok(())
}

fn absent(id: &FunctionId, qualifier: &Qualifier) -> ServiceError {
    match qualifier {
        Qualifier::Version(_) => not_found(id, Some(qualifier)),
        Qualifier::Alias(name) => no_alias(id, name),
    }
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use model::alias::Weighted;
    use model::id::{AccountId, Region, RevisionId};
    use model::name::FunctionName;
    use model::time::Timestamp;

    use super::*;

    fn id() -> FunctionId {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        FunctionId { scope, name: FunctionName::parse("hello").expect("a legal name") }
    }

    #[test]
    fn a_hundred_stay_for_all_others() {
        let check = |limit, taken, executions| check_unreserved(limit, taken, executions).is_ok();
        assert!(check(1_000, 0, 900) && !check(1_000, 0, 901));
        assert!(check(1_000, 899, 1) && !check(1_000, 900, 1));
        assert!(!check(1_000, u32::MAX, 1) && !check(1_000, 0, u32::MAX));
        assert!(check(10, 0, 5) && !check(10, 0, 6));
    }

    #[test]
    fn weights_split_what_is_provisioned() {
        let check = |weight: Option<f64>, executions, expect: &[(u64, u32)]| {
            let alias = Alias {
                function: id(),
                name: "live".to_owned(),
                version: Version::Published(1),
                additional: weight.map(|weight| Weighted { version: Version::Published(2), weight }),
                description: String::new(),
                revision: RevisionId::from_random([1; 16]),
            };
            let expect: Vec<_> =
                expect.iter().map(|(number, count)| (Version::Published(*number), *count)).collect();
            assert_eq!(alias_shares(&alias, executions), expect, "{weight:?} of {executions}");
        };
        check(None, 5, &[(1, 5)]);
        check(Some(0.0), 5, &[(1, 5)]);
        check(Some(0.1), 10, &[(1, 9), (2, 1)]);
        check(Some(0.5), 3, &[(1, 1), (2, 2)]);
        check(Some(1.0), 3, &[(2, 3)]);
        check(Some(0.1), 1, &[(1, 1)]);
    }

    #[test]
    fn a_status_follows_from_what_there_is() {
        let config = Arc::new(ProvisionedConcurrency {
            function: id(),
            qualifier: Qualifier::Alias("live".to_owned()),
            executions: 3,
            modified: Timestamp::from_millis(0),
        });
        let part = |allocated, available, failure: Option<&str>| Provisioned {
            allocated,
            available,
            failure: failure.map(str::to_owned),
        };
        let check = |parts: &[Provisioned], allocated, available, status| {
            let seen = summed(Arc::clone(&config), parts);
            assert_eq!(seen, Provision { config: Arc::clone(&config), allocated, available, status });
        };
        check(&[], 0, 0, ProvisionStatus::InProgress);
        check(&[part(2, 1, None), part(1, 1, None)], 3, 2, ProvisionStatus::InProgress);
        check(&[part(2, 2, None), part(1, 1, None)], 3, 3, ProvisionStatus::Ready);
        let failed = ProvisionStatus::Failed { reason: "why".to_owned() };
        check(&[part(2, 2, None), part(1, 0, Some("why"))], 3, 2, failed);
        check(&[part(3, 3, Some("before"))], 3, 3, ProvisionStatus::Ready);
    }

    #[test]
    fn two_aliases_of_one_version_share_its_environments() {
        let mut left = Provisioned { allocated: 4, available: 3, failure: None };
        let first = take(&mut left, 2);
        assert_eq!((first.allocated, first.available), (2, 2));
        let second = take(&mut left, 3);
        assert_eq!((second.allocated, second.available), (2, 1));
    }
}
