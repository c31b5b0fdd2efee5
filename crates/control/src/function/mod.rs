//! What the operations on functions mean: create, read, list, change, delete, and resolve for an invocation.
//!
//! Every write follows one order: check, claim the function, make the change durable, show it, answer. What may
//! take long (unpacking) happens after the answer, in [`prepare`]; until then the state is `Pending` or the last
//! update `InProgress`, and the previous snapshot keeps serving. Writes run in tasks of their own, so a caller
//! who hangs up never leaves one half done.
//!
//! Transport-free: requests arrive as domain types and refusals leave as `ServiceError` in AWS's wording.

mod alias;
mod assembly;
mod attachments;
mod capacity;
mod concurrency;
mod event_invoke;
mod events;
mod images;
mod intake;
mod live;
mod management;
mod noted;
mod permissions;
mod prepare;
mod provisioned;
mod reference;
mod refusal;
mod registry;
mod resolve;
mod settings;
mod signing;
mod source;
mod surroundings;
mod tags;
mod taking;
mod target;
mod tenant;
mod update;
mod url;
mod version;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Function, State, UpdateStatus};
use model::id::{Digest, RevisionId};
use model::limits::{self, Quotas};
use model::name::{FunctionName, FunctionReference, Qualifier, Version};
use model::noted::Origin;
use model::port::{Clock, Entropy, Images, Invoke, Objects, Runtimes};
use store::records::layers::LayerRecords;
use store::records::typed::TypedRecords;
use store::records::{RecordError, Revision};

use crate::durable::{not_written, to_the_end};
use crate::event_source::{Mappings, Queues};
use crate::iam::Iam;
use crate::layer::{LayerPolicies, Shelves};
use crate::marker;
use crate::package::Packages;
use crate::permission::Documents;
pub use alias::{AliasPage, CreateAlias, Routing, UpdateAlias};
use assembly::{Assembly, Batch};
use attachments::Attachments;
use capacity::Providers;
pub use concurrency::AccountSettings;
pub use event_invoke::{EventInvokeChange, EventInvokePage};
use images::FunctionImages;
pub use images::is_resolved;
use intake::Fit;
use live::{Live, Published};
pub use management::ManagedRuntime;
pub(crate) use noted::check_key;
pub use noted::{NotedChange, VpcChange};
pub use permissions::Place;
pub use provisioned::{Provision, ProvisionPage, ProvisionStatus};
use reference::{one_qualifier, own_id, own_latest};
use refusal::not_found;
use registry::{Claim, Registry};
pub use settings::{Change, LoggingChange, PackageKind};
use signing::{AboutToSign, Signing};
pub use source::{Source, ZipSource};
pub use tags::check_tags;
use taking::Takings;
pub use target::FunctionTarget;
pub use tenant::tenant_of;
pub use update::{UpdateCode, UpdateSettings};
pub use url::{UrlChange, UrlPage};
pub use version::Publish;

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
    /// Roles, one of which each function takes on.
    pub iam: Iam,
    /// Container images; without it, functions are zips only.
    pub images: Option<Arc<dyn Images>>,
    /// Buckets; without it, code is sent along only.
    pub objects: Option<Arc<dyn Objects>>,
    /// Queues that functions can be mapped to; without it, mappings of queues are kept unchecked.
    pub queues: Option<Queues>,
    /// The directories that functions may share, by the ARN under which they ask for them.
    pub file_systems: BTreeMap<String, PathBuf>,
    /// Invocations that one account may run at once in one region.
    pub concurrency: u32,
    /// How much one account may have in one region.
    pub quotas: Quotas,
}

struct Inner {
    parts: Parts,
    registry: Arc<Registry>,
    shelves: Shelves,
    layer_policies: LayerPolicies,
    attachments: Attachments,
    documents: Documents,
    /// Where addresses were found.
    url_places: url::Places,
    signing: Signing,
    mappings: Mappings,
    capacity: Providers,
    images: FunctionImages,
    /// Concurrency that is being reserved or provisioned.
    takings: Takings,
    /// Held while it is told what is provisioned.
    provisioning: Mutex<()>,
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
    /// ARN of its code signing configuration.
    pub code_signing: Option<String>,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// Whether version 1 is published with it.
    pub publish: bool,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Ordered by name, then by version.
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
        let mut assembly = Assembly::default();
        parts.records.pages(Batch::of, |batch| assembly.add(batch)).await?;
        let live = assembly.finish(|version| {
            tracing::error!(function = %version.id.arn(), version = %version.version, "a version has no function");
        });
        let registry = Arc::new(Registry::load(live));
        let shelves = Shelves::load(&parts.layer_records).await?;
        let layer_policies = LayerPolicies::load(&parts.records).await?;
        let attachments = Attachments::load(&parts.records).await?;
        let signing = Signing::load(&parts.records).await?;
        let mappings = Mappings::load(&parts.records).await?;
        let capacity = Providers::load(&parts.records).await?;
        let images = FunctionImages::new(parts.images.clone(), Arc::clone(&parts.clock));
        let functions = Self(Arc::new(Inner {
            parts,
            registry,
            shelves,
            layer_policies,
            attachments,
            documents: Documents::default(),
            signing,
            mappings,
            capacity,
            images,
            takings: Takings::default(),
            provisioning: Mutex::default(),
            url_places: url::Places::default(),
            preparing: Mutex::default(),
        }));
        functions.retain_images();
        functions.tell_reservations();
        Ok(functions)
    }

    /// Has started what is provisioned, then finishes changes that were left unfinished and collects unused packages,
    /// again and again. To be run as a task for as long as the server does; it never returns.
    pub async fn maintain(&self) {
        self.tell_all_provisioned();
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
    /// honoured; `CodeStorageExceeded`; `ProviderVersionsLimitExceeded`.
    pub async fn create(&self, caller: &Scope, request: Create) -> Result<Arc<Function>, ServiceError> {
        let (functions, caller) = (self.clone(), caller.clone());
        to_the_end(async move { functions.create_now(&caller, request).await }).await
    }

    async fn create_now(&self, caller: &Scope, request: Create) -> Result<Arc<Function>, ServiceError> {
        let Inner { parts, registry, .. } = &*self.0;
        let id = own_latest(caller, &request.reference, None)?;
        let exists = || ServiceError::ResourceConflict(format!("Function already exist: {}", id.name));
        if registry.look(&id, |_| ()).is_some() {
            return Err(exists());
        }
        let kind = match &request.source {
            Source::Zip(_) => PackageKind::Zip,
            Source::Image(_) => PackageKind::Image,
        };
        let settings = request.settings.into_settings(kind, &self.surroundings(&id.scope))?;
        parts.iam.check_execution_role(&id, &settings.role)?;
        check_tags(&request.tags)?;
        check_key(request.origin.kms_key.as_deref())?;
        self.check_runtime(&settings.start, settings.architecture)?;
        self.check_first_signature(&id, &request.source, request.code_signing.as_deref())?;
        let reservation = registry.reserve(&id).ok_or_else(exists)?;
        let fit = Fit {
            scope: &id.scope,
            architecture: settings.architecture,
            layers: &settings.layers,
            replaced_bytes: 0,
            copies: if request.publish { 2 } else { 1 },
            dry_run: false,
        };
        let arrived = self.take_in(request.source, fit).await?;
        let revision = self.new_revision();
        let function = Function {
            id,
            version: Version::Latest,
            settings: Arc::new(settings),
            code: arrived.code(),
            origin: request.origin,
            revision,
            build: revision,
            last_modified: parts.clock.now(),
            state: State::Pending,
            last_update: UpdateStatus::Successful,
            tags: request.tags.into(),
        };
        let version = request.publish.then(|| self.version_of(&function, 1, None));
        let more = 1 + usize::from(request.publish);
        let _room = self.room_on_provider(&function.id.scope, &function.settings, more).await?;
        let live = self.insert(function, version, request.code_signing.as_deref()).await?;
        let shown = live.newest().map_or(&live.current, |published| &published.function);
        let (shown, current) = (Arc::clone(shown), Arc::clone(&live.current));
        reservation.fill(live);
        self.prepare_soon(&current);
        Ok(shown)
    }

    /// The functions of the caller's scope by name, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(
        &self,
        caller: &Scope,
        marker: Option<&str>,
        count_max: usize,
        all_versions: bool,
    ) -> Result<Page, ServiceError> {
        let wanted = |function: &Function| all_versions || function.version == Version::Latest;
        self.page(caller, marker, count_max, wanted)
    }

    /// The wanted versions of the functions of a scope by name and number, a page at a time.
    fn page(
        &self,
        scope: &Scope,
        marker: Option<&str>,
        count_max: usize,
        wanted: impl Fn(&Function) -> bool,
    ) -> Result<Page, ServiceError> {
        let parse = |text: &str| {
            let (name, version) = text.split_once(':')?;
            Some((FunctionName::parse(name).ok()?, Version::parse(version).ok()?))
        };
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let (functions, has_more) = self.0.registry.page(scope, after.as_ref(), count_max, wanted);
        let next = functions.last().filter(|_| has_more);
        let next = next.map(|last| marker::encode(&format!("{}:{}", last.id.name, last.version)));
        Ok(Page { functions, next })
    }

    /// Removes a function with all its versions and aliases, or one version of it, if there is one of that number; running
    /// invocations end normally.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` when only `$LATEST` or an alias is to be removed;
    /// `ResourceConflict` for a version that an alias refers to.
    pub async fn delete(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ServiceError> {
        let id = own_id(caller, reference)?;
        let refuse = |message: &str| Err(ServiceError::InvalidParameterValue(message.to_owned()));
        let version = match one_qualifier(reference, qualifier)? {
            None => None,
            Some(Qualifier::Version(Version::Latest)) => {
                return refuse("$LATEST version cannot be deleted without deleting the function.");
            }
            Some(Qualifier::Alias(_)) => return refuse("Deletion of aliases is not currently supported."),
            Some(Qualifier::Version(version)) => Some(*version),
        };
        let functions = self.clone();
        to_the_end(async move {
            let claim = functions.claim_in_turn(&id).await?;
            match version {
                None => functions.delete_all(claim, &id).await?,
                Some(version) => functions.delete_version(claim, &id, version).await?,
            }
            functions.tell_provisioned(&id);
            functions.0.parts.invoke.retire(&id, version);
            functions.retain_images();
            Ok(())
        })
        .await
    }

    async fn delete_all(&self, claim: Claim, id: &FunctionId) -> Result<(), ServiceError> {
        let records = &self.0.parts.records;
        let attached = self.0.attachments.all();
        let removal =
            |version: Version, stored| records.removal::<Function>(id, &version.to_string(), stored);
        let mut writes = vec![removal(Version::Latest, claim.live.stored)];
        let published = claim.live.published.iter();
        writes.extend(published.map(|published| removal(published.function.version, published.stored)));
        writes.extend(attached.iter().flat_map(|kind| kind.removals(id, None)));
        records.commit(writes).await.map_err(|error| not_written(id.arn(), &error))?;
        attached.iter().for_each(|kind| kind.forget(id, None));
        self.0.parts.invoke.reserve(id, None);
        claim.remove();
        Ok(())
    }

    /// The zip of a package that some function or layer uses or used until lately.
    ///
    /// # Errors
    /// `ResourceNotFound` if it is not kept any more.
    pub async fn package(&self, digest: Digest) -> Result<Bytes, ServiceError> {
        let zip = self.0.parts.packages.zip(digest).await?;
        zip.ok_or_else(|| ServiceError::ResourceNotFound("This package is not kept any more.".to_owned()))
    }

    /// Makes a new function durable, with a version and a code signing configuration if there are any, and gives it to
    /// be shown.
    async fn insert(
        &self,
        function: Function,
        version: Option<Function>,
        config_arn: Option<&str>,
    ) -> Result<Live, ServiceError> {
        let signing = self.about_to_sign(&function.id, config_arn).await?;
        let records = &self.0.parts.records;
        let writes = [&function].into_iter().chain(&version).map(|snapshot| records.keep(snapshot, None));
        let stored = records.commit(writes.chain(signing.as_ref().map(AboutToSign::write)).collect()).await;
        let stored = stored.map_err(|error| not_written(function.id.arn(), &error))?;
        let latest = *stored.first().ok_or_else(lost_count)?;
        if let (Some(signing), Some(last)) = (signing, stored.last()) {
            signing.install(*last);
        }
        let live = Live::new(Arc::new(function), None, latest);
        Ok(live.with_versions(version.into_iter().zip(stored.into_iter().skip(1)).map(published)))
    }

    /// Makes a new snapshot of `$LATEST` durable, together with versions that are new or changed, then shows all.
    /// `serving` says what invocations run from then on.
    async fn write(
        &self,
        claim: Claim,
        function: Function,
        versions: Vec<Function>,
        serving: impl FnOnce(&Arc<Function>, Option<Arc<Function>>) -> Option<Arc<Function>>,
    ) -> Result<Live, ServiceError> {
        let records = &self.0.parts.records;
        let mut writes = vec![records.keep(&function, Some(claim.live.stored))];
        writes.extend(versions.iter().map(|version| {
            let before = claim.live.published(version.version).map(|published| published.stored);
            records.keep(version, before)
        }));
        let stored = records.commit(writes).await;
        let stored = stored.map_err(|error| not_written(function.id.arn(), &error))?;
        let latest = *stored.first().ok_or_else(lost_count)?;
        let current = Arc::new(function);
        let serving = serving(&current, claim.live.serving.clone());
        let versions = versions.into_iter().zip(stored.into_iter().skip(1)).map(published);
        let live = claim.live.clone().with_current(current, serving, latest).with_versions(versions);
        claim.install(live.clone());
        Ok(live)
    }

    async fn claim_in_turn(&self, id: &FunctionId) -> Result<Claim, ServiceError> {
        self.0.registry.claim_in_turn(id).await.ok_or_else(|| not_found(id, None))
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
            let claim = functions.claim_in_turn(&id).await?;
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

    /// All event source mappings.
    pub(crate) fn mappings(&self) -> &Mappings {
        &self.0.mappings
    }

    /// The function that a reference names, whether or not it is there.
    ///
    /// # Errors
    /// `ResourceNotFound` for one of another region.
    pub(crate) fn id_of(caller: &Scope, reference: &FunctionReference) -> Result<FunctionId, ServiceError> {
        own_id(caller, reference)
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

fn published((function, stored): (Function, Revision)) -> Published {
    Published { function: Arc::new(function), stored }
}

fn lost_count() -> ServiceError {
    ServiceError::Internal("The store did not say what it stored.".to_owned())
}
