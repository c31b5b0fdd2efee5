//! The container images that functions use: fetched when a function asks for one, and kept for as long as a function
//! refers to it or may still be running it.
//!
//! A fetch can take minutes, and callers are not kept waiting for it: an image that is not here soon stands in its
//! function unresolved, and the preparation that follows every change fetches it. What is not in use is given up to
//! the port's own collection, but never while a fetch is under way that no function refers to yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Code, Image};
use model::id::Digest;
use model::port::{Clock, Images};
use model::time::Timestamp;

use crate::package::GRACE;

/// How long a caller waits to be told that there is no such image. Clients give up after a minute.
const FETCH_WAIT: Duration = Duration::from_secs(10);

/// See the module's description.
pub(super) struct FunctionImages {
    port: Option<Arc<dyn Images>>,
    clock: Arc<dyn Clock>,
    /// When an image was last in use.
    seen: Mutex<HashMap<Digest, Timestamp>>,
    /// Cloned by everybody who fetches.
    fetching: Arc<()>,
}

/// An image that will not be collected while this is held.
pub(super) struct Fetched {
    /// The image, unresolved if it is not here yet.
    pub image: Image,
    _fetching: Arc<()>,
}

/// Whether it is known what the image's reference means; until then its digest means nothing.
#[must_use]
pub fn is_resolved(image: &Image) -> bool {
    !image.resolved_uri.is_empty()
}

/// Whether code can be run, as far as is known without looking at it.
pub(super) fn is_runnable(code: &Code) -> bool {
    match code {
        Code::Zip(_) => true,
        Code::Image(image) => is_resolved(image),
    }
}

impl FunctionImages {
    pub(super) fn new(port: Option<Arc<dyn Images>>, clock: Arc<dyn Clock>) -> Self {
        Self { port, clock, seen: Mutex::default(), fetching: Arc::default() }
    }

    /// The image of a reference, fetched within [`FETCH_WAIT`] or unresolved.
    ///
    /// # Errors
    /// `InvalidParameterValue` if it becomes known within that time that there is no such image, or none that can run.
    pub(super) async fn fetch_soon(
        &self,
        scope: &Scope,
        uri: String,
        architecture: Architecture,
    ) -> Result<Fetched, ServiceError> {
        match tokio::time::timeout(FETCH_WAIT, self.fetch(scope, &uri, architecture)).await {
            Ok(fetched) => fetched,
            Err(_) => {
                let (resolved_uri, digest) = (String::new(), Digest::from_bytes([0; 32]));
                let image = Image { uri, resolved_uri, digest, size_bytes: 0 };
                Ok(Fetched { image, _fetching: Arc::clone(&self.fetching) })
            }
        }
    }

    /// The image of a reference, however long it takes.
    ///
    /// # Errors
    /// `InvalidParameterValue` in Lambda's words.
    pub(super) async fn fetch(
        &self,
        scope: &Scope,
        uri: &str,
        architecture: Architecture,
    ) -> Result<Fetched, ServiceError> {
        let fetching = Arc::clone(&self.fetching);
        let image = self.port()?.fetch(scope, uri, architecture).await?;
        Ok(Fetched { image, _fetching: fetching })
    }

    /// Makes sure that an image can be started.
    ///
    /// # Errors
    /// `Internal` when it cannot be unpacked.
    pub(super) async fn prepare(&self, image: &Image) -> Result<(), ServiceError> {
        self.port()?.root(image).await.map(drop)
    }

    /// Tells which images are in use. Those that were until lately may still be running.
    pub(super) fn retain(&self, live: impl IntoIterator<Item = Digest>) {
        let Some(port) = &self.port else { return };
        if Arc::strong_count(&self.fetching) > 1 {
            // The next change or round of maintenance tells it.
            return;
        }
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(live.into_iter().map(|digest| (digest, now)));
        seen.retain(|_, last| now.since(*last) < GRACE);
        let used: Vec<Digest> = seen.keys().copied().collect();
        drop(seen);
        port.retain(&used);
    }

    fn port(&self) -> Result<&dyn Images, ServiceError> {
        self.port.as_deref().ok_or_else(|| {
            ServiceError::InvalidParameterValue(
                "This server runs no container images: PackageType must be Zip.".to_owned(),
            )
        })
    }
}
