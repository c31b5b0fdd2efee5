//! Runtimes that the owner adds while the server runs, and the images that must be kept for them.
//!
//! Functions and added runtimes both use images, and neither knows of the other; here their needs meet.

use std::sync::{Arc, Mutex, PoisonError};

use engine::Catalogue;
use gateway::{RuntimeAdmin, RuntimeSource};
use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Image};
use model::id::{AccountId, Digest, Region};
use model::port::{ImageRoot, Images, Pending};
use model::runtime::{Added, AddedFrom, Effect, Offer, RuntimeName};

/// The image store as functions see it: what runtimes use is retained besides.
pub(crate) struct RetainedImages {
    store: Arc<dyn Images>,
    catalogue: Arc<Catalogue>,
    /// What functions use.
    used: Mutex<Vec<Digest>>,
}

impl RetainedImages {
    pub(crate) fn new(store: Arc<dyn Images>, catalogue: Arc<Catalogue>) -> Self {
        Self { store, catalogue, used: Mutex::default() }
    }

    /// Tells the store anew, after runtimes were added or removed.
    fn refresh(&self) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.catalogue.images().iter().map(|image| image.digest));
        self.store.retain(&all);
    }
}

impl Images for RetainedImages {
    fn fetch<'a>(
        &'a self,
        scope: &'a Scope,
        uri: &'a str,
        architecture: Architecture,
    ) -> Pending<'a, Result<Image, ServiceError>> {
        self.store.fetch(scope, uri, architecture)
    }

    fn root<'a>(&'a self, image: &'a Image) -> Pending<'a, Result<ImageRoot, ServiceError>> {
        self.store.root(image)
    }

    fn retain(&self, used: &[Digest]) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = used.to_vec();
        self.refresh();
    }
}

/// Adds runtimes to the catalogue.
pub(crate) struct Runtimes {
    pub(crate) images: Arc<RetainedImages>,
    pub(crate) catalogue: Arc<Catalogue>,
}

impl Runtimes {
    async fn added(&self, name: RuntimeName, source: RuntimeSource) -> Result<Added, ServiceError> {
        let from = match source {
            RuntimeSource::Path(path) => AddedFrom::Path(path),
            RuntimeSource::Image(uri) => {
                // The owner's own repositories are those of the default account.
                let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
                AddedFrom::Image(self.images.fetch(&scope, &uri, Architecture::HOST).await?)
            }
        };
        Ok(Added { name, from })
    }
}

impl RuntimeAdmin for Runtimes {
    fn offers(&self) -> Vec<Offer> {
        self.catalogue.offers()
    }

    fn add(&self, name: RuntimeName, source: RuntimeSource) -> Pending<'_, Result<Effect, ServiceError>> {
        Box::pin(async move {
            let added = self.added(name, source).await?;
            let catalogue = Arc::clone(&self.catalogue);
            let effect = blocking(move || catalogue.add(&added)).await?;
            self.images.refresh();
            Ok(effect)
        })
    }

    fn remove(&self, name: RuntimeName) -> Pending<'_, Result<(), ServiceError>> {
        Box::pin(async move {
            let catalogue = Arc::clone(&self.catalogue);
            blocking(move || catalogue.remove(&name)).await?;
            self.images.refresh();
            Ok(())
        })
    }
}

/// The catalogue looks at files and may start an interpreter.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(ServiceError::Unavailable("The server is stopping.".to_owned())))
}
