//! Prints how fast the durable paths are here. No figure is asserted: a busy machine must not fail a test. The
//! claims stand in `SPECIFICATION.md`. Run with
//! `cargo test -p dormouse-store --release -- --nocapture figures`.

use model::function::Function;
use std::sync::Arc;
use std::time::Instant;

use dormouse_store::Store;
use model::port::Ledger;
use model::time::Timestamp;

use crate::samples::{function, lease};

const TASKS: u64 = 16;
const WRITES_EACH: u64 = 60;
const LEASES: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());

    let start = Instant::now();
    let one_by_one = 40;
    for number in 0..one_by_one {
        store.typed_records().insert(&function(&format!("single-{number}"), "")).await.unwrap();
    }
    let single = f64::from(one_by_one) / start.elapsed().as_secs_f64();

    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let functions = store.typed_records();
            tokio::spawn(async move {
                let name = format!("task-{task}");
                let mut revision = functions.insert(&function(&name, "")).await.unwrap();
                for number in 1..WRITES_EACH {
                    let changed = function(&name, &number.to_string());
                    revision = functions.replace(&changed, revision).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let grouped = (TASKS * WRITES_EACH) as f64 / start.elapsed().as_secs_f64();
    println!("durable record writes: {single:.0}/s from one task, {grouped:.0}/s from {TASKS} tasks");

    let ledger = store.ledger();
    let leases: Vec<_> = (0..LEASES).map(lease).collect();
    let mut nanos: Vec<u128> = Vec::with_capacity(leases.len());
    for lease in &leases {
        let start = Instant::now();
        ledger.record(lease);
        nanos.push(start.elapsed().as_nanos());
    }
    nanos.sort_unstable();
    let at = |share: usize| nanos[nanos.len() * share / 1_000];
    println!("ledger record: {} ns median, {} ns at 99 %, {} ns at 99.9 %", at(500), at(990), at(999));
    assert_eq!(ledger.leases(Timestamp::default()).unwrap().count() as u64, LEASES);
    assert_eq!(store.typed_records().load::<Function>().await.unwrap().len() as u64, TASKS + 40);
}
