//! Container images for functions: what an `ImageUri` means, brought here, unpacked once, and kept while used.
//!
//! ```text
//! DIR/manifests/DIGEST.json      an image that was fetched: where from, manifest, configuration
//! DIR/layers/DIFFID/fs           an unpacked layer, shared by all images that have it
//! DIR/layers/DIFFID/layer.json   its size
//! DIR/layers/DIFFID/proofs/      which accounts have shown it, in which packing and from where
//! DIR/downloads/NAME             a compressed layer on its way; resumed, and removed once unpacked
//! DIR/tmp                        whatever is being made; emptied at start
//! ```
//!
//! Under its name a layer is whole: it is made elsewhere, synced and renamed. An image in use needs neither its
//! registry nor its archive any more. [`ImageStore`] is the `model::port::Images` of the server.

mod disk;
mod error;
mod fetch;
mod flights;
mod kept;
mod layers;
pub mod needs;
mod pull;
pub mod reference;
mod sweep;
pub mod unpack;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use model::arn::Scope;
use model::error::ServiceError;
use model::function::{Architecture, Image};
use model::id::Digest;
use model::port::{Clock, Entropy, ImageRoot, Images, Pending};
use model::time::Timestamp;
use tokio::sync::{RwLock, Semaphore};

use crate::registry::Registry;
use flights::Flights;
use kept::Kept;
use layers::Layers;

pub use error::ImageError;
pub use layers::{InProcess, LayerJob, Unpacker};
pub use pull::{Transport, TransportOptions};

pub use crate::https::TransportError;
pub use sweep::Removed;

/// Layers that are downloaded at a time, over all images.
const DOWNLOADS_MAX: usize = 4;
/// How long an image or layer that nobody uses any more is kept: a running function may still have it mounted.
pub const GRACE: Duration = Duration::from_secs(3600);
/// Layers of one image. Docker stops at 127; overlayfs takes 500.
pub const LAYERS_MAX: usize = 128;

/// How images are had.
pub struct ImageOptions {
    /// Folders below which `oci:`, `oci-archive:` and `docker-archive:` may point.
    pub allowed_folders: Vec<PathBuf>,
    /// Certificates, plain hosts and credentials for other registries.
    pub transport: TransportOptions,
    /// How layers are unpacked and removed: [`InProcess`], or a process with the right to give files away.
    pub unpacker: Arc<dyn Unpacker>,
    /// Bytes of all layers of one image. Lambda's limit is 10 GB.
    pub image_bytes_max: u64,
    /// How long what is unused is kept: [`GRACE`].
    pub grace: Duration,
}

/// Why the image store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImageOpenError {
    /// Its files.
    #[error("could not open the image store")]
    Files(#[from] ImageError),
    /// TLS.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

type Flight = Shared<BoxFuture<'static, Result<Image, ServiceError>>>;
type FlightKey = (Scope, String, &'static str);

/// All images of functions. Cloning gives another handle.
#[derive(Clone)]
pub struct ImageStore(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    layers: Layers,
    kept: Arc<Kept>,
    transport: Transport,
    options: ImageOptions,
    temporary: PathBuf,
    downloads: PathBuf,
    downloading: Semaphore,
    /// By a download's name.
    downloads_flights: Flights,
    /// Fetches that are going on; one for each image, however many ask.
    flights: Mutex<HashMap<FlightKey, Flight>>,
    /// Read while an image is on its way, written while images are collected.
    collecting: RwLock<()>,
    /// What functions use. Unknown until the first [`Images::retain`].
    uses: Mutex<Option<Uses>>,
}

#[derive(Default)]
struct Uses {
    now: HashSet<Digest>,
    /// What was in use, and until when.
    before: HashMap<Digest, Timestamp>,
}

impl ImageStore {
    /// Opens the store in `dir`, which is created if missing, and removes what a crash left half-made.
    ///
    /// # Errors
    /// What could not be read or set up.
    pub async fn open(
        dir: &Path,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: ImageOptions,
    ) -> Result<Self, ImageOpenError> {
        let transport = Transport::new(&options.transport)?;
        let (dir, unpacker) = (dir.to_owned(), Arc::clone(&options.unpacker));
        let opening = tokio::task::spawn_blocking(move || {
            let (temporary, downloads) = (dir.join("tmp"), dir.join("downloads"));
            if temporary.exists() {
                unpacker.remove(&temporary).map_err(ImageError::io("empty", &temporary))?;
            }
            for folder in [&temporary, &downloads] {
                crate::layout::create_private_dir(folder).map_err(ImageError::io("create", folder))?;
            }
            let layers = Layers::open(&dir.join("layers"), &temporary, unpacker)?;
            let kept = Kept::open(&dir.join("manifests"), &temporary)?;
            Ok((layers, kept, temporary, downloads))
        });
        let (layers, kept, temporary, downloads) = opening.await.unwrap_or(Err(ImageError::Stopping))?;
        Ok(Self(Arc::new(Inner {
            registry,
            clock,
            entropy,
            layers,
            kept: Arc::new(kept),
            transport,
            options,
            temporary,
            downloads,
            downloading: Semaphore::new(DOWNLOADS_MAX),
            downloads_flights: Flights::default(),
            flights: Mutex::default(),
            collecting: RwLock::new(()),
            uses: Mutex::default(),
        })))
    }

    /// The fetch of this image that is going on, or a new one. It goes on even if nobody waits any more.
    fn flight(&self, scope: &Scope, uri: &str, architecture: Architecture) -> Flight {
        let key = (scope.clone(), uri.to_owned(), architecture.as_str());
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return flight.clone();
        }
        let (inner, own_key) = (Arc::clone(&self.0), key.clone());
        let task = tokio::spawn(async move {
            let (scope, uri, _) = &own_key;
            let fetched = inner.fetch(scope, uri, architecture).await;
            inner.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&own_key);
            fetched.map_err(|error| error.answer(uri))
        });
        let stopping = || Err(ImageError::Stopping.answer(""));
        let flight = task.map(move |ended| ended.unwrap_or_else(|_| stopping())).boxed().shared();
        flights.insert(key, flight.clone());
        flight
    }
}

impl Images for ImageStore {
    fn fetch<'a>(
        &'a self,
        scope: &'a Scope,
        uri: &'a str,
        architecture: Architecture,
    ) -> Pending<'a, Result<Image, ServiceError>> {
        Box::pin(self.flight(scope, uri, architecture))
    }

    fn root<'a>(&'a self, image: &'a Image) -> Pending<'a, Result<ImageRoot, ServiceError>> {
        Box::pin(async move {
            let root = self.0.root(image.digest).await;
            root.map_err(|error| match error {
                ImageError::Missing => ServiceError::Internal(format!(
                    "The source image {} is not on this server any more; update the function's code.",
                    image.resolved_uri
                )),
                error => error.answer(&image.resolved_uri),
            })
        })
    }

    fn retain(&self, used: &[Digest]) {
        self.0.registry.pin(used);
        let now = self.0.clock.now();
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = uses.get_or_insert_default();
        let was = std::mem::replace(&mut uses.now, used.iter().copied().collect());
        uses.before.extend(was.difference(&uses.now).map(|digest| (*digest, now)));
    }
}
