//! The event bus without a front: what other parts hand to it, what it remembers over a restart, and what it forgets.
//!
//! Deliveries are remembered by a stand-in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::arn::{ResourceArn, Scope};
use model::delivery::{Address, Deliveries, Delivery, Extras, Retry, Sender, Target, Undelivered};
use model::error::ServiceError;
use model::id::AccountId;
use model::port::{Clock, Pending};
use model::queue::QueueError;
use serde_json::{Value, json};
use services::events::{Events, Parts};
use store::Store;
use tempfile::TempDir;

use crate::queues::Nobody;
use crate::world::{TestClock, entropy, scope};

#[derive(Default)]
struct Remembered {
    deliveries: Mutex<Vec<Delivery>>,
    fails: Mutex<bool>,
}

impl Deliveries for Remembered {
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>> {
        let fails = *self.fails.lock().unwrap();
        if !fails {
            self.deliveries.lock().unwrap().extend(deliveries);
        }
        Box::pin(std::future::ready(if fails { Err(QueueError::Closed) } else { Ok(()) }))
    }

    fn offer<'a>(&'a self, _: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Bus {
    events: Events,
    clock: Arc<TestClock>,
    remembered: Arc<Remembered>,
    store: Store,
    dir: TempDir,
}

impl Bus {
    async fn open() -> Self {
        Self::on(tempfile::tempdir().unwrap(), Arc::new(TestClock::default())).await
    }

    async fn on(dir: TempDir, clock: Arc<TestClock>) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let remembered = Arc::new(Remembered::default());
        let parts = Parts {
            typed: store.typed_records(),
            records: store.records(),
            deliveries: Arc::clone(&remembered) as _,
            admission: Arc::new(Nobody),
            clock: Arc::clone(&clock) as _,
            entropy: entropy(),
            aside: aside::Aside::new(),
        };
        let events = Events::load(parts).await.unwrap();
        Self { events, clock, remembered, store, dir }
    }

    /// As after the end of the server.
    async fn again(self) -> Self {
        let Self { events, clock, remembered, store, dir } = self;
        drop((events, remembered));
        store.close().await;
        Self::on(dir, clock).await
    }

    async fn ask(&self, operation: &str, input: Value) -> Value {
        let target = format!("AWSEvents.{operation}");
        let input = Events::input(&target, input.to_string().as_bytes()).unwrap();
        let reply = self.events.perform(&scope(), input).await.unwrap();
        if reply.body.is_empty() { Value::Null } else { serde_json::from_slice(&reply.body).unwrap() }
    }

    async fn rule(&self, bus: &str, pattern: Value, target: &str) {
        let pattern = pattern.to_string();
        self.ask("PutRule", json!({"Name": "r", "EventBusName": bus, "EventPattern": pattern})).await;
        let targets = json!([{"Id": "t", "Arn": target}]);
        self.ask("PutTargets", json!({"Rule": "r", "EventBusName": bus, "Targets": targets})).await;
    }

    async fn put(&self, detail: &str) -> Value {
        let entry = json!({"Source": "s", "DetailType": "t", "Detail": detail});
        self.ask("PutEvents", json!({ "Entries": [entry] })).await
    }

    async fn kept(&self) -> i64 {
        self.ask("DescribeArchive", json!({"ArchiveName": "a"})).await["EventCount"].as_i64().unwrap()
    }

    fn taken(&self) -> Vec<Delivery> {
        std::mem::take(&mut *self.remembered.deliveries.lock().unwrap())
    }
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn bus_arn(name: &str) -> String {
    format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}")
}

fn delivery(bus: &str, from: Scope, body: &str, detail_type: Option<&str>) -> Delivery {
    Delivery {
        to: Address::Resource(ResourceArn::parse(&bus_arn(bus)).unwrap()),
        from: Sender {
            service: "events.amazonaws.com".to_owned(),
            source: "arn:x".to_owned(),
            scope: from,
            role: None,
        },
        body: body.to_owned().into(),
        extras: Extras {
            detail_type: detail_type.map(str::to_owned),
            source: Some("mine".to_owned()),
            ..Extras::default()
        },
        retry: Retry::BUS,
        dead_letter: None,
        line: "rule/x".to_owned(),
    }
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let bus = Bus::open().await;
    bus.ask("CreateEventBus", json!({"Name": "b"})).await;
    bus.rule("b", json!({"source": ["s"]}), QUEUE).await;
    bus.ask("CreateArchive", json!({"ArchiveName": "a", "EventSourceArn": bus_arn("default")})).await;
    bus.put("{}").await;
    let (shown, targets) =
        (json!({"Name": "r", "EventBusName": "b"}), json!({"Rule": "r", "EventBusName": "b"}));
    let before =
        (bus.ask("DescribeRule", shown.clone()).await, bus.ask("ListTargetsByRule", targets.clone()).await);
    let bus = bus.again().await;
    assert_eq!((bus.ask("DescribeRule", shown).await, bus.ask("ListTargetsByRule", targets).await), before);
    bus.events.resume().await.unwrap();
    assert_eq!(bus.kept().await, 1);
}

#[tokio::test]
async fn what_is_old_or_belongs_to_no_archive_is_removed() {
    let bus = Bus::open().await;
    let archive = json!({"ArchiveName": "a", "EventSourceArn": bus_arn("default"), "RetentionDays": 1});
    bus.ask("CreateArchive", archive.clone()).await;
    bus.put("{}").await;
    bus.clock.forward(Duration::from_secs(20 * 3600));
    bus.put(&json!({"large": "x".repeat(700_000)}).to_string()).await;
    bus.clock.forward(Duration::from_secs(5 * 3600));
    bus.events.collect().await.unwrap();
    assert_eq!(bus.kept().await, 1);
    bus.ask("DeleteArchive", json!({"ArchiveName": "a"})).await;
    bus.ask("CreateArchive", archive).await;
    assert_eq!(bus.kept().await, 0);
    bus.events.collect().await.unwrap();
    assert_eq!(bus.store.records().page("archived-event", None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_delivery_to_a_bus_is_a_new_event_or_one_sent_on() {
    let bus = Bus::open().await;
    bus.ask("CreateEventBus", json!({"Name": "b"})).await;
    bus.rule("default", json!({"source": ["mine"]}), &bus_arn("b")).await;
    bus.rule("b", json!({"detail": {"n": [1]}}), QUEUE).await;
    bus.events.take(&delivery("default", scope(), "{\"n\":1}", Some("Mine"))).await.unwrap();
    let [on] = bus.taken().try_into().unwrap();
    let event = body(&on);
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("mine"), &json!("Mine")));
    assert_eq!(on.to, Address::Resource(ResourceArn::parse(&bus_arn("b")).unwrap()));
    bus.events.take(&on).await.unwrap();
    let [last] = bus.taken().try_into().unwrap();
    assert_eq!(body(&last), event);
    // A circle of buses does not turn.
    bus.rule("b", json!({"detail": {"n": [1]}}), &bus_arn("default")).await;
    bus.events.take(&on).await.unwrap();
    assert_eq!(bus.taken(), []);
}

#[tokio::test]
async fn an_event_that_comes_again_goes_on_and_is_archived_once() {
    let bus = Bus::open().await;
    bus.ask("CreateEventBus", json!({"Name": "b"})).await;
    bus.ask("CreateArchive", json!({"ArchiveName": "a", "EventSourceArn": bus_arn("b")})).await;
    bus.ask("CreateArchive", json!({"ArchiveName": "first", "EventSourceArn": bus_arn("default")})).await;
    bus.rule("default", json!({"source": ["s"]}), &bus_arn("b")).await;
    bus.rule("b", json!({"source": ["s"]}), QUEUE).await;
    bus.put("{}").await;
    let [on] = bus.taken().try_into().unwrap();
    // By two rules, or because the first answer was lost.
    for _ in 0..2 {
        bus.events.take(&on).await.unwrap();
        assert_eq!((bus.taken().len(), bus.kept().await), (1, 1));
    }
    // What one rule makes of it is not what another does.
    let mut other = body(&on);
    other["detail"] = json!({"n": 1});
    bus.events.take(&delivery("b", scope(), &other.to_string(), None)).await.unwrap();
    assert_eq!((bus.taken().len(), bus.kept().await), (1, 2));
    // What is sent on of a replay is of the replay there too.
    other["replay-name"] = json!("again");
    bus.events.take(&delivery("b", scope(), &other.to_string(), None)).await.unwrap();
    assert_eq!((bus.taken().len(), bus.kept().await), (1, 2));
    let bus = bus.again().await;
    bus.events.resume().await.unwrap();
    assert_eq!(bus.kept().await, 2);
}

#[tokio::test]
async fn what_a_bus_cannot_take_it_never_will() {
    let bus = Bus::open().await;
    let code = |result: Result<(), Undelivered>| match result {
        Err(Undelivered::Never { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        code(bus.events.take(&delivery("none", scope(), "{}", Some("t"))).await),
        "RESOURCE_NOT_FOUND"
    );
    for malformed in ["", "[]", "{\"id\":1}"] {
        assert_eq!(
            code(bus.events.take(&delivery("default", scope(), malformed, None)).await),
            "MALFORMED_EVENT"
        );
        let detail = bus.events.take(&delivery("default", scope(), malformed, Some("t"))).await;
        assert!(malformed.starts_with('{') == detail.is_ok(), "{malformed}: {detail:?}");
    }
    let other = Scope { account: AccountId::parse("111122223333").unwrap(), ..scope() };
    let stranger = delivery("default", other, "{}", Some("t"));
    assert_eq!(code(bus.events.take(&stranger).await), "NO_PERMISSIONS");
    let leave = json!({"Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "s"});
    bus.ask("PutPermission", leave).await;
    bus.events.take(&stranger).await.unwrap();
}

#[tokio::test]
async fn a_scheduled_rule_sends_its_event_to_its_targets_alone() {
    let bus = Bus::open().await;
    bus.ask("PutRule", json!({"Name": "s", "ScheduleExpression": "rate(1 minute)"})).await;
    bus.ask("PutTargets", json!({"Rule": "s", "Targets": [{"Id": "t", "Arn": QUEUE}]})).await;
    bus.rule("default", json!({"source": ["aws.events"]}), &format!("{QUEUE}2")).await;
    let [rule] = bus.events.scheduled().try_into().unwrap();
    bus.events.fire(&rule, bus.clock.now()).await.unwrap();
    let [sent] = bus.taken().try_into().unwrap();
    let event = body(&sent);
    assert_eq!((&event["detail-type"], &event["detail"]), (&json!("Scheduled Event"), &json!({})));
    assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:000000000000:rule/s"]));
    bus.ask("DisableRule", json!({"Name": "s"})).await;
    assert_eq!(bus.events.scheduled(), []);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_answered_as_taken() {
    let bus = Bus::open().await;
    bus.rule("default", json!({"source": ["s"]}), QUEUE).await;
    *bus.remembered.fails.lock().unwrap() = true;
    let answer = bus.put("{}").await;
    assert_eq!(
        (&answer["FailedEntryCount"], &answer["Entries"][0]["ErrorCode"]),
        (&json!(1), &json!("InternalFailure"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_none_is_lost() {
    let bus = Arc::new(Bus::open().await);
    bus.ask("PutRule", json!({"Name": "r", "EventPattern": "{\"a\":[1]}"})).await;
    let writers = (0..5).map(|number| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            let targets = json!([{"Id": number.to_string(), "Arn": QUEUE}]);
            bus.ask("PutTargets", json!({"Rule": "r", "Targets": targets})).await;
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let targets = bus.ask("ListTargetsByRule", json!({"Rule": "r"})).await;
    assert_eq!(targets["Targets"].as_array().map(Vec::len), Some(5));
}

#[tokio::test]
async fn of_everything_there_is_a_most() {
    let bus = Bus::open().await;
    let refused = |reply: Result<wire::json_rpc::Reply, ServiceError>| match reply {
        Err(ServiceError::Modeled { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    for (operation, count, input) in [
        ("CreateEventBus", 100, json!({})),
        ("CreateArchive", 100, json!({"EventSourceArn": bus_arn("default")})),
        ("PutRule", 300, json!({"EventPattern": "{\"a\":[1]}"})),
    ] {
        let made = (0..=count).map(|number| {
            let mut input = input.clone();
            for member in ["Name", "ArchiveName"] {
                input[member] = json!(format!("n{number}"));
            }
            let target = format!("AWSEvents.{operation}");
            Events::input(&target, input.to_string().as_bytes()).unwrap()
        });
        let mut replies = Vec::new();
        for input in made {
            replies.push(bus.events.perform(&scope(), input).await);
        }
        assert_eq!(refused(replies.pop().unwrap()), "LimitExceededException", "{operation}");
        assert!(replies.iter().all(Result::is_ok), "{operation}");
    }
}
