//! `kill -9` at any instant: what was acknowledged is there afterwards.
//!
//! The test starts itself again as a child that writes and says on standard output what has been acknowledged;
//! the parent kills it somewhere, opens the directory and compares.

use model::function::Function;
use std::collections::{BTreeMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dormouse_store::Store;
use dormouse_store::records::Revision;
use model::id::Digest;
use model::port::Ledger;
use model::time::Timestamp;

use crate::samples::{function, lease};

const CHILD_DIR: &str = "DORMOUSE_TEST_CRASH_DIR";
const ROUNDS: u64 = 24;
const WRITERS: u64 = 4;

fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    // The test harness does not end its own line.
    write!(out, "\nack {line}\n").unwrap();
    out.flush().unwrap();
}

/// One task of the child: counts up in its own function, and puts a blob and a lease beside each count.
async fn count_up(store: Arc<Store>, writer: u64, mut count: u64, revision: Option<Revision>) {
    let (functions, blobs, ledger) = (store.typed_records(), store.blobs(), store.ledger());
    let name = format!("writer-{writer}");
    let mut revision = match revision {
        Some(revision) => revision,
        None => functions.insert(&function(&name, "0")).await.unwrap(),
    };
    loop {
        count += 1;
        revision = functions.replace(&function(&name, &count.to_string()), revision).await.unwrap();
        acknowledge(&format!("function {name} {count}"));
        let number = writer * 1_000_000 + count;
        let digest = blobs.put(Bytes::from(format!("{number} ").repeat(1_000))).await.unwrap();
        acknowledge(&format!("blob {digest} {number}"));
        ledger.record(&lease(number));
        acknowledge(&format!("lease {number} {number}"));
    }
}

/// Not a test of its own: the child of the test below. Does nothing when run by anybody else.
#[test]
fn child() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(Store::open(Path::new(&dir)).unwrap());
        let known: BTreeMap<_, _> = store
            .typed_records()
            .load::<Function>()
            .await
            .unwrap()
            .into_iter()
            .map(|(f, revision)| (f.id.name.to_string(), (f.settings.description.parse().unwrap(), revision)))
            .collect();
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (count, revision) = match known.get(&format!("writer-{writer}")) {
                    Some((count, revision)) => (*count, Some(*revision)),
                    None => (0, None),
                };
                tokio::spawn(count_up(Arc::clone(&store), writer, count, revision))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[derive(Default)]
struct Acknowledged {
    functions: BTreeMap<String, u64>,
    blobs: HashSet<Digest>,
    leases: HashSet<u64>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let parts: Vec<&str> = line.split(' ').collect();
        let ["ack", kind, name, number] = parts.as_slice() else { return };
        let number: u64 = number.parse().unwrap();
        match *kind {
            "function" => drop(self.functions.insert((*name).to_owned(), number)),
            "blob" => drop(self.blobs.insert(Digest::parse(name).unwrap())),
            "lease" => drop(self.leases.insert(number)),
            other => panic!("{other}"),
        }
    }
}

fn start_child(dir: &Path) -> (Child, Receiver<String>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (lines, received) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            // A line cut off by the kill was not acknowledged.
            let Some(whole) = line.strip_suffix('\n') else { return };
            if lines.send(whole.to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    (child, received)
}

/// Lets the child acknowledge some writes and kills it a little later.
fn run_and_kill(dir: &Path, round: u64, acknowledged: &mut Acknowledged) {
    let (mut child, lines) = start_child(dir);
    let wanted = 1 + round * 7 % 40;
    let mut seen = 0;
    while seen < wanted {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("the child acknowledges");
        seen += u64::from(line.starts_with("ack "));
        acknowledged.note(&line);
    }
    let until = Instant::now() + Duration::from_micros(round * 997 % 4_000);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        lines.recv_timeout(left).into_iter().for_each(|line| acknowledged.note(&line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Until the pipe is empty: what was said before the kill counts.
    lines.into_iter().for_each(|line| acknowledged.note(&line));
}

async fn verify(dir: &Path, round: u64, acknowledged: &mut Acknowledged) {
    let store = Store::open(dir).unwrap();
    let stored: BTreeMap<_, u64> = store
        .typed_records()
        .load::<Function>()
        .await
        .unwrap()
        .into_iter()
        .map(|(f, _)| (f.id.name.to_string(), f.settings.description.parse().unwrap()))
        .collect();
    for (name, count) in &acknowledged.functions {
        let found = stored.get(name).copied();
        // One more may have been written but not yet acknowledged.
        assert!(
            found == Some(*count) || found == Some(count + 1),
            "round {round}: {name} {count}, {found:?}"
        );
    }
    // The next child goes on from what it finds.
    acknowledged.functions = stored;
    for digest in &acknowledged.blobs {
        store.blobs().read(*digest).await.expect("an acknowledged blob is there");
    }
    let leases = store.ledger().leases(Timestamp::default()).unwrap();
    let leases: HashSet<u64> = leases.map(|lease| lease.unwrap().billed_ms).collect();
    let lost: Vec<_> = acknowledged.leases.difference(&leases).collect();
    assert!(lost.is_empty(), "round {round}: acknowledged leases are missing: {lost:?}");
    store.close().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_at_any_instant() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        run_and_kill(dir.path(), round, &mut acknowledged);
        verify(dir.path(), round, &mut acknowledged).await;
    }
    let Acknowledged { functions, blobs, leases } = acknowledged;
    println!("{ROUNDS} kills: {functions:?}, {} blobs, {} leases acknowledged", blobs.len(), leases.len());
    assert!(functions.len() == 4 && blobs.len() > 100 && leases.len() > 100, "the child did real work");
}
