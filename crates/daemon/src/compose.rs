//! The composition: every part made once, and given the others through the ports of `model`.
//!
//! This is the only place that knows every crate. Parts are made from the ground up (store, identity, keeper,
//! engine, control, gateway) and end the other way round. One circle is closed late: the engine lets functions
//! call the gateway, which is made after it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aside::Aside;
use control::event_source::Queues;
use control::function::{Functions, Parts as FunctionParts};
use control::iam::Iam;
use control::identity::{Access, Identity};
use control::layer::Layers;
use control::link::CodeLinks;
use control::logs::FunctionLogs;
use control::package::Packages;
use engine::{Catalogue, Engine, EngineConfig, Parts as EngineParts, PlatformEndpoint};
use gateway::{About, Gateway, Parts as GatewayParts};
use model::limits;
use model::port::{AuditSink, Clock, Entropy, LogSink, Pending};
use sandbox::Keeper;
use store::Store;
use store::audit::AuditFiles;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use triggers::{Asynchronous, EventSources, Parts as AsynchronousParts, Settings as AsynchronousSettings};

use crate::config::{Config, Mode};
use crate::dev::Echo;
use crate::event_services::EventServices;
use crate::gauges;
use crate::images::{self, Warehouse};
use crate::launch::{Claim, Launched};
use crate::root_key;
use crate::runtime_images::{RetainedImages, Runtimes};
use crate::system::{SystemClock, SystemEntropy};
use crate::trace;

/// How long what was received may take to be settled, once nothing runs any more.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// A whole server, and what has to be ended in order.
pub(crate) struct Composed {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    engine: Engine,
    events: Asynchronous,
    services: EventServices,
    pollers: EventSources,
    identity: Arc<Identity>,
    keeper: Keeper,
    store: Store,
    tasks: Vec<JoinHandle<()>>,
    /// Given up last: from then on another server may use the data directory.
    _claim: Claim,
}

/// The parts that most others need.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    packages: Arc<Packages>,
    catalogue: Arc<Catalogue>,
    warehouse: Arc<Warehouse>,
    audit: Option<Arc<dyn AuditSink>>,
    images: Arc<RetainedImages>,
    keeper: Keeper,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) aside: Aside,
}

/// Where the server is reached, and what keeps others from its data.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    claim: Claim,
}

/// Makes all parts and begins to serve.
///
/// # Errors
/// When a part cannot be made; what was made is then dropped, and the keeper leaves nothing behind.
pub(crate) async fn compose(
    mode: Mode,
    config: &Config,
    launched: Launched,
    environment: &BTreeMap<String, String>,
    log_echo: Option<Echo>,
) -> anyhow::Result<Composed> {
    let (ground, Door { listener, address, claim }) =
        Ground::lay(mode, config, launched, environment).await?;
    let warehouse = Arc::clone(&ground.warehouse);
    let platform = Arc::new(LatePlatform::default());
    let engine = ground.engine(config, &platform, log_echo);
    let services = EventServices::open(&ground).await?;
    let functions = ground.functions(config, environment, &engine, &services).await?;
    let events = ground.events(config, &engine, &functions, &services);
    let gateway = ground.gateway(config, &engine, &functions, &events, &services)?;
    platform.bring(&gateway);
    // From here on functions run: those whose events have waited need the gateway.
    let pollers = services.start(&ground, &functions, &events, &engine, share(config)).await?;
    events.start().await.context("cannot read the queue of events")?;
    let serving = gateway.serve_listener(listener).context("cannot serve the listening socket")?;
    let tasks = vec![
        tokio::spawn(serving),
        tokio::spawn(async move { functions.maintain().await }),
        tokio::spawn(async move { warehouse.maintain().await }),
        tokio::spawn(services.clone().maintain()),
        tokio::spawn(services.clone().keep_time()),
    ];
    let Ground { store, identity, keeper, .. } = ground;
    Ok(Composed {
        address,
        gateway,
        engine,
        events,
        services,
        pollers,
        identity,
        keeper,
        store,
        tasks,
        _claim: claim,
    })
}

/// How much runs at once for one function's events or one mapping: half of the concurrency is left to all others.
fn share(config: &Config) -> usize {
    usize::try_from(config.concurrency / 2).unwrap_or(usize::MAX).max(1)
}

/// Where calls are written down, if they are to be.
fn audit(config: &Config, data_dir: &Path) -> anyhow::Result<Option<Arc<dyn AuditSink>>> {
    let files = config.audit_log.then(|| AuditFiles::open(&data_dir.join("audit"))).transpose()?;
    Ok(files.map(|files| Arc::new(files) as Arc<dyn AuditSink>))
}

/// Who may call. A root key that was made just now is printed here, and never again.
async fn identity(
    mode: Mode,
    store: &Store,
    data_dir: &Path,
    shown_data_dir: &Path,
    environment: &BTreeMap<String, String>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Arc<Identity>> {
    let root = root_key::find_or_make(data_dir, environment, entropy.as_ref())?;
    // Under `dev` nobody needs it.
    if root.made && mode == Mode::Serve {
        trace::print(&root_key::announcement(&root.key, shown_data_dir));
    }
    let iam =
        Iam::open(store.typed_records(), Arc::clone(clock), Arc::clone(entropy), limits::Quotas::default())
            .await;
    let iam = iam.context("cannot load users and roles")?;
    let access = if mode == Mode::Dev { Access::Open } else { Access::Verified };
    let identity =
        Identity::open(access, root.key, &store.secrets(), iam, Arc::clone(clock), Arc::clone(entropy))?;
    Ok(Arc::new(identity))
}

impl Ground {
    async fn lay(
        mode: Mode,
        config: &Config,
        launched: Launched,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<(Self, Door)> {
        let (code_dir, images_dir) = (launched.code_dir(), launched.images_dir());
        let Launched { listener, address, data_dir, shown_data_dir, keeper, catalogue, claim } = launched;
        let keeper = Keeper::connect(keeper).context("cannot reach the keeper of sandboxes")?;
        for weakness in keeper.weaknesses() {
            tracing::warn!("not enforced on this host: {weakness}");
        }
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        // Blocks on the disk, before anything else runs.
        let store = Store::open(&data_dir)?;
        let identity =
            identity(mode, &store, &data_dir, &shown_data_dir, environment, &clock, &entropy).await?;
        let audit = audit(config, &data_dir)?;
        let packages = Packages::open(code_dir, store.blobs(), Arc::clone(&clock), Arc::clone(&entropy))?;
        let catalogue = Arc::new(catalogue);
        let warehouse = Arc::new(
            Warehouse::open(&images::Ground {
                config,
                data_dir,
                images_dir,
                address,
                store: &store,
                keeper: &keeper,
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
            })
            .await
            .context("cannot open the container images")?,
        );
        let images = Arc::new(RetainedImages::new(Arc::clone(&warehouse.store) as _, Arc::clone(&catalogue)));
        let ground = Self {
            identity,
            packages: Arc::new(packages),
            catalogue,
            warehouse,
            audit,
            images,
            keeper,
            store,
            clock,
            entropy,
            aside: Aside::new(),
        };
        Ok((ground, Door { listener, address, claim }))
    }

    fn engine(&self, config: &Config, platform: &Arc<LatePlatform>, log_echo: Option<Echo>) -> Engine {
        let kept: Arc<dyn LogSink> = self.store.logs();
        let logs = match log_echo {
            Some(echo) => echo.over(kept),
            None => kept,
        };
        let settings = EngineConfig {
            concurrency: config.concurrency,
            environments_max: config.environments_max,
            // Room for Lambda's own wrapping.
            response_bytes_max: megabytes(config.payload_mb) + 100,
            stream_bytes_max: u64::from(config.stream_mb) * limits::MB,
            file_systems: config.file_systems.clone(),
            ..EngineConfig::default()
        };
        let parts = EngineParts {
            host: Arc::new(self.keeper.clone()),
            artifacts: Arc::clone(&self.packages) as _,
            images: Arc::clone(&self.images) as _,
            ledger: self.store.ledger(),
            logs,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            roles: Arc::clone(&self.identity) as _,
            platform: Arc::clone(platform) as _,
            catalogue: Arc::clone(&self.catalogue),
        };
        Engine::new(&settings, parts)
    }

    async fn functions(
        &self,
        config: &Config,
        environment: &BTreeMap<String, String>,
        engine: &Engine,
        services: &EventServices,
    ) -> anyhow::Result<Functions> {
        let queues =
            Queues { sources: Arc::new(services.sqs.clone()), admission: Arc::clone(&self.identity) as _ };
        let parts = FunctionParts {
            iam: self.identity.iam().clone(),
            records: self.store.typed_records(),
            layer_records: self.store.layers(),
            packages: Arc::clone(&self.packages),
            runtimes: Arc::clone(&self.catalogue) as _,
            invoke: Arc::new(engine.clone()),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            images: Some(Arc::clone(&self.images) as _),
            objects: images::objects(config, environment, &self.clock)?,
            queues: Some(queues),
            file_systems: config.file_systems.clone(),
            concurrency: config.concurrency,
            quotas: limits::Quotas::default(),
        };
        Functions::open(parts).await.context("cannot load the functions")
    }

    fn events(
        &self,
        config: &Config,
        engine: &Engine,
        functions: &Functions,
        services: &EventServices,
    ) -> Asynchronous {
        let parts = AsynchronousParts {
            queue: self.store.queue(),
            directory: Arc::new(functions.clone()),
            invoke: Arc::new(engine.clone()),
            clock: Arc::clone(&self.clock),
            deliveries: Arc::new(services.delivering.clone()),
        };
        let settings = AsynchronousSettings {
            share: share(config),
            retry_pause: Duration::from_secs(config.async_retry_s.into()),
        };
        Asynchronous::new(parts, settings)
    }

    fn gateway(
        &self,
        config: &Config,
        engine: &Engine,
        functions: &Functions,
        events: &Asynchronous,
        services: &EventServices,
    ) -> anyhow::Result<Arc<Gateway>> {
        let (counted, backlog) = (engine.clone(), services.backlog.clone());
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            weaknesses: self.keeper.weaknesses().iter().map(ToString::to_string).collect(),
            gauges: Box::new(move || gauges::all(&counted, &backlog)),
        };
        Ok(Gateway::new(GatewayParts {
            functions: functions.clone(),
            layers: Layers::new(functions.clone()),
            payload_bytes_max: megabytes(config.payload_mb),
            control_rate: config.control_rate,
            logs: FunctionLogs::new(functions.clone(), self.store.logs()),
            identity: Arc::clone(&self.identity),
            links: CodeLinks::open(&self.store.secrets(), self.entropy.as_ref())?,
            invoke: Arc::new(engine.clone()),
            events: Arc::new(events.clone()),
            queue: self.store.queue(),
            runtimes: Arc::clone(&self.catalogue) as _,
            runtime_admin: Arc::new(Runtimes {
                images: Arc::clone(&self.images),
                catalogue: Arc::clone(&self.catalogue),
            }),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            audit: self.audit.clone(),
            log_groups: Some(services.logs.clone()),
            bus: Some(services.bus.clone()),
            sqs: Some(services.sqs.clone()),
            scheduler: Some(services.scheduler.clone()),
            topics: Some(services.topics.clone()),
            registry: Some(self.warehouse.door(&self.store, self.entropy.as_ref())?),
            about,
        }))
    }
}

impl Composed {
    /// The address of the API, with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when the server cannot go on: its keeper has ended, and every environment with it. Another one
    /// cannot be forked, since privileges and the single thread are long gone. Ending gives whatever supervises
    /// this server the chance to start it again.
    ///
    /// # Errors
    /// Always: the reason.
    pub(crate) async fn failed(&self) -> anyhow::Result<()> {
        self.keeper.gone().await;
        bail!("the keeper of sandboxes has died; start the server again")
    }

    /// Takes no more requests, lets running ones end for at most `limit`, then ends all environments.
    pub(crate) async fn drain(&self, limit: Duration) {
        self.events.stop();
        self.pollers.stop();
        self.services.stop();
        // What pollers have received goes back to its queue before the store closes.
        let ended = async {
            self.engine.shutdown(limit).await;
            if tokio::time::timeout(SETTLE_MAX, self.pollers.settled()).await.is_err() {
                tracing::warn!(
                    "not all messages of queues could be settled; they come back when their hold is over"
                );
            }
        };
        let (cut, ()) = tokio::join!(self.gateway.stop(limit), ended);
        if cut > 0 {
            tracing::warn!(connections = cut, "cut connections that were still busy");
        }
    }

    /// Removes every sandbox, then closes the store.
    pub(crate) async fn close(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.keeper.shutdown().await;
        self.identity.iam().write_uses().await;
        self.store.close().await;
    }
}

fn megabytes(number: u32) -> usize {
    usize::try_from(u64::from(number) * limits::MB).unwrap_or(usize::MAX)
}

/// Answers AWS calls from inside sandboxes with the gateway, which is made after the engine that asks for it.
#[derive(Default)]
struct LatePlatform(OnceLock<Weak<Gateway>>);

impl LatePlatform {
    fn bring(&self, gateway: &Arc<Gateway>) {
        self.0.get_or_init(|| Arc::downgrade(gateway));
    }
}

impl PlatformEndpoint for LatePlatform {
    fn serve(&self, stream: TcpStream) -> Pending<'static, ()> {
        match self.0.get().and_then(Weak::upgrade) {
            Some(gateway) => Box::pin(gateway.serve_connection(stream)),
            // No environment exists before the gateway does, or after it.
            None => Box::pin(std::future::ready(())),
        }
    }
}
