//! Who is let in, and what strangers are told.
//!
//! Signatures that are wrong in one way each, credentials of an execution role, and the open server that believes
//! everybody. The arithmetic of signatures is tested in `wire`.

use control::identity::Access;
use http::HeaderMap;
use model::port::Roles as _;
use wire::sigv4::{Credentials, Secret};

use crate::client::Client;
use crate::world::{World, create_body, root_credentials};

const FUNCTIONS: &str = "/2015-03-31/functions";

#[tokio::test]
async fn the_root_key_may_do_everything_in_its_account() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let answer = world.client().get("/2015-03-31/functions/hello").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["Configuration"]["FunctionArn"],
        "arn:aws:lambda:us-east-1:000000000000:function:hello"
    );
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    let elsewhere = world.client().with_region("eu-central-1").get("/2015-03-31/functions/hello").await;
    assert_eq!(elsewhere.status, 404, "regions are namespaces");
}

#[tokio::test]
async fn requests_that_are_not_signed_rightly_are_refused() {
    let world = World::open(Access::Verified).await;
    let check = |client: Client, status: u16, code: &'static str, words: &'static str| async move {
        let (seen_status, seen_code, message) = client.get(FUNCTIONS).await.error();
        assert_eq!((seen_status, seen_code.as_str()), (status, code), "{message}");
        assert!(message.contains(words), "{message}");
    };
    let client = world.client();
    let with = |credentials: Credentials| Client::new(world.address, Some(credentials));
    check(Client::new(world.address, None), 403, "MissingAuthenticationTokenException", "Missing").await;
    let unknown = Credentials { access_key_id: "AKIAUNKNOWN".to_owned(), ..root_credentials() };
    check(with(unknown), 403, "UnrecognizedClientException", "security token").await;
    let wrong = Credentials { secret: Secret::new("wrong"), ..root_credentials() };
    check(with(wrong), 403, "InvalidSignatureException", "does not match").await;
    let old = client.clone().with_skew_ms(-6 * 60_000);
    check(old, 403, "InvalidSignatureException", "Signature expired").await;
    let young = client.clone().with_skew_ms(6 * 60_000);
    check(young, 403, "InvalidSignatureException", "not yet current").await;
    check(client.with_skew_ms(-4 * 60_000), 200, "UnknownError", "").await;
}

#[tokio::test]
async fn a_changed_body_is_refused() {
    let world = World::open(Access::Verified).await;
    // A signature for one body sent with another.
    let mut headers = HeaderMap::new();
    headers.insert("host", world.address.to_string().parse().expect("a header"));
    let mut outgoing = wire::sigv4::Outgoing {
        method: "POST",
        path: FUNCTIONS,
        query: "",
        headers: &mut headers,
        body: b"{}",
    };
    let target =
        wire::sigv4::Target { region: "us-east-1", service: "lambda", rules: wire::sigv4::Rules::STANDARD };
    wire::sigv4::sign(&mut outgoing, target, &root_credentials(), crate::world::now());
    let unsigned = Client::new(world.address, None);
    let answer = unsigned.send("POST", FUNCTIONS, headers, create_body("x").to_string().into()).await;
    assert_eq!(answer.error().1, "InvalidSignatureException");
    assert_eq!(world.client().get("/2015-03-31/functions/x").await.status, 404, "nothing was made");
}

#[tokio::test]
async fn a_role_without_policies_may_do_nothing() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let caller = model::arn::Scope {
        account: model::id::AccountId::DEFAULT,
        region: model::id::Region::default_region(),
    };
    let reference = model::name::FunctionReference::parse("hello").expect("a reference");
    let function = world.functions.get(&caller, &reference, None).expect("a function");
    let minted = world.identity.credentials(&function);
    let credentials = Credentials {
        access_key_id: minted.access_key_id,
        secret: Secret::new(minted.secret_access_key),
        session_token: Some(Secret::new(minted.session_token)),
    };
    let role = Client::new(world.address, Some(credentials.clone()));
    let answer = role.post("/2015-03-31/functions/hello/invocations", serde_json::json!({})).await;
    let (status, code, message) = answer.error();
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert_eq!(
        message,
        "User: arn:aws:sts::000000000000:assumed-role/r/hello is not authorized to perform: \
         lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:hello because no \
         identity-based policy allows the lambda:InvokeFunction action"
    );
    for (method, target) in [("GET", FUNCTIONS), ("DELETE", "/2015-03-31/functions/hello")] {
        let answer = role.send(method, target, HeaderMap::new(), Default::default()).await;
        assert_eq!(answer.error().1, "AccessDeniedException", "{method}");
    }
    let logs = role.get("/_dormouse/functions/hello/logs").await;
    assert_eq!(logs.error().1, "AccessDeniedException");
    let forged = Credentials { session_token: Some(Secret::new("AAAA")), ..credentials };
    let answer = Client::new(world.address, Some(forged)).get(FUNCTIONS).await;
    assert_eq!(answer.error().1, "UnrecognizedClientException");
}

#[tokio::test]
async fn an_open_server_takes_the_account_from_the_key() {
    let world = World::open(Access::Open).await;
    let as_key = |id: &str| {
        let credentials = Credentials { access_key_id: id.to_owned(), ..root_credentials() };
        Client::new(world.address, Some(credentials)).with_region("eu-west-1")
    };
    let created = as_key("111122223333").post(FUNCTIONS, create_body("hello")).await;
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:hello";
    assert_eq!(created.json()["FunctionArn"], arn);
    assert_eq!(as_key("test").get("/2015-03-31/functions/hello").await.status, 404);
    let unsigned = Client::new(world.address, None);
    let created = unsigned.post(FUNCTIONS, create_body("hello")).await;
    assert_eq!(created.json()["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:hello");
}

#[tokio::test]
async fn an_open_server_does_not_answer_to_foreign_web_pages() {
    let world = World::open(Access::Open).await;
    let check = |target: &'static str, headers: &[(&'static str, &str)], expect: u16| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let client = Client::new(world.address, None);
        async move {
            let answer = client.send("GET", target, map, Default::default()).await;
            assert_eq!(answer.status, expect, "{target} {answer:?}");
            if expect == 403 {
                assert_eq!(answer.error().1, "AccessDeniedException");
            }
        }
    };
    for target in [FUNCTIONS, "/_dormouse/health"] {
        check(target, &[("host", "evil.example:4566")], 403).await;
        check(target, &[("origin", "https://evil.example")], 403).await;
        check(target, &[("host", "localhost:4566"), ("origin", "http://localhost:3000")], 200).await;
        check(target, &[("host", "lambda.us-east-1.amazonaws.com")], 200).await;
    }
    let unsigned = Client::new(world.address, None);
    let mut foreign = HeaderMap::new();
    foreign.insert("origin", "null".parse().expect("a header"));
    let answer = unsigned.send("POST", FUNCTIONS, foreign, create_body("x").to_string().into()).await;
    assert_eq!(answer.error().1, "AccessDeniedException");
    assert_eq!(unsigned.get("/2015-03-31/functions/x").await.status, 404, "nothing was made");
    // Where requests are signed, neither header says anything.
    let verified = World::open(Access::Verified).await;
    let mut named = HeaderMap::new();
    named.insert("host", "dormouse.example".parse().expect("a header"));
    let answer = verified.client().send("GET", FUNCTIONS, named, Default::default()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn other_services_are_named_and_operations_unknown() {
    let world = World::open(Access::Verified).await;
    let (status, code, message) = world.client().with_service("kinesis").get("/").await.error();
    assert_eq!((status, code.as_str()), (501, "NotImplementedException"));
    assert!(message.contains("\"kinesis\""), "{message}");
    let (status, code, _) = world.client().get("/2015-03-31/nonsense").await.error();
    assert_eq!((status, code.as_str()), (404, "UnknownOperationException"));
    // Strangers do not learn which operations there are.
    let (_, code, _) = Client::new(world.address, None).get("/2015-03-31/nonsense").await.error();
    assert_eq!(code, "MissingAuthenticationTokenException");
    let (status, code, _) = Client::new(world.address, None).get("/").await.error();
    assert_eq!((status, code.as_str()), (404, "UnknownOperationException"));
}

#[tokio::test]
async fn what_is_asked_of_sts_without_a_signature_is_answered_in_its_protocol() {
    let world = World::open(Access::Verified).await;
    let stranger = Client::new(world.address, None);
    let check = async |action: &str, status: u16, code: &str| {
        let form = format!("Action={action}&Version=2011-06-15&RoleSessionName=s&WebIdentityToken=t");
        let mut headers = HeaderMap::new();
        headers
            .insert("content-type", "application/x-www-form-urlencoded; charset=utf-8".parse().expect("one"));
        let answer = stranger.send("POST", "/", headers, form.into()).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{action}: {body}");
        assert!(body.starts_with('<') && body.contains(&format!("<Code>{code}</Code>")), "{action}: {body}");
    };
    check("AssumeRoleWithWebIdentity", 501, "NotImplemented").await;
    check("AssumeRoleWithSAML", 501, "NotImplemented").await;
    check("GetCallerIdentity", 403, "MissingAuthenticationToken").await;
    check("Nonsense", 403, "MissingAuthenticationToken").await;
    let linked = stranger.get("/?Action=AssumeRoleWithSAML&Version=2011-06-15").await;
    assert!(linked.status == 501 && linked.body.starts_with(b"<"), "{linked:?}");
}
