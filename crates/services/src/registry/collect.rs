//! Collecting what nobody refers to: blobs that no manifest needs, uploads that nobody continues.
//!
//! Nothing goes that is younger than the grace period or that a client was told of within it, so a push in
//! progress loses nothing. A manifest that cannot be read stops the collection: what it needs is not known.

use std::collections::HashSet;
use std::sync::PoisonError;

use model::id::Digest;

use super::Registry;
use super::catalog::CatalogError;
use crate::layout::{LayoutError, Swept};
use crate::oci::manifest::Manifest;

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that some repository does not know any more.
    pub links: u64,
    /// Files.
    pub swept: Swept,
}

/// Why a collection was broken off. What is kept is whole.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The files.
    #[error("could not collect the registry's files")]
    Layout(#[from] LayoutError),
    /// The records.
    #[error("could not collect the registry's records")]
    Catalog(#[from] CatalogError),
}

impl Registry {
    /// Removes what nobody refers to. Meant to be called at start and every hour or so.
    pub async fn collect(&self) -> Result<Collected, CollectError> {
        let grace = self.options.grace;
        let mut collected = Collected::default();
        let mut live = self.pinned_content().await?;
        for repository in self.catalog.all() {
            let referenced = self.referenced(&repository).await?;
            let now = self.catalog.now();
            let (_, old) = repository.links_by_age(now, grace);
            for digest in old.difference(&referenced) {
                match repository.unlink_old(*digest, now, grace).await {
                    Ok(removed) => collected.links += u64::from(removed),
                    // Deleted meanwhile, with all its links.
                    Err(CatalogError::NoRepository(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            live.extend(repository.images().iter().map(|image| image.digest));
            live.extend(repository.links_by_age(now, grace).0);
            live.extend(referenced);
        }
        collected.swept = self.layout.sweep(live, grace).await?;
        Ok(collected)
    }

    /// The manifests that functions use, and what those are made of.
    async fn pinned_content(&self) -> Result<HashSet<Digest>, LayoutError> {
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut content = HashSet::new();
        for digest in pinned {
            let bytes = match self.manifest_bytes(digest).await {
                Ok(bytes) => bytes,
                // An image from elsewhere, which this registry never had.
                Err(LayoutError::Missing { .. }) => continue,
                Err(error) => return Err(error),
            };
            content.insert(digest);
            if let Ok(manifest) = Manifest::parse(&bytes, None) {
                content.extend(manifest.descriptors().filter_map(|to| to.digest().ok()));
            }
        }
        Ok(content)
    }
}
