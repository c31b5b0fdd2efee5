//! From what a caller names to what is meant: qualifiers, aliases and their weights.
//!
//! The warm path: a few look-ups in memory, each under a lock that is held for no longer.

use std::sync::Arc;

use model::alias::Alias;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Function, State};
use model::name::{FunctionReference, Qualifier, Version};

use super::Functions;
use super::live::Live;
use super::reference::{one_qualifier, own_id};
use super::refusal::{in_progress, in_state, not_found};

impl Functions {
    /// The snapshot of a version, whatever its state; of an alias, that of its first version.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn get(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError> {
        let id = own_id(caller, reference)?;
        let qualifier = one_qualifier(reference, qualifier)?;
        self.pick(&id, qualifier, |alias| alias.version, |live, version| live.version(version).cloned())
    }

    /// The snapshot that an invocation runs.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` while there is nothing that could run.
    pub fn resolve(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError> {
        let id = own_id(caller, reference)?;
        self.resolve_at(&id, one_qualifier(reference, qualifier)?)
    }

    /// The same for a function that is already known.
    pub(super) fn resolve_at(
        &self,
        id: &FunctionId,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError> {
        let choose = |alias: &Alias| match alias.additional {
            None => alias.version,
            Some(_) => alias.choose(self.draw()),
        };
        self.pick(id, qualifier, choose, |live, version| {
            let serving = live.serving(version).cloned();
            serving.map(Ok).or_else(|| live.version(version).map(|shown| Err(not_ready(shown))))
        })?
        .and_then(performed)
    }

    /// What `take` makes of the version that a qualifier stands for; `choose` picks one of an alias's versions.
    fn pick<T>(
        &self,
        id: &FunctionId,
        qualifier: Option<&Qualifier>,
        choose: impl Fn(&Alias) -> Version,
        take: impl Fn(&Live, Version) -> Option<T>,
    ) -> Result<T, ServiceError> {
        let missing = || not_found(id, qualifier);
        let look = |version| self.0.registry.look(id, |live| take(live, version)).flatten();
        match qualifier {
            None => look(Version::Latest),
            Some(Qualifier::Version(version)) => look(*version),
            Some(Qualifier::Alias(name)) => {
                let choose = || self.0.attachments.aliases.get(id, name).map(|alias| choose(&alias.value));
                // An alias may have been moved, and its old version deleted, since it was looked at.
                choose().and_then(look).or_else(|| choose().and_then(look))
            }
        }
        .ok_or_else(missing)
    }

    fn draw(&self) -> u32 {
        let mut random = [0; 4];
        self.0.parts.entropy.fill(&mut random);
        u32::from_le_bytes(random)
    }
}

/// Refuses what has settings without which it must not run.
fn performed(function: Arc<Function>) -> Result<Arc<Function>, ServiceError> {
    match function.settings.noted.unperformed() {
        None => Ok(function),
        Some(what) => Err(ServiceError::InvalidParameterValue(format!(
            "This version of Dormouse keeps the settings of {what} but cannot run functions that have them."
        ))),
    }
}

fn not_ready(shown: &Function) -> ServiceError {
    match shown.state {
        // Known to run once, but what it runs is being fetched again.
        State::Active => in_progress(&shown.id),
        _ => in_state(&shown.state),
    }
}
