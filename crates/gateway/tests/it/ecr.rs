//! ECR's API over HTTP: found by signature or target, answered in its own protocol, and its tokens let into the
//! registry. What the operations do is tested in `services`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::identity::Access;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::world::World;

async fn call(client: &Client, operation: &str, body: Value) -> Answer {
    target(client, &format!("AmazonEC2ContainerRegistry_V20150921.{operation}"), body).await
}

async fn target(client: &Client, target: &str, body: Value) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", target.parse().expect("a header"));
    headers.insert("content-type", "application/x-amz-json-1.1".parse().expect("a header"));
    client.send("POST", "/", headers, body.to_string().into()).await
}

fn check_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["__type"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
}

#[tokio::test]
async fn a_token_opens_the_registry() {
    let world = World::open(Access::Verified).await;
    let client = world.client().with_service("ecr");
    let created = call(&client, "CreateRepository", json!({ "repositoryName": "team/app" })).await;
    assert_eq!(created.json()["repository"]["repositoryUri"], "localhost:4566/team/app", "{created:?}");
    let answer = call(&client, "GetAuthorizationToken", json!({})).await.json();
    let token = answer["authorizationData"][0]["authorizationToken"].as_str().expect("a token").to_owned();
    assert!(STANDARD.decode(&token).expect("Base64").starts_with(b"AWS:"));
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Basic {token}").parse().expect("a header"));
    let anyone = Client::new(world.address, None);
    let listed = anyone.send("GET", "/v2/_catalog", headers, Bytes::new()).await;
    assert_eq!(listed.json(), json!({ "repositories": ["team/app"] }));
}

#[tokio::test]
async fn failures_are_told_in_the_services_own_way() {
    let world = World::open(Access::Verified).await;
    let client = world.client().with_service("ecr");
    let missing = call(&client, "ListImages", json!({ "repositoryName": "none" })).await;
    check_error(&missing, 400, "RepositoryNotFoundException");
    check_error(&call(&client, "CreateRepository", json!({})).await, 400, "InvalidParameterException");
    check_error(&call(&client, "NoSuchOperation", json!({})).await, 400, "UnknownOperationException");
    check_error(&target(&client, "nonsense", json!({})).await, 400, "UnknownOperationException");
    let unserved = call(&client, "StartImageScan", json!({})).await;
    assert_eq!(unserved.json()["__type"], "NotImplementedException", "{unserved:?}");
    assert!(unserved.json()["message"].to_string().contains("StartImageScan"), "{unserved:?}");
    let stranger = Client::new(world.address, None);
    let unsigned = call(&stranger, "DescribeRepositories", json!({})).await;
    check_error(&unsigned, 400, "MissingAuthenticationTokenException");
    // Signed for another service, whatever the target says.
    let crossed = call(&world.client(), "DescribeRepositories", json!({})).await;
    assert_eq!(crossed.status, 404, "{crossed:?}");
}

#[tokio::test]
async fn roles_need_a_policy_for_it() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let role = world.role_client("hello").with_service("ecr");
    let denied = call(&role, "GetAuthorizationToken", json!({})).await;
    check_error(&denied, 400, "AccessDeniedException");
    let message = denied.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        message.contains("is not authorized to perform: ecr:GetAuthorizationToken on resource: *"),
        "{message}"
    );
}

#[tokio::test]
async fn an_open_server_goes_by_the_target() {
    let world = World::open(Access::Open).await;
    let anyone = Client::new(world.address, None);
    let answer = call(&anyone, "DescribeRepositories", json!({})).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "repositories": [] })));
}
