//! What the operations on functions mean: create, read, list, change, delete, and resolve for an invocation.
//!
//! Every write follows one order: check, claim the function, make the change durable, show it, answer. What may
//! take long (unpacking) happens after the answer, in [`prepare`]; until then the state is `Pending` or the last
//! update `InProgress`, and the previous snapshot keeps serving. Writes run in tasks of their own, so a caller
//! who hangs up never leaves one half done.
//!
//! Transport-free: requests arrive as domain types and refusals leave as `ServiceError` in AWS's wording.

mod marker;
mod prepare;
mod registry;
mod settings;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Architecture, Function, State, UpdateStatus};
use model::id::{Digest, RevisionId};
use model::limits;
use model::name::{FunctionReference, Qualifier, Version};
use model::port::{Clock, Entropy, Invoke, Runtimes};
use store::records::RecordError;
use store::records::functions::FunctionRecords;

use crate::package::Packages;
use registry::{Claim, ClaimError, Live, Registry};
pub use settings::{Change, LoggingChange, check_tags};

/// How often the maintenance looks for unfinished changes and unused packages.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60);

/// The functions of all accounts. Clones share them.
#[derive(Clone)]
pub struct Functions(Arc<Inner>);

/// What [`Functions`] work with.
pub struct Parts {
    /// Their durable form.
    pub records: Arc<FunctionRecords>,
    /// Their code.
    pub packages: Arc<Packages>,
    /// Which languages this machine serves.
    pub runtimes: Arc<dyn Runtimes>,
    /// Told when environments of a function are out of date.
    pub invoke: Arc<dyn Invoke>,
    /// Time of changes.
    pub clock: Arc<dyn Clock>,
    /// Source of revision ids.
    pub entropy: Arc<dyn Entropy>,
}

struct Inner {
    parts: Parts,
    registry: Arc<Registry>,
}

/// A function to be created.
#[derive(Debug, Clone)]
pub struct Create {
    /// Its name.
    pub reference: FunctionReference,
    /// The deployment package.
    pub zip: Bytes,
    /// Its settings.
    pub settings: Change,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
}

/// New code for a function.
#[derive(Debug, Clone)]
pub struct UpdateCode {
    /// The function.
    pub reference: FunctionReference,
    /// The deployment package.
    pub zip: Bytes,
    /// The instruction set, if it changes.
    pub architecture: Option<Architecture>,
    /// Refuse unless the function is at this revision.
    pub revision: Option<String>,
    /// Check everything and change nothing.
    pub dry_run: bool,
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

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Ordered by name.
    pub functions: Vec<Arc<Function>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Functions {
    /// Loads all functions; changes that an earlier run did not finish are taken up by [`Functions::maintain`].
    ///
    /// # Errors
    /// [`RecordError`] when a record cannot be read: none is ever forgotten silently.
    pub async fn open(parts: Parts) -> Result<Self, RecordError> {
        let stored = parts.records.load_all().await?;
        let live = stored.into_iter().map(|(function, revision)| {
            let current = Arc::new(function);
            // No environment outlived the earlier run, so there is no older snapshot that could serve.
            let serving = (current.state == State::Active).then(|| Arc::clone(&current));
            Live::new(current, serving, revision)
        });
        let registry = Arc::new(Registry::load(live));
        Ok(Self(Arc::new(Inner { parts, registry })))
    }

    /// Finishes changes that were left unfinished and collects unused packages, again and again. To be run as a
    /// task for as long as the server does; it never returns.
    pub async fn maintain(&self) {
        loop {
            self.reconcile().await;
            let digests = || self.0.registry.digests();
            if let Err(error) = self.0.parts.packages.collect(&digests).await {
                tracing::warn!(%error, "unused packages were not collected; the next round tries again");
            }
            tokio::time::sleep(MAINTENANCE_EVERY).await;
        }
    }

    /// Creates a function.
    ///
    /// # Errors
    /// `ResourceConflict` if the name is taken; `InvalidParameterValue` for a package or settings that cannot be
    /// honoured; `CodeStorageExceeded`.
    pub async fn create(&self, caller: &Scope, request: Create) -> Result<Arc<Function>, ServiceError> {
        let (functions, caller) = (self.clone(), caller.clone());
        to_the_end(async move { functions.create_now(&caller, request).await }).await
    }

    async fn create_now(&self, caller: &Scope, request: Create) -> Result<Arc<Function>, ServiceError> {
        let Inner { parts, registry } = &*self.0;
        let id = own_latest(caller, &request.reference, None)?;
        let exists = || ServiceError::ResourceConflict(format!("Function already exist: {}", id.name));
        if registry.get(&id).is_some() {
            return Err(exists());
        }
        let settings = request.settings.into_settings()?;
        check_tags(&request.tags)?;
        parts.runtimes.choose(&settings.runtime, settings.architecture)?;
        let package = parts.packages.check(request.zip).await?;
        self.check_code_storage(&id.scope, package.code.size_bytes, 0)?;

        let reservation = registry.reserve(&id).ok_or_else(exists)?;
        let kept = parts.packages.keep(package).await?;
        let function = Arc::new(Function {
            id,
            version: Version::Latest,
            settings,
            code: kept.code,
            revision: self.new_revision(),
            last_modified: parts.clock.now(),
            state: State::Pending,
            last_update: UpdateStatus::Successful,
            tags: request.tags,
        });
        let stored =
            parts.records.insert(&function).await.map_err(|error| not_written(&function.id, &error))?;
        reservation.fill(Live::new(Arc::clone(&function), None, stored));
        self.prepare_soon(&function);
        Ok(function)
    }

    /// The newest snapshot of a function, whatever its state.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn get(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError> {
        self.find(caller, reference, qualifier).map(|live| live.current)
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
        let live = self.find(caller, reference, qualifier)?;
        live.serving.ok_or_else(|| in_state(&live.current.state))
    }

    /// The functions of the caller's scope by name, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(&self, caller: &Scope, marker: Option<&str>, count_max: usize) -> Result<Page, ServiceError> {
        let after = marker.map(marker::decode).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let (functions, has_more) = self.0.registry.page(caller, after.as_ref(), count_max);
        let next = functions.last().filter(|_| has_more).map(|last| marker::encode(&last.id.name));
        Ok(Page { functions, next })
    }

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
        let Inner { parts, registry } = &*self.0;
        let id = own_latest(caller, &request.reference, None)?;
        let current = registry.get(&id).ok_or_else(|| not_found(&id, None))?.current;
        check_changeable(&current, request.revision.as_deref())?;
        let architecture = request.architecture.unwrap_or(current.settings.architecture);
        parts.runtimes.choose(&current.settings.runtime, architecture)?;
        let package = parts.packages.check(request.zip).await?;
        self.check_code_storage(&id.scope, package.code.size_bytes, current.code.size_bytes)?;
        if request.dry_run {
            let mut would_be = Function::clone(&current);
            (would_be.code, would_be.settings.architecture) = (package.code, architecture);
            return Ok(Arc::new(would_be));
        }
        // Held until the function refers to the package.
        let kept = parts.packages.keep(package).await?;
        let edit = |function: &mut Function| {
            function.code = kept.code;
            function.settings.architecture = architecture;
            Ok(())
        };
        self.change(&id, request.revision.as_deref(), edit).await
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
        to_the_end(async move {
            let runtimes = Arc::clone(&functions.0.parts.runtimes);
            let edit = move |function: &mut Function| {
                function.settings = request.settings.apply(function.settings.clone())?;
                runtimes.choose(&function.settings.runtime, function.settings.architecture).map(drop)
            };
            functions.change(&id, request.revision.as_deref(), edit).await
        })
        .await
    }

    /// Removes a function; its running invocations end normally.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` when only `$LATEST` is to be removed.
    pub async fn delete(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ServiceError> {
        let id = own_id(caller, reference)?;
        match one_qualifier(reference, qualifier)? {
            None => {}
            Some(Qualifier::Version(Version::Latest)) => {
                let message = "$LATEST version cannot be deleted without deleting the function.";
                return Err(ServiceError::InvalidParameterValue(message.to_owned()));
            }
            Some(other) => return Err(not_found(&id, Some(other))),
        }
        let functions = self.clone();
        to_the_end(async move {
            let Inner { parts, registry } = &*functions.0;
            let claim = registry.claim_in_turn(&id).await.ok_or_else(|| not_found(&id, None))?;
            let removed = parts.records.remove(&id, claim.live.current.version, claim.live.stored).await;
            removed.map_err(|error| not_written(&id, &error))?;
            claim.remove();
            parts.invoke.retire(&id);
            Ok(())
        })
        .await
    }

    /// The zip of a package that some function uses or used until lately.
    ///
    /// # Errors
    /// `ResourceNotFound` if it is not kept any more.
    pub async fn package(&self, digest: Digest) -> Result<Bytes, ServiceError> {
        let zip = self.0.parts.packages.zip(digest).await?;
        zip.ok_or_else(|| ServiceError::ResourceNotFound("This package is not kept any more.".to_owned()))
    }

    /// Makes one change of settings or code durable and visible, and has it prepared.
    async fn change(
        &self,
        id: &FunctionId,
        revision: Option<&str>,
        edit: impl FnOnce(&mut Function) -> Result<(), ServiceError>,
    ) -> Result<Arc<Function>, ServiceError> {
        let Inner { parts, registry } = &*self.0;
        let claim = registry.claim(id).map_err(|error| match error {
            ClaimError::Missing => not_found(id, None),
            ClaimError::Busy => in_progress(id),
        })?;
        check_changeable(&claim.live.current, revision)?;
        let mut function = Function::clone(&claim.live.current);
        edit(&mut function)?;
        function.revision = self.new_revision();
        function.last_modified = parts.clock.now();
        function.last_update = UpdateStatus::InProgress;
        let function = self.write(claim, function, |live| live.serving.clone()).await?;
        self.prepare_soon(&function);
        Ok(function)
    }

    /// Makes a new snapshot durable, then shows it; `serving` says what invocations run from then on.
    async fn write(
        &self,
        claim: Claim,
        function: Function,
        serving: impl FnOnce(&Live) -> Option<Arc<Function>>,
    ) -> Result<Arc<Function>, ServiceError> {
        let function = Arc::new(function);
        let replaced = self.0.parts.records.replace(&function, claim.live.stored).await;
        let stored = replaced.map_err(|error| not_written(&function.id, &error))?;
        let serving = serving(&Live::new(Arc::clone(&function), claim.live.serving.clone(), stored));
        claim.install(Arc::clone(&function), serving, stored);
        Ok(function)
    }

    fn find(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Live, ServiceError> {
        let id = own_id(caller, reference)?;
        let qualifier = one_qualifier(reference, qualifier)?;
        match qualifier {
            None | Some(Qualifier::Version(Version::Latest)) => {
                self.0.registry.get(&id).ok_or_else(|| not_found(&id, qualifier))
            }
            Some(_) => Err(not_found(&id, qualifier)),
        }
    }

    fn check_code_storage(&self, scope: &Scope, added: u64, replaced: u64) -> Result<(), ServiceError> {
        let after = (self.0.registry.code_bytes(scope) + added).saturating_sub(replaced);
        if after > limits::CODE_STORAGE_BYTES_MAX {
            return Err(ServiceError::CodeStorageExceeded("Code storage limit exceeded.".to_owned()));
        }
        Ok(())
    }

    fn new_revision(&self) -> RevisionId {
        let mut random = [0; 16];
        self.0.parts.entropy.fill(&mut random);
        RevisionId::from_random(random)
    }
}

/// Whether a change of the function still has to be prepared.
fn is_unsettled(function: &Function) -> bool {
    function.state == State::Pending || function.last_update == UpdateStatus::InProgress
}

fn check_changeable(function: &Function, revision: Option<&str>) -> Result<(), ServiceError> {
    if function.state == State::Pending {
        return Err(in_state(&function.state));
    }
    if function.last_update == UpdateStatus::InProgress {
        return Err(in_progress(&function.id));
    }
    match revision {
        Some(revision) if revision != function.revision.to_string() => Err(ServiceError::PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API \
             to retrieve the latest Revision Id"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The function that a reference names, if it lies in the caller's own scope.
fn own_id(caller: &Scope, reference: &FunctionReference) -> Result<FunctionId, ServiceError> {
    if let Some(region) = reference.region.as_ref().filter(|region| **region != caller.region) {
        let message =
            format!("Functions from '{region}' are not reachable in this region ('{}')", caller.region);
        return Err(ServiceError::ResourceNotFound(message));
    }
    if reference.account.is_some_and(|account| account != caller.account) {
        return Err(ServiceError::AccessDenied(format!(
            "The caller's account is {}; functions of other accounts grant it nothing.",
            caller.account
        )));
    }
    Ok(FunctionId { scope: caller.clone(), name: reference.name.clone() })
}

/// As [`own_id`], for operations that change `$LATEST` and can name nothing else.
fn own_latest(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<FunctionId, ServiceError> {
    match one_qualifier(reference, qualifier)? {
        None | Some(Qualifier::Version(Version::Latest)) => own_id(caller, reference),
        Some(other) => Err(ServiceError::InvalidParameterValue(format!(
            "Only $LATEST can be changed, not {other}: published versions are immutable."
        ))),
    }
}

/// The qualifier of the name or of the parameter, which must not contradict each other.
fn one_qualifier<'a>(
    reference: &'a FunctionReference,
    parameter: Option<&'a Qualifier>,
) -> Result<Option<&'a Qualifier>, ServiceError> {
    match (reference.qualifier.as_ref(), parameter) {
        (Some(derived), Some(given)) if derived != given => {
            let message =
                "The derived qualifier from the function name does not match the specified qualifier.";
            Err(ServiceError::InvalidParameterValue(message.to_owned()))
        }
        (derived, given) => Ok(derived.or(given)),
    }
}

fn not_found(id: &FunctionId, qualifier: Option<&Qualifier>) -> ServiceError {
    let arn = qualifier.map_or_else(|| id.arn(), |qualifier| id.qualified_arn(qualifier));
    ServiceError::ResourceNotFound(format!("Function not found: {arn}"))
}

fn in_progress(id: &FunctionId) -> ServiceError {
    ServiceError::ResourceConflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {}",
        id.arn()
    ))
}

fn in_state(state: &State) -> ServiceError {
    let (name, reason) = match state {
        State::Pending => ("Pending", String::new()),
        State::Active => ("Active", String::new()),
        State::Failed { reason } => ("Failed", format!(". {reason}")),
    };
    ServiceError::ResourceConflict(format!(
        "The operation cannot be performed at this time. The function is currently in the following state: \
         {name}{reason}"
    ))
}

/// What the caller is told when the store refuses; the log has the cause.
fn not_written(id: &FunctionId, error: &RecordError) -> ServiceError {
    match error {
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(function = %id.arn(), %error, "cannot make a change durable");
            ServiceError::Internal("The change could not be stored; nothing was changed.".to_owned())
        }
    }
}

/// Runs a write to its end even if the caller stops waiting for it.
async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::spawn(write).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change of a function broke off");
        Err(ServiceError::Internal("The change broke off.".to_owned()))
    })
}
