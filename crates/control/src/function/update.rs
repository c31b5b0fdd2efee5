//! Changes of functions that exist: new code, new settings.
//!
//! A change is checked as far as possible without a claim, made under one, and answered as soon as it is durable; until
//! it is prepared, the previous snapshot keeps serving. Code may be long in coming: what was allowed and checked for one
//! function is made to no other that has its name by then, and to none of whose checked sides one has changed.

use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Architecture, Code, Function, Settings, State, UpdateStatus};
use model::id::RevisionId;
use model::name::FunctionReference;
use model::noted::Origin;

use super::intake::Fit;
use super::live::Live;
use super::noted::check_key;
use super::reference::own_latest;
use super::refusal::{in_progress, in_state, not_found};
use super::registry::ClaimError;
use super::{Change, Functions, Inner, Source};
use crate::durable::to_the_end;

/// New code for a function.
#[derive(Debug, Clone)]
pub struct UpdateCode {
    /// The function.
    pub reference: FunctionReference,
    /// The code.
    pub source: Source,
    /// What is said of where that comes from.
    pub origin: Origin,
    /// The instruction set, if it changes.
    pub architecture: Option<Architecture>,
    /// Refuse unless the function is at this revision.
    pub revision: Option<String>,
    /// Check everything and change nothing.
    pub dry_run: bool,
    /// Whether a version is made of it.
    pub publish: bool,
}

/// New settings for a function.
#[derive(Debug, Clone)]
pub struct UpdateSettings {
    /// The function.
    pub reference: FunctionReference,
    /// What changes.
    pub settings: Change,
    /// Refuse unless the function is at this revision.
    pub revision: Option<String>,
}

/// What a change was allowed and checked for, at its beginning.
struct Grounds<'a> {
    /// The function as it was.
    live: &'a Live,
    /// The revision that it must have.
    revision: Option<&'a str>,
    /// Whether a version is made of what it becomes.
    publish: bool,
    /// Whether code or layers come in, which may have to be signed.
    has_code: bool,
}

impl Functions {
    /// Replaces the code; under `dry_run` only says what would be.
    ///
    /// # Errors
    /// As [`Functions::create`], and `PreconditionFailed`, `ResourceNotFound`.
    pub async fn update_code(
        &self,
        caller: &Scope,
        request: UpdateCode,
    ) -> Result<Arc<Function>, ServiceError> {
        let (functions, caller) = (self.clone(), caller.clone());
        to_the_end(async move { functions.update_code_now(&caller, request).await }).await
    }

    async fn update_code_now(
        &self,
        caller: &Scope,
        request: UpdateCode,
    ) -> Result<Arc<Function>, ServiceError> {
        let Inner { registry, .. } = &*self.0;
        let id = own_latest(caller, &request.reference, None)?;
        let live = registry.get(&id).ok_or_else(|| not_found(&id, None))?;
        let current = &live.current;
        check_changeable(current, request.revision.as_deref())?;
        match (&current.code, &request.source) {
            (Code::Zip(_), Source::Image(_)) => {
                return invalid(
                    "Please don't provide ImageUri when updating a function with packageType Zip.",
                );
            }
            (Code::Image(_), Source::Zip(_)) => {
                return invalid("Please provide ImageUri when updating a function with packageType Image.");
            }
            (Code::Zip(_), Source::Zip(_)) => self.check_signature(&id)?,
            (Code::Image(_), Source::Image(_)) => {}
        }
        check_key(request.origin.kms_key.as_deref())?;
        let architecture = request.architecture.unwrap_or(current.settings.architecture);
        self.check_runtime(&current.settings.start, architecture)?;
        let fit = Fit {
            scope: &id.scope,
            architecture,
            layers: &current.settings.layers,
            replaced_bytes: current.code.stored_bytes(),
            copies: if request.publish { 2 } else { 1 },
            dry_run: request.dry_run,
        };
        let arrived = self.take_in(request.source, fit).await?;
        if request.dry_run {
            let mut would_be = Function::clone(current);
            (would_be.code, would_be.origin) = (arrived.code(), request.origin);
            Arc::make_mut(&mut would_be.settings).architecture = architecture;
            return Ok(Arc::new(would_be));
        }
        let edit = |function: &mut Function| {
            let settings = &function.settings;
            // The new code was measured together with these layers, and is made for this instruction set.
            if settings.layers != current.settings.layers
                || settings.architecture != current.settings.architecture
            {
                return Err(in_progress(&function.id));
            }
            self.check_runtime(&settings.start, architecture)?;
            function.code = arrived.code();
            function.origin = request.origin;
            Arc::make_mut(&mut function.settings).architecture = architecture;
            Ok(())
        };
        let (revision, publish) = (request.revision.as_deref(), request.publish);
        self.change(&id, Grounds { live: &live, revision, publish, has_code: true }, edit).await
    }

    /// Changes settings.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `PreconditionFailed`, `ResourceConflict`, `ResourceNotFound`.
    pub async fn update_settings(
        &self,
        caller: &Scope,
        request: UpdateSettings,
    ) -> Result<Arc<Function>, ServiceError> {
        let (functions, id) = (self.clone(), own_latest(caller, &request.reference, None)?);
        to_the_end(async move { functions.update_settings_now(id, request).await }).await
    }

    async fn update_settings_now(
        &self,
        id: FunctionId,
        request: UpdateSettings,
    ) -> Result<Arc<Function>, ServiceError> {
        let live = self.0.registry.get(&id).ok_or_else(|| not_found(&id, None))?;
        let layers = request.settings.layers.as_ref().filter(|arns| !arns.is_empty());
        if let Some(arns) = layers {
            self.check_signature(&id)?;
            let layers = self.surroundings(&id.scope).layers(arns)?;
            self.check_with_layers(&live.current.code, &layers).await?;
        }
        if let Some(role) = &request.settings.role {
            self.0.parts.iam.check_execution_role(&id, role)?;
        }
        let has_code = layers.is_some();
        let revision = request.revision.as_deref();
        let edit = |function: &mut Function| {
            if has_code && function.code != live.current.code {
                // The layers were measured together with other code.
                return Err(in_progress(&function.id));
            }
            let surroundings = self.surroundings(&function.id.scope);
            let settings = Settings::clone(&function.settings);
            function.settings = Arc::new(request.settings.apply(settings, &surroundings)?);
            self.check_runtime(&function.settings.start, function.settings.architecture)
        };
        self.change(&id, Grounds { live: &live, revision, publish: false, has_code }, edit).await
    }

    /// Makes one change of settings or code durable and visible, and has it prepared. Gives `$LATEST`, or the version
    /// that is made of it.
    async fn change(
        &self,
        id: &FunctionId,
        Grounds { live: asked, revision, publish, has_code }: Grounds<'_>,
        edit: impl FnOnce(&mut Function) -> Result<(), ServiceError>,
    ) -> Result<Arc<Function>, ServiceError> {
        let Inner { parts, registry, .. } = &*self.0;
        let claim = registry.claim(id).map_err(|error| match error {
            ClaimError::Missing => not_found(id, None),
            ClaimError::Busy => in_progress(id),
        })?;
        check_same(asked, &claim.live)?;
        check_changeable(&claim.live.current, revision)?;
        let mut function = Function::clone(&claim.live.current);
        edit(&mut function)?;
        function.revision = self.new_revision();
        function.build = function.revision;
        function.last_modified = parts.clock.now();
        function.last_update = UpdateStatus::InProgress;
        let version = publish.then(|| self.next_version(&claim.live, &function, None)).flatten();
        let provider = |function: &Function| function.settings.capacity.as_ref().map(|used| used.arn.clone());
        let has_moved = provider(&function) != provider(&claim.live.current);
        let more = usize::from(version.is_some()) + usize::from(has_moved);
        let _room = self.room_on_provider(&id.scope, &function.settings, more).await?;
        let _signing = if has_code { self.about_to_deploy(id).await? } else { None };
        let live = self.write(claim, function, version.into_iter().collect(), |_, serving| serving).await?;
        self.prepare_soon(&live.current);
        let version = live.newest().filter(|_| publish).map(|published| &published.function);
        Ok(Arc::clone(version.unwrap_or(&live.current)))
    }
}

/// Refuses a change of what is no longer what the caller was allowed to change: another function of the same name, or one
/// with other tags, by which that may have been decided.
fn check_same(asked: &Live, now: &Live) -> Result<(), ServiceError> {
    if now.is_same_as(asked) && now.current.tags == asked.current.tags {
        return Ok(());
    }
    Err(in_progress(&now.current.id))
}

pub(super) fn check_changeable(function: &Function, revision: Option<&str>) -> Result<(), ServiceError> {
    if function.state == State::Pending {
        return Err(in_state(&function.state));
    }
    if function.last_update == UpdateStatus::InProgress {
        return Err(in_progress(&function.id));
    }
    check_revision(&function.revision, revision)
}

/// Refuses a change of what has been changed since the caller looked at it.
pub(super) fn check_revision(current: &RevisionId, expected: Option<&str>) -> Result<(), ServiceError> {
    match expected {
        Some(expected) if expected != current.to_string() => Err(ServiceError::PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API \
             to retrieve the latest Revision Id"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}
