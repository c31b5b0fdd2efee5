//! A front on a free port, and everything that stands behind it: real store, real control, and an engine that
//! echoes.
//!
//! Dropping a world removes its directory; its listener ends with the test's runtime.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::function::{Functions, Parts as FunctionParts};
use control::iam::Iam;
use control::identity::{Access, Identity, RootKey, SigningSecret};
use control::layer::Layers;
use control::link::CodeLinks;
use control::logs::FunctionLogs;
use control::package::Packages;
use gateway::{About, Gateway, Gauge, Parts, RegistryDoor};
use model::arn::{FunctionId, Scope};
use model::delivery::{Deliveries, Delivery, Undelivered};
use model::error::{ServiceError, ThrottleReason};
use model::function::{Architecture, Function};
use model::id::{AccountId, Region};
use model::lease::{Phases, StartReason};
use model::limits::{self, Quotas};
use model::name::{FunctionReference, Version};
use model::port::{
    AuditSink, Clock, Entropy, FunctionFailure, Invocation, Invoke, Outcome, Pending, Provisioned,
    ReadyRuntime, Response, ResponseStream, Roles as _, Runtimes, StreamPart,
};
use model::queue::QueueError;
use model::runtime::RuntimeName;
use model::time::Timestamp;
use services::layout::Bounds;
use services::registry::address::{Address, Style};
use services::registry::token::TokenKey;
use services::registry::{Options, Registry};
use store::Store;
use store::records::layers::LayerRecords;
use store::records::typed::TypedRecords;
use store::seal::Sealer;
use triggers::{Asynchronous, Delivering, Parts as AsynchronousParts, Settings as AsynchronousSettings};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::faults::{Faults, Faulty, FaultyQueue};
use crate::outside::Outside;

pub const KEY_ID: &str = "AKIAROOTKEYFORTESTS1";
pub const SECRET: &str = "root secret for tests";

/// The lines of the audit log.
#[derive(Default)]
pub struct Audited(Mutex<Vec<String>>);

impl Audited {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl AuditSink for Audited {
    fn keep(&self, line: String) {
        self.0.lock().expect("nobody panicked").push(line);
    }
}

fn asynchronous(
    queue: &Arc<FaultyQueue>,
    functions: &Functions,
    engine: &Arc<Echo>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Asynchronous {
    let parts = AsynchronousParts {
        queue: Arc::clone(queue) as _,
        directory: Arc::new(functions.clone()),
        invoke: Arc::clone(engine) as _,
        clock: Arc::clone(clock),
        // Nothing is delivered here; what is handed over waits.
        deliveries: Arc::new(Delivering::new(Arc::clone(queue) as _, Arc::clone(entropy))),
    };
    Asynchronous::new(parts, AsynchronousSettings { share: 4, retry_pause: Duration::ZERO })
}

/// A server without an engine.
pub struct World {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub engine: Arc<Echo>,
    events: Arc<Asynchronous>,
    pub outside: Arc<Outside>,
    pub identity: Arc<Identity>,
    pub functions: Functions,
    pub store: Store,
    pub sqs: services::sqs::Sqs,
    pub scheduler: services::scheduler::Scheduler,
    /// What goes wrong with the records of all services but SQS.
    pub faults: Arc<Faults>,
    pub records: Arc<Faulty>,
    pub queue: Arc<FaultyQueue>,
    pub audited: Arc<Audited>,
    /// What was handed over for delivery.
    pub delivered: Arc<Delivered>,
    _data: tempfile::TempDir,
}

impl World {
    pub async fn open(access: Access) -> Self {
        Self::open_with(access, Quotas::default()).await
    }

    /// The same for accounts that may have less, or more.
    pub async fn open_with(access: Access, quotas: Quotas) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let store = Store::open(data.path()).expect("a store");
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let entropy: Arc<dyn Entropy> = Arc::new(Numbers(Mutex::new(0)));
        let (engine, outside) = (Arc::<Echo>::default(), Arc::<Outside>::default());
        let (faults, delivered) = (Arc::<Faults>::default(), Arc::<Delivered>::default());
        let records = Arc::new(Faulty { records: store.records(), faults: Arc::clone(&faults) });
        let typed = typed(&store, &records);
        let (at, dice) = (Arc::clone(&clock), Arc::clone(&entropy));
        let iam = Iam::open(typed.clone(), at, dice, quotas).await.expect("roles");
        let functions = Functions::open(FunctionParts {
            iam: iam.clone(),
            records: typed.clone(),
            layer_records: Arc::new(LayerRecords::new(Arc::clone(&records) as _)),
            packages: packages(&store, data.path(), &clock, &entropy),
            runtimes: Arc::clone(&engine) as _,
            invoke: Arc::clone(&engine) as _,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            images: Some(Arc::clone(&outside) as _),
            objects: Some(Arc::clone(&outside) as _),
            queues: None,
            file_systems: BTreeMap::from([(FILE_SYSTEM.to_owned(), data.path().to_owned())]),
            concurrency: 1_000,
            quotas,
        });
        let (functions, audited) = (functions.await.expect("functions"), Arc::new(Audited::default()));
        let identity = identity(access, &store, iam, &clock, &entropy);
        let queue = Arc::new(FaultyQueue { queue: store.queue(), fails: AtomicBool::default() });
        let events = Arc::new(asynchronous(&queue, &functions, &engine, &clock, &entropy));
        let behind = Behind {
            functions: &functions,
            identity: &identity,
            engine: &engine,
            events: &events,
            outside: &outside,
        };
        let sqs = queues(&store, &identity, &clock, &entropy, quotas).await;
        let scheduler = schedules(&store, &records, &delivered, &clock, &entropy).await;
        let topics = topics(typed, &identity, &delivered, &clock, &entropy, quotas).await;
        let gateway = Gateway::new(Parts {
            audit: Some(Arc::clone(&audited) as _),
            log_groups: Some(log_groups(&store, &records, &delivered, &clock).await),
            bus: Some(bus(&store, &records, &delivered, &clock, &entropy).await),
            sqs: Some(sqs.clone()),
            topics: Some(topics.clone()),
            scheduler: Some(scheduler.clone()),
            registry: Some(registry(&store, data.path(), &clock, &entropy).await),
            ..parts(&behind, &store, clock)
        });
        Self {
            address: serve(&gateway),
            gateway,
            engine,
            events,
            outside,
            identity,
            functions,
            store,
            sqs,
            scheduler,
            faults,
            records,
            queue,
            audited,
            delivered,
            _data: data,
        }
    }

    /// A client of another front with the same things behind it, at which the account has used up its rate of control
    /// calls, for as long as a signature is valid.
    pub async fn throttled(&self) -> Client {
        let Self { functions, identity, engine, events, outside, .. } = self;
        let clock = Arc::new(StoppedClock(now()));
        let behind = Behind { functions, identity, engine, events, outside };
        let gateway = Gateway::new(Parts {
            control_rate: 1,
            sqs: Some(self.sqs.clone()),
            scheduler: Some(self.scheduler.clone()),
            ..parts(&behind, &self.store, clock)
        });
        let client = Client::new(serve(&gateway), Some(root_credentials()));
        for _ in 0..5 {
            if client.get("/2016-08-19/account-settings").await.status == 429 {
                return client;
            }
        }
        panic!("the rate is not used up");
    }

    /// A client that signs with the root key.
    pub fn client(&self) -> Client {
        Client::new(self.address, Some(root_credentials()))
    }

    /// A client with the credentials of a function's role.
    pub fn role_client(&self, function: &str) -> Client {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let reference = FunctionReference::parse(function).expect("a reference");
        let function = self.functions.get(&scope, &reference, None).expect("a function");
        let minted = self.identity.credentials(&function);
        let credentials = Credentials {
            access_key_id: minted.access_key_id,
            secret: Secret::new(minted.secret_access_key),
            session_token: Some(Secret::new(minted.session_token)),
        };
        Client::new(self.address, Some(credentials))
    }

    /// Creates a function and waits until it is active.
    pub async fn create(&self, name: &str) {
        let answer = self.client().post("/2015-03-31/functions", create_body(name)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.settled(&self.client(), name).await;
    }

    /// Waits until a function's last change has come to its end.
    pub async fn settled(&self, client: &Client, name: &str) -> Answer {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let answer = client.get(&format!("/2015-03-31/functions/{name}/configuration")).await;
            let is_pending = answer.json()["State"] == "Pending";
            if !is_pending && answer.json()["LastUpdateStatus"] != "InProgress" {
                return answer;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} does not settle: {answer:?}");
        }
    }
}

/// What lies behind a front.
struct Behind<'a> {
    functions: &'a Functions,
    identity: &'a Arc<Identity>,
    engine: &'a Arc<Echo>,
    events: &'a Arc<Asynchronous>,
    outside: &'a Arc<Outside>,
}

/// The parts of a front without a registry and an audit log.
fn parts(behind: &Behind<'_>, store: &Store, clock: Arc<dyn Clock>) -> Parts {
    let Behind { functions, identity, engine, events, outside } = *behind;
    let entropy: Arc<dyn Entropy> = Arc::new(Numbers(Mutex::new(1 << 32)));
    let gauge = || Gauge { name: "dormouse_environments", help: "All.", label: None, value: 3.0 };
    Parts {
        logs: FunctionLogs::new(functions.clone(), store.logs()),
        layers: Layers::new(functions.clone()),
        functions: functions.clone(),
        identity: Arc::clone(identity),
        links: CodeLinks::open(&store.secrets(), entropy.as_ref()).expect("links"),
        invoke: Arc::clone(engine) as _,
        events: Arc::clone(events) as _,
        runtimes: Arc::clone(engine) as _,
        runtime_admin: Arc::clone(outside) as _,
        audit: None,
        bus: None,
        log_groups: None,
        sqs: None,
        scheduler: None,
        topics: None,
        registry: None,
        payload_bytes_max: limits::PAYLOAD_SYNC_BYTES_MAX,
        control_rate: 0,
        clock,
        entropy,
        about: About {
            version: "0.0.0-test",
            weaknesses: vec!["nothing is enforced in tests".to_owned()],
            gauges: Box::new(move || vec![gauge()]),
        },
    }
}

fn serve(gateway: &Arc<Gateway>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(gateway.serve_listener(listener).expect("a usable listener"));
    address
}

/// Stands where deliveries are performed: remembers them.
#[derive(Default)]
pub struct Delivered {
    pub taken: Mutex<Vec<Delivery>>,
    /// Whether whoever hands over waits for ever.
    pub is_held: AtomicBool,
}

impl Deliveries for Delivered {
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>> {
        if self.is_held.load(Ordering::Acquire) {
            return Box::pin(std::future::pending());
        }
        self.taken.lock().expect("nobody panicked").extend(deliveries);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Functions take what is offered, but for those called `closed`; other targets take nothing at once.
    fn offer<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        let to = delivery.to.to_string();
        let is_open = to.contains(":function:") && !to.ends_with(":function:closed");
        let refused = || Undelivered::not_permitted(&delivery.from, &delivery.to);
        Box::pin(std::future::ready(if is_open { Ok(()) } else { Err(refused()) }))
    }
}

fn packages(store: &Store, data: &Path, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Arc<Packages> {
    let packages = Packages::open(data.join("code"), store.blobs(), Arc::clone(clock), Arc::clone(entropy));
    Arc::new(packages.expect("packages"))
}

fn identity(
    access: Access,
    store: &Store,
    iam: Iam,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Arc<Identity> {
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    let identity = Identity::open(access, root_key(), &store.secrets(), iam, clock, entropy);
    Arc::new(identity.expect("identities"))
}

/// The records that can go wrong.
fn typed(store: &Store, records: &Arc<Faulty>) -> TypedRecords {
    let sealer = Sealer::open(&store.secrets()).expect("a sealer");
    TypedRecords::new(Arc::clone(records) as _, Arc::new(sealer))
}

async fn bus(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> services::events::Events {
    let parts = services::events::Parts {
        typed: typed(store, records),
        records: Arc::clone(records) as _,
        deliveries: Arc::clone(delivered) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::events::Events::load(parts).await.expect("buses")
}

async fn queues(
    store: &Store,
    identity: &Arc<Identity>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    quotas: Quotas,
) -> services::sqs::Sqs {
    let parts = services::sqs::Parts {
        typed: store.typed_records(),
        queue: store.queue(),
        admission: Arc::clone(identity) as _,
        receipts: services::sqs::ReceiptKey::new(b"receipts for tests"),
        quotas,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::sqs::Sqs::load(parts).await.expect("queues")
}

async fn topics(
    typed: TypedRecords,
    identity: &Arc<Identity>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    quotas: Quotas,
) -> services::sns::Sns {
    let parts = services::sns::Parts {
        typed,
        quotas,
        deliveries: Arc::clone(delivered) as _,
        admission: Arc::clone(identity) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::sns::Sns::load(parts).await.expect("topics")
}

async fn schedules(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> services::scheduler::Scheduler {
    let parts = services::scheduler::Parts {
        typed: typed(store, records),
        deliveries: Arc::clone(delivered) as _,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    services::scheduler::Scheduler::load(parts).await.expect("schedules")
}

async fn log_groups(
    store: &Store,
    records: &Arc<Faulty>,
    delivered: &Arc<Delivered>,
    clock: &Arc<dyn Clock>,
) -> services::logs::Logs {
    let parts = services::logs::Parts {
        typed: typed(store, records),
        files: store.logs(),
        deliveries: Arc::clone(delivered) as _,
        clock: Arc::clone(clock),
    };
    services::logs::Logs::load(parts).await.expect("log groups")
}

async fn registry(
    store: &Store,
    data: &Path,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> RegistryDoor {
    let options = Options {
        create_on_push: true,
        grace: Duration::from_secs(3_600),
        bounds: Bounds::default(),
        address: Address { authority: "localhost:4566".to_owned(), style: Style::Plain },
    };
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    let registry = Registry::open(&data.join("registry"), store.records(), clock, entropy, options).await;
    RegistryDoor { registry: registry.expect("a registry"), tokens: TokenKey::new(b"tokens for tests") }
}

fn root_key() -> RootKey {
    RootKey {
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: SigningSecret::new(SECRET.to_owned()),
        account: AccountId::DEFAULT,
    }
}

pub fn root_credentials() -> Credentials {
    Credentials { access_key_id: KEY_ID.to_owned(), secret: Secret::new(SECRET), session_token: None }
}

pub fn create_body(name: &str) -> serde_json::Value {
    use base64::Engine as _;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("app.py", zip::write::SimpleFileOptions::default()).expect("start a file");
    writer.write_all(b"def handler(event, context): return event").expect("write a file");
    let zip = writer.finish().expect("finish the archive").into_inner();
    serde_json::json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Code": { "ZipFile": base64::engine::general_purpose::STANDARD.encode(zip) },
    })
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

struct StoppedClock(Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a near time"))
}

struct Numbers(Mutex<u64>);

impl Entropy for Numbers {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().expect("not poisoned");
        *next += 1;
        for (place, byte) in buffer.iter_mut().zip(next.to_be_bytes().into_iter().cycle()) {
            *place = byte;
        }
    }
}

/// What the stand-in does: refuse, answer, fail or stream.
pub type Told = Result<Result<bytes::Bytes, FunctionFailure>, ServiceError>;

/// The one file system that the machine's owner allows.
pub const FILE_SYSTEM: &str =
    "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0";

/// Stands where the engine is: answers with the event, or as it was told for a function.
#[derive(Default)]
pub struct Echo {
    /// By function name: what it answers instead.
    pub told: Mutex<HashMap<String, Told>>,
    /// The last invocation.
    pub seen: Mutex<Option<Invocation>>,
    /// While this is held for writing, invocations take their time.
    pub gate: tokio::sync::RwLock<()>,
    /// By function name: what it streams to callers who take streams.
    pub streams: Mutex<HashMap<String, tokio::sync::mpsc::Receiver<StreamPart>>>,
    /// Functions that may not run at all.
    pub stopped: Mutex<HashSet<FunctionId>>,
}

impl Invoke for Echo {
    fn invoke(&self, invocation: Invocation) -> Pending<'_, Result<Outcome, ServiceError>> {
        Box::pin(async move {
            *self.seen.lock().expect("not poisoned") = Some(invocation.clone());
            let _open = self.gate.read().await;
            if self.stopped.lock().expect("not poisoned").contains(&invocation.function.id) {
                let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
                return Err(ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() });
            }
            let name = invocation.function.id.name.as_str();
            let stream = self.streams.lock().expect("not poisoned").remove(name);
            let told = self.told.lock().expect("not poisoned").get(name).cloned();
            let result = told.unwrap_or_else(|| Ok(Ok(invocation.payload.clone())))?;
            let result = match stream.filter(|_| invocation.streaming) {
                Some(parts) => Ok(Response::Stream {
                    content_type: Some("text/plain".to_owned()),
                    body: Box::new(Streamed(parts)),
                }),
                None => result.map(Response::Whole),
            };
            let micros = Duration::from_micros;
            Ok(Outcome {
                result,
                tail: invocation.tail.then(|| b"START\nEND\n".to_vec()),
                reason: StartReason::Cold,
                phases: Phases { waited: micros(1), sandbox: micros(2), init: micros(3), run: micros(4) },
            })
        })
    }

    fn retire(&self, _: &FunctionId, _: Option<Version>) {}

    fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        let mut stopped = self.stopped.lock().expect("not poisoned");
        match executions {
            Some(0) => drop(stopped.insert(function.clone())),
            _ => drop(stopped.remove(function)),
        }
    }

    fn provision(&self, _: &FunctionId, _: &[(Arc<Function>, u32)]) {}

    fn provisioned(&self, _: &FunctionId, _: Version) -> Provisioned {
        Provisioned::default()
    }
}

/// A response that a test makes piece by piece.
struct Streamed(tokio::sync::mpsc::Receiver<StreamPart>);

impl ResponseStream for Streamed {
    fn next(&mut self) -> Pending<'_, Option<StreamPart>> {
        Box::pin(self.0.recv())
    }
}

impl Runtimes for Echo {
    fn ready(&self) -> Vec<ReadyRuntime> {
        vec![
            ReadyRuntime { name: RuntimeName::new("provided.al2023"), interpreter: None },
            ReadyRuntime {
                name: RuntimeName::new("python3.12"),
                interpreter: Some("/usr/bin/python3".into()),
            },
        ]
    }

    fn choose(&self, wanted: &RuntimeName, _: Architecture) -> Result<RuntimeName, ServiceError> {
        if self.ready().iter().any(|ready| ready.name == *wanted) {
            return Ok(wanted.clone());
        }
        let message =
            format!("{wanted} is not ready here; python3.12 is. Install an interpreter to add one.");
        Err(ServiceError::InvalidParameterValue(message))
    }
}
