//! Log groups over HTTP: what functions write and what customers put is one log.
//!
//! The tables of `conformance/logs` cannot tell the time, so what needs events of now is here: paging, patterns, and what
//! deleting a stream or a group leaves.

use std::sync::Arc;

use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::arn::Scope;
use model::id::{AccountId, Region};
use model::log::{LogEvent, LogGroup};
use model::port::LogSink as _;
use serde_json::{Value, json};

use crate::client::Client;
use crate::world::{World, now};

const GROUP: &str = "/aws/lambda/hello";
const STREAM: &str = "2026/11/29/[$LATEST]0123456789abcdef0123456789abcdef";

async fn ask(client: &Client, operation: &str, input: Value) -> Value {
    let mut headers = HeaderMap::new();
    let target = format!("Logs_20140328.{operation}");
    headers.insert("x-amz-target", HeaderValue::from_str(&target).expect("a header's value"));
    let client = client.clone().with_service("logs");
    let answer = client.send("POST", "/", headers, input.to_string().into()).await;
    assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn write(world: &World, message: &str) {
    let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
    let group = LogGroup { scope, name: GROUP.to_owned() };
    let event = LogEvent { stream: STREAM.into(), at: now(), message: message.to_owned() };
    world.store.logs().append(&Arc::new(group), vec![event]);
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("events");
    events.iter().map(|event| event["message"].as_str().expect("a message")).collect()
}

#[tokio::test]
async fn what_functions_write_is_found_and_deleted() {
    let world = World::open(Access::Verified).await;
    let client = world.client();
    write(&world, "START");
    write(&world, r#"{"level":"ERROR","took":12}"#);
    let groups = ask(&client, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/aws/lambda" })).await;
    assert_eq!(groups["logGroups"][0]["logGroupName"], GROUP);
    let streams = ask(&client, "DescribeLogStreams", json!({ "logGroupName": GROUP })).await;
    assert_eq!(streams["logStreams"][0]["logStreamName"], STREAM);
    let pattern = "{ $.level = ERROR && $.took > 10 }";
    let filtered = json!({ "logGroupName": GROUP, "filterPattern": pattern });
    assert_eq!(
        messages(&ask(&client, "FilterLogEvents", filtered).await),
        [r#"{"level":"ERROR","took":12}"#]
    );
    ask(&client, "PutRetentionPolicy", json!({ "logGroupName": GROUP, "retentionInDays": 1 })).await;
    ask(&client, "DeleteLogStream", json!({ "logGroupName": GROUP, "logStreamName": STREAM })).await;
    let all = json!({ "logGroupName": GROUP });
    assert!(messages(&ask(&client, "FilterLogEvents", all.clone()).await).is_empty());
    write(&world, "again");
    assert_eq!(messages(&ask(&client, "FilterLogEvents", all).await), ["again"]);
    ask(&client, "DeleteLogGroup", json!({ "logGroupName": GROUP })).await;
    let groups = ask(&client, "DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"], json!([]));
    write(&world, "anew");
    let groups = ask(&client, "DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["retentionInDays"], Value::Null);
}

#[tokio::test]
async fn pages_lead_to_both_ends_and_stay_there() {
    let world = World::open(Access::Verified).await;
    let client = world.client();
    let stream = json!({ "logGroupName": "g", "logStreamName": "s" });
    ask(&client, "CreateLogGroup", json!({ "logGroupName": "g" })).await;
    ask(&client, "CreateLogStream", stream.clone()).await;
    let with = |more: Value| {
        let mut input = stream.clone();
        let members = input.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        input
    };
    let at = now().as_millis();
    let event = |number: i64| json!({ "timestamp": at + number, "message": number.to_string() });
    // Those put last are the oldest.
    let last: Vec<Value> = (2..5).map(event).collect();
    ask(&client, "PutLogEvents", with(json!({ "logEvents": last }))).await;
    ask(&client, "PutLogEvents", with(json!({ "logEvents": [event(0), event(1)] }))).await;
    let first = ask(&client, "GetLogEvents", with(json!({ "limit": 2, "startFromHead": true }))).await;
    assert_eq!(messages(&first), ["0", "1"]);
    let next = |token: &Value| with(json!({ "limit": 3, "nextToken": token }));
    let second = ask(&client, "GetLogEvents", next(&first["nextForwardToken"])).await;
    assert_eq!(messages(&second), ["2", "3", "4"]);
    let end = ask(&client, "GetLogEvents", next(&second["nextForwardToken"])).await;
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextForwardToken"], second["nextForwardToken"]);
    let back = ask(&client, "GetLogEvents", next(&end["nextBackwardToken"])).await;
    assert_eq!(messages(&back), ["2", "3", "4"]);
    let newest = ask(&client, "GetLogEvents", with(json!({ "limit": 1 }))).await;
    assert_eq!(messages(&newest), ["4"]);
    let page = ask(&client, "FilterLogEvents", json!({ "logGroupName": "g", "limit": 4 })).await;
    assert_eq!(messages(&page), ["0", "1", "2", "3"]);
    let rest = json!({ "logGroupName": "g", "nextToken": page["nextToken"] });
    let rest = ask(&client, "FilterLogEvents", rest).await;
    assert_eq!((messages(&rest), &rest["nextToken"]), (vec!["4"], &Value::Null));
    // The latest first, with a token that goes on that way.
    let latest = json!({ "logGroupName": "g", "startFromHead": false, "limit": 3 });
    let page = ask(&client, "FilterLogEvents", latest).await;
    assert_eq!(messages(&page), ["4", "3", "2"]);
    let rest = json!({ "logGroupName": "g", "nextToken": page["nextToken"] });
    let rest = ask(&client, "FilterLogEvents", rest).await;
    assert_eq!((messages(&rest), &rest["nextToken"]), (vec!["1", "0"], &Value::Null));
}
