//! A front on a free port, and everything that stands behind it: real store, real control, and an engine that
//! echoes.
//!
//! What it is made of stands in the modules below it. Dropping a world removes its directory; its listener ends with the test's runtime.

mod clock;
mod echo;
mod front;
mod kept;
mod made;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::function::{Functions, Parts as FunctionParts};
use control::iam::Iam;
use control::identity::{Access, Identity, RootKey, SigningSecret};
use gateway::{Gateway, Parts};
use model::arn::Scope;
use model::id::{AccountId, Region};
use model::limits::Quotas;
use model::name::FunctionReference;
use model::port::{Clock, Entropy, Roles as _};
use store::Store;
use store::records::layers::LayerRecords;
use triggers::Asynchronous;
use wire::sigv4::{Credentials, Secret};

pub use self::clock::now;
use self::clock::{Numbers, StoppedClock, WallClock};
use self::echo::Echo;
use self::front::{Behind, parts, serve};
use self::kept::{Audited, Delivered};
use crate::client::{Answer, Client};
use crate::faults::{Faults, Faulty, FaultyQueue};
use crate::outside::Outside;

pub const KEY_ID: &str = "AKIAROOTKEYFORTESTS1";
pub const SECRET: &str = "root secret for tests";

/// The one file system that the machine's owner allows.
pub const FILE_SYSTEM: &str =
    "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0";

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
    pub bus: services::events::Events,
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
        let typed = made::typed(&store, &records);
        let (at, dice) = (Arc::clone(&clock), Arc::clone(&entropy));
        let iam = Iam::open(typed.clone(), at, dice, quotas).await.expect("roles");
        let functions = Functions::open(FunctionParts {
            iam: iam.clone(),
            records: typed.clone(),
            layer_records: Arc::new(LayerRecords::new(Arc::clone(&records) as _)),
            packages: made::packages(&store, data.path(), &clock, &entropy),
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
        let identity = made::identity(access, &store, iam, &clock, &entropy);
        let queue = Arc::new(FaultyQueue { queue: store.queue(), fails: AtomicBool::default() });
        let events = Arc::new(made::asynchronous(&queue, &functions, &engine, &clock, &entropy));
        let behind = Behind::of(&functions, &identity, &engine, &events, &outside);
        let sqs = made::queues(&store, &identity, &clock, &entropy, quotas).await;
        let scheduler = made::schedules(&store, &records, &delivered, &clock, &entropy).await;
        let topics = made::topics(typed, &identity, &delivered, &clock, &entropy, quotas).await;
        let bus = made::bus(&store, &records, &delivered, &identity, &clock, &entropy).await;
        let gateway = Gateway::new(Parts {
            audit: Some(Arc::clone(&audited) as _),
            log_groups: Some(made::log_groups(&store, &records, &delivered, &clock).await),
            bus: Some(bus.clone()),
            sqs: Some(sqs.clone()),
            topics: Some(topics.clone()),
            scheduler: Some(scheduler.clone()),
            registry: Some(made::registry(&store, data.path(), &clock, &entropy).await),
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
            bus,
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
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock(now()));
        let entropy: Arc<dyn Entropy> = Arc::new(Numbers(Mutex::new(0)));
        let behind = Behind { functions, identity, engine, events, outside };
        let gateway = Gateway::new(Parts {
            control_rate: 1,
            sqs: Some(self.sqs.clone()),
            scheduler: Some(self.scheduler.clone()),
            registry: Some(made::registry(&self.store, self._data.path(), &clock, &entropy).await),
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
