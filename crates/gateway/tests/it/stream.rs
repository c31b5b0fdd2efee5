//! `InvokeWithResponseStream` over HTTP: events as the function makes them, and how each of them may end.
//!
//! The stand-in engine gives what the test puts into a channel, so that a test decides what has happened when.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::identity::Access;
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use model::error::{ServiceError, ThrottleReason};
use model::fault::Fault;
use model::port::{FunctionFailure, StreamEnd, StreamError, StreamPart};
use tokio::sync::mpsc::{Sender, channel};
use wire::event_stream::Decoder;
use wire::lambda::{InvokeWithResponseStreamCompleteEvent as Complete, ResponseEvent};

use crate::world::World;

const STREAM: &str = "/2021-11-15/functions/hello/response-streaming-invocations";
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Begins an invocation whose response the test makes.
async fn begin(world: &World, headers: &[(&'static str, &str)]) -> (Sender<StreamPart>, Response<Incoming>) {
    let (sender, parts) = channel(1);
    world.engine.streams.lock().expect("not poisoned").insert("hello".to_owned(), parts);
    (sender, open(world, headers).await)
}

async fn open(world: &World, headers: &[(&'static str, &str)]) -> Response<Incoming> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a header"));
    }
    world.client().open("POST", STREAM, map, Bytes::from_static(b"{}")).await
}

async fn world() -> World {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    world
}

/// Reads events as they come.
struct Reader {
    body: Incoming,
    decoder: Decoder,
}

impl Reader {
    fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
        Self { body: response.into_body(), decoder: Decoder::new() }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<ResponseEvent> {
        loop {
            if let Some(message) = self.decoder.message().expect("sound messages") {
                return Some(ResponseEvent::of(&message).expect("a sound event").expect("a known event"));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("more in time");
            match frame {
                Some(frame) => self.decoder.push(&frame.expect("a whole body").into_data().expect("data")),
                None => {
                    self.decoder.finish().expect("nothing is left over");
                    return None;
                }
            }
        }
    }

    async fn all(mut self) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn chunk(text: &'static str) -> ResponseEvent {
    ResponseEvent::PayloadChunk(Bytes::from_static(text.as_bytes()))
}

async fn give(sender: &Sender<StreamPart>, part: StreamPart) {
    sender.send(part).await.expect("somebody takes it");
}

async fn give_chunk(sender: &Sender<StreamPart>, text: &'static str) {
    give(sender, StreamPart::Chunk(Bytes::from_static(text.as_bytes()))).await;
}

#[tokio::test]
async fn each_piece_arrives_before_the_next_is_made() {
    let world = world().await;
    let (sender, response) = begin(&world, &[("x-amz-log-type", "Tail")]).await;
    assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    assert_eq!(response.headers()["x-dormouse-start"], "cold");
    assert!(response.headers().contains_key("x-amzn-trace-id"));
    assert!(!response.headers().contains_key("content-length"));
    let mut reader = Reader::of(response);
    for text in ["one", "two", "three"] {
        give_chunk(&sender, text).await;
        assert_eq!(reader.next().await, Some(chunk(text)));
    }
    // Nothing is told of an empty piece.
    give_chunk(&sender, "").await;
    give(&sender, StreamPart::End(StreamEnd { error: None, tail: Some(b"END".to_vec()) })).await;
    let complete = Complete { log_result: Some(STANDARD.encode("END")), ..Complete::default() };
    assert_eq!(reader.all().await, [ResponseEvent::InvokeComplete(complete)]);
    let seen = world.engine.seen.lock().expect("not poisoned").clone().expect("an invocation");
    assert!(seen.streaming && seen.tail);
}

#[tokio::test]
async fn a_failure_midway_ends_the_stream() {
    let world = world().await;
    let (sender, response) = begin(&world, &[]).await;
    give_chunk(&sender, "half").await;
    let error = StreamError { code: "Unhandled".to_owned(), details: r#"{"errorType":"E"}"#.to_owned() };
    give(&sender, StreamPart::End(StreamEnd { error: Some(error), tail: None })).await;
    let complete = Complete {
        error_code: Some("Unhandled".to_owned()),
        error_details: Some(r#"{"errorType":"E"}"#.to_owned()),
        log_result: None,
    };
    assert_eq!(Reader::of(response).all().await, [chunk("half"), ResponseEvent::InvokeComplete(complete)]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_our_failure() {
    let world = world().await;
    let (sender, response) = begin(&world, &[]).await;
    give_chunk(&sender, "half").await;
    drop(sender);
    let events = Reader::of(response).all().await;
    assert!(
        matches!(&events[..], [first, ResponseEvent::Exception { code, .. }]
            if *first == chunk("half") && code == "ServiceException"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_failure_before_the_first_byte_is_told_in_the_stream() {
    let world = world().await;
    let tell = |failure| {
        world.engine.told.lock().expect("not poisoned").insert("hello".to_owned(), Ok(Err(failure)));
    };
    let reported = r#"{"errorMessage":"boom","errorType":"ValueError"}"#;
    tell(FunctionFailure::Reported { payload: reported.into() });
    let response = open(&world, &[("x-amz-log-type", "Tail")]).await;
    assert!(!response.headers().contains_key("x-amz-function-error"));
    let complete = Complete {
        error_code: Some("Unhandled".to_owned()),
        error_details: Some(reported.to_owned()),
        log_result: Some(STANDARD.encode("START\nEND\n")),
    };
    assert_eq!(Reader::of(response).all().await, [ResponseEvent::InvokeComplete(complete)]);
    tell(FunctionFailure::Fault(Fault::OutOfMemory));
    let events = Reader::of(open(&world, &[]).await).all().await;
    let [ResponseEvent::InvokeComplete(complete)] = &events[..] else { panic!("{events:?}") };
    assert!(complete.error_details.as_deref().is_some_and(|text| text.contains("Runtime.ExitError")));
}

#[tokio::test]
async fn a_whole_answer_is_a_stream_of_one_piece() {
    let world = world().await;
    let events = Reader::of(open(&world, &[]).await).all().await;
    assert_eq!(events, [chunk("{}"), ResponseEvent::InvokeComplete(Complete::default())]);
}

#[tokio::test]
async fn what_is_refused_is_no_stream() {
    let world = world().await;
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    let error = ServiceError::TooManyRequests { reason, message: "Rate Exceeded.".to_owned() };
    world.engine.told.lock().expect("not poisoned").insert("hello".to_owned(), Err(error));
    let response = open(&world, &[]).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-amzn-errortype"], "TooManyRequestsException");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_function_down() {
    const PIECE_BYTES: usize = 1024 * 1024;
    const PIECES: usize = 200;
    let world = world().await;
    let (sender, response) = begin(&world, &[]).await;
    let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
    let mut given = 0;
    // Until nobody takes any more: what is under way then lies in the sockets' buffers and ours.
    while given < PIECES {
        let part = StreamPart::Chunk(piece.clone());
        match tokio::time::timeout(Duration::from_millis(300), sender.send(part)).await {
            Ok(sent) => sent.expect("somebody takes it"),
            Err(_) => break,
        }
        given += 1;
    }
    assert!(given < 40, "{given} MB were taken from the function while nobody read");
    let rest = tokio::spawn(async move {
        for _ in given..PIECES {
            give(&sender, StreamPart::Chunk(piece.clone())).await;
        }
        give(&sender, StreamPart::End(StreamEnd::default())).await;
    });
    let mut reader = Reader::of(response);
    let mut bytes = 0;
    while let Some(event) = reader.next().await {
        if let ResponseEvent::PayloadChunk(piece) = event {
            bytes += piece.len();
        }
    }
    rest.await.expect("all was taken");
    assert_eq!(bytes, PIECES * PIECE_BYTES);
}

#[tokio::test]
async fn nothing_is_taken_for_a_reader_who_has_gone() {
    let world = world().await;
    let (sender, response) = begin(&world, &[]).await;
    give_chunk(&sender, "first").await;
    let mut reader = Reader::of(response);
    assert_eq!(reader.next().await, Some(chunk("first")));
    drop(reader);
    let ended = async {
        while sender.send(StreamPart::Chunk(Bytes::from_static(b"more"))).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the stream is dropped");
    let answer = world.client().get("/2015-03-31/functions/hello/configuration").await;
    assert_eq!(answer.status, 200, "the server is well");
}
