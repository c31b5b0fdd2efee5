//! What functions are made from and is not sent along: the registry, the images, and code in buckets. Opened, bounded
//! by the configuration, and swept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::RegistryDoor;
use model::limits;
use model::port::{Clock, Entropy, Objects};
use sandbox::Keeper;
use services::image::{GRACE, ImageOptions, ImageStore, TransportOptions};
use services::objects::{ObjectsOptions, RemoteObjects};
use services::registry::address::{Address, Style};
use services::registry::token::TokenKey;
use services::registry::{Options, Registry};
use store::Store;
use wire::sigv4::{Credentials, Secret};

use crate::config::{Config, S3_VARIABLES};
use crate::porter::KeeperUnpacker;

/// Folder of the registry in the data directory.
const REGISTRY_DIR: &str = "registry";
/// Credentials for other registries, in the form of Docker's `config.json`; read when needed.
const CREDENTIALS_FILE: &str = "registry-credentials.json";
const TOKEN_SECRET: &str = "registry-token";
const TOKEN_SECRET_BYTES: usize = 32;
/// Between two collections of what nobody uses.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Where code in buckets is read from, if anywhere.
///
/// # Errors
/// When the endpoint's keys are missing, or TLS cannot be set up.
pub(crate) fn objects(
    config: &Config,
    environment: &BTreeMap<String, String>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<dyn Objects>>> {
    let Some(endpoint) = config.s3_endpoint.clone() else { return Ok(None) };
    let [id, secret] = S3_VARIABLES.map(|name| environment.get(name).filter(|value| !value.is_empty()));
    let (Some(id), Some(secret)) = (id, secret) else {
        bail!("s3-endpoint is set; set {} and {} too", S3_VARIABLES[0], S3_VARIABLES[1]);
    };
    let credentials =
        Credentials { access_key_id: id.clone(), secret: Secret::new(secret.clone()), session_token: None };
    let options = ObjectsOptions { endpoint, credentials };
    Ok(Some(Arc::new(RemoteObjects::new(options, Arc::clone(clock))?)))
}

/// The registry and the image store.
pub(crate) struct Warehouse {
    registry: Arc<Registry>,
    pub(crate) store: Arc<ImageStore>,
}

/// What the warehouse is made from.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) data_dir: PathBuf,
    pub(crate) images_dir: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) store: &'a Store,
    pub(crate) keeper: &'a Keeper,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Warehouse {
    /// Opens both.
    ///
    /// # Errors
    /// When files cannot be read or made.
    pub(crate) async fn open(ground: &Ground<'_>) -> anyhow::Result<Self> {
        let options = Options {
            create_on_push: ground.config.create_on_push,
            grace: GRACE,
            bounds: services::layout::Bounds::default(),
            address: Address {
                // The name that every container tool reaches over plain HTTP without any setting.
                authority: format!("localhost:{}", ground.address.port()),
                style: Style::Plain,
            },
        };
        let (clock, entropy) = (&ground.clock, &ground.entropy);
        let dir = ground.data_dir.join(REGISTRY_DIR);
        let records = ground.store.records();
        let registry = Registry::open(&dir, records, Arc::clone(clock), Arc::clone(entropy), options).await?;
        let images = ImageOptions {
            allowed_folders: ground.config.image_path.clone(),
            transport: TransportOptions {
                credentials: Some(ground.data_dir.join(CREDENTIALS_FILE)),
                ..TransportOptions::default()
            },
            unpacker: Arc::new(KeeperUnpacker::new(ground.keeper.clone())),
            image_bytes_max: limits::IMAGE_BYTES_MAX,
            grace: GRACE,
        };
        let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
        let store =
            ImageStore::open(&ground.images_dir, Arc::clone(&registry), clock, entropy, images).await?;
        Ok(Self { registry, store: Arc::new(store) })
    }

    /// How container tools get in.
    ///
    /// # Errors
    /// When the key of their tokens cannot be read or made.
    pub(crate) fn door(&self, store: &Store, entropy: &dyn Entropy) -> anyhow::Result<RegistryDoor> {
        let make = || {
            let mut bytes = vec![0; TOKEN_SECRET_BYTES];
            entropy.fill(&mut bytes);
            bytes
        };
        let secret =
            store.secrets().get_or_create(TOKEN_SECRET, make).context("cannot make the registry's key")?;
        Ok(RegistryDoor { registry: Arc::clone(&self.registry), tokens: TokenKey::new(secret.expose()) })
    }

    /// Removes what nobody uses, again and again.
    pub(crate) async fn maintain(&self) {
        loop {
            if let Err(error) = self.registry.collect().await {
                tracing::warn!(%error, "cannot collect what the registry does not need");
            }
            if let Err(error) = self.store.collect().await {
                tracing::warn!(%error, "cannot collect images that nobody uses");
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }
}
