//! What a test needs around `Functions`: a store, a clock that can be turned, an engine that only listens.
//!
//! Opening a second world on the same directory, after closing the first one's store, is a restart of the server.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use control::function::{Change, Create, Functions, Parts, Source, ZipSource};
use control::iam::Iam;
use control::layer::Layers;
use control::package::Packages;
use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::{Architecture, Function};
use model::id::{AccountId, Region};
use model::limits::Quotas;
use model::name::{FunctionReference, Version};
use model::port::{
    Clock, Entropy, Images, Invocation, Invoke, Objects, Outcome, Pending, Provisioned, ReadyRuntime,
    Runtimes,
};
use model::runtime::RuntimeName;
use model::time::Timestamp;
use store::Store;

use crate::outside::{Bucket, Gallery};

/// The one file system that the machine's owner allows.
pub const FILE_SYSTEM: &str = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1";

/// Everything that one server would have.
pub struct World {
    pub functions: Functions,
    pub layers: Layers,
    pub packages: Arc<Packages>,
    pub clock: Arc<TurnedClock>,
    pub engine: Arc<Listener>,
    pub gallery: Arc<Gallery>,
    pub bucket: Arc<Bucket>,
    pub iam: Iam,
    pub store: Store,
}

impl World {
    /// Opens a data directory as the server does at start.
    pub async fn open(data: &Path) -> Self {
        Self::open_with(data, Arc::new(Gallery::default())).await
    }

    /// The same with a gallery that the test has arranged before.
    pub async fn open_with(data: &Path, gallery: Arc<Gallery>) -> Self {
        let store = Store::open(data).expect("a store");
        let clock = Arc::new(TurnedClock(AtomicU64::new(1_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(Numbers(Mutex::new(0)));
        let engine = Arc::new(Listener::default());
        let bucket = Arc::new(Bucket::default());
        let packages = Packages::open(data.join("code"), store.blobs(), clock.clone(), Arc::clone(&entropy));
        let packages = Arc::new(packages.expect("packages"));
        let iam = Iam::open(store.typed_records(), clock.clone(), Arc::clone(&entropy), Quotas::default());
        let iam = iam.await.expect("identities");
        let parts = Parts {
            iam: iam.clone(),
            records: store.typed_records(),
            layer_records: store.layers(),
            packages: Arc::clone(&packages),
            runtimes: Arc::clone(&engine) as Arc<dyn Runtimes>,
            invoke: Arc::clone(&engine) as Arc<dyn Invoke>,
            clock: clock.clone(),
            entropy,
            images: Some(Arc::clone(&gallery) as Arc<dyn Images>),
            objects: Some(Arc::clone(&bucket) as Arc<dyn Objects>),
            queues: None,
            file_systems: BTreeMap::from([(FILE_SYSTEM.to_owned(), data.to_owned())]),
            concurrency: 1_000,
            quotas: Quotas::default(),
        };
        let functions = Functions::open(parts).await.expect("functions");
        let layers = Layers::new(functions.clone());
        Self { functions, layers, packages, clock, engine, gallery, bucket, iam, store }
    }

    /// Waits until a change has settled.
    pub async fn settled(&self, name: &str) -> Arc<Function> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let function = self.functions.get(&scope(), &reference(name), None).expect("exists");
            let is_settled = !matches!(function.state, model::function::State::Pending)
                && function.last_update != model::function::UpdateStatus::InProgress;
            if is_settled {
                return function;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} does not settle");
            tokio::task::yield_now().await;
        }
    }

    /// Creates a function and waits until it is active.
    pub async fn create(&self, name: &str) -> Arc<Function> {
        self.functions.create(&scope(), create(name)).await.expect("created");
        self.settled(name).await
    }
}

/// A clock that stands until it is turned.
pub struct TurnedClock(AtomicU64);

impl TurnedClock {
    pub fn turn(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).expect("a short time"), Ordering::Relaxed);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.load(Ordering::Relaxed)).expect("a near time"))
    }
}

#[derive(Default)]
pub struct Numbers(Mutex<u64>);

impl Entropy for Numbers {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().expect("not poisoned");
        *next += 1;
        for (place, byte) in buffer.iter_mut().zip(next.to_be_bytes().into_iter().cycle()) {
            *place = byte;
        }
    }
}

/// Stands where the engine is: knows one runtime and remembers what was retired.
#[derive(Default)]
pub struct Listener {
    pub retired: Mutex<Vec<String>>,
    /// Functions whose reserved concurrency was set, with what it was set to.
    pub reserved: Mutex<Vec<String>>,
    /// By function, what is to be provisioned of it: versions with numbers.
    pub provisioned: Mutex<BTreeMap<String, String>>,
}

impl Invoke for Listener {
    fn invoke(&self, _: Invocation) -> Pending<'_, Result<Outcome, ServiceError>> {
        Box::pin(async { Err(ServiceError::Unavailable("nothing runs here".to_owned())) })
    }

    fn retire(&self, function: &FunctionId, version: Option<Version>) {
        let version = version.map_or_else(String::new, |version| format!(":{version}"));
        self.retired.lock().expect("not poisoned").push(format!("{}{version}", function.name));
    }

    fn reserve(&self, function: &FunctionId, executions: Option<u32>) {
        let executions = executions.map_or_else(|| "none".to_owned(), |executions| executions.to_string());
        self.reserved.lock().expect("not poisoned").push(format!("{} {executions}", function.name));
    }

    fn provision(&self, function: &FunctionId, wanted: &[(Arc<Function>, u32)]) {
        let wanted = wanted.iter().map(|(of, count)| format!("{}:{count}", of.version));
        let told = wanted.collect::<Vec<_>>().join(" ");
        self.provisioned.lock().expect("not poisoned").insert(function.name.to_string(), told);
    }

    fn provisioned(&self, _: &FunctionId, _: Version) -> Provisioned {
        Provisioned::default()
    }
}

impl Runtimes for Listener {
    fn ready(&self) -> Vec<ReadyRuntime> {
        vec![ReadyRuntime { name: RuntimeName::new("python3.12"), interpreter: None }]
    }

    fn choose(&self, wanted: &RuntimeName, _: Architecture) -> Result<RuntimeName, ServiceError> {
        if wanted.as_str() == "python3.12" {
            return Ok(wanted.clone());
        }
        Err(ServiceError::InvalidParameterValue(format!("{wanted} is not ready; python3.12 is")))
    }
}

pub fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

pub fn reference(text: &str) -> FunctionReference {
    FunctionReference::parse(text).expect("a reference")
}

pub fn zip(files: &[(&str, &str)]) -> Bytes {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("start a file");
        writer.write_all(content.as_bytes()).expect("write a file");
    }
    Bytes::from(writer.finish().expect("finish the archive").into_inner())
}

pub fn inline(zip: Bytes) -> Source {
    Source::Zip(ZipSource::Inline(zip))
}

pub fn change() -> Change {
    Change {
        runtime: Some(RuntimeName::new("python3.12")),
        handler: Some("app.handler".to_owned()),
        role: Some("arn:aws:iam::000000000000:role/r".to_owned()),
        ..Change::default()
    }
}

pub fn create(name: &str) -> Create {
    Create {
        reference: reference(name),
        source: inline(zip(&[("app.py", name)])),
        origin: Default::default(),
        settings: change(),
        code_signing: None,
        tags: Default::default(),
        publish: false,
    }
}
