//! What services may deliver, and with which roles: to queues and buses, for rules, schedules and functions.
//!
//! Also what a function may be given to tell: only targets that its role may use.

use bytes::Bytes;
use http::HeaderMap;
use model::arn::Scope;
use model::delivery::Sender;
use model::id::{AccountId, Region};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::guarded::*;
use crate::world::create_body;

#[tokio::test]
async fn nothing_is_sent_or_run_under_the_arn_of_another_partition() {
    let world = Guarded::new().await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world.make_group(json!([])).await;
    world.world.create("f").await;
    for partition in PARTITIONS {
        let other = |arn: &str| arn.replacen("arn:aws:", &format!("arn:{partition}:"), 1);
        let tags = json!([{ "Key": "a", "Value": "b" }]);
        let schedule = json!({
            "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": other(QUEUE), "RoleArn": role_arn("r") },
        });
        let client = world.root.clone().with_service("scheduler");
        assert_eq!(client.post("/schedules/s", schedule).await.error().1, "ValidationException");
        let group = other(GROUP).replace(':', "%3A").replace('/', "%2F");
        let tagged = client.post(&format!("/tags/{group}"), json!({ "Tags": tags })).await;
        assert!((400..500).contains(&tagged.status), "{tagged:?}");
        let mapping = json!({ "FunctionName": "f", "EventSourceArn": other(QUEUE) });
        let mapped = world.root.post("/2015-03-31/event-source-mappings", mapping).await;
        assert_eq!(mapped.error().1, "InvalidParameterValueException", "{mapped:?}");
        let invoked = world
            .root
            .post(&format!("/2015-03-31/functions/{}/invocations", other(FUNCTION)), json!({}))
            .await;
        assert_eq!(invoked.error().1, "ValidationException", "{invoked:?}");
        let destination = json!({ "DestinationConfig": { "OnSuccess": { "Destination": other(QUEUE) } } });
        let told = world
            .root
            .send(
                "PUT",
                "/2019-09-25/functions/f/event-invoke-config",
                HeaderMap::new(),
                destination.to_string().into(),
            )
            .await;
        assert_eq!(told.error().1, "InvalidParameterValueException", "{told:?}");
    }
}

#[tokio::test]
async fn a_bus_takes_what_the_senders_role_may_put() {
    let world = Guarded::new().await;
    world
        .make("events", "CreateEventBus", json!({ "Name": "b", "Tags": [{ "Key": "env", "Value": "prod" }] }))
        .await;
    let put = |effect: &str, condition: Value| {
        let mut statement = json!({ "Effect": effect, "Action": "events:PutEvents", "Resource": "*" });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        statement
    };
    let allowed = put("Allow", Value::Null);
    world.role("powerless", Value::Null, json!([])).await;
    world.role("able", Value::Null, json!([allowed])).await;
    world.role("denied", Value::Null, json!([allowed, put("Deny", Value::Null)])).await;
    let secret = json!({ "StringEquals": { "events:source": "secret" } });
    world.role("discreet", Value::Null, json!([allowed, put("Deny", secret)])).await;
    let prod = json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } });
    world.role("careful", Value::Null, json!([allowed, put("Deny", prod)])).await;
    let schedule = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s";
    for (service, source) in [("events", RULE), ("scheduler", schedule), ("lambda", FUNCTION)] {
        for (role, from, is_taken) in [
            ("absent", "shop", false),
            ("powerless", "shop", false),
            ("able", "shop", true),
            ("denied", "shop", false),
            ("discreet", "shop", true),
            ("discreet", "secret", false),
            ("careful", "shop", false),
        ] {
            let taken = world.takes(sender(service, source, Some(role)), BUS, from).await;
            assert_eq!(taken, is_taken, "{service} {role} {from}");
        }
    }
    assert!(!world.takes(sender("lambda", FUNCTION, None), BUS, "shop").await, "only rules need no role");
}

#[tokio::test]
async fn a_rule_without_a_role_acts_as_its_account() {
    let world = Guarded::new().await;
    world.make("events", "CreateEventBus", json!({ "Name": "b" })).await;
    let rule = || sender("events", RULE, None);
    let elsewhere = |account: &str, region: &str| {
        let scope = Scope {
            account: AccountId::parse(account).expect("an account"),
            region: Region::parse(region).expect("a region"),
        };
        Sender { scope, ..rule() }
    };
    assert!(world.takes(rule(), BUS, "shop").await);
    assert!(!world.takes(elsewhere("111111111111", "us-east-1"), BUS, "shop").await);
    assert!(!world.takes(elsewhere("000000000000", "eu-west-1"), BUS, "shop").await);
    let statement = |sid: &str, effect: &str, account: &str, condition: Value| {
        json!({
            "Sid": sid, "Effect": effect, "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "events:PutEvents", "Resource": BUS, "Condition": condition,
        })
    };
    let own = json!({ "ArnEquals": { "aws:SourceArn": RULE } });
    let statements = [
        statement("them", "Allow", "111111111111", json!({ "StringEquals": { "events:source": "shop" } })),
        statement("us", "Deny", "000000000000", own),
    ];
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    world.make("events", "PutPermission", json!({ "EventBusName": "b", "Policy": policy })).await;
    assert!(world.takes(elsewhere("111111111111", "us-east-1"), BUS, "shop").await);
    assert!(!world.takes(elsewhere("111111111111", "us-east-1"), BUS, "else").await);
    assert!(!world.takes(rule(), BUS, "shop").await, "the bus denies this rule");
    let other = Sender { source: format!("{RULE}2"), ..rule() };
    assert!(world.takes(other, BUS, "shop").await);
}

#[tokio::test]
async fn a_role_is_taken_on_for_the_group_of_a_schedule() {
    let world = Guarded::new().await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    let group = json!({ "ArnLike": { "aws:SourceArn": GROUP }, "StringEquals": { "aws:SourceAccount": "000000000000" } });
    let send = json!([{ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE }]);
    world.role("grouped", group, send).await;
    for (group, is_taken) in [("g", true), ("default", false)] {
        let schedule = format!("arn:aws:scheduler:us-east-1:000000000000:schedule/{group}/s");
        let taken = world.takes(sender("scheduler", &schedule, Some("grouped")), QUEUE, "shop").await;
        assert_eq!(taken, is_taken, "{group}");
    }
}

const NO_QUEUE: &str = "The provided execution role does not have permissions to call SendMessage on SQS";
const NO_TOPIC: &str = "The provided execution role does not have permissions to call Publish on SNS";

/// A world with a function that is to tell somebody, and roles for it.
struct Telling(Guarded);

impl Telling {
    async fn new() -> Self {
        let guarded = Guarded::new().await;
        guarded.role("mute", Value::Null, json!([])).await;
        let actions = ["sqs:SendMessage", "events:PutEvents"];
        let may = json!([{ "Effect": "Allow", "Action": actions, "Resource": [QUEUE, BUS] }]);
        guarded.role("speaks", Value::Null, may).await;
        let by_tag = json!({ "StringEquals": { "aws:ResourceTag/team": "blue" } });
        let may =
            json!([{ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": by_tag }]);
        guarded.role("tagged", Value::Null, may).await;
        Self(guarded)
    }

    async fn create(&self, role: &str, target: &str) -> Answer {
        let mut body = create_body("f");
        body["Role"] = json!(role_arn(role));
        body["DeadLetterConfig"] = json!({ "TargetArn": target });
        let answer = self.0.root.post("/2015-03-31/functions", body).await;
        self.0.world.settled(&self.0.root, "f").await;
        answer
    }

    async fn change(&self, role: Option<&str>, target: Option<&str>) -> Answer {
        let mut body = json!({});
        if let Some(role) = role {
            body["Role"] = json!(role_arn(role));
        }
        if let Some(target) = target {
            let config = json!({ "TargetArn": target });
            body["DeadLetterConfig"] = if target.is_empty() { json!({}) } else { config };
        }
        let path = "/2015-03-31/functions/f/configuration";
        let answer = self.0.root.send("PUT", path, HeaderMap::new(), Bytes::from(body.to_string())).await;
        self.0.world.settled(&self.0.root, "f").await;
        answer
    }

    async fn tell(&self, qualifier: &str, kind: &str, target: &str) -> Answer {
        let body = json!({ "DestinationConfig": { kind: { "Destination": target } } }).to_string();
        let path = format!("/2019-09-25/functions/f/event-invoke-config?Qualifier={qualifier}");
        self.0.root.send("PUT", &path, HeaderMap::new(), Bytes::from(body)).await
    }
}

fn refused(answer: &Answer, words: &str) {
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(answer.status == 400 && message.contains(words), "{words}: {answer:?}");
}

/// What becomes of events must not be lost because nobody looked whether the role may tell it.
#[tokio::test]
async fn a_function_is_given_only_targets_that_its_role_may_tell() {
    let world = Telling::new().await;
    refused(&world.create("mute", QUEUE).await, NO_QUEUE);
    refused(&world.create("speaks", TOPIC).await, NO_TOPIC);
    assert_eq!(world.create("speaks", QUEUE).await.status, 201);
    refused(&world.change(None, Some(TOPIC)).await, NO_TOPIC);
    refused(&world.change(Some("mute"), None).await, NO_QUEUE);
    let created = world.0.root.post("/2015-03-31/functions", create_body("f2")).await;
    assert_eq!(created.status, 201, "{created:?}");
    let lacks = "does not have permissions to call";
    refused(&world.tell("$LATEST", "OnFailure", TOPIC).await, lacks);
    refused(&world.tell("$LATEST", "OnSuccess", &format!("{FUNCTION}2")).await, lacks);
    assert_eq!(world.tell("$LATEST", "OnFailure", BUS).await.status, 200);
    let published = world.0.root.post("/2015-03-31/functions/f/versions", json!({})).await;
    assert_eq!(published.status, 201, "{published:?}");
    assert_eq!(world.change(Some("mute"), Some("")).await.status, 200);
    refused(&world.tell("$LATEST", "OnSuccess", BUS).await, lacks);
    // What is told of success is another kind of event than what is told of failure.
    let failure = json!({ "StringLike": { "events:detail-type": "* - Failure" } });
    let may =
        json!([{ "Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS, "Condition": failure }]);
    world.0.role("warns", Value::Null, may).await;
    assert_eq!(world.change(Some("warns"), None).await.status, 200);
    assert_eq!(world.tell("$LATEST", "OnFailure", BUS).await.status, 200);
    refused(&world.tell("$LATEST", "OnSuccess", BUS).await, lacks);
    let other = format!("{FUNCTION}2");
    let may = json!([
        { "Effect": "Allow", "Action": "lambda:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": other },
    ]);
    world.0.role("calls", Value::Null, may).await;
    assert_eq!(world.change(Some("calls"), None).await.status, 200);
    for name in [other.clone(), format!("{other}:$LATEST")] {
        refused(&world.tell("$LATEST", "OnSuccess", &name).await, lacks);
    }
    let created = world.0.root.post("/2015-03-31/functions", create_body("f3")).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(world.tell("$LATEST", "OnSuccess", &format!("{FUNCTION}3:$LATEST")).await.status, 200);
    assert_eq!(
        world.tell("1", "OnSuccess", BUS).await.status,
        200,
        "a version has the role that it was made with"
    );
}

/// Its policy and its tags count as they do for what is delivered.
#[tokio::test]
async fn a_target_lets_in_whom_it_lets_in_when_something_comes() {
    let world = Telling::new().await;
    world.0.make("sqs", "CreateQueue", json!({ "QueueName": "q", "tags": { "team": "blue" } })).await;
    world.0.make("sqs", "CreateQueue", json!({ "QueueName": "other" })).await;
    assert_eq!(world.create("tagged", QUEUE).await.status, 201);
    let other = QUEUE.replace(":q", ":other");
    refused(&world.change(None, Some(&other)).await, NO_QUEUE);
    let statement = json!({
        "Effect": "Allow", "Principal": { "AWS": role_arn("tagged") }, "Action": "sqs:SendMessage", "Resource": other,
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let attributes = json!({ "QueueUrl": queue_url("other"), "Attributes": { "Policy": policy } });
    world.0.make("sqs", "SetQueueAttributes", attributes).await;
    assert_eq!(world.change(None, Some(&other)).await.status, 200);
}
