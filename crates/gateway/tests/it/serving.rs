//! Connections: kept, bounded, and ended in order.
//!
//! Raw sockets, because what matters here lies below any client: when a connection is closed, and what still runs
//! then.

use std::time::Duration;

use control::identity::Access;
use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::guarded::Guarded;
use crate::world::{World, now, root_credentials};

const HEALTH: &[u8] = b"GET /_dormouse/health HTTP/1.1\r\nhost: x\r\n\r\n";

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await;
    let count = read.expect("in time").unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[tokio::test]
async fn a_connection_is_kept_and_nonsense_ends_it() {
    let world = World::open(Access::Verified).await;
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    for _ in 0..3 {
        stream.write_all(HEALTH).await.expect("sent");
        assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    }
    stream.write_all(b"\x16\x03\x01 not http\r\n\r\n").await.expect("sent");
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 400"));
    assert_eq!(read_some(&mut stream).await, "");
    let mut large = TcpStream::connect(world.address).await.expect("connected");
    let header = format!("GET /_dormouse/health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let _ = large.write_all(header.as_bytes()).await;
    assert!(read_some(&mut large).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_requests_end_and_takes_no_more() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let closed = world.engine.gate.write().await;
    let client = world.client();
    let running = tokio::spawn(async move {
        client.post("/2015-03-31/functions/hello/invocations", serde_json::json!("late")).await
    });
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while world.engine.seen.lock().expect("not poisoned").is_none() {
        assert!(tokio::time::Instant::now() < deadline, "the invocation does not start");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.gateway.stop(Duration::from_millis(20)).await, 1, "one is still busy");
    drop(closed);
    assert_eq!(world.gateway.stop(Duration::from_secs(10)).await, 0);
    assert_eq!(running.await.expect("no panic").body, "\"late\"");
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_functions_connection_is_served_even_while_stopping() {
    let world = World::open(Access::Verified).await;
    let inside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut function = TcpStream::connect(inside.local_addr().expect("an address")).await.expect("connected");
    let (stream, _) = inside.accept().await.expect("accepted");
    let serving = tokio::spawn(world.gateway.serve_connection(stream));
    world.gateway.stop(Duration::from_secs(10)).await;
    function.write_all(HEALTH).await.expect("sent");
    let answer = read_some(&mut function).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("stopping"), "{answer}");
    drop(function);
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("in time").expect("no panic");
}

/// The head of a request that creates a function with a package of so many bytes, signed over something else by a key.
fn shown(world: &World, key_id: &str, size_bytes: usize) -> String {
    format!(
        "POST /2015-03-31/functions HTTP/1.1\r\nhost: {}\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={key_id}/20260101/us-east-1/lambda/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}\r\ncontent-length: {size_bytes}\r\n\r\n",
        world.address,
        "0".repeat(64)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_one_key_shows_leave_room_for_those_of_others() {
    let guarded = Guarded::new().await;
    guarded.world.create("hello").await;
    // Together nearly a share.
    let mut held = Vec::new();
    for size_bytes in [69_000_000, 65_000_000] {
        let mut stream = TcpStream::connect(guarded.world.address).await.expect("connected");
        let head = shown(&guarded.world, &guarded.key, size_bytes);
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&[b'x'; 100_000]).await.expect("sent");
        held.push(stream);
    }
    let payload = serde_json::json!("x".repeat(300_000));
    let invoked = guarded.root.post("/2015-03-31/functions/hello/invocations", payload.clone()).await;
    assert_eq!((invoked.status, invoked.json()), (200, payload));
    for stream in held {
        // Neither has given way, since nobody waited.
        let found = stream.try_read(&mut [0; 1024]).map_err(|error| error.kind());
        assert_eq!(found, Err(std::io::ErrorKind::WouldBlock));
    }
}

/// The head of a request that creates a function with a package of 69 MB, signed over something else or not at all.
fn announcement(world: &World, is_signed: bool) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("host", world.address.to_string().parse().expect("a header"));
    let path = "/2015-03-31/functions";
    if is_signed {
        let mut outgoing =
            wire::sigv4::Outgoing { method: "POST", path, query: "", headers: &mut headers, body: b"" };
        let rules = wire::sigv4::Rules::STANDARD;
        let target = wire::sigv4::Target { region: "us-east-1", service: "lambda", rules };
        wire::sigv4::sign(&mut outgoing, target, &root_credentials(), now());
    }
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().expect("text")))
        .collect();
    format!("POST {path} HTTP/1.1\r\n{lines}expect: 100-continue\r\ncontent-length: 69000000\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_announces_much_and_sends_nothing_is_in_nobodys_way() {
    let world = World::open(Access::Verified).await;
    world.create("hello").await;
    let mut waiting = Vec::new();
    for is_signed in [false, true] {
        let head = announcement(&world, is_signed);
        for _ in 0..12 {
            let mut stream = TcpStream::connect(world.address).await.expect("connected");
            stream.write_all(head.as_bytes()).await.expect("sent");
            let answer = read_some(&mut stream).await;
            // Strangers are told at once; of a known key, the body is wanted before its signature can be checked.
            if is_signed {
                assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
            } else {
                assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
            }
            waiting.push(stream);
        }
    }
    let payload = serde_json::json!("x".repeat(200_000));
    let invoked = world.client();
    let invoked = invoked.post("/2015-03-31/functions/hello/invocations", payload.clone());
    let answer = tokio::time::timeout(Duration::from_secs(2), invoked).await.expect("no delay");
    assert_eq!((answer.status, answer.json()), (200, payload));
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let world = World::open(Access::Open).await;
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let head = "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nhost: localhost\r\n\
                content-length: 69000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let answer = read_some(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_refused_client_that_goes_on_sending_still_sees_the_answer() {
    let world = World::open(Access::Verified).await;
    let stranger = crate::client::Client::new(world.address, None);
    let answer =
        stranger.send("POST", "/2015-03-31/functions", HeaderMap::new(), vec![b'x'; 20_000_000].into()).await;
    assert_eq!(answer.error().1, "MissingAuthenticationTokenException");
}
