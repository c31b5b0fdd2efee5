//! The registry at scale: 10,000 functions with 20,000 versions against an empty server, in turns in the same run.
//!
//! The data directory is filled through the store, as the server would have filled it. Measured are the time from
//! start to ready, memory, a page of a list, one function, and durable writes from 16 clients.
//!
//! Claims: ready in half a second, within 80 MB; both reads at most twice what they take on an empty server; 300
//! durable writes per second of each kind.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::arn::{FunctionId, Scope};
use model::function::{
    Architecture, Code, Environment, Function, LogFormat, Logging, Settings, Start, State, TracingMode,
    UpdateStatus, Zip,
};
use model::id::{AccountId, Digest, Region, RevisionId};
use model::name::{FunctionName, Version};
use model::noted::{Noted, Origin};
use model::runtime::RuntimeName;
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};
use store::Store;

use crate::claim::Claims;
use crate::client::{Client, prepare};
use crate::floor::Table;
use crate::server::{Server, zip_of};
use crate::stats::Timings;

const FUNCTIONS: u64 = 10_000;
const VERSIONS_EACH: u64 = 2;
/// Functions on a page of a list, as long as nothing else is asked for.
const PAGE: u64 = 50;
const ROUNDS: usize = 9;
const READS: usize = 400;
const CLIENTS: usize = 16;
const WRITES_EACH: usize = 100;
const WRITES_MIN: f64 = 300.0;
const MEMORY_MB_MAX: f64 = 80.0;
/// For a function to become active.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints how a full server compares with an empty one.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("control: {FUNCTIONS} functions with {VERSIONS_EACH} versions each, against none");
    let (full, empty) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let began = Instant::now();
    fill(full.path(), FUNCTIONS)?;
    println!("  filled through the store in {:.1} s", began.elapsed().as_secs_f64());
    start(binary, empty.path(), full.path(), claims)?;
    // The empty server answers the same questions about functions that are the same.
    fill(empty.path(), PAGE)?;
    let (full, empty) = (Server::start_in(binary, full.path())?, Server::start_in(binary, empty.path())?);
    read("ListFunctions, one page", "/2015-03-31/functions", &empty, &full, claims)?;
    read("GetFunction", "/2015-03-31/functions/function-00042", &empty, &full, claims)?;
    drop(empty);
    write_all(&full, claims)?;
    claims.at_most("RSS in MB after all that", full.memory_mb()?, MEMORY_MB_MAX);
    println!();
    Ok(())
}

/// Starts both servers in turns.
fn start(binary: &Path, empty: &Path, full: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    let mut starts = [("empty", empty), ("full", full)].map(|(name, data)| (name, data, Starts::default()));
    for _ in 0..ROUNDS {
        for (_, data, starts) in &mut starts {
            let began = Instant::now();
            let server = Server::start_in(binary, data)?;
            starts.ready.add(began.elapsed());
            starts.processor.add(server.processor_time()?);
            starts.memory_mb = server.memory_mb()?.max(starts.memory_mb);
        }
    }
    for (name, _, starts) in &starts {
        println!("{}", starts.ready.line(&format!("{name}: start to ready")));
        println!("{}", starts.processor.line(&format!("{name}: processor time to ready")));
        println!("  {name}: RSS {:.1} MB", starts.memory_mb);
    }
    let [_, (_, _, full)] = starts;
    claims.at_most("start to ready in ms", full.ready.p50_ms(), 500.0);
    claims.at_most("RSS in MB", full.memory_mb, MEMORY_MB_MAX);
    Ok(())
}

/// What starting one server took.
#[derive(Default)]
struct Starts {
    ready: Timings,
    processor: Timings,
    memory_mb: f64,
}

fn read(name: &str, path: &str, empty: &Server, full: &Server, claims: &mut Claims) -> anyhow::Result<()> {
    let request = prepare("GET", path, b"")?;
    let (mut of_empty, mut of_full) = (Timings::default(), Timings::default());
    let (mut to_empty, mut to_full) = (empty.client()?, full.client()?);
    for _ in 0..READS {
        for (client, timings) in [(&mut to_empty, &mut of_empty), (&mut to_full, &mut of_full)] {
            let began = Instant::now();
            let answer = client.send(&request)?;
            timings.add(began.elapsed());
            ensure!(answer.status == 200, "{path}: {}", answer.status);
        }
    }
    println!("{}", of_empty.line(&format!("{name}, empty")));
    println!("{}", of_full.line(&format!("{name}, full")));
    claims.at_most(&format!("{name}, ratio of medians"), of_full.p50_ms() / of_empty.p50_ms(), 2.0);
    Ok(())
}

/// Writes of several kinds, beside their floor.
fn write_all(server: &Server, claims: &mut Claims) -> anyhow::Result<()> {
    let table = Table::create()?;
    let floor = per_second(|writes| writes.into_iter().try_for_each(|number| table.commit(number)))?;
    println!("  floor: commits of one row to SQLite, synced one by one, {CLIENTS} threads: {floor:.0}/s");
    let mut write = |name: &str, write: &(dyn Fn(&mut Client, usize) -> anyhow::Result<()> + Sync)| {
        let rate = per_second(|writes| {
            let mut client = server.client()?;
            writes.into_iter().try_for_each(|number| write(&mut client, number))
        })?;
        claims.at_least(&format!("{name}, durable per second, {CLIENTS} clients"), rate, WRITES_MIN);
        anyhow::Ok(())
    };
    let functions = "/2015-03-31/functions";
    write("PutFunctionConcurrency", &|client, number| {
        let path = format!("/2017-10-31/functions/function-{number:05}/concurrency");
        client.call("PUT", &path, br#"{"ReservedConcurrentExecutions": 0}"#).map(drop)
    })?;
    write("CreateAlias", &|client, number| {
        let path = format!("{functions}/function-{number:05}/aliases");
        client.call("POST", &path, br#"{"Name":"live","FunctionVersion":"1"}"#).map(drop)
    })?;
    write("CreateFunction", &|client, number| create(client, &format!("new-{number}")))?;
    for number in 0..CLIENTS * WRITES_EACH {
        server.await_active(&format!("new-{number}"), PATIENCE)?;
    }
    write("PublishVersion", &|client, number| {
        client.call("POST", &format!("{functions}/new-{number}/versions"), b"{}").map(drop)
    })?;
    write("UpdateFunctionConfiguration", &|client, number| {
        client.call("PUT", &format!("{functions}/new-{number}/configuration"), br#"{"Timeout":7}"#).map(drop)
    })
}

/// How many writes are done in a second by all clients together, each of which is given its numbers.
fn per_second(client: impl Fn(Range<usize>) -> anyhow::Result<()> + Sync) -> anyhow::Result<f64> {
    let (client, began) = (&client, Instant::now());
    std::thread::scope(|scope| {
        let numbers = (0..CLIENTS).map(|of| of * WRITES_EACH..(of + 1) * WRITES_EACH);
        let threads: Vec<_> = numbers.map(|numbers| scope.spawn(move || client(numbers))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let count = u32::try_from(CLIENTS * WRITES_EACH)?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn create(client: &mut Client, name: &str) -> anyhow::Result<()> {
    let source = format!("def handler(event, context):\n    return '{name}'\n");
    let body = serde_json::json!({
        "FunctionName": name, "Runtime": "provided.al2023", "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/bench",
        "Code": { "ZipFile": STANDARD.encode(zip_of("bootstrap", source.as_bytes(), 0o755)?) },
    });
    client.call("POST", "/2015-03-31/functions", body.to_string().as_bytes()).map(drop)
}

/// Fills a data directory as a server would have.
fn fill(dir: &Path, functions: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(dir)?;
        let records = store.typed_records();
        for number in 0..functions {
            let latest = function(number)?;
            let mut writes = vec![records.keep(&latest, None)];
            for version in 1..=VERSIONS_EACH {
                let mut published = latest.clone();
                published.version = Version::Published(version);
                published.revision = revision(number, version);
                // The newest is as $LATEST; those before were something else.
                if version < VERSIONS_EACH {
                    Arc::make_mut(&mut published.settings).timeout_s += 1;
                    published.code = code(&format!("{number} {version}"));
                }
                writes.push(records.keep(&published, None));
            }
            records.commit(writes).await?;
        }
        store.close().await;
        Ok(())
    })
}

fn function(number: u64) -> anyhow::Result<Function> {
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    let name = FunctionName::parse(&format!("function-{number:05}")).map_err(|error| anyhow!("{error}"))?;
    let variables = [("TABLE", format!("orders-{number}")), ("STAGE", "production".to_owned())];
    Ok(Function {
        id: FunctionId { scope, name },
        version: Version::Latest,
        settings: Arc::new(Settings {
            start: Start::Handler {
                runtime: RuntimeName::new("provided.al2023"),
                handler: "app.handler".to_owned(),
            },
            role: format!("arn:aws:iam::000000000000:role/worker-{}", number % 100),
            description: format!("works on part {number}"),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: Environment(
                BTreeMap::from(variables.map(|(name, value)| (name.to_owned(), value))).into(),
            ),
            architecture: Architecture::HOST,
            tracing: TracingMode::PassThrough,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: None,
            },
            layers: Vec::new(),
            file_systems: Vec::new(),
            tenant_isolation: false,
            capacity: None,
            noted: Noted::default(),
        }),
        code: code(&number.to_string()),
        origin: Origin::default(),
        revision: revision(number, 0),
        build: revision(number, 0),
        last_modified: Timestamp::from_millis(1_764_000_000_000),
        state: State::Active,
        last_update: UpdateStatus::Successful,
        tags: BTreeMap::from([("team".to_owned(), format!("team-{}", number % 20))]).into(),
    })
}

fn code(content: &str) -> Code {
    let digest = Digest::from_bytes(Sha256::digest(content).into());
    Code::Zip(Zip { digest, size_bytes: 1_000 })
}

fn revision(number: u64, version: u64) -> RevisionId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&version.to_be_bytes());
    RevisionId::from_random(bytes)
}
