//! `Invoke` over HTTP: what the engine is given, and what the caller gets.
//!
//! The stand-in engine makes every way in which an invocation can end; real environments are the engine's tests
//! and the whole server's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::identity::Access;
use http::HeaderMap;
use model::error::{ServiceError, ThrottleReason};
use model::fault::Fault;
use model::port::FunctionFailure;

use crate::client::Answer;
use crate::world::World;

const INVOKE: &str = "/2015-03-31/functions/hello/invocations";

async fn invoke(world: &World, headers: &[(&'static str, &str)], body: &'static [u8]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a header"));
    }
    world.client().send("POST", INVOKE, map, Bytes::from_static(body)).await
}

#[tokio::test]
async fn an_answer_says_what_happened() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let context = STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    let headers = [
        ("x-amz-log-type", "Tail"),
        ("x-amz-client-context", context.as_str()),
        ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
    ];
    let answer = invoke(&world, &headers, br#"{"key": "value"}"#).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &br#"{"key": "value"}"#[..]));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-amz-executed-version"), "$LATEST");
    assert_eq!(answer.header("x-amz-log-result"), STANDARD.encode("START\nEND\n"));
    assert_eq!(answer.header("x-amzn-trace-id"), "Root=1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(answer.header("x-dormouse-start"), "cold");
    assert_eq!(answer.header("x-dormouse-phases"), "waited=1;sandbox=2;init=3;run=4");
    assert!(!answer.headers.contains_key("x-amz-function-error"));
    assert!(!answer.header("date").is_empty());
    let seen = world.engine.seen.lock().expect("not poisoned").clone().expect("an invocation");
    assert_eq!(seen.request.to_string(), answer.header("x-amzn-requestid"));
    assert_eq!(seen.invoked_arn, "arn:aws:lambda:us-east-1:000000000000:function:hello");
    assert_eq!(seen.client_context.as_deref(), Some(r#"{"custom":{"a":"b"}}"#));
    assert!(seen.tail);
}

#[tokio::test]
async fn without_a_payload_the_event_is_empty() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let answer = invoke(&world, &[], b"").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    assert!(answer.header("x-amzn-trace-id").starts_with("Root=1-"));
    assert!(!answer.headers.contains_key("x-amz-log-result"));
}

#[tokio::test]
async fn failures_of_the_function_are_answered_as_lambda_answers() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let tell = |failure: FunctionFailure| {
        world.engine.told.lock().expect("not poisoned").insert("hello".to_owned(), Ok(Err(failure)));
    };
    tell(FunctionFailure::Fault(Fault::TimedOut { limit: Duration::from_secs(3) }));
    let answer = invoke(&world, &[], b"{}").await;
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, "Unhandled"));
    let id = answer.header("x-amzn-requestid");
    let expect = format!(
        r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: Task timed out after 3.00 seconds"}}"#
    );
    assert_eq!(answer.body, expect);
    let reported = r#"{"errorMessage":"boom","errorType":"ValueError","stackTrace":[]}"#;
    tell(FunctionFailure::Reported { payload: reported.into() });
    let answer = invoke(&world, &[], b"{}").await;
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, "Unhandled"));
    assert_eq!(answer.body, reported);
    let fault = Fault::Reported { error_type: "Runtime.ImportModuleError".to_owned(), payload: "{}".into() };
    tell(FunctionFailure::Fault(fault));
    assert_eq!(invoke(&world, &[], b"{}").await.body, "{}");
}

#[tokio::test]
async fn a_throttled_invocation_says_why() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    let error = ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() };
    world.engine.told.lock().expect("not poisoned").insert("hello".to_owned(), Err(error));
    let answer = invoke(&world, &[], b"{}").await;
    assert_eq!((answer.status, answer.error().1.as_str()), (429, "TooManyRequestsException"));
    assert_eq!(answer.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_over_the_limit_is_refused_even_if_it_was_never_announced() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let large = Bytes::from(vec![b'1'; model::limits::PAYLOAD_SYNC_BYTES_MAX + 1]);
    let answer = world.client().send("POST", INVOKE, HeaderMap::new(), large).await;
    let (status, code, message) = answer.error();
    assert_eq!((status, code.as_str()), (413, "RequestTooLargeException"));
    assert_eq!(message, "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    let just_fits = Bytes::from([b"\"", &vec![b'1'; 6_291_454][..], b"\""].concat());
    let answer = world.client().send("POST", INVOKE, HeaderMap::new(), just_fits).await;
    assert_eq!((answer.status, answer.body.len()), (200, 6_291_456));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_invocations_run_at_once() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let closed = world.engine.gate.write().await;
    let calls: Vec<_> = (0..50)
        .map(|index| {
            let client = world.client();
            tokio::spawn(async move { client.post(INVOKE, serde_json::json!(index)).await })
        })
        .collect();
    drop(closed);
    for (index, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic").body, index.to_string());
    }
}
