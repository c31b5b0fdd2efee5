//! One repository: reading from memory, changing records first and memory after.
//!
//! Changes of one repository happen one after the other (`writing`); readers never wait for the disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use model::arn::Scope;
use model::id::Digest;
use model::time::Timestamp;
use store::records::{Key, RecordError, Records, Revision};

use super::contents::{Contents, Image, Link, Settings};
use super::stored::{self, ReadRepository};
use super::{CatalogError, key, page_of, whole};
use crate::oci::name::{RepositoryName, Tag};

/// A repository.
pub struct Repository {
    records: Arc<dyn Records>,
    /// What its parts are filed under.
    id: String,
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: RepositoryName,
    /// When it was made.
    pub created: Timestamp,
    contents: RwLock<Contents>,
    writing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("scope", &self.scope)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Reading: from memory.
impl Repository {
    /// `arn:aws:ecr:REGION:ACCOUNT:repository/NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:ecr:{region}:{account}:repository/{}", self.name)
    }

    /// What the owner has set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.read().settings.clone()
    }

    /// The manifest of this digest.
    #[must_use]
    pub fn image(&self, digest: Digest) -> Option<Image> {
        self.read().images.get(&digest).map(|(image, _)| image.clone())
    }

    /// The manifest that a tag stands for.
    #[must_use]
    pub fn tagged(&self, tag: &Tag) -> Option<Image> {
        let contents = self.read();
        let (digest, _) = contents.tags.get(tag)?;
        contents.images.get(digest).map(|(image, _)| image.clone())
    }

    /// All manifests, by digest.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        self.read().images.values().map(|(image, _)| image.clone()).collect()
    }

    /// The tags of one manifest, sorted.
    #[must_use]
    pub fn tags_of(&self, digest: Digest) -> Vec<Tag> {
        let contents = self.read();
        contents.tags.iter().filter(|(_, (to, _))| *to == digest).map(|(tag, _)| tag.clone()).collect()
    }

    /// Up to `limit` tags after `after`, sorted.
    #[must_use]
    pub fn tags(&self, after: Option<&str>, limit: usize) -> Vec<(Tag, Digest)> {
        let page = page_of(&self.read().tags, after, limit);
        page.into_iter().map(|(tag, (digest, _))| (tag, digest)).collect()
    }

    /// Manifests about this one.
    #[must_use]
    pub fn referrers(&self, subject: Digest) -> Vec<Image> {
        let contents = self.read();
        let about = contents.images.values().filter(|(image, _)| image.subject == Some(subject));
        about.map(|(image, _)| image.clone()).collect()
    }

    /// The size of a blob that this repository may use. Whoever is told so can rely on it for the grace period.
    #[must_use]
    pub fn blob(&self, digest: Digest, now: Timestamp) -> Option<u64> {
        let contents = self.read();
        let link = contents.links.get(&digest)?;
        link.seen_ms.fetch_max(now.as_millis(), Ordering::Relaxed);
        Some(link.size_bytes)
    }

    /// Blobs that were mentioned to somebody less than `grace` ago, and those that were not.
    pub(crate) fn links_by_age(&self, now: Timestamp, grace: Duration) -> (HashSet<Digest>, HashSet<Digest>) {
        let contents = self.read();
        let young =
            |link: &Link| now.since(Timestamp::from_millis(link.seen_ms.load(Ordering::Relaxed))) < grace;
        let (young, old): (Vec<_>, Vec<_>) = contents.links.iter().partition(|(_, link)| young(link));
        let digests = |links: Vec<(&Digest, &Link)>| links.into_iter().map(|(digest, _)| *digest).collect();
        (digests(young), digests(old))
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changing: records first.
impl Repository {
    pub(super) async fn create(
        records: &Arc<dyn Records>,
        id: String,
        scope: Scope,
        name: RepositoryName,
        created: Timestamp,
        settings: Settings,
    ) -> Result<Self, RecordError> {
        let value = stored::write_repository(&id, created, &settings);
        let revision = records.insert(repository_key(&scope, &name), value).await?;
        let read = ReadRepository { id, scope, name, created, settings };
        Ok(Self::from_read(records, read, revision))
    }

    fn from_read(records: &Arc<dyn Records>, read: ReadRepository, revision: Revision) -> Self {
        let contents = Contents {
            settings: read.settings,
            revision,
            deleted: false,
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
            links: HashMap::new(),
        };
        Self {
            records: Arc::clone(records),
            id: read.id,
            scope: read.scope,
            name: read.name,
            created: read.created,
            contents: RwLock::new(contents),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Changes the settings.
    pub async fn update(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Settings) + Send + 'static,
    ) -> Result<Settings, CatalogError> {
        self.changed(async move |repository| {
            let (mut settings, revision) = {
                let contents = repository.read();
                (contents.settings.clone(), contents.revision)
            };
            change(&mut settings);
            let value = stored::write_repository(&repository.id, repository.created, &settings);
            let key = repository_key(&repository.scope, &repository.name);
            let revision = repository.records.replace(key, value, revision).await?;
            let mut contents = repository.write();
            contents.settings = settings.clone();
            contents.revision = revision;
            Ok(settings)
        })
        .await
    }

    /// Allows the repository to use a blob that is stored.
    pub async fn link(
        self: &Arc<Self>,
        digest: Digest,
        size_bytes: u64,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        self.changed(async move |repository| {
            if repository.blob(digest, now).is_some() {
                return Ok(());
            }
            let key = repository.part(stored::LINK, digest.to_string());
            let revision = repository.records.insert(key, stored::write_link(size_bytes)).await?;
            let seen_ms = AtomicI64::new(now.as_millis());
            repository.write().links.insert(digest, Link { size_bytes, seen_ms, revision });
            Ok(())
        })
        .await
    }

    /// Takes that right back; `false` if there was none.
    pub async fn unlink(self: &Arc<Self>, digest: Digest) -> Result<bool, CatalogError> {
        self.changed(async move |repository| repository.remove_link(digest).await).await
    }

    /// Takes it back if nobody was told of the blob since `grace` before `now`.
    pub(crate) async fn unlink_old(
        self: &Arc<Self>,
        digest: Digest,
        now: Timestamp,
        grace: Duration,
    ) -> Result<bool, CatalogError> {
        self.changed(async move |repository| {
            if !repository.links_by_age(now, grace).1.contains(&digest) {
                return Ok(false);
            }
            repository.remove_link(digest).await
        })
        .await
    }

    async fn remove_link(&self, digest: Digest) -> Result<bool, CatalogError> {
        let Some(revision) = self.read().links.get(&digest).map(|link| link.revision) else {
            return Ok(false);
        };
        self.records.remove(self.part(stored::LINK, digest.to_string()), revision).await?;
        self.write().links.remove(&digest);
        Ok(true)
    }

    /// Adds a manifest, whose bytes are stored, and lets the tag stand for it.
    ///
    /// # Errors
    /// [`CatalogError::TagImmutable`], or [`CatalogError::ImageExists`] where `refuse_same` asks for it.
    pub async fn put_image(
        self: &Arc<Self>,
        image: Image,
        tag: Option<Tag>,
        refuse_same: bool,
    ) -> Result<(), CatalogError> {
        self.changed(async move |repository| {
            let digest = image.digest;
            let (known, moved) = repository.plan(digest, tag.as_ref(), refuse_same)?;
            if !known {
                let key = repository.part(stored::IMAGE, digest.to_string());
                let revision = repository.records.insert(key, stored::write_image(&image)).await?;
                repository.write().images.insert(digest, (image, revision));
            }
            let Some(tag) = tag else { return Ok(()) };
            let key = repository.part(stored::TAG, tag.to_string());
            let revision = match moved {
                Some((from, _)) if from == digest => return Ok(()),
                Some((_, revision)) => {
                    repository.records.replace(key, stored::write_tag(digest), revision).await?
                }
                None => repository.records.insert(key, stored::write_tag(digest)).await?,
            };
            repository.write().tags.insert(tag, (digest, revision));
            Ok(())
        })
        .await
    }

    /// Whether the manifest is known, and where the tag stands now, if the change is allowed.
    fn plan(
        &self,
        digest: Digest,
        tag: Option<&Tag>,
        refuse_same: bool,
    ) -> Result<(bool, Option<(Digest, Revision)>), CatalogError> {
        let contents = self.read();
        let known = contents.images.contains_key(&digest);
        let Some(tag) = tag else {
            return if known && refuse_same { Err(CatalogError::ImageExists) } else { Ok((known, None)) };
        };
        let stands = contents.tags.get(tag).copied();
        let same = stands.is_some_and(|(to, _)| to == digest);
        if same && refuse_same {
            return Err(CatalogError::ImageExists);
        }
        if stands.is_some() && !same && contents.settings.mutability.holds(tag) {
            return Err(CatalogError::TagImmutable { tag: tag.clone(), repository: self.name.clone() });
        }
        Ok((known, stands))
    }

    /// Removes a tag; `None` if there is none, else the manifest that it stood for.
    pub async fn remove_tag(self: &Arc<Self>, tag: Tag) -> Result<Option<Digest>, CatalogError> {
        self.changed(async move |repository| {
            let Some((digest, revision)) = repository.read().tags.get(&tag).copied() else { return Ok(None) };
            repository.drop_tag(&tag, revision).await?;
            Ok(Some(digest))
        })
        .await
    }

    /// Removes a manifest with all its tags; returns those, or `None` if there is no such manifest.
    pub async fn remove_image(self: &Arc<Self>, digest: Digest) -> Result<Option<Vec<Tag>>, CatalogError> {
        self.changed(async move |repository| {
            let (revision, tags) = {
                let contents = repository.read();
                let Some((_, revision)) = contents.images.get(&digest) else { return Ok(None) };
                let own = contents.tags.iter().filter(|(_, (to, _))| *to == digest);
                let tags: Vec<_> = own.map(|(tag, (_, revision))| (tag.clone(), *revision)).collect();
                (*revision, tags)
            };
            // Tags first: a tag without its manifest would be a promise that cannot be kept.
            for (tag, revision) in &tags {
                repository.drop_tag(tag, *revision).await?;
            }
            repository.records.remove(repository.part(stored::IMAGE, digest.to_string()), revision).await?;
            repository.write().images.remove(&digest);
            Ok(Some(tags.into_iter().map(|(tag, _)| tag).collect()))
        })
        .await
    }

    async fn drop_tag(&self, tag: &Tag, revision: Revision) -> Result<(), RecordError> {
        self.records.remove(self.part(stored::TAG, tag.to_string()), revision).await?;
        self.write().tags.remove(tag);
        Ok(())
    }

    /// Deletes the repository's own record, which decides; its parts follow, now or at the next start.
    pub(super) async fn delete(&self, force: bool) -> Result<(), CatalogError> {
        let _writing = self.writing.lock().await;
        let (revision, parts) = {
            let contents = self.read();
            if !force && !contents.images.is_empty() {
                return Err(CatalogError::NotEmpty(self.name.clone()));
            }
            (contents.revision, self.parts(&contents))
        };
        self.records.remove(repository_key(&self.scope, &self.name), revision).await?;
        self.write().deleted = true;
        for (key, revision) in parts {
            if let Err(error) = self.records.remove(key, revision).await {
                tracing::warn!(repository = %self.name, %error, "a part of a deleted repository stays until the next start");
            }
        }
        Ok(())
    }

    fn parts(&self, contents: &Contents) -> Vec<(Key, Revision)> {
        let tags = contents.tags.iter().map(|(tag, (_, revision))| (stored::TAG, tag.to_string(), *revision));
        let images = contents
            .images
            .iter()
            .map(|(digest, (_, revision))| (stored::IMAGE, digest.to_string(), *revision));
        let links =
            contents.links.iter().map(|(digest, link)| (stored::LINK, digest.to_string(), link.revision));
        let all = tags.chain(images).chain(links);
        all.map(|(kind, name, revision)| (self.part(kind, name), revision)).collect()
    }

    fn part(&self, kind: &'static str, name: String) -> Key {
        key(kind, self.id.clone(), name)
    }

    /// Makes one change, alone and to its end, unless the repository has been deleted.
    async fn changed<T: Send + 'static, C, F>(self: &Arc<Self>, change: C) -> Result<T, CatalogError>
    where
        C: FnOnce(Arc<Self>) -> F + Send + 'static,
        F: Future<Output = Result<T, CatalogError>> + Send + 'static,
    {
        let repository = Arc::clone(self);
        whole(async move {
            let writer = Arc::clone(&repository);
            let _writing = writer.writing.lock().await;
            if repository.read().deleted {
                return Err(CatalogError::NoRepository(repository.name.clone()));
            }
            change(repository).await
        })
        .await
    }
}

fn repository_key(scope: &Scope, name: &RepositoryName) -> Key {
    key(stored::REPOSITORY, format!("{}/{}", scope.account, scope.region), name.to_string())
}

/// Every repository with its parts; parts of none are removed.
pub(super) async fn load_all(
    records: &Arc<dyn Records>,
    now: Timestamp,
) -> Result<BTreeMap<(Scope, RepositoryName), Arc<Repository>>, CatalogError> {
    let mut by_id = HashMap::new();
    for record in records.list(stored::REPOSITORY).await? {
        let read = stored::read_repository(&record)
            .map_err(|source| stored::unreadable(&**records, &record, source))?;
        by_id.insert(read.id.clone(), Repository::from_read(records, read, record.revision));
    }
    for kind in [stored::IMAGE, stored::TAG, stored::LINK] {
        for record in records.list(kind).await? {
            let Some(repository) = by_id.get_mut(&record.key.scope) else {
                records.remove(record.key, record.revision).await?;
                continue;
            };
            let contents = repository.contents.get_mut().unwrap_or_else(PoisonError::into_inner);
            let revision = record.revision;
            let added = match kind {
                stored::IMAGE => stored::read_image(&record)
                    .map(|image| drop(contents.images.insert(image.digest, (image, revision)))),
                stored::TAG => stored::read_tag(&record)
                    .map(|(tag, digest)| _ = contents.tags.insert(tag, (digest, revision))),
                _ => stored::read_link(&record).map(|(digest, size_bytes)| {
                    let seen_ms = AtomicI64::new(now.as_millis());
                    contents.links.insert(digest, Link { size_bytes, seen_ms, revision });
                }),
            };
            added.map_err(|source| stored::unreadable(&**records, &record, source))?;
        }
    }
    let named =
        |repository: Repository| ((repository.scope.clone(), repository.name.clone()), Arc::new(repository));
    Ok(by_id.into_values().map(named).collect())
}
