//! Asynchronous invocations and the durable queue: events accepted per second, the time from the acknowledgement to the
//! handler, and a million messages that wait.
//!
//! Claims: 10,000 events per second from 16 clients through the API, each on the disk when it is acknowledged; 5 ms from
//! there to the handler of a warm function, in the median; a server with a million waiting messages is ready within 2 s
//! and takes 100 MB at most. The floor of the first is one transaction of SQLite for each 16 rows.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use model::id::MessageId;
use model::queue::{NewMessage, Queue as _, QueueName};
use store::Store;

use crate::claim::Claims;
use crate::client::{crowd, prepare};
use crate::floor::Table;
use crate::server::{Function, Server};
use crate::stats::Timings;

const CLIENTS: usize = 16;
/// Rounds of events, each followed by one of the floor: a disk that is slow for a moment slows some of both.
const ROUNDS: usize = 7;
const EVENTS_EACH: usize = 1_000;
const EVENT: &[u8] = br#"{"key": "value", "number": 7, "list": [1, 2, 3]}"#;
const FLOOR_TRANSACTIONS: usize = 500;
const SINGLE_EVENTS: usize = 200;
/// Between two of them: long enough for the environment to be frozen again.
const APART: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);
const WAITING: u64 = 1_000_000;
const BATCH: u64 = 10_000;

/// Prints all three.
pub fn measure(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    println!("events: accepted from {CLIENTS} clients, handed to a warm function, waiting by the million");
    accepted(binary, claims)?;
    handed_over(binary, claims)?;
    waiting(binary, claims)?;
    println!();
    Ok(())
}

fn path(function: &str) -> String {
    format!("/2014-11-13/functions/{function}/invoke-async/")
}

fn server_with(binary: &Path, source: &str, timeout_s: u32) -> anyhow::Result<Server> {
    let server = Server::start(binary)?;
    server.create(&Function {
        name: "taker",
        runtime: "python3.11",
        file: ("app.py", source),
        handler: "app.handler",
        memory_mb: 1_769,
        timeout_s,
        idle_s: 60,
        freeze: true,
    })?;
    Ok(server)
}

/// Events for a function that is busy meanwhile, so that only taking them is measured.
fn accepted(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    let server =
        server_with(binary, "import time\ndef handler(event, context):\n    time.sleep(600)\n", 900)?;
    let one = br#"{"ReservedConcurrentExecutions": 1}"#;
    server.client()?.call("PUT", "/2017-10-31/functions/taker/concurrency", one)?;
    let request = prepare("POST", &path("taker"), EVENT)?;
    let table = Table::create()?;
    let (mut taken, mut floor) = (Timings::default(), Timings::default());
    for round in 0..ROUNDS {
        let began = Instant::now();
        crowd(server.address, CLIENTS, &request, EVENTS_EACH, 202)?;
        taken.add(began.elapsed());
        let began = Instant::now();
        let first = round * FLOOR_TRANSACTIONS;
        (first..first + FLOOR_TRANSACTIONS)
            .try_for_each(|number| table.commit_many(number * CLIENTS, CLIENTS))?;
        floor.add(began.elapsed());
    }
    let rate = |each: usize, rounds: &Timings, quantile: f64| {
        u32::try_from(CLIENTS * each).map(|count| f64::from(count) / rounds.quantile(quantile).as_secs_f64())
    };
    let (slowest, fastest) = (rate(EVENTS_EACH, &taken, 1.0)?, rate(EVENTS_EACH, &taken, 0.0)?);
    println!("  accepted in {ROUNDS} rounds: {slowest:.0} to {fastest:.0}/s");
    let floor = rate(FLOOR_TRANSACTIONS, &floor, 0.5)?;
    println!("  floor: rows of SQLite, {CLIENTS} to a synced transaction, in the median round: {floor:.0}/s");
    claims.at_least("events accepted per second, median round", rate(EVENTS_EACH, &taken, 0.5)?, 10_000.0);
    Ok(())
}

/// The function says when it began, and no load is on the server meanwhile; both clocks are this machine's.
fn handed_over(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    let source = "import time\ndef handler(event, context):\n    print('BEGAN', time.time_ns())\n";
    let server = server_with(binary, source, 3)?;
    let mut client = server.client()?;
    let mut acknowledged = Vec::new();
    for _ in 0..=SINGLE_EVENTS {
        client.call("POST", &path("taker"), b"{}")?;
        acknowledged.push(SystemTime::now().duration_since(UNIX_EPOCH)?);
        pause();
        // The first one starts the environment.
        if acknowledged.len() == 1 {
            began(&server, 1)?;
        }
    }
    let began = began(&server, acknowledged.len())?;
    let mut timings = Timings::default();
    for (acknowledged, began) in acknowledged.iter().zip(&began).skip(1) {
        // The handler may begin before the client has read its answer.
        timings.add(began.saturating_sub(*acknowledged));
    }
    println!("{}", timings.line("from 202 to the handler"));
    claims.at_most("from 202 to the handler, median in ms", timings.p50_ms(), 5.0);
    Ok(())
}

/// When the handler began, for each event; waits until it has for this many.
fn began(server: &Server, count: usize) -> anyhow::Result<Vec<Duration>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = server.client()?.call("GET", "/_dormouse/functions/taker/logs", b"")?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let times = text.split("BEGAN ").skip(1).filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().map(Duration::from_nanos)
        });
        let times: Vec<Duration> = times.collect();
        if times.len() >= count {
            return Ok(times);
        }
        ensure!(Instant::now() < deadline, "{} of {count} events ran", times.len());
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "time that passes is what is measured against")]
fn pause() {
    std::thread::sleep(APART);
}

/// Messages of a queue that nobody receives from.
fn waiting(binary: &Path, claims: &mut Claims) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let began = Instant::now();
    fill(data.path())?;
    println!("  {WAITING} messages enqueued through the store in {:.1} s", began.elapsed().as_secs_f64());
    let (mut ready, mut memory_mb) = (Timings::default(), 0.0_f64);
    for _ in 0..5 {
        let began = Instant::now();
        let server = Server::start_in(binary, data.path())?;
        ready.add(began.elapsed());
        server.client()?.call("GET", "/2015-03-31/functions", b"")?;
        memory_mb = memory_mb.max(server.memory_mb()?);
    }
    println!("{}", ready.line("start to ready beside them"));
    claims.at_most("start to ready with a million messages in s", ready.p50_ms() / 1_000.0, 2.0);
    claims.at_most("RSS in MB with a million messages", memory_mb, 100.0);
    Ok(())
}

fn fill(dir: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(dir)?;
        let (queue, name) = (store.queue(), QueueName::parse("sqs/000000000000/us-east-1/waiting/1")?);
        for batch in 0..WAITING / BATCH {
            let message = |number: u64| {
                let mut random = [0; 16];
                random[..8].copy_from_slice(&(batch * BATCH + number).to_be_bytes());
                NewMessage {
                    id: MessageId::from_random(random),
                    content: Bytes::from(vec![7; 100]),
                    delay: Duration::ZERO,
                    group: None,
                    deduplication: None,
                    traceable: false,
                }
            };
            queue.enqueue(&name, (0..BATCH).map(message).collect()).await.context("enqueue")?;
        }
        store.close().await;
        Ok(())
    })
}
