//! A registry that serves on a free port of the loopback, and a small HTTP client.
//!
//! A world owns its temporary directory and can be restarted on it, as after a crash; its clock can be put
//! forward.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::arn::Scope;
use model::id::{AccountId, Region};
use model::port::{Clock, Entropy};
use model::time::Timestamp;
use services::layout::Bounds;
use services::registry::address::{Address, Style};
use services::registry::token::{self, TokenKey};
use services::registry::{Caller, Code, Options, Refusal, Registry};
use store::Store;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Real time, which a test can put forward.
#[derive(Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Timestamp::from_millis(i64::try_from(real).unwrap() + self.0.load(Ordering::Relaxed))
    }
}

/// The kernel's randomness.
struct Urandom;

impl Entropy for Urandom {
    fn fill(&self, buffer: &mut [u8]) {
        File::open("/dev/urandom").unwrap().read_exact(buffer).unwrap();
    }
}

pub fn entropy() -> Arc<dyn Entropy> {
    Arc::new(Urandom)
}

/// Everything that a test needs.
pub struct World {
    pub dir: TempDir,
    pub store: Option<Store>,
    pub registry: Arc<Registry>,
    pub clock: Arc<TestClock>,
    pub authority: String,
    serving: JoinHandle<()>,
}

pub fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl Fn(&mut Options)) -> Self {
        Self::at(TempDir::new().unwrap(), change, false).await
    }

    /// One that wants the password that `GetAuthorizationToken` gives.
    pub async fn with_login() -> Self {
        Self::at(TempDir::new().unwrap(), |_| {}, true).await
    }

    async fn at(dir: TempDir, change: impl Fn(&mut Options), login: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
        let mut options = Options {
            create_on_push: true,
            grace: Duration::from_secs(3600),
            bounds: Bounds::default(),
            address: Address { authority: authority.clone(), style: Style::Plain },
        };
        change(&mut options);
        let store = Store::open(&dir.path().join("store")).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        let folder = dir.path().join("registry");
        let opened = Registry::open(&folder, store.records(), clock.clone(), entropy(), options).await;
        let registry = opened.unwrap();
        let serving = tokio::spawn(serve(listener, registry.clone(), login));
        Self { dir, store: Some(store), registry, clock, authority, serving }
    }

    /// Stops everything and starts again on the same directory, as after a crash.
    pub async fn restart(mut self) -> Self {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.store.take().unwrap().close().await;
        Self::at(self.dir, |_| {}, false).await
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Sends one request and takes the answer whole.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("host", &self.authority);
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let stream = TcpStream::connect(self.authority.replace("localhost", "127.0.0.1")).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// An answer, in memory.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The first error code in the body.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The key of tokens, in worlds that want a login.
pub fn token_key() -> TokenKey {
    TokenKey::new(b"key")
}

async fn serve(listener: TcpListener, registry: Arc<Registry>, login: bool) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let registry = registry.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let registry = registry.clone();
            async move { Ok::<Response<_>, std::convert::Infallible>(answer(&registry, request, login).await) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// What a gateway does: finds out who asks, and lets the registry answer.
async fn answer(
    registry: &Registry,
    request: Request<Incoming>,
    login: bool,
) -> Response<services::registry::body::Body> {
    let given = token::basic(request.headers().get("authorization"));
    let known = given.is_some_and(|(user, password)| {
        user == token::USER && token_key().open(&password, registry.catalog().now()).is_ok()
    });
    if login && !known {
        let mut refused = Refusal::new(Code::Unauthorized, "authentication required").response();
        let (name, value) = token::challenge(&registry.address().endpoint(&scope()));
        refused.headers_mut().insert(name, value);
        return refused;
    }
    registry.handle(Caller { scope: scope(), may_mount: Box::new(|_| true) }, request).await
}
