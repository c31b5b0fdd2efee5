//! The pages under `/_dormouse/`: health, metrics, runtimes, packages, logs, events and queues.
//!
//! For each: what it gives, whether it asks for a signature, and what a forged or malformed request gets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use control::identity::Access;
use gateway::RuntimeSource;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use model::arn::Scope;
use model::id::{AccountId, MessageId, Region};
use model::log::{LogEvent, LogGroup};
use model::port::LogSink as _;
use model::queue::{NewMessage, Purpose, Queue as _, QueueName};
use serde_json::json;
use wire::sigv4::Credentials;

use crate::client::Client;
use crate::guarded::{Guarded, is_denied, queue_url};
use crate::world::{World, now, root_credentials};

fn write_log(world: &World, message: &str) {
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    let group = Arc::new(LogGroup { scope, name: "/aws/lambda/hello".to_owned() });
    let event = LogEvent { stream: "2026/11/23/[$LATEST]0".into(), at: now(), message: message.to_owned() };
    world.store.logs().append(&group, vec![event]);
}

#[tokio::test]
async fn status_pages_need_no_signature() {
    let world = World::open(Access::Verified).await;
    let anyone = Client::new(world.address, None);
    let health = anyone.get("/_dormouse/health").await;
    assert_eq!(health.status, 200);
    let expect = serde_json::json!({
        "status": "ok",
        "version": "0.0.0-test",
        "weaknesses": ["nothing is enforced in tests"],
    });
    assert_eq!(health.json(), expect);
    let runtimes = anyone.get("/_dormouse/runtimes").await.json();
    let expect = serde_json::json!({ "runtimes": [
        { "name": "provided.al2023", "interpreter": null },
        { "name": "python3.12", "interpreter": "/usr/bin/python3" },
    ]});
    assert_eq!(runtimes, expect);
    world.create("hello").await;
    world.client().post("/2015-03-31/functions/hello/invocations", serde_json::json!({})).await;
    let metrics = anyone.get("/_dormouse/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in [
        "dormouse_build_info{version=\"0.0.0-test\"} 1",
        "dormouse_requests_total{operation=\"CreateFunction\",code=\"201\"} 1",
        "dormouse_requests_total{operation=\"Invoke\",code=\"200\"} 1",
        "dormouse_invocations_total{start=\"cold\"} 1",
        "dormouse_environments 3",
    ] {
        assert!(text.lines().any(|seen| seen == line), "{line} is not in\n{text}");
    }
    assert_eq!(anyone.get("/_dormouse/nothing").await.status, 404);
    assert_eq!(anyone.delete("/_dormouse/health").await.status, 404);
}

#[tokio::test]
async fn code_is_fetched_from_its_location_and_from_nowhere_else() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let function = world.client().get("/2015-03-31/functions/hello").await.json();
    assert_eq!(function["Code"]["RepositoryType"], "S3");
    let location = function["Code"]["Location"].as_str().expect("a location");
    let target =
        location.strip_prefix(&format!("http://{}", world.address)).expect("on the host that was used");
    let anyone = Client::new(world.address, None);
    let answer = anyone.get(target).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    assert_eq!(answer.body.len(), function["Configuration"]["CodeSize"]);
    assert!(answer.body.starts_with(b"PK"));
    let (path, _) = target.split_once('?').expect("a query");
    for forged in [
        path.to_owned(),
        format!("{path}?expires=99999999999999&signature={}", "0".repeat(64)),
        target.replace("expires=", "expires=9"),
        "/_dormouse/code/../../etc/passwd?expires=1&signature=1".to_owned(),
    ] {
        let (status, code, _) = anyone.get(&forged).await.error();
        assert!(
            status == 403 && code == "AccessDeniedException" || status == 404,
            "{forged}: {status} {code}"
        );
    }
}

#[tokio::test]
async fn logs_are_read_back() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    write_log(&world, "first");
    write_log(&world, "second");
    let answer = world.client().get("/_dormouse/functions/hello/logs?limit=1").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    let lines: Vec<serde_json::Value> = answer
        .body
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["message"], &lines[0]["stream"]),
        (&"second".into(), &"2026/11/23/[$LATEST]0".into())
    );
    assert!(lines[0]["timestamp"].as_i64().is_some_and(|millis| millis > 0));
    assert_eq!(world.client().get("/_dormouse/functions/nobody/logs").await.status, 404);
    assert_eq!(world.client().get("/_dormouse/functions/hello/logs?limit=x").await.status, 400);
    let anyone = Client::new(world.address, None);
    assert_eq!(anyone.get("/_dormouse/functions/hello/logs").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_followed_until_the_server_stops() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    write_log(&world, "before");
    let target = "/_dormouse/functions/hello/logs?follow=true";
    let mut body = world.client().open("GET", target, HeaderMap::new(), Default::default()).await.into_body();
    let mut text = String::new();
    let mut read_until = async |words: &str| {
        while !text.contains(words) {
            let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("in time");
            let data = frame.expect("not ended").expect("not broken").into_data().expect("data");
            text.push_str(&String::from_utf8_lossy(&data));
        }
    };
    read_until("before").await;
    write_log(&world, "live");
    read_until("live").await;
    let (left, rest) = tokio::join!(world.gateway.stop(Duration::from_secs(10)), body.collect());
    assert_eq!(left, 0, "a follower does not hold the server up");
    assert!(rest.expect("ended in order").to_bytes().is_empty());
}

#[tokio::test]
async fn the_owner_adds_and_removes_runtimes() {
    let world = World::open(Access::Verified).await;
    let (client, anyone) = (world.client(), Client::new(world.address, None));
    let added = client.post("/_dormouse/runtimes/ruby3.3", json!({ "path": "/opt/ruby" })).await;
    assert_eq!((added.status, added.json()), (200, json!({ "name": "ruby3.3", "effect": "next-start" })));
    let image = client.post("/_dormouse/runtimes/java21", json!({ "image": "public/java:21" })).await;
    assert_eq!((image.status, image.json()), (200, json!({ "name": "java21", "effect": "now" })));
    let known = world.outside.added.lock().expect("not poisoned").clone();
    let path = RuntimeSource::Path("/opt/ruby".into());
    assert_eq!(known[0], ("ruby3.3".to_owned(), path));
    assert_eq!(client.delete("/_dormouse/runtimes/ruby3.3").await.status, 204);
    assert_eq!(client.delete("/_dormouse/runtimes/ruby3.3").await.error().1, "ResourceNotFoundException");
    // Everybody may look.
    let python = anyone.get("/_dormouse/runtimes/python3.12").await;
    assert_eq!(python.json(), json!({ "name": "python3.12", "interpreter": "/usr/bin/python3" }));
    assert_eq!(anyone.get("/_dormouse/runtimes/cobol1").await.status, 404);
}

#[tokio::test]
async fn runtimes_are_changed_by_nobody_else_and_in_no_other_way() {
    let world = World::open(Access::Verified).await;
    let body = json!({ "path": "/opt/ruby" });
    let stranger = Client::new(world.address, None).post("/_dormouse/runtimes/ruby3.3", body.clone()).await;
    assert_eq!(stranger.error().1, "MissingAuthenticationTokenException");
    world.create("hello").await;
    let role = world.role_client("hello");
    for answer in [
        role.post("/_dormouse/runtimes/ruby3.3", body.clone()).await,
        role.delete("/_dormouse/runtimes/ruby3.3").await,
    ] {
        assert_eq!(answer.error().1, "AccessDeniedException");
    }
    let client = world.client();
    for (name, body) in [
        ("ruby3.3", json!({})),
        ("ruby3.3", json!({ "path": "/a", "image": "b" })),
        ("ruby3.3", json!({ "path": "relative" })),
        ("ruby3.3", json!({ "image": "" })),
        ("ruby3.3", json!({ "path": "/a", "more": 1 })),
        ("ruby%203", body.clone()),
        (&"r".repeat(65), body),
    ] {
        let answer = client.post(&format!("/_dormouse/runtimes/{name}"), body).await;
        assert_eq!(answer.error().1, "InvalidParameterValueException", "{name}");
    }
    assert!(world.outside.added.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn the_fate_of_an_event_is_told_to_its_account_alone() {
    let world = World::open(Access::Open).await;
    world.create("hello").await;
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-invocation-type", "Event".parse().expect("a value"));
    let target = "/2015-03-31/functions/hello/invocations";
    let accepted = world.client().send("POST", target, headers, "{}".into()).await;
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    let page = format!("/_dormouse/events/{}", accepted.header("x-amzn-requestid"));
    let begun = std::time::Instant::now();
    let told = loop {
        let told = world.client().get(&page).await.json();
        if told["status"] == "Success" {
            break told;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{told}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(told["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:hello");
    assert_eq!(told["failedAttempts"], 0);
    let stranger = Credentials { access_key_id: "111122223333".to_owned(), ..root_credentials() };
    let stranger = Client::new(world.address, Some(stranger));
    let (status, code, message) = stranger.get(&page).await.error();
    assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
    assert!(!message.contains("hello"), "{message}");
    assert_eq!(world.client().get("/_dormouse/events/nonsense").await.status, 400);
    // Under `serve` nobody is told without a signature.
    let verified = World::open(Access::Verified).await;
    assert_eq!(Client::new(verified.address, None).get(&page).await.status, 403);
    assert_eq!(verified.client().get(&page).await.status, 404);
}

/// A message that nobody works on.
async fn put(world: &World, queue: QueueName, number: u128, delay: Duration) {
    let id = MessageId::from_bytes(number.to_be_bytes());
    let content = Bytes::from_static(b"x");
    let message = NewMessage { id, content, delay, group: None, deduplication: None, traceable: false };
    world.store.queue().enqueue(&queue, vec![message]).await.expect("on the disk");
}

#[tokio::test]
async fn who_may_read_metrics_sees_what_waits_in_the_own_account_and_region() {
    let world = Guarded::new().await;
    let page = "/_dormouse/queues";
    assert_eq!(Client::new(world.world.address, None).get(page).await.status, 403);
    assert!(is_denied(&world.user.get(page).await));
    world.may(json!([{ "Effect": "Allow", "Action": "cloudwatch:GetMetricData", "Resource": "*" }])).await;
    assert_eq!(world.user.get(page).await.json(), json!({ "queues": [], "next": null }));

    world.make("sqs", "CreateQueue", json!({ "QueueName": "jobs" })).await;
    for delay in [0, 0, 60] {
        let message = json!({ "QueueUrl": queue_url("jobs"), "MessageBody": "x", "DelaySeconds": delay });
        world.make("sqs", "SendMessage", message).await;
    }
    world.make("sqs", "ReceiveMessage", json!({ "QueueUrl": queue_url("jobs") })).await;
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    let rule = Purpose::Delivery.queue(&scope, "rule/default/hourly/1").expect("a name");
    put(&world.world, rule, 1, Duration::ZERO).await;
    let elsewhere = Scope { region: Region::parse("eu-west-1").expect("a region"), ..scope.clone() };
    put(&world.world, Purpose::Sqs.queue(&elsewhere, "far/1").expect("a name"), 2, Duration::ZERO).await;
    let told = world.user.get(page).await.json();
    let expect = json!({ "next": null, "queues": [
        { "purpose": "deliver", "name": "rule/default/hourly/1", "waiting": 1, "inFlight": 0, "delayed": 0,
          "oldestAt": told["queues"][0]["oldestAt"] },
        { "purpose": "sqs", "name": "jobs", "waiting": 1, "inFlight": 1, "delayed": 1,
          "oldestAt": told["queues"][1]["oldestAt"] },
    ]});
    assert_eq!(told, expect);
    for queue in told["queues"].as_array().expect("queues") {
        let oldest = wire::time::parse_rfc3339(queue["oldestAt"].as_str().expect("a time"));
        assert!(oldest.is_some(), "{queue}");
    }
}

#[tokio::test]
async fn what_waits_is_told_by_the_hundred() {
    let world = World::open(Access::Verified).await;
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    for number in 0..201_u128 {
        let queue = Purpose::Asynchronous.queue(&scope, &format!("f{number:03}")).expect("a name");
        put(&world, queue, number, Duration::ZERO).await;
    }
    let (mut names, mut page) = (Vec::new(), "/_dormouse/queues".to_owned());
    for expect in [100, 100, 1] {
        let told = world.client().get(&page).await.json();
        let queues = told["queues"].as_array().expect("queues");
        assert_eq!(queues.len(), expect);
        names.extend(queues.iter().map(|queue| queue["name"].as_str().expect("a name").to_owned()));
        page = format!("/_dormouse/queues?after={}", told["next"].as_str().unwrap_or_default());
    }
    assert!(page.ends_with("after="), "the last page says so: {page}");
    assert!(names.iter().is_sorted() && names.len() == 201, "{names:?}");
    let (status, code, _) = world.client().get("/_dormouse/queues?after=a%20b").await.error();
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
}
