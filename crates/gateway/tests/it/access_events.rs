//! Denials of queues, topics, buses, schedules and logs that hold however the resource is written, for what an operation does
//! beside its own, and by what is known of the request; and what a role may deliver.

use std::collections::BTreeMap;

use bytes::Bytes;
use control::iam::{New, NewRole};
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::arn::{ResourceArn, Scope};
use model::delivery::{Address, Delivery, Extras, Retry, Sender, Target, Undelivered};
use model::iam::{Role, User};
use model::id::{AccountId, Region};
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::world::{World, create_body};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/r";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/b";
const GROUP: &str = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const PARTITIONS: [&str; 4] = ["aws-cn", "aws-us-gov", "aws-anything", "awsx"];
const LOG: &str = "arn:aws:logs:us-east-1:000000000000:log-group:l";

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::000000000000:role/{name}")
}

fn queue_url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

/// Asks an operation of a service in the protocol that clients speak to it. SNS's input is its form.
async fn ask(client: &Client, service: &str, operation: &str, input: Value) -> Answer {
    let client = client.clone().with_service(service);
    let (target, content, body) = match service {
        "events" => (format!("AWSEvents.{operation}"), "application/x-amz-json-1.1", input.to_string()),
        "logs" => (format!("Logs_20140328.{operation}"), "application/x-amz-json-1.1", input.to_string()),
        "sqs" => (format!("AmazonSQS.{operation}"), "application/x-amz-json-1.0", input.to_string()),
        "sns" => {
            let form = format!("Action={operation}&Version=2010-03-31&{}", input.as_str().expect("a form"));
            (String::new(), "application/x-www-form-urlencoded", form)
        }
        other => panic!("{other} is asked by its paths"),
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content));
    if !target.is_empty() {
        headers.insert("x-amz-target", HeaderValue::from_str(&target).expect("a header"));
    }
    client.send("POST", "/", headers, Bytes::from(body)).await
}

/// Whether an answer says that the caller may not.
fn is_denied(answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    answer.status >= 400 && body.contains("is not authorized to perform")
}

/// A world and a user of the account who may what it is said to.
struct Guarded {
    world: World,
    root: Client,
    user: Client,
    key: String,
}

/// A client that signs as the user, and its key.
async fn with_key(world: &World) -> (Client, String) {
    let key = world.identity.iam().create_access_key(AccountId::DEFAULT, "ann").await.expect("a key");
    let secret = Secret::new(key.secret.expose());
    let credentials = Credentials { access_key_id: key.id.clone(), secret, session_token: None };
    (Client::new(world.address, Some(credentials)), key.id)
}

impl Guarded {
    async fn new() -> Self {
        let world = World::open(Access::Verified).await;
        let (iam, account) = (world.identity.iam(), AccountId::DEFAULT);
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_user(account, new).await.expect("a user");
        let (user, key) = with_key(&world).await;
        Self { root: world.client(), world, user, key }
    }

    /// Makes the user anew: one of the same name who may nothing.
    async fn replace_user(&mut self) {
        let (iam, account) = (self.world.identity.iam(), AccountId::DEFAULT);
        iam.delete_access_key(account, "ann", &self.key).await.expect("no key");
        iam.delete_user(account, "ann").await.expect("no user");
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_user(account, new).await.expect("a user");
        (self.user, self.key) = with_key(&self.world).await;
    }

    async fn may(&self, statements: Value) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let iam = self.world.identity.iam();
        iam.put_inline::<User>(AccountId::DEFAULT, "ann", "own", policy).await.expect("a policy");
    }

    /// Lets the user do everything but this.
    async fn deny(&self, resource: &str, action: &str, condition: Value) {
        let mut denial = json!({ "Effect": "Deny", "Action": action, "Resource": resource });
        if !condition.is_null() {
            denial["Condition"] = condition;
        }
        self.may(json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }, denial])).await;
    }

    /// Makes something as the owner.
    async fn make(&self, service: &str, operation: &str, input: Value) {
        let answer = ask(&self.root, service, operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    }

    async fn make_group(&self, tags: Value) {
        let client = self.root.clone().with_service("scheduler");
        let answer = client.post("/schedule-groups/g", json!({ "Tags": tags })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn is_denied(&self, service: &str, operation: &str, input: Value) -> bool {
        is_denied(&ask(&self.user, service, operation, input).await)
    }

    async fn scheduler(&self, method: &str, target: &str, body: Value) -> Answer {
        let client = self.user.clone().with_service("scheduler");
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        client.send(method, target, HeaderMap::new(), body).await
    }

    /// A role that a service may take on, and what it may.
    async fn role(&self, name: &str, condition: Value, statements: Value) {
        let (iam, account) = (self.world.identity.iam(), AccountId::DEFAULT);
        let service = ["events.amazonaws.com", "scheduler.amazonaws.com", "lambda.amazonaws.com"];
        let mut trust =
            json!({ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" });
        if !condition.is_null() {
            trust["Condition"] = condition;
        }
        let trust = json!({ "Version": "2012-10-17", "Statement": trust }).to_string();
        let new = New { name: name.to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_role(account, NewRole { new, trust, ..NewRole::default() }).await.expect("a role");
        if statements != json!([]) {
            let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
            iam.put_inline::<Role>(account, name, "own", policy).await.expect("a policy");
        }
    }

    /// Whether what a sender delivers is taken.
    async fn takes(&self, from: Sender, to: &str, source: &str) -> bool {
        let to = ResourceArn::parse(to).expect("an ARN");
        let target: &dyn Target = match to.service() {
            "sqs" => &self.world.sqs,
            _ => &self.world.bus,
        };
        let extras = Extras {
            detail_type: Some("kind".to_owned()),
            source: Some(source.to_owned()),
            ..Extras::default()
        };
        let delivery = Delivery {
            to: Address::Resource(to),
            from,
            body: Bytes::from_static(b"{}"),
            extras,
            retry: Retry::BUS,
            dead_letter: None,
            line: "line".to_owned(),
        };
        match target.take(&delivery).await {
            Ok(()) => true,
            Err(Undelivered::Never { code: "NO_PERMISSIONS", .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn scope() -> Scope {
    Scope { account: AccountId::DEFAULT, region: Region::default_region() }
}

fn sender(service: &str, source: &str, role: Option<&str>) -> Sender {
    Sender {
        service: format!("{service}.amazonaws.com"),
        source: source.to_owned(),
        scope: scope(),
        role: role.map(role_arn),
    }
}

#[tokio::test]
async fn an_arn_of_another_partition_names_nothing() {
    let world = Guarded::new().await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    for partition in PARTITIONS {
        let other = |arn: &str| arn.replacen("arn:aws:", &format!("arn:{partition}:"), 1);
        let tags = json!([{ "Key": "a", "Value": "b" }]);
        let target = |arn: &str| json!({ "Rule": "r", "Targets": [{ "Id": "t", "Arn": other(arn) }] });
        let refused = [
            ("events", "PutTargets", target(QUEUE), "ValidationException"),
            ("events", "PutTargets", target(FUNCTION), "ValidationException"),
            ("events", "PutTargets", target(BUS), "ValidationException"),
            (
                "events",
                "TagResource",
                json!({ "ResourceARN": other(RULE), "Tags": tags }),
                "ValidationException",
            ),
            (
                "events",
                "CreateArchive",
                json!({ "ArchiveName": "a", "EventSourceArn": other(BUS) }),
                "ValidationException",
            ),
            (
                "logs",
                "TagResource",
                json!({ "resourceArn": other(LOG), "tags": { "a": "b" } }),
                "InvalidParameterException",
            ),
            (
                "logs",
                "PutSubscriptionFilter",
                json!({ "logGroupName": "l", "filterName": "f", "filterPattern": "", "destinationArn": other(FUNCTION) }),
                "InvalidParameterException",
            ),
            ("sqs", "StartMessageMoveTask", json!({ "SourceArn": other(QUEUE) }), "InvalidParameterValue"),
            ("sns", "Publish", json!(format!("TopicArn={}&Message=m", other(TOPIC))), "InvalidParameter"),
            (
                "sns",
                "Subscribe",
                json!(format!("TopicArn={TOPIC}&Protocol=sqs&Endpoint={}", other(QUEUE))),
                "InvalidParameter",
            ),
        ];
        for (service, operation, input, error) in refused {
            let answer = ask(&world.root, service, operation, input.clone()).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status == 400 && text.contains(error), "{operation} {input}: {answer:?}");
        }
    }
}

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

#[tokio::test]
async fn a_rule_has_one_name_when_tags_are_asked_for() {
    let world = Guarded::new().await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world
        .make("events", "TagResource", json!({ "ResourceARN": RULE, "Tags": [{ "Key": "a", "Value": "b" }] }))
        .await;
    world.deny(RULE, "events:*", Value::Null).await;
    for arn in [RULE, "arn:aws:events:us-east-1:000000000000:rule/default/r"] {
        assert!(
            world.is_denied("events", "ListTagsForResource", json!({ "ResourceARN": arn })).await,
            "{arn}"
        );
        let tags = json!({ "ResourceARN": arn, "Tags": [{ "Key": "c", "Value": "d" }] });
        assert!(world.is_denied("events", "TagResource", tags).await, "{arn}");
        let keys = json!({ "ResourceARN": arn, "TagKeys": ["a"] });
        assert!(world.is_denied("events", "UntagResource", keys).await, "{arn}");
    }
    // Groups of schedules are only the caller's own, and have one name too.
    world.make_group(json!([])).await;
    world.deny(GROUP, "scheduler:*", Value::Null).await;
    let group = GROUP.replace(':', "%3A").replace('/', "%2F");
    let tagged = world
        .scheduler("POST", &format!("/tags/{group}"), json!({ "Tags": [{ "Key": "a", "Value": "b" }] }))
        .await;
    assert!(is_denied(&tagged), "{tagged:?}");
}

#[tokio::test]
async fn a_move_of_messages_needs_leave_for_what_it_does() {
    let world = Guarded::new().await;
    let dead = "arn:aws:sqs:us-east-1:000000000000:dead";
    world.make("sqs", "CreateQueue", json!({ "QueueName": "dead" })).await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "other" })).await;
    let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": 1 }).to_string();
    world
        .make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": { "RedrivePolicy": redrive } }))
        .await;
    let other = "arn:aws:sqs:us-east-1:000000000000:other";
    let back = json!({ "SourceArn": dead });
    let away = json!({ "SourceArn": dead, "DestinationArn": other });
    for (resource, action, denies_back, denies_away) in [
        (dead, "sqs:StartMessageMoveTask", true, true),
        (dead, "sqs:ReceiveMessage", true, true),
        (dead, "sqs:DeleteMessage", true, true),
        (dead, "sqs:GetQueueAttributes", true, true),
        (QUEUE, "sqs:SendMessage", true, false),
        (other, "sqs:SendMessage", false, true),
    ] {
        world.deny(resource, action, Value::Null).await;
        for (input, is_denied) in [(&back, denies_back), (&away, denies_away)] {
            let denied = world.is_denied("sqs", "StartMessageMoveTask", input.clone()).await;
            assert_eq!(denied, is_denied, "{action} {resource} {input}");
        }
    }
    world.deny(dead, "sqs:ReceiveMessage", Value::Null).await;
    assert!(world.is_denied("sqs", "ListMessageMoveTasks", back.clone()).await);
}

#[tokio::test]
async fn what_is_made_with_tags_needs_leave_to_tag() {
    let world = Guarded::new().await;
    world
        .may(
            json!([{ "Effect": "Allow", "Action": ["sqs:CreateQueue", "sns:CreateTopic"], "Resource": "*" }]),
        )
        .await;
    let tags = "&Tags.member.1.Key=a&Tags.member.1.Value=b";
    for (is_denied, queue, topic) in [
        (true, json!({ "QueueName": "q", "tags": { "a": "b" } }), format!("Name=t{tags}")),
        (false, json!({ "QueueName": "q" }), "Name=t".to_owned()),
    ] {
        assert_eq!(world.is_denied("sqs", "CreateQueue", queue).await, is_denied);
        assert_eq!(world.is_denied("sns", "CreateTopic", json!(topic)).await, is_denied);
    }
}

#[tokio::test]
async fn conditions_know_what_events_and_targets_are() {
    let world = Guarded::new().await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    let target = |arns: &[&str]| {
        let targets: Vec<Value> =
            arns.iter().map(|arn| json!({ "Id": arn.len().to_string(), "Arn": arn })).collect();
        json!({ "Rule": "r", "Targets": targets })
    };
    world.deny("*", "events:PutTargets", json!({ "ArnEquals": { "events:TargetArn": QUEUE } })).await;
    let longer = format!("{QUEUE}-other");
    assert!(world.is_denied("events", "PutTargets", target(&[QUEUE])).await);
    assert!(world.is_denied("events", "PutTargets", target(&[&longer, QUEUE])).await, "among others");
    assert!(!world.is_denied("events", "PutTargets", target(&[&longer])).await);

    let entry = |source: &str, kind: &str| json!({ "Source": source, "DetailType": kind, "Detail": "{}" });
    for (key, denied, other) in [
        ("events:source", entry("bad", "t"), entry("s", "t")),
        ("events:detail-type", entry("s", "bad"), entry("s", "t")),
    ] {
        world.deny("*", "events:PutEvents", json!({ "StringEquals": { key: "bad" } })).await;
        let put = |entries: Value| world.is_denied("events", "PutEvents", json!({ "Entries": entries }));
        assert!(put(json!([denied])).await, "{key}");
        assert!(put(json!([other, denied])).await, "{key}, among others");
        assert!(!put(json!([other])).await, "{key}");
    }
    let by_bus = json!({ "Bool": { "events:eventBusInvocation": "false" } });
    world.deny("*", "events:PutEvents", by_bus).await;
    assert!(world.is_denied("events", "PutEvents", json!({ "Entries": [entry("s", "t")] })).await);

    let any = json!({ "ForAnyValue:StringEquals": { "events:source": "bad" } });
    world.deny("*", "events:PutRule", any).await;
    for (pattern, is_denied) in [("{\"source\":[\"s\",\"bad\"]}", true), ("{\"source\":[\"s\"]}", false)] {
        let rule = json!({ "Name": "r", "EventPattern": pattern });
        assert_eq!(world.is_denied("events", "PutRule", rule).await, is_denied, "{pattern}");
    }
    let logged = json!({ "ArnLike": { "logs:DestinationArn": "arn:aws:lambda:*:*:function:secret" } });
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    world.deny("*", "logs:PutSubscriptionFilter", logged).await;
    for (name, is_denied) in [("secret", true), ("open", false)] {
        let function = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
        let filter = json!({ "logGroupName": "l", "filterName": "f", "filterPattern": "", "destinationArn": function });
        assert_eq!(world.is_denied("logs", "PutSubscriptionFilter", filter).await, is_denied, "{name}");
    }
}

#[tokio::test]
async fn conditions_know_the_tags_of_resources() {
    let world = Guarded::new().await;
    let tags = json!([{ "Key": "env", "Value": "prod" }]);
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "tags": { "env": "prod" } })).await;
    world.make("sns", "CreateTopic", json!("Name=t&Tags.member.1.Key=env&Tags.member.1.Value=prod")).await;
    world.make("events", "CreateEventBus", json!({ "Name": "b", "Tags": tags })).await;
    world
        .make(
            "events",
            "PutRule",
            json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}", "Tags": tags }),
        )
        .await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })).await;
    world.make_group(tags).await;
    world.deny("*", "*", json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } })).await;
    for (service, operation, input) in [
        ("sqs", "DeleteQueue", json!({ "QueueUrl": queue_url("q") })),
        ("sns", "DeleteTopic", json!(format!("TopicArn={TOPIC}"))),
        ("events", "DeleteEventBus", json!({ "Name": "b" })),
        ("events", "DeleteRule", json!({ "Name": "r" })),
        ("events", "UntagResource", json!({ "ResourceARN": RULE, "TagKeys": ["env"] })),
        ("logs", "DeleteLogGroup", json!({ "logGroupName": "l" })),
        (
            "logs",
            "PutLogEvents",
            json!({ "logGroupName": "l", "logStreamName": "s", "logEvents": [{ "timestamp": 0, "message": "m" }] }),
        ),
    ] {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    let deleted = world.scheduler("DELETE", "/schedule-groups/g", Value::Null).await;
    assert!(is_denied(&deleted), "{deleted:?}");
}

#[tokio::test]
async fn conditions_know_the_tags_of_requests() {
    let world = Guarded::new().await;
    let tags = json!([{ "Key": "env", "Value": "prod" }]);
    let form = "Tags.member.1.Key=env&Tags.member.1.Value=prod";
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    world.make("events", "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"s\"]}" })).await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l" })).await;
    world.make_group(json!([])).await;
    let group = GROUP.replace(':', "%3A").replace('/', "%2F");
    let given = [
        ("sqs", "CreateQueue", json!({ "QueueName": "new", "tags": { "env": "prod" } })),
        ("sqs", "TagQueue", json!({ "QueueUrl": queue_url("q"), "Tags": { "env": "prod" } })),
        ("sns", "CreateTopic", json!(format!("Name=new&{form}"))),
        ("sns", "TagResource", json!(format!("ResourceArn={TOPIC}&{form}"))),
        ("events", "CreateEventBus", json!({ "Name": "new", "Tags": tags })),
        ("events", "PutRule", json!({ "Name": "new", "EventPattern": "{\"source\":[\"s\"]}", "Tags": tags })),
        ("events", "TagResource", json!({ "ResourceARN": RULE, "Tags": tags })),
        ("logs", "CreateLogGroup", json!({ "logGroupName": "new", "tags": { "env": "prod" } })),
        ("logs", "TagLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })),
        ("logs", "TagResource", json!({ "resourceArn": LOG, "tags": { "env": "prod" } })),
    ];
    for condition in [
        json!({ "StringEquals": { "aws:RequestTag/env": "prod" } }),
        json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": "env" } }),
    ] {
        world.deny("*", "*", condition.clone()).await;
        for (service, operation, input) in given.clone() {
            assert!(world.is_denied(service, operation, input).await, "{operation} {condition}");
        }
        let made = world.scheduler("POST", "/schedule-groups/new", json!({ "Tags": tags })).await;
        assert!(is_denied(&made), "{made:?}");
        let tagged = world.scheduler("POST", &format!("/tags/{group}"), json!({ "Tags": tags })).await;
        assert!(is_denied(&tagged), "{tagged:?}");
    }
    for (service, operation, input) in [
        ("sqs", "UntagQueue", json!({ "QueueUrl": queue_url("q"), "TagKeys": ["env"] })),
        ("sns", "UntagResource", json!(format!("ResourceArn={TOPIC}&TagKeys.member.1=env"))),
        ("events", "UntagResource", json!({ "ResourceARN": RULE, "TagKeys": ["env"] })),
        ("logs", "UntagLogGroup", json!({ "logGroupName": "l", "tags": ["env"] })),
        ("logs", "UntagResource", json!({ "resourceArn": LOG, "tagKeys": ["env"] })),
    ] {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    let untagged = world.scheduler("DELETE", &format!("/tags/{group}?TagKeys=env"), Value::Null).await;
    assert!(is_denied(&untagged), "{untagged:?}");
}

#[tokio::test]
async fn logs_are_asked_about_by_the_arns_that_policies_name() {
    let world = Guarded::new().await;
    world.make("logs", "CreateLogGroup", json!({ "logGroupName": "l", "tags": { "env": "prod" } })).await;
    let stream = |name: &str| json!({ "logGroupName": "l", "logStreamName": name });
    let group = || json!({ "logGroupName": "l" });
    let tags = || json!({ "resourceArn": LOG, "tagKeys": ["env"] });
    let all = format!("{LOG}:*");
    let streams = format!("{LOG}:log-stream:*");
    let one = format!("{LOG}:log-stream:a");
    let anywhere = "arn:aws:logs:us-east-1:000000000000:log-group:*";
    // Whether a policy for each of these names what the operation is asked for on.
    let forms = [LOG, &all, &streams, &one, anywhere];
    for (operation, input, named) in [
        ("CreateLogStream", stream("a"), [false, true, true, true, true]),
        ("CreateLogStream", stream("ab"), [false, true, true, false, true]),
        ("GetLogEvents", stream("a"), [false, true, true, true, true]),
        ("DescribeLogStreams", group(), [false, true, true, false, true]),
        ("FilterLogEvents", group(), [false, true, true, false, true]),
        ("ListTagsLogGroup", group(), [false, true, true, false, true]),
        ("DescribeLogGroups", json!({}), [false, false, false, false, true]),
        ("CreateLogGroup", group(), [false, true, true, false, true]),
        ("ListTagsForResource", tags(), [true, false, false, false, true]),
        ("UntagResource", tags(), [true, false, false, false, true]),
        (
            "TagResource",
            json!({ "resourceArn": LOG, "tags": { "a": "b" } }),
            [true, false, false, false, true],
        ),
    ] {
        for (form, named) in forms.into_iter().zip(named) {
            let action = format!("logs:{operation}");
            world.may(json!([{ "Effect": "Allow", "Action": action, "Resource": form }])).await;
            assert_eq!(
                world.is_denied("logs", operation, input.clone()).await,
                !named,
                "{operation}, {form}"
            );
            world.deny(form, &action, Value::Null).await;
            assert_eq!(
                world.is_denied("logs", operation, input.clone()).await,
                named,
                "not {operation}, {form}"
            );
        }
    }
}

#[tokio::test]
async fn archives_and_replays_need_leave_for_where_events_come_from() {
    let world = Guarded::new().await;
    world.make("events", "CreateEventBus", json!({ "Name": "b" })).await;
    world.make("events", "CreateArchive", json!({ "ArchiveName": "a", "EventSourceArn": BUS })).await;
    let archive = "arn:aws:events:us-east-1:000000000000:archive/a";
    world.deny(BUS, "events:*", Value::Null).await;
    assert!(
        world
            .is_denied("events", "CreateArchive", json!({ "ArchiveName": "c", "EventSourceArn": BUS }))
            .await
    );
    world.deny(archive, "events:*", Value::Null).await;
    let replay = json!({
        "ReplayName": "again", "EventSourceArn": archive, "EventStartTime": 0, "EventEndTime": 1,
        "Destination": { "Arn": BUS },
    });
    assert!(world.is_denied("events", "StartReplay", replay).await);
}

#[tokio::test]
async fn schedules_are_listed_under_the_names_that_aws_asks_for() {
    let world = Guarded::new().await;
    let list = |resource: &str| {
        json!([{ "Effect": "Allow", "Action": ["scheduler:ListSchedules", "scheduler:ListScheduleGroups"],
            "Resource": format!("arn:aws:scheduler:us-east-1:000000000000:{resource}") }])
    };
    for (resource, target, is_allowed) in [
        ("schedule/*/*", "/schedules", true),
        ("schedule/*/*", "/schedules?ScheduleGroup=default", true),
        ("schedule/default/*", "/schedules", false),
        ("schedule-group/*", "/schedule-groups", true),
        ("schedule/*/*", "/schedule-groups", false),
    ] {
        world.may(list(resource)).await;
        let answer = world.scheduler("GET", target, Value::Null).await;
        assert_eq!(answer.status == 200, is_allowed, "{resource} {target}: {answer:?}");
    }
}

/// The policy that a service shows.
async fn shown(world: &Guarded, service: &str) -> Value {
    let text = match service {
        "sqs" => {
            let input = json!({ "QueueUrl": queue_url("q"), "AttributeNames": ["Policy"] });
            let answer = ask(&world.root, service, "GetQueueAttributes", input).await;
            answer.json()["Attributes"]["Policy"].as_str().expect("a policy").to_owned()
        }
        _ => {
            let answer = ask(&world.root, service, "DescribeEventBus", json!({ "Name": "b" })).await;
            answer.json()["Policy"].as_str().expect("a policy").to_owned()
        }
    };
    serde_json::from_str::<Value>(&text).expect("JSON")["Statement"][0]["Principal"]["AWS"].clone()
}

#[tokio::test]
async fn whoever_gets_a_users_name_gets_none_of_its_rights() {
    let mut world = Guarded::new().await;
    let ann = "arn:aws:iam::000000000000:user/ann";
    let policy = |resource: &str, action: &str| {
        let statement = json!({
            "Sid": "ann", "Effect": "Allow", "Principal": { "AWS": ann }, "Action": action, "Resource": resource,
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let attributes = json!({ "Policy": policy(QUEUE, "sqs:SendMessage") });
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": attributes })).await;
    // The same queue, not another.
    world.make("sqs", "CreateQueue", json!({ "QueueName": "q", "Attributes": attributes })).await;
    world.make("sqs", "CreateQueue", json!({ "QueueName": "set" })).await;
    let set = json!({ "Policy": policy("arn:aws:sqs:us-east-1:000000000000:set", "sqs:SendMessage") });
    world.make("sqs", "SetQueueAttributes", json!({ "QueueUrl": queue_url("set"), "Attributes": set })).await;
    let topic = policy(TOPIC, "sns:Publish").replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    world.make("sns", "CreateTopic", json!("Name=t")).await;
    let set = format!("TopicArn={TOPIC}&AttributeName=Policy&AttributeValue={topic}");
    world.make("sns", "SetTopicAttributes", json!(set)).await;
    world.make("events", "CreateEventBus", json!({ "Name": "b" })).await;
    let bus = json!({ "EventBusName": "b", "Policy": policy(BUS, "events:PutEvents") });
    world.make("events", "PutPermission", bus).await;
    let entry = json!({ "Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "b" });
    let asked = [
        ("sqs", "SendMessage", json!({ "QueueUrl": queue_url("q"), "MessageBody": "m" })),
        ("sqs", "SendMessage", json!({ "QueueUrl": queue_url("set"), "MessageBody": "m" })),
        ("sns", "Publish", json!(format!("TopicArn={TOPIC}&Message=m"))),
        ("events", "PutEvents", json!({ "Entries": [entry] })),
    ];
    for (service, operation, input) in asked.clone() {
        let answer = ask(&world.user, service, operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    }
    for service in ["sqs", "events"] {
        assert_eq!(shown(&world, service).await, ann, "{service}");
    }
    world.replace_user().await;
    for (service, operation, input) in asked {
        assert!(world.is_denied(service, operation, input).await, "{operation}");
    }
    for service in ["sqs", "events"] {
        let id = shown(&world, service).await;
        assert!(id.as_str().is_some_and(|id| id.starts_with("AIDA")), "{service}: {id}");
    }
}

/// What becomes of events must not be lost because nobody looked whether the role may tell it.
#[tokio::test]
async fn a_function_is_given_only_targets_that_its_role_may_tell() {
    let guarded = Guarded::new().await;
    let functions = "/2015-03-31/functions";
    let settle = async |name: &str| guarded.world.settled(&guarded.root, name).await;
    let with = |role: &str, target: &str| {
        let mut body = create_body("f");
        body["Role"] = json!(role_arn(role));
        body["DeadLetterConfig"] = json!({ "TargetArn": target });
        body
    };
    guarded.role("mute", Value::Null, json!([])).await;
    let may = json!([{ "Effect": "Allow", "Action": ["sqs:SendMessage", "events:PutEvents"], "Resource": [QUEUE, BUS] }]);
    guarded.role("speaks", Value::Null, may).await;
    let refused = |answer: &Answer, words: &str| {
        let is_refused =
            answer.status == 400 && answer.json()["message"].as_str().unwrap_or_default().contains(words);
        assert!(is_refused, "{words}: {answer:?}");
    };
    let no_queue = "The provided execution role does not have permissions to call SendMessage on SQS";
    let no_topic = "The provided execution role does not have permissions to call Publish on SNS";
    refused(&guarded.root.post(functions, with("mute", QUEUE)).await, no_queue);
    refused(&guarded.root.post(functions, with("speaks", TOPIC)).await, no_topic);
    assert_eq!(guarded.root.post(functions, with("speaks", QUEUE)).await.status, 201);
    settle("f").await;
    let change = async |body: Value| {
        let path = format!("{functions}/f/configuration");
        guarded.root.send("PUT", &path, HeaderMap::new(), Bytes::from(body.to_string())).await
    };
    refused(&change(json!({ "DeadLetterConfig": { "TargetArn": TOPIC } })).await, no_topic);
    refused(&change(json!({ "Role": role_arn("mute") })).await, no_queue);
    let both = json!({ "Role": role_arn("mute"), "DeadLetterConfig": { "TargetArn": "" } });
    let tell = async |kind: &str, target: &str| {
        let body = json!({ "DestinationConfig": { kind: { "Destination": target } } }).to_string();
        let path = "/2019-09-25/functions/f/event-invoke-config";
        guarded.root.send("PUT", path, HeaderMap::new(), Bytes::from(body)).await
    };
    let lacks = "does not have permissions to call";
    refused(&tell("OnFailure", TOPIC).await, lacks);
    refused(&tell("OnSuccess", FUNCTION).await, lacks);
    assert_eq!(tell("OnFailure", BUS).await.status, 200);
    assert_eq!(change(both).await.status, 200);
    settle("f").await;
    refused(&tell("OnSuccess", BUS).await, lacks);
}
