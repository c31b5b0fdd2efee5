//! Subscriptions: what a customer puts is handed on, once deliveries take it, also after a restart; groups that are deleted
//! while others put events into them; and policies, which are kept.
//!
//! Deliveries are remembered here, or refused; no test waits for a time, only for what has to come within a deadline.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::arn::Scope;
use model::delivery::{Deliveries, Delivery, Undelivered};
use model::id::Region;
use model::port::{Clock as _, Pending};
use model::queue::QueueError;
use serde_json::{Value, json};
use services::logs::{Filter, Logs, Parts};
use store::Store;
use tempfile::TempDir;

use crate::world::{TestClock, scope};

const PATIENCE: Duration = Duration::from_secs(20);

/// Takes what it is given, unless it fails.
#[derive(Default)]
struct Taker {
    fails: AtomicBool,
    refused: AtomicUsize,
    taken: Mutex<Vec<Delivery>>,
    changed: tokio::sync::Notify,
}

impl Deliveries for Taker {
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>> {
        let fails = self.fails.load(Ordering::SeqCst);
        if fails {
            self.refused.fetch_add(1, Ordering::SeqCst);
        } else {
            self.taken.lock().unwrap().extend(deliveries);
        }
        self.changed.notify_one();
        Box::pin(std::future::ready(if fails { Err(QueueError::Closed) } else { Ok(()) }))
    }

    fn offer<'a>(&'a self, _: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Taker {
    fn messages(&self) -> BTreeSet<String> {
        let of = |delivery: &Delivery| {
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            let data = STANDARD.decode(body["awslogs"]["data"].as_str().unwrap()).unwrap();
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*data).read_to_string(&mut text).unwrap();
            let content: Value = serde_json::from_str(&text).unwrap();
            let message = |event: &Value| event["message"].as_str().unwrap().to_owned();
            content["logEvents"].as_array().unwrap().iter().map(message).collect::<Vec<_>>()
        };
        self.taken.lock().unwrap().iter().flat_map(of).collect()
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !what(self) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("nothing more was handed on");
    }
}

struct Server {
    logs: Logs,
    taker: Arc<Taker>,
    store: Store,
    dir: TempDir,
}

impl Server {
    async fn on(dir: TempDir) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let taker = Arc::new(Taker::default());
        let parts = Parts {
            typed: store.typed_records(),
            files: store.logs(),
            deliveries: Arc::clone(&taker) as _,
            clock: Arc::new(TestClock::default()),
            aside: aside::Aside::new(),
        };
        let logs = Logs::load(parts).await.unwrap();
        logs.resume();
        Self { logs, taker, store, dir }
    }

    async fn again(self) -> Self {
        let Self { logs, store, dir, .. } = self;
        store.close().await;
        drop(logs);
        Self::on(dir).await
    }

    async fn ask(&self, operation: &str, input: Value) {
        self.ask_in(&scope(), operation, input).await;
    }

    async fn ask_in(&self, scope: &Scope, operation: &str, input: Value) -> Value {
        let target = format!("Logs_20140328.{operation}");
        let input = Logs::input(&target, input.to_string().as_bytes()).unwrap();
        let reply = self.logs.perform(scope, input).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    async fn put(&self, message: &str) {
        let event = json!({ "timestamp": TestClock::default().now().as_millis(), "message": message });
        self.ask("PutLogEvents", json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [event] }))
            .await;
    }
}

fn set(messages: &[&str]) -> BTreeSet<String> {
    messages.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_handed_on_once_deliveries_take_them() {
    let server = Server::on(tempfile::tempdir().unwrap()).await;
    server.ask("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    server.ask("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    server.put("keep: before").await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let filter = json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": "keep", "destinationArn": function
    });
    server.ask("PutSubscriptionFilter", filter).await;
    server.put("keep 1").await;
    server.put("leave").await;
    server.taker.until(|taker| taker.messages() == set(&["keep 1"])).await;
    // While nothing is taken, nothing is passed over; not by a restart either.
    server.taker.fails.store(true, Ordering::SeqCst);
    server.put("keep 2").await;
    server.taker.until(|taker| taker.refused.load(Ordering::SeqCst) > 0).await;
    let server = server.again().await;
    server.taker.until(|taker| taker.messages().contains("keep 2")).await;
    server.put("keep 3").await;
    server.taker.until(|taker| taker.messages().contains("keep 3")).await;
    assert!(!server.taker.messages().contains("keep: before"));
    // A group takes its subscriptions along.
    server.ask("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
    server.ask("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    server.ask("DescribeSubscriptionFilters", json!({ "logGroupName": "g" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_belong_to_an_account_and_a_region_and_outlive_a_restart() {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "logs:PutLogEvents",
            "Resource": "*"
        }
    });
    let server = Server::on(tempfile::tempdir().unwrap()).await;
    for name in ["events", "other"] {
        let policy = json!({ "policyName": name, "policyDocument": document.to_string() });
        server.ask("PutResourcePolicy", policy).await;
    }
    server.ask("DeleteResourcePolicy", json!({ "policyName": "other" })).await;
    let server = server.again().await;
    let found = server.ask_in(&scope(), "DescribeResourcePolicies", json!({})).await;
    let [policy] = found["resourcePolicies"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(
        (&policy["policyName"], &policy["policyDocument"]),
        (&json!("events"), &json!(document.to_string()))
    );
    let elsewhere = Scope { region: Region::parse("eu-west-1").unwrap(), ..scope() };
    let found = server.ask_in(&elsewhere, "DescribeResourcePolicies", json!({})).await;
    assert_eq!(found["resourcePolicies"], json!([]));
}

/// Whoever is told that a group is deleted finds it gone, though others put events into it at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_bring_no_deleted_group_back() {
    let server = Server::on(tempfile::tempdir().unwrap()).await;
    for _ in 0..20 {
        server.ask("CreateLogGroup", json!({ "logGroupName": "g" })).await;
        server.ask("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
        let putting = (0..8).map(|_| {
            let logs = server.logs.clone();
            tokio::spawn(async move {
                let event = json!({ "timestamp": TestClock::default().now().as_millis(), "message": "m" });
                let input = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [event] });
                let input = Logs::input("Logs_20140328.PutLogEvents", input.to_string().as_bytes()).unwrap();
                // Taken, or told that there is no such group.
                drop(logs.perform(&scope(), input).await);
            })
        });
        let putting: Vec<_> = putting.collect();
        server.ask("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
        for put in putting {
            put.await.unwrap();
        }
        let groups = server.store.logs().groups(&scope()).await.unwrap();
        assert_eq!(groups, []);
    }
}

/// Text that expressions with large repeats take long over.
fn long_text() -> String {
    let mut state = 1_u64;
    let signs = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 63 == 0 { 'a' } else { 'b' }
    });
    signs.take(400_000).collect()
}

#[tokio::test]
async fn a_search_ends_with_whoever_asked_for_it() {
    let server = Server::on(tempfile::tempdir().unwrap()).await;
    server.ask("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    server.ask("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    let (long, pattern) = (long_text(), "%a[ab]{100}c%");
    let begun = Instant::now();
    assert!(!Filter::parse(pattern).unwrap().matches(&long));
    let taken = begun.elapsed();
    for _ in 0..40 {
        server.put(&long).await;
    }
    let costly = server.ask("FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": pattern }));
    assert!(tokio::time::timeout(taken / 4, costly).await.is_err());
    let begun = Instant::now();
    server.ask("FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": "nothing" })).await;
    // The one that was being looked at is; such threads stand back for others.
    assert!(
        begun.elapsed() < 20 * taken,
        "it waited for {:?}, and one event takes {taken:?}",
        begun.elapsed()
    );
}

/// One thread serves all here, as in the server.
#[tokio::test]
async fn what_patterns_take_long_over_holds_nobody_up() {
    let server = Server::on(tempfile::tempdir().unwrap()).await;
    server.ask("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    server.ask("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let pattern = "%a[ab]{100}c|end%";
    let filter = json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": pattern, "destinationArn": function
    });
    server.ask("PutSubscriptionFilter", filter).await;
    let long = long_text();
    server.put(&long).await;
    server.put("end").await;
    let (begun, longest) = (Instant::now(), Mutex::new(Duration::ZERO));
    assert!(!Filter::parse(pattern).unwrap().matches(&long));
    let taken = begun.elapsed();
    let others = async {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let mut longest = longest.lock().unwrap();
            *longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    };
    tokio::select! {
        biased;
        () = others => {}
        () = server.taker.until(|taker| taker.messages().contains("end")) => {}
    }
    let waited = *longest.lock().unwrap();
    assert!(waited < taken / 2, "others waited for {waited:?} of {taken:?}");
}
