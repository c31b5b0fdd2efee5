//! Queues without a front, over a restart: what was begun goes on.
//!
//! Whoever may deliver is of no concern here: nobody may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::delivery::Sender;
use policy::{Admission, Need};
use serde_json::{Value, json};
use services::sqs::{Caller, Parts, ReceiptKey, Sqs};
use store::Store;
use tempfile::TempDir;

use crate::world::{TestClock, entropy, scope};

/// Lets nobody deliver.
pub struct Nobody;

impl Admission for Nobody {
    fn admits(&self, _: &Sender, _: &Need) -> bool {
        false
    }

    fn denies(&self, _: &Sender, _: &Need) -> bool {
        true
    }

    fn meant(&self, policy: &str) -> String {
        policy.to_owned()
    }

    fn shown(&self, policy: &str) -> String {
        policy.to_owned()
    }
}

struct Queues {
    sqs: Sqs,
    store: Store,
    dir: TempDir,
}

impl Queues {
    async fn on(dir: TempDir) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let parts = Parts {
            typed: store.typed_records(),
            queue: store.queue(),
            admission: Arc::new(Nobody),
            receipts: ReceiptKey::new(b"receipts for tests"),
            quotas: Default::default(),
            clock: Arc::new(TestClock::default()),
            entropy: entropy(),
        };
        Self { sqs: Sqs::load(parts).await.unwrap(), store, dir }
    }

    /// As after the end of the server.
    async fn again(self) -> Self {
        let Self { sqs, store, dir } = self;
        drop(sqs);
        store.close().await;
        Self::on(dir).await
    }

    async fn try_ask(&self, operation: &str, input: Value) -> Result<Value, String> {
        let caller =
            Caller { scope: scope(), sender: "me".to_owned(), endpoint: "http://localhost".to_owned() };
        let input = Sqs::input(&format!("AmazonSQS.{operation}"), input.to_string().as_bytes()).unwrap();
        let reply = self.sqs.perform(&caller, input).await.map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    async fn ask(&self, operation: &str, input: Value) -> Value {
        self.try_ask(operation, input).await.unwrap()
    }

    async fn send(&self, name: &str, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let message = json!({ "QueueUrl": url(name), "MessageBody": number.to_string() });
            self.ask("SendMessage", message).await;
        }
    }

    /// Takes what can be received, until nothing can.
    async fn take(&self, name: &str) -> Vec<usize> {
        let mut taken = Vec::new();
        loop {
            let wanted = json!({ "QueueUrl": url(name), "MaxNumberOfMessages": 10 });
            let received = self.ask("ReceiveMessage", wanted).await;
            let Some(messages) = received["Messages"].as_array() else { return taken };
            taken.extend(
                messages
                    .iter()
                    .map(|message| -> usize { message["Body"].as_str().unwrap().parse().unwrap() }),
            );
        }
    }

    async fn count(&self, name: &str) -> usize {
        let wanted = json!({ "QueueUrl": url(name), "AttributeNames": ["ApproximateNumberOfMessages"] });
        let told = self.ask("GetQueueAttributes", wanted).await;
        told["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().parse().unwrap()
    }

    /// With a queue `dead` for the dead letters of `source`, and one that they can be moved `back` to.
    async fn with_dead_letters() -> Self {
        let queues = Self::on(tempfile::tempdir().unwrap()).await;
        for name in ["dead", "back"] {
            queues.ask("CreateQueue", json!({ "QueueName": name })).await;
        }
        let redrive = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1 }).to_string();
        let source = json!({ "QueueName": "source", "Attributes": { "RedrivePolicy": redrive } });
        queues.ask("CreateQueue", source).await;
        queues
    }

    /// The last move out of a queue, or null.
    async fn last_move(&self, name: &str) -> Value {
        let mut told = self.ask("ListMessageMoveTasks", json!({ "SourceArn": arn(name) })).await;
        told["Results"].get_mut(0).map_or(Value::Null, Value::take)
    }
}

fn url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// Between two looks at what is waited for.
async fn look_again(begun: Instant) {
    assert!(begun.elapsed() < Duration::from_secs(20), "it does not come");
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn a_move_that_the_end_of_the_server_has_broken_off_goes_on() {
    let queues = Queues::with_dead_letters().await;
    queues.send("dead", 0..40).await;
    // Ten at once, twice a second.
    let wanted = json!({
        "SourceArn": arn("dead"), "DestinationArn": arn("back"), "MaxNumberOfMessagesPerSecond": 20,
    });
    queues.ask("StartMessageMoveTask", wanted.clone()).await;
    let begun = Instant::now();
    while queues.count("back").await == 0 {
        look_again(begun).await;
    }
    let queues = queues.again().await;
    let (left, moved) = (queues.count("dead").await, queues.count("back").await);
    assert!(left > 0 && moved > 0 && left + moved == 40, "{left} {moved}");
    assert_eq!(queues.last_move("dead").await["Status"], "RUNNING");
    let second = queues.try_ask("StartMessageMoveTask", wanted).await;
    assert!(second.unwrap_err().contains("There is already a task running"));
    queues.sqs.resume();
    let begun = Instant::now();
    let ended = loop {
        let last = queues.last_move("dead").await;
        if last["Status"] != "RUNNING" {
            break last;
        }
        look_again(begun).await;
    };
    assert_eq!(ended["Status"], "COMPLETED", "{ended}");
    assert_eq!(ended["ApproximateNumberOfMessagesToMove"], 40, "{ended}");
    let mut back = queues.take("back").await;
    back.sort_unstable();
    assert_eq!(back, (0..40).collect::<Vec<_>>());
    assert_eq!(queues.take("dead").await, [0; 0]);
}

#[tokio::test]
async fn a_move_goes_with_its_queue_and_leaves_a_later_one_of_its_name_alone() {
    let queues = Queues::with_dead_letters().await;
    queues.send("dead", 0..4).await;
    let wanted =
        json!({ "SourceArn": arn("dead"), "DestinationArn": arn("back"), "MaxNumberOfMessagesPerSecond": 1 });
    queues.ask("StartMessageMoveTask", wanted.clone()).await;
    queues.ask("DeleteQueue", json!({ "QueueUrl": url("dead") })).await;
    queues.ask("CreateQueue", json!({ "QueueName": "dead" })).await;
    queues.send("dead", 4..8).await;
    assert_eq!(queues.last_move("dead").await, Value::Null);
    let queues = queues.again().await;
    queues.sqs.resume();
    assert_eq!((queues.last_move("dead").await, queues.count("dead").await), (Value::Null, 4));
    queues.ask("StartMessageMoveTask", wanted).await;
}

#[tokio::test]
async fn a_move_that_was_to_end_when_the_server_did_ends_then() {
    let queues = Queues::with_dead_letters().await;
    queues.send("dead", 0..20).await;
    // Between the messages of this one there is a second.
    let wanted =
        json!({ "SourceArn": arn("dead"), "DestinationArn": arn("back"), "MaxNumberOfMessagesPerSecond": 1 });
    let handle = queues.ask("StartMessageMoveTask", wanted).await["TaskHandle"].take();
    queues.ask("CancelMessageMoveTask", json!({ "TaskHandle": handle })).await;
    let queues = queues.again().await;
    queues.sqs.resume();
    let begun = Instant::now();
    while queues.last_move("dead").await["Status"] == "CANCELLING" {
        look_again(begun).await;
    }
    let last = queues.last_move("dead").await;
    assert_eq!(last["Status"], "CANCELLED", "{last}");
    let (left, moved) = (queues.take("dead").await.len(), queues.take("back").await.len());
    assert!(left + moved == 20 && moved < 20, "{left} {moved}");
}
