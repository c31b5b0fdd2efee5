//! Connections: kept, bounded, and ended in order.
//!
//! Raw sockets, because what matters here lies below any client: when a connection is closed, and what still runs
//! then.

use std::time::Duration;

use control::identity::Access;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

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
