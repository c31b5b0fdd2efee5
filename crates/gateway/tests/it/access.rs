//! Denials that hold however the resource is written: by `$LATEST`, with zeros before a number, in other letters, by another
//! partition, by its tags, and for what an operation does beside its own.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use control::iam::New;
use control::identity::Access;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use model::iam::User;
use model::id::AccountId;
use serde_json::{Value, json};
use wire::sigv4::{Credentials, Secret};

use crate::cases::{Variables, create_function};
use crate::client::Client;
use crate::outside::OBJECT;
use crate::world::{World, create_body};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const SIGNING: &str = "/2020-04-22/code-signing-configs";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// A world with a function `f` of one version, and a user of the same account who may everything but what is denied.
struct Denying {
    world: World,
    root: Client,
    user: Client,
    /// The user's.
    key: String,
}

impl Denying {
    async fn new() -> Self {
        let world = World::open(Access::Verified).await;
        let root = world.client();
        let variables =
            [("name", "f"), ("runtime", "python3.12"), ("role", "arn:aws:iam::000000000000:role/r")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let made = create_function(&crate::conformance::root(), &Variables(BTreeMap::from(variables)));
        let made = root.send(&made.method, &made.target, HeaderMap::new(), made.body.into()).await;
        assert_eq!(made.status, 201, "{made:?}");
        world.settled(&root, "f").await;
        let published = root.post("/2015-03-31/functions/f/versions", json!({})).await;
        assert_eq!(published.status, 201, "{published:?}");
        let (iam, account) = (world.identity.iam(), AccountId::DEFAULT);
        let new = New { name: "ann".to_owned(), path: None, boundary: None, tags: BTreeMap::new() };
        iam.create_user(account, new).await.expect("a user");
        let key = iam.create_access_key(account, "ann").await.expect("a key");
        let secret = Secret::new(key.secret.expose());
        let credentials = Credentials { access_key_id: key.id.clone(), secret, session_token: None };
        let user = Client::new(world.address, Some(credentials));
        Self { world, root, user, key: key.id }
    }

    async fn deny(&self, resource: &str, action: &str, condition: Value) {
        let mut denial = json!({ "Effect": "Deny", "Action": action, "Resource": resource });
        if !condition.is_null() {
            denial["Condition"] = condition;
        }
        let allowed = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let policy = json!({ "Version": "2012-10-17", "Statement": [allowed, denial] }).to_string();
        let iam = self.world.identity.iam();
        iam.put_inline::<User>(AccountId::DEFAULT, "ann", "own", policy).await.expect("a policy");
    }

    /// The status of what the user asks for.
    async fn asks(&self, method: &str, target: &str, body: Value) -> u16 {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.user.send(method, target, HeaderMap::new(), body.into()).await.status
    }

    /// Makes something as the owner, and gives a member of the answer.
    async fn made(&self, target: &str, body: Value, pointer: &str) -> String {
        let answer = self.root.post(target, body).await;
        assert!(answer.status < 300, "{answer:?}");
        answer.json().pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned()
    }

    async fn signing(&self, tags: Value) -> String {
        let publisher = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789";
        let config =
            json!({ "AllowedPublishers": { "SigningProfileVersionArns": [publisher] }, "Tags": tags });
        self.made(SIGNING, config, "/CodeSigningConfig/CodeSigningConfigArn").await
    }
}

#[tokio::test]
async fn a_function_is_denied_by_every_name_of_it() {
    let world = Denying::new().await;
    world.deny(FUNCTION, "lambda:*", Value::Null).await;
    for name in ["f", "f:$LATEST", "000000000000:f:$LATEST", "function:f"] {
        let target = format!("/2015-03-31/functions/{name}");
        let changed = json!({ "Description": "changed" });
        assert_eq!(world.asks("PUT", &format!("{target}/configuration"), changed).await, 403, "{name}");
        assert_eq!(world.asks("GET", &target, Value::Null).await, 403, "{name}");
        assert_eq!(world.asks("POST", &format!("{target}/invocations"), json!({})).await, 403, "{name}");
    }
    let latest = "/2015-03-31/functions/f?Qualifier=$LATEST";
    assert_eq!(world.asks("GET", latest, Value::Null).await, 403);
    assert_eq!(world.asks("GET", "/2015-03-31/functions/f?Qualifier=1", Value::Null).await, 200);
}

#[tokio::test]
async fn a_version_has_one_number() {
    let world = Denying::new().await;
    world.deny(&format!("{FUNCTION}:1"), "lambda:*", Value::Null).await;
    for (number, status) in [("1", 403), ("01", 400), ("$LATEST", 200)] {
        let target = format!("/2015-03-31/functions/f?Qualifier={number}");
        assert_eq!(world.asks("GET", &target, Value::Null).await, status, "{number}");
    }
    assert_ne!(world.asks("DELETE", "/2015-03-31/functions/f?Qualifier=01", Value::Null).await, 204);
}

#[tokio::test]
async fn a_mapping_and_a_configuration_are_denied_however_they_are_written() {
    let world = Denying::new().await;
    let source = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let mapping = json!({ "FunctionName": "f", "EventSourceArn": source, "StartingPosition": "LATEST" });
    // The ids of this world count up: until there is a letter in one, both cases of it are the same.
    let mut uuid = world.made(MAPPINGS, mapping.clone(), "/UUID").await;
    while uuid == uuid.to_uppercase() {
        world.root.send("DELETE", &format!("{MAPPINGS}/{uuid}"), HeaderMap::new(), Vec::new().into()).await;
        uuid = world.made(MAPPINGS, mapping.clone(), "/UUID").await;
    }
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}");
    world.deny(&arn, "lambda:*", Value::Null).await;
    for uuid in [uuid.clone(), uuid.to_uppercase()] {
        let target = format!("{MAPPINGS}/{uuid}");
        assert_eq!(world.asks("GET", &target, Value::Null).await, 403, "{uuid}");
        assert_eq!(world.asks("DELETE", &target, Value::Null).await, 403, "{uuid}");
        let target =
            format!("/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}");
        let tags = json!({ "Tags": { "a": "b" } });
        assert_eq!(world.asks("POST", &target, tags).await, 403, "{uuid}");
    }
    let arn = world.signing(json!({})).await;
    world.deny(&arn, "lambda:*", Value::Null).await;
    let tags = || json!({ "Tags": { "a": "b" } });
    assert_eq!(world.asks("POST", &format!("/2017-03-31/tags/{arn}"), tags()).await, 403);
    let other = arn.replacen("arn:aws:", "arn:aws-cn:", 1);
    assert_eq!(world.asks("POST", &format!("/2017-03-31/tags/{other}"), tags()).await, 404);
    let bound = json!({ "CodeSigningConfigArn": arn });
    let target = "/2020-06-30/functions/f/code-signing-config";
    assert_eq!(world.asks("PUT", target, bound).await, 403, "what it is bound to is asked about too");
}

#[tokio::test]
async fn conditions_know_tags_layers_and_the_kind_of_an_address() {
    let world = Denying::new().await;
    let arn = world.signing(json!({ "env": "prod" })).await;
    let tagged = json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } });
    world.deny("*", "lambda:*", tagged).await;
    assert_eq!(world.asks("DELETE", &format!("{SIGNING}/{arn}"), Value::Null).await, 403);
    let untag = format!("/2017-03-31/tags/{arn}?tagKeys=env");
    assert_eq!(world.asks("DELETE", &untag, Value::Null).await, 403);

    let layer = "arn:aws:lambda:us-east-1:000000000000:layer:l:1";
    let with_layer = json!({ "ForAnyValue:StringEquals": { "lambda:Layer": [layer] } });
    world.deny("*", "lambda:UpdateFunctionConfiguration", with_layer).await;
    let target = "/2015-03-31/functions/f/configuration";
    let zeros = layer.replace(":1", ":01");
    for (layer, status) in [(layer, 403), (zeros.as_str(), 400)] {
        assert_eq!(world.asks("PUT", target, json!({ "Layers": [layer] })).await, status, "{layer}");
    }

    let target = "/2021-10-31/functions/f/url";
    world.made(target, json!({ "AuthType": "AWS_IAM" }), "/AuthType").await;
    let signed = json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "AWS_IAM" } });
    world.deny("*", "lambda:*", signed).await;
    assert_eq!(world.asks("GET", target, Value::Null).await, 403);
    assert_eq!(world.asks("PUT", target, json!({ "Cors": { "MaxAge": 1 } })).await, 403);
    assert_eq!(world.asks("DELETE", target, Value::Null).await, 403);
}

#[tokio::test]
async fn a_tag_is_not_hidden_behind_one_in_other_letters() {
    let world = Denying::new().await;
    let arn = world.signing(json!({ "Env": "prod" })).await;
    let prod = json!({ "StringEquals": { "aws:ResourceTag/Env": "prod" } });
    world.deny("*", "lambda:Delete*", prod).await;
    for (env, status) in [("ENV", 204), ("env", 204)] {
        let target = format!("/2017-03-31/tags/{arn}");
        assert_eq!(world.asks("POST", &target, json!({ "Tags": { env: "x" } })).await, status, "{env}");
        assert_eq!(world.asks("DELETE", &format!("{SIGNING}/{arn}"), Value::Null).await, 403, "{env}");
    }

    let target = format!("/2017-03-31/tags/{arn}");
    let condition = json!({ "StringNotEquals": { "aws:RequestTag/team": "dev" } });
    world.deny("*", "lambda:TagResource", condition).await;
    assert_eq!(world.asks("POST", &target, json!({ "Tags": { "team": "dev" } })).await, 204);
    let both = json!({ "Tags": { "TEAM": "ops", "team": "dev" } });
    assert_eq!(world.asks("POST", &target, both).await, 403);
}

#[tokio::test]
async fn what_a_statement_grants_is_known_when_it_is_removed() {
    let world = Denying::new().await;
    let target = "/2015-03-31/functions/f/policy";
    for (sid, principal, action) in [
        ("service", "s3.amazonaws.com", "lambda:InvokeFunction"),
        ("account", "111111111111", "lambda:InvokeFunction"),
        ("address", "222222222222", "lambda:InvokeFunctionUrl"),
    ] {
        let auth = (sid == "address").then_some("AWS_IAM");
        let mut statement = json!({ "StatementId": sid, "Principal": principal, "Action": action });
        statement["FunctionUrlAuthType"] = auth.map_or(Value::Null, Value::from);
        world.made(target, statement, "/Statement").await;
    }
    let keep = json!({ "StringEquals": { "lambda:Principal": ["s3.amazonaws.com", "111111111111"] } });
    world.deny("*", "lambda:RemovePermission", keep).await;
    assert_eq!(world.asks("DELETE", &format!("{target}/service"), Value::Null).await, 403);
    assert_eq!(world.asks("DELETE", &format!("{target}/account"), Value::Null).await, 403);
    let signed = json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "AWS_IAM" } });
    world.deny("*", "lambda:RemovePermission", signed).await;
    assert_eq!(world.asks("DELETE", &format!("{target}/address"), Value::Null).await, 403);
    assert_eq!(world.asks("DELETE", &format!("{target}/service"), Value::Null).await, 204);
}

#[tokio::test]
async fn what_is_made_with_tags_has_to_be_allowed_to_be_tagged() {
    let world = Denying::new().await;
    world.deny("*", "lambda:TagResource", Value::Null).await;
    let publisher = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789";
    let publishers = json!({ "SigningProfileVersionArns": [publisher] });
    let config = json!({ "AllowedPublishers": publishers, "Tags": { "a": "b" } });
    assert_eq!(world.asks("POST", SIGNING, config).await, 403);
    assert_eq!(world.asks("POST", SIGNING, json!({ "AllowedPublishers": publishers })).await, 201);
}

#[tokio::test]
async fn a_tag_is_not_hidden_by_another_that_differs_in_capitals() {
    let world = Denying::new().await;
    let tags = json!({ "Tags": { "Env": "prod", "env": "dev" } });
    let tagged = world.root.post(&format!("/2017-03-31/tags/{FUNCTION}"), tags).await;
    assert_eq!(tagged.status, 204, "{tagged:?}");
    for value in ["prod", "dev"] {
        let condition = json!({ "StringEquals": { "aws:ResourceTag/Env": value } });
        world.deny("*", "lambda:DeleteFunction", condition).await;
        assert_eq!(world.asks("DELETE", "/2015-03-31/functions/f", Value::Null).await, 403, "{value}");
    }
}

#[tokio::test]
async fn code_is_taken_from_objects_that_the_caller_may_read() {
    let world = Denying::new().await;
    let (bucket, key) = OBJECT;
    let code = |key: &str| json!({ "S3Bucket": bucket, "S3Key": key });
    world.deny(&format!("arn:aws:s3:::{bucket}/secret/*"), "s3:*", Value::Null).await;
    let create = json!({
        "FunctionName": "g", "Runtime": "python3.12", "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/r", "Code": code("secret/a.zip"),
    });
    let layer = |key: &str| json!({ "Content": code(key) });
    let update = "/2015-03-31/functions/f/code";
    let publish = "/2018-10-31/layers/l/versions";
    assert_eq!(world.asks("PUT", update, code("secret/a.zip")).await, 403);
    assert_eq!(world.asks("POST", "/2015-03-31/functions", create).await, 403);
    assert_eq!(world.asks("POST", publish, layer("secret/a.zip")).await, 403);
    for other_name in [
        "public/../secret/a.zip",
        "./secret/a.zip",
        "public/.//../secret/a.zip",
        "/secret/a.zip",
        "//secret/a.zip",
    ] {
        assert_eq!(world.asks("PUT", update, code(other_name)).await, 403, "{other_name}");
    }
    assert_eq!(world.asks("POST", publish, layer(key)).await, 201);
    world.deny(&format!("arn:aws:s3:::{bucket}/{key}"), "s3:GetObjectVersion", Value::Null).await;
    let mut version = code(key);
    version["S3ObjectVersion"] = "1".into();
    assert_eq!(world.asks("PUT", update, version).await, 403);
    assert_eq!(world.asks("PUT", update, code(key)).await, 200);
}

#[tokio::test]
async fn a_capacity_provider_is_handed_over_by_whoever_may() {
    let world = Denying::new().await;
    let provider = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:capacity-provider:{name}");
    world.deny(&provider("theirs"), "lambda:PassCapacityProvider", Value::Null).await;
    let on = |name: &str| {
        let instances = json!({ "CapacityProviderArn": provider(name) });
        json!({ "CapacityProviderConfig": { "LambdaManagedInstancesCapacityProviderConfig": instances } })
    };
    let target = "/2015-03-31/functions/f/configuration";
    assert_eq!(world.asks("PUT", target, on("theirs")).await, 403);
    assert_ne!(world.asks("PUT", target, on("missing")).await, 403);
    let mut create = create_body("g");
    create["CapacityProviderConfig"] = on("theirs")["CapacityProviderConfig"].clone();
    assert_eq!(world.asks("POST", "/2015-03-31/functions", create).await, 403);
}

#[tokio::test]
async fn logs_are_read_by_whoever_may_read_the_group_that_they_are_in() {
    let world = Denying::new().await;
    let group = |name: &str| format!("arn:aws:logs:us-east-1:000000000000:log-group:{name}:*");
    world.deny(&group("/aws/lambda/secret"), "logs:*", Value::Null).await;
    let page = "/_dormouse/functions/f/logs";
    assert_eq!(world.asks("GET", page, Value::Null).await, 200);
    let moved = json!({ "LoggingConfig": { "LogGroup": "/aws/lambda/secret" } });
    assert_eq!(world.asks("PUT", "/2015-03-31/functions/f/configuration", moved).await, 200);
    world.world.settled(&world.root, "f").await;
    assert_eq!(world.asks("GET", page, Value::Null).await, 403);
    assert_eq!(world.asks("GET", &format!("{page}?follow=true"), Value::Null).await, 403);
    world.deny(&group("/aws/lambda/f"), "logs:*", Value::Null).await;
    assert_eq!(world.asks("GET", page, Value::Null).await, 200, "it does not write there any more");
    let tags = json!({ "logGroupName": "/aws/lambda/secret", "tags": { "env": "prod" } });
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_static("Logs_20140328.CreateLogGroup"));
    let logs = world.root.clone().with_service("logs");
    let made = logs.send("POST", "/", headers, tags.to_string().into()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let tagged = json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } });
    world.deny("*", "logs:FilterLogEvents", tagged).await;
    assert_eq!(world.asks("GET", page, Value::Null).await, 403);
}

/// What the user is told of the log of `f` once this has happened while they follow it.
async fn follows_until(happens: impl AsyncFnOnce(&Denying)) -> String {
    let world = Denying::new().await;
    world.deny("*", "logs:PutLogEvents", Value::Null).await;
    let page = "/_dormouse/functions/f/logs?follow=true";
    let answer = world.user.open("GET", page, HeaderMap::new(), Bytes::new()).await;
    assert_eq!(answer.status(), 200);
    happens(&world).await;
    tokio::time::pause();
    let body = tokio::time::timeout(Duration::from_secs(4 * 60 * 60), answer.into_body().collect());
    let body = body.await.expect("ended").expect("in order").to_bytes();
    tokio::time::resume();
    let line: Value = serde_json::from_slice(&body).expect("one line");
    assert_eq!((&line["timestamp"], &line["stream"]), (&Value::Null, &"dormouse".into()));
    line["message"].as_str().expect("words").to_owned()
}

#[tokio::test]
async fn a_log_is_followed_no_longer_than_its_reader_may() {
    let denied = follows_until(async |world| world.deny("*", "logs:FilterLogEvents", Value::Null).await);
    assert!(denied.await.contains("is not authorized to perform: logs:FilterLogEvents"));
    let gone = follows_until(async |world| {
        let iam = world.world.identity.iam();
        iam.delete_access_key(AccountId::DEFAULT, "ann", &world.key).await.expect("deleted");
    });
    assert_eq!(gone.await, "The security token included in the request is invalid.");
    let functionless = follows_until(async |world| {
        let function = "/2015-03-31/functions/f";
        assert_eq!(world.asks("DELETE", function, Value::Null).await, 204);
    });
    assert!(functionless.await.starts_with("Function not found"));
    let moved = follows_until(async |world| {
        let moved = json!({ "LoggingConfig": { "LogGroup": "/aws/lambda/other" } });
        assert_eq!(world.asks("PUT", "/2015-03-31/functions/f/configuration", moved).await, 200);
        world.world.settled(&world.root, "f").await;
    });
    assert_eq!(moved.await, "Function f writes to another log group now.");
    assert_eq!(follows_until(async |_| ()).await, "A log is followed for three hours at most.");
}

#[tokio::test]
async fn pages_and_keys_are_decided_on_with_what_is_known_of_the_call() {
    let world = Denying::new().await;
    let tags = json!({ "Tags": { "env": "prod" } });
    let tagged = world.root.post(&format!("/2017-03-31/tags/{FUNCTION}"), tags).await;
    assert_eq!(tagged.status, 204, "{tagged:?}");
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-invocation-type", HeaderValue::from_static("Event"));
    let target = "/2015-03-31/functions/f/invocations";
    let accepted = world.root.send("POST", target, headers, "{}".into()).await;
    let event = format!("/_dormouse/events/{}", accepted.header("x-amzn-requestid"));
    let prod = json!({ "StringEquals": { "aws:ResourceTag/env": "prod" } });
    let from_here = json!({ "IpAddress": { "aws:SourceIp": "127.0.0.1" } });
    world.deny("*", "lambda:GetFunction", json!({ "StringEquals": { "aws:ResourceTag/env": "dev" } })).await;
    assert_eq!(world.asks("GET", &event, Value::Null).await, 200);
    for condition in [prod, from_here.clone()] {
        world.deny("*", "lambda:GetFunction", condition.clone()).await;
        assert_eq!(world.asks("GET", &event, Value::Null).await, 403, "{condition}");
    }
    let form = format!("Action=GetAccessKeyLastUsed&Version=2010-05-08&AccessKeyId={}", world.key);
    let last_used = async || {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        let client = world.user.clone().with_service("iam");
        client.send("POST", "/", headers, form.clone().into()).await.status
    };
    assert_eq!(last_used().await, 200);
    world.deny("*", "iam:GetAccessKeyLastUsed", from_here).await;
    assert_eq!(last_used().await, 403);
}

#[tokio::test]
async fn a_role_of_another_account_or_partition_is_not_taken() {
    let world = Denying::new().await;
    let role = json!({ "Role": "arn:aws:iam::111111111111:role/r" });
    let target = "/2015-03-31/functions/f/configuration";
    let answer = world.root.send("PUT", target, HeaderMap::new(), role.to_string().into()).await;
    let (status, code, message) = answer.error();
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert_eq!(message, "Cross-account pass role is not allowed.");
    let elsewhere = json!({ "Role": "arn:aws-cn:iam::000000000000:role/r" });
    let answer = world.root.send("PUT", target, HeaderMap::new(), elsewhere.to_string().into()).await;
    let (status, code, _) = answer.error();
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"), "another partition");
}

#[tokio::test]
async fn a_condition_that_everybody_meets_does_not_make_a_policy_private() {
    let world = Denying::new().await;
    for (condition, is_taken) in [
        (json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } }), false),
        (json!({ "StringLike": { "aws:PrincipalAccount": "*" } }), false),
        (json!({ "StringNotEquals": { "aws:SourceAccount": "1" } }), false),
        (json!({ "StringEqualsIfExists": { "aws:SourceAccount": "111111111111" } }), false),
        (json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:*" } }), false),
        (json!({ "Bool": { "aws:SecureTransport": "true" } }), false),
        (json!({ "StringEquals": { "aws:PrincipalAccount": "111111111111" } }), true),
        (json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::111111111111:*" } }), true),
        (json!({ "IpAddress": { "aws:SourceIp": "10.1.0.0/16" } }), true),
    ] {
        let statement = json!({
            "Effect": "Allow", "Principal": "*", "Action": "lambda:*", "Resource": FUNCTION, "Condition": condition,
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let target = format!("/2026-07-09/resource-policy/{FUNCTION}");
        let body = json!({ "Policy": policy }).to_string();
        let answer = world.root.send("PUT", &target, HeaderMap::new(), body.into()).await;
        match is_taken {
            true => assert_eq!(answer.status, 200, "{condition}: {answer:?}"),
            false => assert_eq!(answer.error().1, "PublicPolicyException", "{condition}: {answer:?}"),
        }
    }
}
