//! Removing images and layers that no function uses, and downloads that nobody continues.
//!
//! Nothing is removed before the first [`Images::retain`](model::port::Images::retain) has said what is in use, and
//! nothing that was in use or fetched less than the grace period ago.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::id::Digest;

use super::error::ImageError;
use super::{ImageStore, Inner};

/// What a collection removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Images that no function uses.
    pub images: u64,
    /// Layers that no image needs.
    pub layers: u64,
    /// Downloads that were broken off.
    pub downloads: u64,
}

impl ImageStore {
    /// Removes what nobody uses. Meant to be called every hour or so.
    ///
    /// # Errors
    /// The disk failed; what is kept is whole.
    pub async fn collect(&self) -> Result<Removed, ImageError> {
        let inner = Arc::clone(&self.0);
        // Layers of an image that is on its way belong to no image yet; the next collection is soon enough for
        // them. An image that is asked for meanwhile waits.
        let collecting = tokio::task::spawn_blocking(move || match inner.collecting.try_write() {
            Ok(_alone) => inner.collect(),
            Err(_) => Ok(Removed::default()),
        });
        collecting.await.unwrap_or(Err(ImageError::Stopping))
    }
}

impl Inner {
    fn collect(&self) -> Result<Removed, ImageError> {
        let grace = self.options.grace;
        let mut removed = Removed { downloads: remove_old(&self.downloads, grace)?, ..Removed::default() };
        let Some(used) = self.in_use(grace) else { return Ok(removed) };
        let mut needed = HashSet::new();
        for (digest, age) in self.kept.list()? {
            if used.contains(&digest) || age < grace {
                needed.extend(self.kept.get(digest)?.config.diff_ids);
            } else {
                self.kept.remove(digest)?;
                removed.images += 1;
            }
        }
        for layer in self.layers.list()?.into_iter().filter(|layer| !needed.contains(layer)) {
            self.layers.remove(layer)?;
            removed.layers += 1;
        }
        Ok(removed)
    }

    /// Images that are in use, or were less than `grace` ago; forgets the others.
    fn in_use(&self, grace: Duration) -> Option<HashSet<Digest>> {
        let now = self.clock.now();
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = uses.as_mut()?;
        uses.before.retain(|_, until| now.since(*until) < grace);
        Some(uses.now.iter().chain(uses.before.keys()).copied().collect())
    }
}

fn remove_old(dir: &Path, grace: Duration) -> Result<u64, ImageError> {
    let listed = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut removed = 0;
    for entry in listed.map_err(ImageError::io("list", dir))? {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|at| at.elapsed().unwrap_or_default() >= grace);
        if old {
            fs::remove_file(entry.path()).map_err(ImageError::io("remove", entry.path()))?;
            removed += 1;
        }
    }
    Ok(removed)
}
