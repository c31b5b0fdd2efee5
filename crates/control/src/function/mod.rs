//! What the operations on functions mean: create, read, list, change, delete, and resolve for an invocation.
//!
//! Every write follows one order: check, claim the function, make the change durable, show it, answer. What may
//! take long (unpacking) happens after the answer, in [`prepare`]; until then the state is `Pending` or the last
//! update `InProgress`, and the previous snapshot keeps serving. Writes run in tasks of their own, so a caller
//! who hangs up never leaves one half done.
//!
//! Transport-free: requests arrive as domain types and refusals leave as `ServiceError` in AWS's wording.

mod attachments;
mod concurrency;
mod images;
mod intake;
mod noted;
mod permissions;
mod prepare;
mod reference;
mod refusal;
mod registry;
mod settings;
mod source;
mod surroundings;
mod tags;
mod tenant;
mod update;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Function, State, UpdateStatus};
use model::id::{Digest, RevisionId};
use model::limits;
use model::name::{FunctionName, FunctionReference, Qualifier, Version};
use model::noted::Origin;
use model::port::{Clock, Entropy, Images, Invoke, Objects, Runtimes};
use store::records::RecordError;
use store::records::layers::LayerRecords;
use store::records::typed::TypedRecords;

use crate::durable::{not_written, to_the_end};
use crate::layer::{LayerPolicies, Shelves};
use crate::marker;
use crate::package::Packages;
use crate::permission::Documents;
use attachments::Attachments;
use images::FunctionImages;
pub use images::is_resolved;
use intake::Fit;
pub use noted::{NotedChange, VpcChange};
pub use permissions::Place;
use reference::{one_qualifier, own_id, own_latest};
use refusal::{in_progress, in_state, not_found};
use registry::{Claim, Live, Registry};
pub use settings::{Change, LoggingChange, PackageKind};
pub use source::{Source, ZipSource};
pub use tags::check_tags;
pub use tenant::tenant_of;
pub use update::{UpdateCode, UpdateSettings};

/// How often the maintenance looks for unfinished changes and unused packages.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(60);

/// The functions of all accounts. Clones share them.
#[derive(Clone)]
pub struct Functions(Arc<Inner>);

/// What [`Functions`] work with.
pub struct Parts {
    /// Their durable form, and that of all that belongs to them.
    pub records: TypedRecords,
    /// The durable form of layers.
    pub layer_records: Arc<LayerRecords>,
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
    /// Container images; without it, functions are zips only.
    pub images: Option<Arc<dyn Images>>,
    /// Buckets; without it, code is sent along only.
    pub objects: Option<Arc<dyn Objects>>,
    /// The directories that functions may share, by the ARN under which they ask for them.
    pub file_systems: BTreeMap<String, PathBuf>,
}

struct Inner {
    parts: Parts,
    registry: Arc<Registry>,
    shelves: Shelves,
    layer_policies: LayerPolicies,
    attachments: Attachments,
    documents: Documents,
    images: FunctionImages,
    /// Changes that are being prepared at this moment.
    preparing: Mutex<HashSet<RevisionId>>,
}

/// A function to be created.
#[derive(Debug, Clone)]
pub struct Create {
    /// Its name.
    pub reference: FunctionReference,
    /// Its code.
    pub source: Source,
    /// What is said of where that comes from.
    pub origin: Origin,
    /// Its settings.
    pub settings: Change,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
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
        let stored = parts.records.load::<Function>().await?;
        let live = stored.into_iter().map(|(function, revision)| {
            let current = Arc::new(function);
            // No environment outlived the earlier run, so there is no older snapshot that could serve.
            let runs = current.state == State::Active && images::is_runnable(&current.code);
            let serving = runs.then(|| Arc::clone(&current));
            Live::new(current, serving, revision)
        });
        let registry = Arc::new(Registry::load(live));
        let shelves = Shelves::load(&parts.layer_records).await?;
        let layer_policies = LayerPolicies::load(&parts.records).await?;
        let attachments = Attachments::load(&parts.records).await?;
        let images = FunctionImages::new(parts.images.clone(), Arc::clone(&parts.clock));
        let functions = Self(Arc::new(Inner {
            parts,
            registry,
            shelves,
            layer_policies,
            attachments,
            documents: Documents::default(),
            images,
            preparing: Mutex::default(),
        }));
        functions.retain_images();
        Ok(functions)
    }

    /// Finishes changes that were left unfinished and collects unused packages, again and again. To be run as a
    /// task for as long as the server does; it never returns.
    pub async fn maintain(&self) {
        loop {
            self.reconcile().await;
            self.retain_images();
            let digests = || {
                let mut digests = self.0.registry.packages();
                digests.extend(self.0.shelves.digests());
                digests
            };
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
        let Inner { parts, registry, .. } = &*self.0;
        let id = own_latest(caller, &request.reference, None)?;
        let exists = || ServiceError::ResourceConflict(format!("Function already exist: {}", id.name));
        if registry.get(&id).is_some() {
            return Err(exists());
        }
        let kind = match &request.source {
            Source::Zip(_) => PackageKind::Zip,
            Source::Image(_) => PackageKind::Image,
        };
        let settings = request.settings.into_settings(kind, &self.surroundings(&id.scope))?;
        check_tags(&request.tags)?;
        noted::check_key(request.origin.kms_key.as_deref())?;
        self.check_runtime(&settings.start, settings.architecture)?;
        let reservation = registry.reserve(&id).ok_or_else(exists)?;
        let fit = Fit {
            scope: &id.scope,
            architecture: settings.architecture,
            layers: &settings.layers,
            replaced_bytes: 0,
            dry_run: false,
        };
        let arrived = self.take_in(request.source, fit).await?;
        let function = Arc::new(Function {
            id,
            version: Version::Latest,
            settings,
            code: arrived.code(),
            origin: request.origin,
            revision: self.new_revision(),
            last_modified: parts.clock.now(),
            state: State::Pending,
            last_update: UpdateStatus::Successful,
            tags: request.tags,
        });
        let stored =
            parts.records.insert(&*function).await.map_err(|error| not_written(function.id.arn(), &error))?;
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
        if let Some(what) = live.current.settings.noted.unperformed() {
            return Err(ServiceError::InvalidParameterValue(format!(
                "This version of Dormouse keeps the settings of {what} but cannot run functions that have them."
            )));
        }
        live.serving.ok_or_else(|| match live.current.state {
            // Known to run once, but what it runs is being fetched again.
            State::Active => in_progress(&live.current.id),
            _ => in_state(&live.current.state),
        })
    }

    /// The functions of the caller's scope by name, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(&self, caller: &Scope, marker: Option<&str>, count_max: usize) -> Result<Page, ServiceError> {
        let parse = |name: &str| FunctionName::parse(name).ok();
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let (functions, has_more) = self.0.registry.page(caller, after.as_ref(), count_max);
        let next = functions.last().filter(|_| has_more).map(|last| marker::encode(last.id.name.as_str()));
        Ok(Page { functions, next })
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
            let Inner { parts, registry, .. } = &*functions.0;
            let claim = registry.claim_in_turn(&id).await.ok_or_else(|| not_found(&id, None))?;
            let attached = functions.0.attachments.all();
            let latest = claim.live.current.version.to_string();
            let mut writes = vec![parts.records.removal::<Function>(&id, &latest, claim.live.stored)];
            writes.extend(attached.iter().flat_map(|kind| kind.removals(&id, None)));
            parts.records.commit(writes).await.map_err(|error| not_written(id.arn(), &error))?;
            attached.iter().for_each(|kind| kind.forget(&id, None));
            claim.remove();
            parts.invoke.retire(&id);
            functions.retain_images();
            Ok(())
        })
        .await
    }

    /// The zip of a package that some function or layer uses or used until lately.
    ///
    /// # Errors
    /// `ResourceNotFound` if it is not kept any more.
    pub async fn package(&self, digest: Digest) -> Result<Bytes, ServiceError> {
        let zip = self.0.parts.packages.zip(digest).await?;
        zip.ok_or_else(|| ServiceError::ResourceNotFound("This package is not kept any more.".to_owned()))
    }

    /// Makes a new snapshot durable, then shows it; `serving` says what invocations run from then on.
    async fn write(
        &self,
        claim: Claim,
        function: Function,
        serving: impl FnOnce(&Live) -> Option<Arc<Function>>,
    ) -> Result<Arc<Function>, ServiceError> {
        let function = Arc::new(function);
        let replaced = self.0.parts.records.replace(&*function, claim.live.stored).await;
        let stored = replaced.map_err(|error| not_written(function.id.arn(), &error))?;
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

    /// Carries out a change of something that belongs to a function, in turn with all other changes of that function
    /// and to its end even if the caller stops waiting. The change sees the function as it is.
    ///
    /// # Errors
    /// `ResourceNotFound` if there is no such function; those of the change.
    pub(crate) async fn in_turn<T: Send + 'static, F>(
        &self,
        id: &FunctionId,
        change: impl FnOnce(Functions, Live) -> F + Send + 'static,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let (functions, id) = (self.clone(), id.clone());
        to_the_end(async move {
            let claim = functions.0.registry.claim_in_turn(&id).await.ok_or_else(|| not_found(&id, None))?;
            let changed = change(functions, claim.live.clone()).await;
            drop(claim);
            changed
        })
        .await
    }

    /// Tells which container images are in use.
    fn retain_images(&self) {
        self.0.images.retain(self.0.registry.images());
    }

    /// All layers of all accounts.
    pub(crate) fn shelves(&self) -> &Shelves {
        &self.0.shelves
    }

    /// The policies of all layers of all accounts.
    pub(crate) fn layer_policies(&self) -> &LayerPolicies {
        &self.0.layer_policies
    }

    /// The parts, for operations that are not on functions.
    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    pub(crate) fn new_revision(&self) -> RevisionId {
        let mut random = [0; 16];
        self.0.parts.entropy.fill(&mut random);
        RevisionId::from_random(random)
    }
}

/// Whether a change of the function still has to be prepared.
fn is_unsettled(function: &Function) -> bool {
    function.state == State::Pending || function.last_update == UpdateStatus::InProgress
}
