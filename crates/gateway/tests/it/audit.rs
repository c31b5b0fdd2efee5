//! The audit log as it is left behind by real requests: every control call, no invocation, no secret.
//!
//! The lines are taken where the server hands them over, before anything is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::identity::Access;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::world::World;

const SECRET: &str = "correct horse battery staple";

fn events(world: &World) -> Vec<Value> {
    world.audited.lines().iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn control_calls_are_kept_without_secrets_and_invocations_are_not() {
    let world = World::open(Access::Verified).await;
    let client = world.client();
    let zip = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/fixtures/echo.zip"));
    let zip = STANDARD.encode(zip.expect("the fixture"));
    let create = json!({
        "FunctionName": "kept",
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Environment": { "Variables": { "PASSWORD": SECRET } },
        "Code": { "ZipFile": zip },
        "Tags": { "Team": "a" },
    });
    let created = client.post("/2015-03-31/functions", create).await;
    assert_eq!(created.status, 201, "{created:?}");
    world.settled(&client, "kept").await;
    let invoked = client.post("/2015-03-31/functions/kept/invocations", json!({})).await;
    assert_eq!(invoked.status, 200, "{invoked:?}");
    let elsewhere = "/2015-03-31/functions/arn:aws:lambda:us-east-1:210987654321:function:f/policy";
    assert_eq!(client.get(elsewhere).await.status, 403);

    let events = events(&world);
    let named = |name: &str| events.iter().find(|event| event["eventName"] == name);
    let created = named("CreateFunction").expect("the creation was kept");
    assert_eq!(created["eventSource"], "lambda.amazonaws.com");
    assert_eq!(created["awsRegion"], "us-east-1");
    assert_eq!(created["sourceIPAddress"], "127.0.0.1");
    assert_eq!(created["readOnly"], false);
    assert_eq!(created["userIdentity"]["arn"], "arn:aws:iam::000000000000:root");
    assert_eq!(created["requestParameters"]["functionName"], "kept");
    assert_eq!(created["requestParameters"]["environment"], json!({}));
    assert_eq!(created["requestParameters"]["code"], json!({}));
    assert_eq!(created["requestParameters"]["tags"], json!({ "Team": "a" }));
    assert!(created.get("errorCode").is_none());
    assert!(named("GetFunction").or_else(|| named("GetFunctionConfiguration")).is_some());
    assert!(named("Invoke").is_none());
    let denied = named("GetPolicy").expect("the denial was kept");
    assert_eq!(denied["errorCode"], "AccessDeniedException");
    assert!(denied["errorMessage"].as_str().is_some_and(|words| words.contains("lambda:GetPolicy")));

    let lines = world.audited.lines().join("\n");
    for secret in [SECRET, &zip[..40]] {
        assert!(!lines.contains(secret), "{secret:?} is in the audit log");
    }
}

#[tokio::test]
async fn what_is_done_to_topics_is_kept_and_messages_and_passwords_are_not() {
    let world = World::open(Access::Verified).await;
    let client = world.client().with_service("sns");
    let topic = "arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Akept";
    let subscribed = format!(
        "Action=Subscribe&TopicArn={topic}&Protocol=http&Endpoint=http%3A%2F%2Fuser%3Aswordfish%40127.0.0.1%3A9%2F"
    );
    let published = format!("Action=Publish&TopicArn={topic}&Message=correct%20horse%20battery%20staple");
    let confirmed = format!("Action=ConfirmSubscription&TopicArn={topic}&Token=c0ffee");
    for (form, status) in
        [("Action=CreateTopic&Name=kept", 200), (&subscribed, 200), (&published, 200), (&confirmed, 400)]
    {
        let answer = client.send("POST", "/", HeaderMap::new(), form.to_owned().into()).await;
        assert_eq!(answer.status, status, "{form}: {answer:?}");
    }
    let names: Vec<Value> = events(&world).iter().map(|event| event["eventName"].clone()).collect();
    assert_eq!(names, ["CreateTopic", "Subscribe", "ConfirmSubscription"]);
    let lines = world.audited.lines().join("\n");
    assert!(lines.contains("http://user:****@127.0.0.1:9/"), "{lines}");
    for secret in [SECRET, "swordfish", "c0ffee"] {
        assert!(!lines.contains(secret), "{secret:?} is in the audit log");
    }
}

#[tokio::test]
async fn changes_of_runtimes_are_kept() {
    let world = World::open(Access::Verified).await;
    let client = world.client();
    let added = client.post("/_dormouse/runtimes/ruby3.3", json!({ "path": "/opt/ruby" })).await;
    assert_eq!(added.status, 200, "{added:?}");
    for status in [204, 404] {
        assert_eq!(client.delete("/_dormouse/runtimes/ruby3.3").await.status, status);
    }
    let seen = |event: &Value| (event["eventName"].clone(), event["errorCode"].clone());
    let expected = [
        (json!("AddRuntime"), Value::Null),
        (json!("RemoveRuntime"), Value::Null),
        (json!("RemoveRuntime"), json!("ResourceNotFoundException")),
    ];
    let events = events(&world);
    assert_eq!(events.iter().map(seen).collect::<Vec<_>>(), expected);
    assert_eq!(events[0]["requestParameters"], json!({ "runtimeName": "ruby3.3", "path": "/opt/ruby" }));
}

#[tokio::test]
async fn strangers_leave_nothing() {
    let world = World::open(Access::Verified).await;
    let stranger = crate::client::Client::new(world.address, None);
    assert_eq!(stranger.get("/2015-03-31/functions").await.status, 403);
    assert!(world.audited.lines().is_empty());
}
