//! Which repositories there are and what is in them: manifests, tags, and the blobs that each may use.
//!
//! Everything is in memory for reading and in the records for ever; a write is durable before it is answered and
//! is carried out whole even when nobody waits for it any more. A repository's parts are filed under a random id
//! of its own, so what is left of a deleted repository can never belong to a later one of the same name.
//!
//! Knows nothing of HTTP, and of files only that blobs are named by digests.

mod contents;
mod repository;
mod stored;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use model::arn::Scope;
use model::port::{Clock, Entropy};
use store::records::{Key, RecordError, Records};

use crate::oci::name::{RepositoryName, Tag};

pub use contents::{Image, Link, Settings, TagMutability};
pub use repository::Repository;

/// Repositories of one account in one region. ECR's quota is 100,000; this keeps memory within reason.
const REPOSITORIES_MAX: usize = 10_000;

/// Why the catalog was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such repository, or it has just been deleted.
    #[error("there is no repository {0}")]
    NoRepository(RepositoryName),
    /// There is one already.
    #[error("the repository {0} exists already")]
    RepositoryExists(RepositoryName),
    /// It holds images, and may not be deleted with them.
    #[error("the repository {0} still contains images")]
    NotEmpty(RepositoryName),
    /// The account has as many as it may have.
    #[error("there are {REPOSITORIES_MAX} repositories already")]
    TooManyRepositories,
    /// The tag exists and may not be moved.
    #[error("the tag {tag} exists already in the repository {repository}, whose tags are immutable")]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// Where.
        repository: RepositoryName,
    },
    /// The very same image has this very tag already.
    #[error("the image has the tag already")]
    ImageExists,
    /// The disk failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// All repositories.
pub struct Catalog {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    repositories: RwLock<BTreeMap<(Scope, RepositoryName), Arc<Repository>>>,
    /// Held while a repository is made or deleted.
    changing: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// Reads all repositories from the records and removes what belongs to none.
    ///
    /// # Errors
    /// [`RecordError::Unreadable`] if one cannot be understood: the server must not start as if it were not there.
    pub async fn load(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, CatalogError> {
        let repositories = repository::load_all(&records, clock.now()).await?;
        let repositories = RwLock::new(repositories);
        let changing = tokio::sync::Mutex::new(());
        Ok(Arc::new(Self { records, clock, entropy, repositories, changing }))
    }

    /// The repository of this name.
    #[must_use]
    pub fn find(&self, scope: &Scope, name: &RepositoryName) -> Option<Arc<Repository>> {
        let key = (scope.clone(), name.clone());
        self.repositories.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Up to `limit` repositories by name, after `after`.
    #[must_use]
    pub fn page(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Repository>> {
        let after = after.unwrap_or_default();
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        // Names are compared as text, since `after` need not be a name that exists.
        let first = repositories.iter().skip_while(|((at, name), _)| (at, name.as_str()) <= (scope, after));
        let own = first.take_while(|((at, _), _)| at == scope);
        own.take(limit).map(|(_, repository)| Arc::clone(repository)).collect()
    }

    /// All repositories of all accounts, for collecting garbage.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Repository>> {
        self.repositories.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes a repository.
    pub async fn create(
        self: &Arc<Self>,
        scope: &Scope,
        name: &RepositoryName,
        settings: Settings,
    ) -> Result<Arc<Repository>, CatalogError> {
        let (catalog, scope, name) = (Arc::clone(self), scope.clone(), name.clone());
        whole(async move {
            let _changing = catalog.changing.lock().await;
            if catalog.find(&scope, &name).is_some() {
                return Err(CatalogError::RepositoryExists(name));
            }
            if catalog.page(&scope, None, REPOSITORIES_MAX).len() >= REPOSITORIES_MAX {
                return Err(CatalogError::TooManyRepositories);
            }
            let mut id = [0; 16];
            catalog.entropy.fill(&mut id);
            let id = format!("{:032x}", u128::from_be_bytes(id));
            let now = catalog.clock.now();
            let made =
                Repository::create(&catalog.records, id, scope.clone(), name.clone(), now, settings).await?;
            let made = Arc::new(made);
            let mut repositories = catalog.repositories.write().unwrap_or_else(PoisonError::into_inner);
            match repositories.entry((scope, name)) {
                Entry::Vacant(place) => drop(place.insert(Arc::clone(&made))),
                Entry::Occupied(_) => unreachable!("`changing` is held since the name was found to be free"),
            }
            Ok(made)
        })
        .await
    }

    /// The repository of this name, made if it is not there.
    pub async fn find_or_create(
        self: &Arc<Self>,
        scope: &Scope,
        name: &RepositoryName,
    ) -> Result<Arc<Repository>, CatalogError> {
        if let Some(found) = self.find(scope, name) {
            return Ok(found);
        }
        match self.create(scope, name, Settings::default()).await {
            Err(CatalogError::RepositoryExists(name)) => {
                self.find(scope, &name).ok_or(CatalogError::NoRepository(name))
            }
            made => made,
        }
    }

    /// Deletes a repository; one with images only if `force` says so. Its name is free when this answers.
    pub async fn delete(
        self: &Arc<Self>,
        scope: &Scope,
        name: &RepositoryName,
        force: bool,
    ) -> Result<Arc<Repository>, CatalogError> {
        let (catalog, scope, name) = (Arc::clone(self), scope.clone(), name.clone());
        whole(async move {
            let _changing = catalog.changing.lock().await;
            let found =
                catalog.find(&scope, &name).ok_or_else(|| CatalogError::NoRepository(name.clone()))?;
            found.delete(force).await?;
            catalog.repositories.write().unwrap_or_else(PoisonError::into_inner).remove(&(scope, name));
            Ok(found)
        })
        .await
    }

    /// The time now.
    pub fn now(&self) -> model::time::Timestamp {
        self.clock.now()
    }
}

/// Up to `limit` entries of a map after a key.
fn page_of<V: Clone>(map: &BTreeMap<Tag, V>, after: Option<&str>, limit: usize) -> Vec<(Tag, V)> {
    let start = match after.map(Tag::parse) {
        Some(Ok(tag)) => Bound::Excluded(tag),
        // Not a tag, and so neither equal to one; where it would stand is found by comparing.
        Some(Err(_)) | None => Bound::Unbounded,
    };
    let after = after.unwrap_or_default();
    let entries = map.range((start, Bound::Unbounded)).filter(|(tag, _)| tag.as_str() > after);
    entries.take(limit).map(|(tag, value)| (tag.clone(), value.clone())).collect()
}

/// Carries out a change to its end, even if the caller goes away: memory and disk must agree afterwards.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, CatalogError>> + Send + 'static,
) -> Result<T, CatalogError> {
    tokio::spawn(change).await.unwrap_or(Err(CatalogError::Stopping))
}

fn key(kind: &'static str, scope: String, name: String) -> Key {
    Key { kind, scope, name }
}
