//! The registry's door: who is let in, by which credentials, and to whose repositories. What the registry does is
//! tested in `services`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::identity::{Access, Caller, Principal};
use http::HeaderMap;
use model::arn::Scope;
use model::id::{AccountId, Region};
use services::registry::token::{Claims, TokenKey};

use crate::client::{Answer, Client};
use crate::world::{KEY_ID, SECRET, World, now};

const HOST_STYLE: &str = "000000000000.dkr.ecr.eu-west-1.localhost:4566";

async fn ask(world: &World, target: &str, credentials: Option<(&str, &str)>, host: Option<&str>) -> Answer {
    send(world, "GET", target, credentials, host).await
}

async fn send(
    world: &World,
    method: &str,
    target: &str,
    credentials: Option<(&str, &str)>,
    host: Option<&str>,
) -> Answer {
    let mut headers = HeaderMap::new();
    if let Some((user, password)) = credentials {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        headers.insert("authorization", basic.parse().expect("a header"));
    }
    if let Some(host) = host {
        headers.insert("host", host.parse().expect("a header"));
    }
    Client::new(world.address, None).send(method, target, headers, Bytes::new()).await
}

fn token(world: &World, region: &str, valid_ms: i64) -> String {
    mint(world, region, valid_ms, "")
}

/// A token of the owner's, for everything or for reading one path.
fn mint(world: &World, region: &str, valid_ms: i64, path: &str) -> String {
    let scope = Scope { account: AccountId::DEFAULT, region: Region::parse(region).expect("a region") };
    let expires = model::time::Timestamp::from_millis(now().as_millis() + valid_ms);
    let owner = Caller::lasting(AccountId::DEFAULT, Principal::Root);
    let (bearer, path) = (world.identity.badge(&owner), path.to_owned());
    TokenKey::new(b"tokens for tests").mint(&Claims { scope, bearer, path, expires })
}

fn code(answer: &Answer) -> String {
    answer.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn strangers_are_asked_for_credentials() {
    let world = World::open(Access::Verified).await;
    let (valid, expired) = (token(&world, "us-east-1", 60_000), token(&world, "us-east-1", -1));
    for target in ["/v2/", "/v2", "/v2/app/manifests/latest"] {
        for credentials in [
            None,
            Some((KEY_ID, "wrong")),
            Some(("AKIAOTHER", SECRET)),
            Some(("AWS", SECRET)),
            Some(("AWS", expired.as_str())),
            Some(("other", valid.as_str())),
        ] {
            let answer = ask(&world, target, credentials, None).await;
            assert_eq!(
                (answer.status, code(&answer).as_str()),
                (401, "UNAUTHORIZED"),
                "{target} {credentials:?}"
            );
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Basic realm=\"http://localhost:4566/\""), "{challenge}");
        }
    }
    for credentials in [(KEY_ID, SECRET), ("AWS", valid.as_str())] {
        let answer = ask(&world, "/v2/", Some(credentials), None).await;
        assert_eq!((answer.status, answer.header("docker-distribution-api-version")), (200, "registry/2.0"));
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    }
}

#[tokio::test]
async fn the_credentials_or_the_host_say_whose_repositories_are_meant() {
    let world = World::open(Access::Verified).await;
    let root = Some((KEY_ID, SECRET));
    let uploads = "/v2/app/blobs/uploads/";
    assert_eq!(send(&world, "POST", uploads, root, Some(HOST_STYLE)).await.status, 202);
    let listed = |credentials, host| {
        let world = &world;
        async move { ask(world, "/v2/_catalog", credentials, host).await.json()["repositories"].clone() }
    };
    let (here, there) = (token(&world, "us-east-1", 60_000), token(&world, "eu-west-1", 60_000));
    assert_eq!(listed(root, None).await, serde_json::json!([]));
    assert_eq!(listed(root, Some(HOST_STYLE)).await, serde_json::json!(["app"]));
    assert_eq!(listed(Some(("AWS", &there)), None).await, serde_json::json!(["app"]));
    assert_eq!(listed(Some(("AWS", &here)), None).await, serde_json::json!([]));
    let crossed = ask(&world, "/v2/_catalog", Some(("AWS", &here)), Some(HOST_STYLE)).await;
    assert_eq!((crossed.status, code(&crossed).as_str()), (403, "DENIED"));
    let foreign = Some("111111111111.dkr.ecr.us-east-1.localhost:4566");
    assert_eq!(ask(&world, "/v2/_catalog", root, foreign).await.status, 403);
}

#[tokio::test]
async fn a_token_in_an_address_opens_that_address() {
    let world = World::open(Access::Verified).await;
    let path = format!("/v2/app/blobs/sha256:{}", "0".repeat(64));
    let bound = mint(&world, "us-east-1", 60_000, &path);
    let with_token = |path: &str| format!("{path}?dormouse-token={bound}");
    // Let in, and then there is no such blob.
    assert_eq!(ask(&world, &with_token(&path), None, None).await.status, 404);
    assert_eq!(ask(&world, &with_token("/v2/_catalog"), None, None).await.status, 401);
    assert_eq!(send(&world, "DELETE", &with_token(&path), None, None).await.status, 401);
    assert_eq!(ask(&world, "/v2/_catalog", Some(("AWS", bound.as_str())), None).await.status, 401);
}

#[tokio::test]
async fn an_open_registry_lets_everybody_in() {
    let world = World::open(Access::Open).await;
    assert_eq!(ask(&world, "/v2/", None, None).await.status, 200);
    let other = Some(("111122223333", "anything"));
    assert_eq!(send(&world, "POST", "/v2/app/blobs/uploads/", other, None).await.status, 202);
    let listed = |credentials| {
        let world = &world;
        async move { ask(world, "/v2/_catalog", credentials, None).await.json()["repositories"].clone() }
    };
    assert_eq!(listed(other).await, serde_json::json!(["app"]));
    assert_eq!(listed(None).await, serde_json::json!([]));
    assert_eq!(ask(&world, "/v2/", None, Some("evil.example")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_through_whatever_their_size() {
    let world = World::open(Access::Open).await;
    let begun = send(&world, "POST", "/v2/app/blobs/uploads/", None, None).await;
    let location = begun.header("location").to_owned();
    let path = location.find("/v2/").map_or(location.as_str(), |at| &location[at..]);
    // More than any request to an API may have.
    let body = Bytes::from(vec![b'x'; 80_000_000]);
    let digest = store::blobs::digest_of(&body);
    let target = format!("{path}?digest=sha256:{digest}");
    let pushed = Client::new(world.address, None).send("PUT", &target, HeaderMap::new(), body.clone()).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let pulled = ask(&world, &format!("/v2/app/blobs/sha256:{digest}"), None, None).await;
    assert_eq!((pulled.status, pulled.body.len()), (200, body.len()));
}
