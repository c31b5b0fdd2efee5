//! Queues that others use, under verified signatures: users as far as their own and the queue's policy let them, and rules
//! and schedules as far as the queue's policy or their role does.

use std::collections::BTreeMap;

use bytes::Bytes;
use control::iam::{New, NewRole};
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use model::delivery::{Delivery, Target, Undelivered};
use model::iam::{Role, User};
use model::id::AccountId;
use model::schedule::Timetable as _;
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::client::{Answer, Client};
use crate::world::{World, now};

const OWNER: &str = "000000000000";
const OTHER: &str = "111122223333";
const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const URL: &str = "http://localhost:4566/000000000000/q";
const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/r";

async fn send(client: &Client, service: &str, operation: &str, input: Value) -> Answer {
    let (prefix, version) = if service == "sqs" { ("AmazonSQS", "1.0") } else { ("AWSEvents", "1.1") };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-amz-target", format!("{prefix}.{operation}")),
        ("content-type", format!("application/x-amz-json-{version}")),
    ] {
        headers.insert(name, HeaderValue::from_str(&value).expect("a header"));
    }
    client.clone().with_service(service).send("POST", "/", headers, Bytes::from(input.to_string())).await
}

async fn done(world: &World, service: &str, operation: &str, input: Value) -> Value {
    let answer = send(&world.client(), service, operation, input).await;
    assert_eq!(answer.status, 200, "{operation}: {answer:?}");
    answer.json()
}

/// A world with a queue `q`.
async fn world() -> World {
    let world = World::open(Access::Verified).await;
    done(&world, "sqs", "CreateQueue", json!({ "QueueName": "q" })).await;
    world
}

/// Gives the queue a policy of these statements: effect, principal, action.
async fn policy(world: &World, statements: &[(&str, Value, &str)]) {
    let statement = |(effect, principal, action): &(&str, Value, &str)| json!({ "Effect": effect, "Principal": principal, "Action": action, "Resource": ARN });
    let document =
        json!({ "Version": "2012-10-17", "Statement": statements.iter().map(statement).collect::<Vec<_>>() });
    set_policy(world, if statements.is_empty() { String::new() } else { document.to_string() }).await;
}

async fn set_policy(world: &World, text: String) {
    let set = json!({ "QueueUrl": URL, "Attributes": { "Policy": text } });
    done(world, "sqs", "SetQueueAttributes", set).await;
}

/// How many messages there are, of which none is looked at.
async fn count(world: &World) -> usize {
    let asked = json!({ "QueueUrl": URL, "AttributeNames": ["All"] });
    let told = done(world, "sqs", "GetQueueAttributes", asked).await;
    let number = |name: &str| told["Attributes"][name].as_str().and_then(|text| text.parse::<usize>().ok());
    number("ApproximateNumberOfMessages").expect("a number")
        + number("ApproximateNumberOfMessagesNotVisible").expect("a number")
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).expect("an account")
}

fn new(name: &str) -> New {
    New { name: name.to_owned(), path: None, boundary: None, tags: BTreeMap::new() }
}

fn document(effect: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": effect, "Action": "sqs:*", "Resource": "*" },
    })
    .to_string()
}

/// A user `ann` of an account, who may nothing.
async fn ann(world: &World, id: &str) -> Client {
    let iam = world.identity.iam();
    iam.create_user(account(id), new("ann")).await.expect("a user");
    let key = iam.create_access_key(account(id), "ann").await.expect("a key");
    let credentials =
        Credentials { access_key_id: key.id, secret: Secret::new(key.secret.expose()), session_token: None };
    Client::new(world.address, Some(credentials))
}

/// What `ann` of an account may, by her own policy.
async fn own(world: &World, id: &str, effect: Option<&str>) {
    let iam = world.identity.iam();
    match effect {
        Some(effect) => {
            iam.put_inline::<User>(account(id), "ann", "own", document(effect)).await.expect("a policy");
        }
        // There may be none.
        None => drop(iam.delete_inline::<User>(account(id), "ann", "own").await),
    }
}

/// What an operation on the queue is asked with.
fn input(operation: &str) -> Value {
    let more = match operation {
        "SendMessage" => json!({ "MessageBody": "hello" }),
        "SendMessageBatch" => json!({ "Entries": [{ "Id": "a", "MessageBody": "hello" }] }),
        "SetQueueAttributes" => json!({ "Attributes": { "DelaySeconds": "0" } }),
        "RemovePermission" => json!({ "Label": "them" }),
        "GetQueueUrl" => return json!({ "QueueName": "q", "QueueOwnerAWSAccountId": OWNER }),
        _ => json!({}),
    };
    let mut input = json!({ "QueueUrl": URL });
    input.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    input
}

/// Lets a caller try operations; all are allowed, or all denied.
async fn check(client: &Client, operations: &[&str], is_allowed: bool, when: &str) {
    for operation in operations {
        let answer = send(client, "sqs", operation, input(operation)).await;
        if is_allowed {
            assert_eq!(answer.status, 200, "{operation}, {when}: {answer:?}");
        } else {
            let told = (answer.status, answer.header("x-amzn-errortype"));
            assert_eq!(told, (400, "AccessDeniedException"), "{operation}, {when}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn another_accounts_user_may_what_both_policies_let_it() {
    let world = world().await;
    let client = ann(&world, OTHER).await;
    let user = |name: &str| json!({ "AWS": format!("arn:aws:iam::{OTHER}:user/{name}") });
    let whole = || json!({ "AWS": OTHER });
    let sends: &[&str] = &["SendMessage", "SendMessageBatch"];
    own(&world, OTHER, Some("Allow")).await;
    check(&client, sends, false, "the queue has no policy").await;
    policy(&world, &[("Allow", whole(), "sqs:SendMessage")]).await;
    check(&client, sends, true, "the queue lets the account send").await;
    check(&client, &["ReceiveMessage", "GetQueueUrl"], false, "the queue lets the account send").await;
    policy(&world, &[("Allow", user("ann"), "sqs:SendMessage")]).await;
    check(&client, sends, true, "the queue lets the user send").await;
    policy(&world, &[("Allow", user("bob"), "sqs:SendMessage")]).await;
    check(&client, sends, false, "the queue lets another user send").await;
    policy(&world, &[("Allow", whole(), "sqs:*"), ("Deny", user("ann"), "sqs:SendMessage")]).await;
    check(&client, sends, false, "the queue denies the user").await;
    policy(&world, &[("Allow", whole(), "sqs:*")]).await;
    check(&client, &["GetQueueUrl", "GetQueueAttributes", "ReceiveMessage"], true, "all is let").await;
    let owners = ["SetQueueAttributes", "ListQueueTags", "DeleteQueue", "RemovePermission"];
    check(&client, &owners, false, "all is let, but these are the owner's alone").await;
    own(&world, OTHER, Some("Deny")).await;
    check(&client, sends, false, "the user's own policy denies it").await;
    own(&world, OTHER, None).await;
    check(&client, sends, false, "the user has no policy of its own").await;
    policy(&world, &[("Allow", user("ann"), "sqs:*")]).await;
    check(&client, sends, false, "the user is let in by name, and has no policy of its own").await;
    assert_eq!(count(&world).await, 4, "what was denied was not sent");
}

#[tokio::test]
async fn an_accounts_own_user_may_what_either_policy_lets_it() {
    let world = world().await;
    let client = ann(&world, OWNER).await;
    let user = || json!({ "AWS": format!("arn:aws:iam::{OWNER}:user/ann") });
    check(&client, &["SendMessage"], false, "neither lets it").await;
    policy(&world, &[("Allow", user(), "sqs:SendMessage")]).await;
    check(&client, &["SendMessage"], true, "the queue lets the user").await;
    policy(&world, &[("Allow", json!({ "AWS": OWNER }), "sqs:SendMessage")]).await;
    check(&client, &["SendMessage"], false, "the queue leaves it to the account").await;
    policy(&world, &[]).await;
    own(&world, OWNER, Some("Allow")).await;
    check(&client, &["SendMessage", "ReceiveMessage", "SetQueueAttributes"], true, "its own lets it").await;
    policy(&world, &[("Deny", json!("*"), "sqs:SendMessage")]).await;
    check(&client, &["SendMessage"], false, "the queue denies everybody").await;
}

#[tokio::test]
async fn a_permission_lets_an_account_in_until_it_is_removed() {
    let world = world().await;
    let client = ann(&world, OTHER).await;
    own(&world, OTHER, Some("Allow")).await;
    let added =
        json!({ "QueueUrl": URL, "Label": "them", "AWSAccountIds": [OTHER], "Actions": ["SendMessage"] });
    done(&world, "sqs", "AddPermission", added).await;
    check(&client, &["SendMessage", "SendMessageBatch"], true, "it was added").await;
    check(&client, &["ReceiveMessage"], false, "it is for sending").await;
    done(&world, "sqs", "RemovePermission", json!({ "QueueUrl": URL, "Label": "them" })).await;
    check(&client, &["SendMessage"], false, "it was removed").await;
}

/// The one delivery that was handed over since this was asked last.
fn handed_over(world: &World) -> Delivery {
    let mut taken = std::mem::take(&mut *world.delivered.taken.lock().expect("nobody panicked"));
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

async fn deliver(world: &World, delivery: &Delivery, is_allowed: bool, when: &str) {
    let before = count(world).await;
    let taken = world.sqs.take(delivery).await;
    match (&taken, is_allowed) {
        (Ok(()), true) | (Err(Undelivered::Never { code: "NO_PERMISSIONS", .. }), false) => {}
        _ => panic!("{when}: {taken:?}"),
    }
    assert_eq!(count(world).await, before + usize::from(is_allowed), "{when}");
}

#[tokio::test]
async fn a_rule_delivers_where_the_queues_policy_lets_it() {
    let world = world().await;
    let rule = json!({ "Name": "r", "EventPattern": "{\"source\":[\"shop\"]}" });
    done(&world, "events", "PutRule", rule).await;
    let targets = json!({ "Rule": "r", "Targets": [{ "Id": "t", "Arn": ARN, "InputPath": "$.detail" }] });
    done(&world, "events", "PutTargets", targets).await;
    let entry = json!({ "Source": "shop", "DetailType": "paid", "Detail": "{\"n\":1}" });
    done(&world, "events", "PutEvents", json!({ "Entries": [entry] })).await;
    let delivery = handed_over(&world);
    let service = |name: &str| json!({ "Service": name });
    deliver(&world, &delivery, false, "there is no policy").await;
    policy(&world, &[("Allow", service("sns.amazonaws.com"), "sqs:SendMessage")]).await;
    deliver(&world, &delivery, false, "another service is let in").await;
    policy(&world, &[("Allow", json!({ "AWS": OWNER }), "sqs:SendMessage")]).await;
    deliver(&world, &delivery, false, "the account is let in, which the service is not").await;
    let events = || service("events.amazonaws.com");
    policy(&world, &[("Allow", events(), "sqs:ReceiveMessage")]).await;
    deliver(&world, &delivery, false, "it is let in for something else").await;
    policy(&world, &[("Allow", events(), "sqs:SendMessage")]).await;
    deliver(&world, &delivery, true, "the service is let in").await;
    policy(&world, &[("Allow", events(), "sqs:SendMessage"), ("Deny", json!("*"), "sqs:*")]).await;
    deliver(&world, &delivery, false, "everybody is denied").await;
    for (source, is_allowed) in [(RULE, true), ("arn:aws:events:us-east-1:000000000000:rule/other", false)] {
        let statement = json!({
            "Effect": "Allow", "Principal": events(), "Action": "sqs:SendMessage", "Resource": ARN,
            "Condition": { "ArnEquals": { "aws:SourceArn": source } },
        });
        set_policy(&world, json!({ "Version": "2012-10-17", "Statement": statement }).to_string()).await;
        deliver(&world, &delivery, is_allowed, source).await;
    }
    let received = done(&world, "sqs", "ReceiveMessage", json!({ "QueueUrl": URL })).await;
    assert_eq!(received["Messages"][0]["Body"], "{\"n\":1}");
}

#[tokio::test]
async fn a_schedule_delivers_as_far_as_its_role_may() {
    let world = world().await;
    let role = format!("arn:aws:iam::{OWNER}:role/sends");
    let schedule = json!({
        "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": ARN, "RoleArn": role, "Input": "due" },
    });
    let made = world.client().with_service("scheduler").post("/schedules/s", schedule).await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = format!("arn:aws:scheduler:us-east-1:{OWNER}:schedule/default/s");
    world.scheduler.fire(&key, now()).await.expect("handed over");
    let delivery = handed_over(&world);
    let everybody = ("Allow", json!("*"), "sqs:*");
    policy(&world, std::slice::from_ref(&everybody)).await;
    deliver(&world, &delivery, false, "there is no such role").await;
    let trust = |service: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" },
        })
        .to_string()
    };
    let iam = world.identity.iam();
    let new_role = NewRole {
        new: new("sends"),
        trust: trust("events.amazonaws.com"),
        description: None,
        session_s_max: None,
    };
    iam.create_role(account(OWNER), new_role).await.expect("a role");
    iam.put_inline::<Role>(account(OWNER), "sends", "own", document("Allow")).await.expect("a policy");
    deliver(&world, &delivery, false, "the role trusts another service").await;
    iam.update_trust(account(OWNER), "sends", trust("scheduler.amazonaws.com")).await.expect("trust");
    deliver(&world, &delivery, true, "both let it").await;
    policy(&world, &[]).await;
    deliver(&world, &delivery, true, "the role may, and the queue has no policy").await;
    policy(&world, &[("Deny", json!({ "AWS": role }), "sqs:SendMessage")]).await;
    deliver(&world, &delivery, false, "the queue denies the role").await;
    iam.delete_inline::<Role>(account(OWNER), "sends", "own").await.expect("it was there");
    policy(&world, &[]).await;
    deliver(&world, &delivery, false, "neither lets it").await;
    policy(&world, &[("Allow", json!({ "AWS": role }), "sqs:SendMessage")]).await;
    deliver(&world, &delivery, true, "the queue lets the role in").await;
    let service = json!({ "Service": "scheduler.amazonaws.com" });
    policy(&world, &[("Allow", service, "sqs:SendMessage")]).await;
    deliver(&world, &delivery, false, "the queue lets the service in, and it is the role that sends").await;
    let received = done(&world, "sqs", "ReceiveMessage", json!({ "QueueUrl": URL })).await;
    assert_eq!(received["Messages"][0]["Body"], "due");
}

#[tokio::test]
async fn what_is_due_waits_in_no_line_where_its_target_takes_it() {
    let world = world().await;
    let to = |name: &str| {
        json!({
            "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": {
                "Arn": format!("arn:aws:lambda:us-east-1:{OWNER}:function:{name}"),
                "RoleArn": format!("arn:aws:iam::{OWNER}:role/r"),
            },
        })
    };
    for (name, waits) in [("open", false), ("closed", true)] {
        let client = world.client().with_service("scheduler");
        let made = client.post(&format!("/schedules/{name}"), to(name)).await;
        assert_eq!(made.status, 200, "{made:?}");
        let key = format!("arn:aws:scheduler:us-east-1:{OWNER}:schedule/default/{name}");
        world.scheduler.fire(&key, now()).await.expect("done");
        let taken = std::mem::take(&mut *world.delivered.taken.lock().expect("nobody panicked"));
        assert_eq!(taken.len(), usize::from(waits), "{name}: {taken:?}");
    }
}
