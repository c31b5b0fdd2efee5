//! Events on their way through the front: matched, transformed and handed over, archived and replayed; and who may.
//!
//! Deliveries are remembered by a stand-in, so what targets get is compared here, not whether they get it.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::delivery::{Address, Delivery};
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::world::World;

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

async fn send(client: Client, operation: &str, input: Value) -> Answer {
    let mut headers = HeaderMap::new();
    let target = format!("AWSEvents.{operation}");
    headers.insert("x-amz-target", HeaderValue::from_str(&target).expect("a header"));
    headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
    client.with_service("events").send("POST", "/", headers, Bytes::from(input.to_string())).await
}

async fn done(world: &World, operation: &str, input: Value) -> Value {
    let answer = send(world.client(), operation, input).await;
    assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

async fn rule(world: &World, pattern: Value, targets: Value) {
    done(world, "PutRule", json!({"Name": "r", "EventPattern": pattern.to_string()})).await;
    if targets != json!([]) {
        done(world, "PutTargets", json!({"Rule": "r", "Targets": targets})).await;
    }
}

async fn put(world: &World, detail: Value) -> Value {
    let entry =
        json!({"Source": "shop", "DetailType": "paid", "Detail": detail.to_string(), "Resources": ["arn:x"]});
    let answer = done(world, "PutEvents", json!({ "Entries": [entry] })).await;
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    answer["Entries"][0]["EventId"].clone()
}

fn delivered(world: &World) -> Vec<Delivery> {
    std::mem::take(&mut *world.delivered.taken.lock().expect("nobody panicked"))
}

fn body(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).expect("JSON")
}

#[tokio::test]
async fn what_a_rule_picks_is_handed_over_to_its_targets() {
    let world = World::open(Access::Verified).await;
    let targets = json!([
        {"Id": "whole", "Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
         "DeadLetterConfig": {"Arn": format!("{QUEUE}-lost")}},
        {"Id": "part", "Arn": format!("{QUEUE}.fifo"), "InputPath": "$.detail.n", "SqsParameters": {"MessageGroupId": "g"}},
        {"Id": "text", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
         "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "{\"n\":<n>,\"by\":\"<aws.events.rule-name>\"}"}},
        {"Id": "same", "Arn": QUEUE, "Input": "[1]"},
    ]);
    rule(&world, json!({"source": ["shop"], "detail": {"n": [{"numeric": [">", 1]}]}}), targets).await;
    put(&world, json!({"n": 1})).await;
    assert_eq!(delivered(&world), []);
    let id = put(&world, json!({"n": 2, "z": 1, "a": 1.50})).await;
    let taken = delivered(&world);
    let [whole, part, text, same] = taken.as_slice() else { panic!("{taken:?}") };
    let event = body(whole);
    assert_eq!(event["id"], id);
    assert_eq!((&event["version"], &event["account"]), (&json!("0"), &json!("000000000000")));
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("shop"), &json!("paid")));
    assert_eq!((&event["region"], &event["resources"]), (&json!("us-east-1"), &json!(["arn:x"])));
    assert_eq!((whole.retry.retries_max, whole.retry.age_max), (3, Duration::from_secs(60)));
    assert_eq!(whole.dead_letter.as_ref().map(ToString::to_string), Some(format!("{QUEUE}-lost")));
    assert_eq!(whole.from.service, "events.amazonaws.com");
    assert_eq!(whole.from.source, "arn:aws:events:us-east-1:000000000000:rule/r");
    assert_eq!(whole.line, "rule/default/r/whole");
    assert_eq!((body(part), part.extras.group.as_deref()), (json!(2), Some("g")));
    assert_eq!((part.retry.retries_max, part.retry.age_max), (185, Duration::from_secs(86_400)));
    assert_eq!(body(text), json!({"n": 2, "by": "r"}));
    assert!(matches!(&text.to, Address::Resource(arn) if arn.service() == "lambda"));
    assert_eq!(body(same), json!([1]));
}

/// A rule that blows an event up takes nothing from the other targets, and nothing from who put it.
#[tokio::test]
async fn of_an_input_that_no_target_can_take_the_event_itself_is_a_dead_letter() {
    let world = World::open(Access::Verified).await;
    let transformer = json!({"InputPathsMap": {"d": "$.detail"}, "InputTemplate": "{\"a\":<d>,\"b\":<d>}"});
    let targets = json!([
        {"Id": "large", "Arn": QUEUE, "InputTransformer": transformer,
         "DeadLetterConfig": {"Arn": format!("{QUEUE}-lost")}},
        {"Id": "lost", "Arn": QUEUE, "InputTransformer": transformer},
        {"Id": "plain", "Arn": QUEUE},
    ]);
    rule(&world, json!({"source": ["shop"]}), targets.clone()).await;
    let id = put(&world, json!({"large": "x".repeat(600_000)})).await;
    let taken = delivered(&world);
    let [letter, plain] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((&body(letter)["id"], &body(plain)["id"]), (&id, &id));
    assert_eq!((letter.to.to_string(), plain.to.to_string()), (format!("{QUEUE}-lost"), QUEUE.to_owned()));
    let why: Vec<_> = letter.extras.attributes.iter().map(|it| (it.name.as_str(), &it.value[..])).collect();
    assert!(why.contains(&("TARGET_ARN", QUEUE.as_bytes())), "{why:?}");
    assert!(why.contains(&("ERROR_CODE", b"INVALID_PARAMETER")), "{why:?}");
    // The largest that can be put goes to its targets as it came, with all that is said around it.
    rule(&world, json!({"source": ["shop"]}), json!([{"Id": "large", "Arn": BUS}])).await;
    done(&world, "RemoveTargets", json!({"Rule": "r", "Ids": ["lost"]})).await;
    put(&world, json!({"d": "x".repeat(1_048_500)})).await;
    let taken = delivered(&world);
    assert!(taken.len() == 2 && taken[0].body.len() > 1_048_576 && taken[0].to.to_string() == BUS);
    rule(&world, json!({"source": ["shop"]}), targets).await;
    let short = put(&world, json!({"small": true})).await;
    let taken = delivered(&world);
    let blown_up = taken.iter().filter(|delivery| body(delivery)["b"]["small"] == true).count();
    assert_eq!((taken.len(), blown_up), (3, 2));
    assert!(taken.iter().any(|delivery| body(delivery)["id"] == short));
}

/// What one target would have read of an event is bounded, since others wait meanwhile.
#[tokio::test]
async fn an_input_that_leads_through_very_many_parts_is_not_made() {
    let world = World::open(Access::Verified).await;
    let paths: serde_json::Map<_, _> =
        (0..30).map(|number| (format!("p{number}"), json!(format!("$.detail.a[*].z{number}")))).collect();
    let template: Vec<String> = (0..30).map(|number| format!("<p{number}>")).collect();
    let transformer = json!({"InputPathsMap": paths, "InputTemplate": format!("[{}]", template.join(","))});
    let targets = json!([
        {"Id": "many", "Arn": QUEUE, "InputTransformer": transformer,
         "DeadLetterConfig": {"Arn": format!("{QUEUE}-lost")}},
        {"Id": "plain", "Arn": QUEUE},
        {"Id": "one", "Arn": QUEUE, "InputPath": "$.detail.a[*].z"},
    ]);
    rule(&world, json!({"source": ["shop"]}), targets).await;
    let id = put(&world, json!({"a": vec![json!({}); 100_000]})).await;
    let taken = delivered(&world);
    let letter = taken.iter().find(|delivery| delivery.to.to_string().ends_with("-lost")).expect("a letter");
    assert_eq!(body(letter)["id"], id);
    let bodies: Vec<_> = taken.iter().map(body).collect();
    assert!(
        bodies.len() == 3 && bodies.contains(&json!([])),
        "what another target read counts for that alone"
    );
    put(&world, json!({"a": vec![json!({}); 10_000]})).await;
    assert_eq!(delivered(&world).iter().map(body).filter(|body| body[19] == json!([])).count(), 1);
}

/// How long others wait at most, and all of it. One thread serves all here, as in the server.
async fn beside(work: impl Future) -> (Duration, Duration) {
    let (begun, waited) = (Instant::now(), Cell::new(Duration::ZERO));
    let others = async {
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            waited.set(longest);
        }
    };
    tokio::select! {
        biased;
        () = others => {}
        _ = work => {}
    }
    (waited.get(), begun.elapsed())
}

#[tokio::test]
async fn what_takes_long_over_a_large_event_holds_nobody_up() {
    let world = World::open(Access::Verified).await;
    let ways: Vec<_> = (0..100).map(|number| json!({format!("z{number}"): ["x"]})).collect();
    let pattern = json!({"detail": {"a": {"$or": ways}}});
    rule(&world, pattern.clone(), json!([{"Id": "t", "Arn": QUEUE}])).await;
    let detail = json!({"a": vec![json!({}); 300_000]});
    let (waited, whole) = beside(put(&world, detail.clone())).await;
    assert!(waited < whole / 2, "others waited for {waited:?} of {whole:?}");
    let event = json!({
        "id": "1", "account": "1", "source": "s", "time": "2026-11-29T00:00:00Z", "region": "r", "resources": [],
        "detail-type": "t", "detail": detail
    });
    let test = json!({"EventPattern": pattern.to_string(), "Event": event.to_string()});
    let (waited, whole) = beside(done(&world, "TestEventPattern", test)).await;
    assert!(waited < whole / 2, "others waited for {waited:?} of {whole:?} of a test");
}

#[tokio::test]
async fn a_rule_that_rests_or_has_changed_is_followed_at_once() {
    let world = World::open(Access::Verified).await;
    rule(&world, json!({"source": ["shop"]}), json!([{"Id": "a", "Arn": QUEUE}])).await;
    for (operation, count) in [("DisableRule", 0), ("EnableRule", 1)] {
        done(&world, operation, json!({"Name": "r"})).await;
        put(&world, json!({})).await;
        assert_eq!(delivered(&world).len(), count, "{operation}");
    }
    rule(&world, json!({"source": ["else"]}), json!([])).await;
    put(&world, json!({})).await;
    assert_eq!(delivered(&world), []);
    rule(&world, json!({"source": ["shop"]}), json!([])).await;
    done(&world, "RemoveTargets", json!({"Rule": "r", "Ids": ["a"]})).await;
    put(&world, json!({})).await;
    assert_eq!(delivered(&world), []);
}

#[tokio::test]
async fn archived_events_are_replayed() {
    let world = World::open(Access::Verified).await;
    let archive =
        json!({"ArchiveName": "a", "EventSourceArn": BUS, "EventPattern": "{\"detail\":{\"keep\":[true]}}"});
    done(&world, "CreateArchive", archive).await;
    let large = "x".repeat(500_000);
    let kept = [
        put(&world, json!({"keep": true, "n": 1})).await,
        put(&world, json!({"keep": true, "large": large})).await,
    ];
    put(&world, json!({"keep": false})).await;
    assert_eq!(done(&world, "DescribeArchive", json!({"ArchiveName": "a"})).await["EventCount"], 2);
    rule(&world, json!({"replay-name": ["again"]}), json!([{"Id": "a", "Arn": QUEUE}])).await;
    let archive = "arn:aws:events:us-east-1:000000000000:archive/a";
    let replay = json!({
        "ReplayName": "again", "EventSourceArn": archive, "EventStartTime": 0, "EventEndTime": 4_000_000_000_u64,
        "Destination": {"Arn": BUS},
    });
    // What breaks a replay off only holds it up.
    world.delivered.refuses_once.store(true, Ordering::Release);
    done(&world, "StartReplay", replay).await;
    let replay = loop {
        let replay = done(&world, "DescribeReplay", json!({"ReplayName": "again"})).await;
        if !["STARTING", "RUNNING"].contains(&replay["State"].as_str().unwrap_or_default()) {
            break replay;
        }
    };
    assert_eq!(replay["State"], "COMPLETED");
    assert!(replay["EventLastReplayedTime"].is_number() && replay["ReplayEndTime"].is_number(), "{replay}");
    let again = delivered(&world);
    let ids: Vec<Value> = again.iter().map(|delivery| body(delivery)["id"].clone()).collect();
    assert!(ids.len() == 2 && kept.iter().all(|id| ids.contains(id)), "{ids:?}");
    // What was replayed is not kept once more.
    assert_eq!(done(&world, "DescribeArchive", json!({"ArchiveName": "a"})).await["EventCount"], 2);
    let over = send(world.client(), "CancelReplay", json!({"ReplayName": "again"})).await;
    assert_eq!(over.json()["__type"], "IllegalStatusException");
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let world = World::open(Access::Verified).await;
    for number in 0..5 {
        let name = format!("rule-{number}");
        done(&world, "PutRule", json!({"Name": name, "EventPattern": "{\"a\":[1]}"})).await;
    }
    let (mut names, mut token) = (Vec::new(), Value::Null);
    loop {
        let page = done(&world, "ListRules", json!({"Limit": 2, "NextToken": token})).await;
        names.extend(page["Rules"].as_array().expect("rules").iter().map(|rule| rule["Name"].clone()));
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names, ["rule-0", "rule-1", "rule-2", "rule-3", "rule-4"]);
}

#[tokio::test]
async fn a_function_may_put_events_only_where_it_was_let_in() {
    let world = World::open(Access::Verified).await;
    world.create("f").await;
    let entry = json!({"Source": "s", "DetailType": "t", "Detail": "{}"});
    let denied = send(world.role_client("f"), "PutEvents", json!({ "Entries": [entry] })).await;
    assert_eq!(denied.status, 400, "{denied:?}");
    assert_eq!(denied.json()["__type"], "AccessDeniedException");
    assert!(denied.json()["message"].as_str().unwrap_or_default().contains("events:PutEvents"), "{denied:?}");
    // The bus's own policy lets it in.
    let leave = json!({"Action": "events:PutEvents", "Principal": "*", "StatementId": "all"});
    done(&world, "PutPermission", leave).await;
    let taken = send(world.role_client("f"), "PutEvents", json!({ "Entries": [entry] })).await;
    assert_eq!((taken.status, &taken.json()["FailedEntryCount"]), (200, &json!(0)), "{taken:?}");
    let wrong = Credentials {
        access_key_id: "AKIAUNKNOWN".to_owned(),
        secret: Secret::new("wrong"),
        session_token: None,
    };
    let unknown = send(Client::new(world.address, Some(wrong)), "ListEventBuses", json!({})).await;
    assert_eq!(unknown.status, 400, "{unknown:?}");
}
