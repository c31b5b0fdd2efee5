//! A disk that refuses to grow a file, at every size: records are old or new, never half, and what was
//! acknowledged before stays.
//!
//! The limit is the kernel's own (`RLIMIT_FSIZE`, set by the shell that starts the child), so SQLite and the
//! ledger meet the same failing `write(2)` that a full disk gives.

use model::function::Function;
use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

use dormouse_store::Store;
use dormouse_store::records::RecordError;
use model::port::Ledger;
use model::time::Timestamp;

use crate::samples::{function, lease};

const CHILD_DIR: &str = "DORMOUSE_TEST_FULL_DISK_DIR";
const NAMES: u64 = 12;
/// Makes a record fill many pages, so that a write can fail in its middle.
const PADDING: usize = 50_000;

fn description(count: u64) -> String {
    format!("{count} {}", "x".repeat(PADDING))
}

/// Not a test of its own: the child of the test below. Does nothing when run by anybody else.
#[tokio::test]
async fn child() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let Ok(store) = Store::open(Path::new(&dir)) else {
        println!("\nrefused to open");
        return;
    };
    let functions = store.typed_records();
    let (mut revisions, mut failures) = (BTreeMap::new(), 0);
    for count in 0..40 {
        store.ledger().record(&lease(count));
        let name = format!("f{}", count % NAMES);
        let written = match revisions.get(&name) {
            None => functions.insert(&function(&name, &description(count))).await,
            Some(revision) => functions.replace(&function(&name, &description(count)), *revision).await,
        };
        match written {
            Ok(revision) => {
                println!("\nack {name} {count}");
                revisions.insert(name, revision);
            }
            Err(RecordError::Io { .. }) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    println!("\nfailures {failures}");
}

/// Runs the child with files limited to so many blocks of 512 bytes; gives what was acknowledged, how many writes
/// failed, and whether the store opened at all.
fn run_limited(dir: &Path, blocks: u64) -> (BTreeMap<String, u64>, u64, bool) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "full_disk::child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{blocks} blocks: {text} {}", String::from_utf8_lossy(&output.stderr));
    let (mut acknowledged, mut failures, mut opened) = (BTreeMap::new(), None, true);
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["ack", name, count] => drop(acknowledged.insert((*name).to_owned(), count.parse().unwrap())),
            ["failures", count] => failures = Some(count.parse().unwrap()),
            ["refused", ..] => opened = false,
            _ => {}
        }
    }
    assert!(!opened || failures.is_some(), "{text}");
    (acknowledged, failures.unwrap_or(0), opened)
}

/// Returns how many writes failed, or `None` if the store did not even open.
async fn check(blocks: u64) -> Option<u64> {
    let dir = tempfile::tempdir().unwrap();
    let (acknowledged, failures, opened) = run_limited(dir.path(), blocks);
    let store = Store::open(dir.path()).unwrap_or_else(|error| panic!("{blocks} blocks: {error}"));
    let stored = store.typed_records().load::<Function>().await.unwrap();
    let stored: BTreeMap<_, _> =
        stored.into_iter().map(|(f, _)| (f.id.name.to_string(), f.settings.description.clone())).collect();
    for (name, count) in &acknowledged {
        let found = stored.get(name).unwrap_or_else(|| panic!("{blocks} blocks: {name} is gone"));
        let later: u64 = found.split(' ').next().unwrap().parse().unwrap();
        // A write that failed may have come through after all, whole.
        assert!(later >= *count && later % NAMES == count % NAMES, "{blocks} blocks: {name} {count} {later}");
        assert_eq!(found, &description(later), "{blocks} blocks: half a record");
    }
    let leases: Vec<u64> =
        store.ledger().leases(Timestamp::default()).unwrap().map(|lease| lease.unwrap().billed_ms).collect();
    assert_eq!(leases, (0..leases.len() as u64).collect::<Vec<_>>(), "the ledger has no gap");
    store.close().await;
    opened.then_some(failures)
}

#[tokio::test]
async fn a_full_disk_leaves_records_old_or_new() {
    let (mut unopened, mut failed, mut whole) = (0, 0, 0);
    // From nothing to more than the write-ahead log's checkpoint, finer where a first record just fits.
    let fine = (0..16).map(|step| step * 24);
    for blocks in fine.chain((1..=10).map(|step| step * 800)) {
        match check(blocks).await {
            None => unopened += 1,
            Some(0) => whole += 1,
            Some(_) => failed += 1,
        }
    }
    println!(
        "full disk: {unopened} times not opened, {failed} times writes failed, {whole} times all fitted"
    );
    assert!(unopened > 0 && failed > 10 && whole > 0, "every case must occur");
}
