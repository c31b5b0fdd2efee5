//! Subscriptions against real listeners on this machine: what arrives, when, in which order, and what is lost when
//! a listener is slow, absent or gone.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use http::{HeaderMap, Method, Request as HttpRequest, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};

use super::events::{End, InitPhase, InitStart, InitType};
use super::outlet::{Outlet, Parcel, SendError};
use super::request::Destination;
use super::subscriber::Task;
use super::*;

/// Nothing here takes long; a test that waits for this has failed.
const DEADLINE: Duration = Duration::from_secs(20);
const NOON: Timestamp = Timestamp::from_millis(1_795_435_200_000);
const NOON_TEXT: &str = "2026-11-23T12:00:00.000Z";

struct Loopback;

impl Dial for Loopback {
    fn dial(&self, port: u16) -> Pending<'static, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(("127.0.0.1", port)))
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOON
    }
}

fn telemetry() -> Telemetry {
    Telemetry::new(Arc::new(Loopback), Arc::new(Noon))
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("this should not take so long")
}

/// What one request to a listener said.
struct Arrival {
    method: Method,
    path: String,
    headers: HeaderMap,
    events: Vec<Value>,
}

/// An extension's HTTP listener. It answers with the status that is set, or not at all while there is none.
struct Listener {
    port: u16,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    status: watch::Sender<Option<u16>>,
    connections: Arc<AtomicUsize>,
    _task: Task,
}

impl Listener {
    async fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), true)
    }

    fn at(listener: TcpListener, keep_alive: bool) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let (sender, arrivals) = mpsc::unbounded_channel();
        let (status, statuses) = watch::channel(Some(200));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = Task::spawn(async move {
            let mut serving = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (sender, statuses) = (sender.clone(), statuses.clone());
                let service = service_fn(move |request| answer(request, sender.clone(), statuses.clone()));
                let connection = http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                serving.push(Task::spawn(async move { drop(connection.await) }));
            }
        });
        Self { port, arrivals, status, connections, _task: task }
    }

    async fn next(&mut self) -> Vec<Value> {
        self.arrival().await.events
    }

    async fn arrival(&mut self) -> Arrival {
        soon(self.arrivals.recv()).await.expect("the listener runs")
    }

    fn body(&self, types: &[&str], buffering: Value) -> Vec<u8> {
        let uri = format!("http://sandbox.localdomain:{}/telemetry?a=b", self.port);
        subscription(types, buffering, json!({ "protocol": "HTTP", "URI": uri }))
    }
}

async fn answer(
    request: HttpRequest<Incoming>,
    sender: mpsc::UnboundedSender<Arrival>,
    mut statuses: watch::Receiver<Option<u16>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::default()) };
    let events = serde_json::from_slice(&body.to_bytes()).expect("a JSON array");
    let path = head.uri.to_string();
    let _ = sender.send(Arrival { method: head.method, path, headers: head.headers, events });
    let status = statuses.wait_for(Option::is_some).await.ok().and_then(|status| *status);
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status.unwrap_or(500)).expect("a status");
    Ok(response)
}

fn subscription(types: &[&str], buffering: Value, destination: Value) -> Vec<u8> {
    let body = json!({
        "schemaVersion": "2025-01-29", "types": types, "buffering": buffering, "destination": destination,
    });
    body.to_string().into_bytes()
}

/// Sends at once, as far as the limits allow.
fn quick() -> Value {
    json!({ "timeoutMs": 25 })
}

/// Sends nothing for a long time unless another limit is reached.
fn patient() -> Value {
    json!({ "timeoutMs": 30_000, "maxItems": 1000 })
}

fn lines(telemetry: &Telemetry, numbers: std::ops::Range<usize>) {
    for number in numbers {
        telemetry.emit_line(Source::Function, NOON, &number.to_string(), LogFormat::Text);
    }
}

fn numbers(events: &[Value]) -> Vec<usize> {
    let number = |event: &Value| event["record"].as_str()?.parse().ok();
    events.iter().filter_map(number).collect()
}

fn function(record: Value) -> Value {
    json!({ "time": NOON_TEXT, "type": "function", "record": record })
}

#[tokio::test]
async fn events_arrive_as_json_arrays_after_the_timeout() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["function"], quick())).expect("accepted");
    telemetry.emit_line(Source::Function, NOON, "a \"quoted\" line", LogFormat::Text);
    telemetry.emit_line(Source::Extension, NOON, "not asked for", LogFormat::Text);
    telemetry.emit_line(Source::Function, NOON, "b", LogFormat::Text);
    let arrival = listener.arrival().await;
    assert_eq!(arrival.events, [function(json!("a \"quoted\" line")), function(json!("b"))]);
    assert_eq!((arrival.method, arrival.path.as_str()), (Method::POST, "/telemetry?a=b"));
    assert_eq!(arrival.headers["content-type"], "application/json");
    assert_eq!(arrival.headers["host"], format!("sandbox.localdomain:{}", listener.port));
}

#[tokio::test]
async fn a_batch_is_sent_when_it_has_the_most_items() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["function"], patient())).expect("accepted");
    lines(&telemetry, 0..1_500);
    assert_eq!(numbers(&listener.next().await), (0..1_000).collect::<Vec<_>>());
    soon(telemetry.flush(DEADLINE)).await;
    // What a flush has waited for has arrived.
    let rest = listener.arrivals.try_recv().expect("the rest has arrived").events;
    assert_eq!(numbers(&rest), (1_000..1_500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_is_sent_when_it_has_the_most_bytes() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["function"], patient())).expect("accepted");
    let line = "x".repeat(50_000);
    for _ in 0..6 {
        telemetry.emit_line(Source::Function, NOON, &line, LogFormat::Text);
    }
    let batch = listener.next().await;
    assert_eq!(batch.len(), 5, "five of these are below 262,144 bytes, six are above");
    // One event that is larger than a batch may be still arrives.
    telemetry.emit_line(Source::Function, NOON, &"\u{1}".repeat(100_000), LogFormat::Text);
    assert_eq!(listener.next().await.len(), 1);
    assert_eq!(listener.next().await.len(), 1);
}

#[tokio::test]
async fn order_is_kept_over_one_connection() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["function"], quick())).expect("accepted");
    for round in 0..20 {
        lines(&telemetry, round..round + 1);
        soon(telemetry.flush(DEADLINE)).await;
        assert_eq!(numbers(&listener.next().await), [round]);
    }
    assert_eq!(listener.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_listener_may_close_after_each_answer() {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (telemetry, mut listener) = (telemetry(), Listener::at(socket, false));
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["function"], quick())).expect("accepted");
    for round in 0..20 {
        lines(&telemetry, round..round + 1);
        soon(telemetry.flush(DEADLINE)).await;
        assert_eq!(numbers(&listener.next().await), [round]);
    }
    assert_eq!(listener.connections.load(Ordering::SeqCst), 20);
    // That a kept connection was closed is no failed attempt.
    let destination = Destination::Http {
        method: Method::POST,
        host: "sandbox".to_owned(),
        path: "/".to_owned(),
        port: listener.port,
    };
    let mut outlet = Outlet::new(destination, Arc::new(Loopback));
    for _ in 0..20 {
        soon(outlet.send(&mut Parcel::new(&[Bytes::from_static(b"1")]))).await.expect("it is there");
    }
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_newest_and_is_told() {
    let (telemetry, mut slow, mut fast) = (telemetry(), Listener::start().await, Listener::start().await);
    slow.status.send_replace(None);
    let types = ["platform", "function"];
    telemetry.subscribe("slow", Api::Telemetry, &slow.body(&types, patient())).expect("accepted");
    telemetry.subscribe("fast", Api::Telemetry, &fast.body(&["function"], patient())).expect("accepted");
    telemetry.close();
    lines(&telemetry, 0..1_000);
    assert_eq!(slow.next().await.len(), 1_000, "on its way, and not answered");
    for round in 1..7 {
        lines(&telemetry, round * 1_000..(round + 1) * 1_000);
        assert_eq!(fast.next().await.len(), 1_000, "nobody waits for the slow one");
    }
    assert_eq!(fast.next().await.len(), 1_000);
    slow.status.send_replace(Some(200));
    for round in 1..4 {
        assert_eq!(numbers(&slow.next().await), (round * 1_000..(round + 1) * 1_000).collect::<Vec<_>>());
    }
    let last = slow.next().await;
    assert_eq!(numbers(&last), (4_000..5_000).collect::<Vec<_>>());
    let lost_bytes = 2_000 * function(json!("1234")).to_string().len();
    let note = json!({
        "time": NOON_TEXT, "type": "platform.logsDropped",
        "record": {
            "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.",
            "droppedRecords": 2_000, "droppedBytes": lost_bytes,
        },
    });
    assert_eq!(last.last(), Some(&note));
}

#[tokio::test]
async fn the_gap_is_marked_where_it_is() {
    let (telemetry, mut slow) = (telemetry(), Listener::start().await);
    slow.status.send_replace(None);
    let types = ["platform", "function"];
    telemetry.subscribe("slow", Api::Telemetry, &slow.body(&types, patient())).expect("accepted");
    lines(&telemetry, 0..1_000);
    slow.next().await;
    lines(&telemetry, 1_000..5_001);
    slow.status.send_replace(Some(200));
    slow.next().await;
    lines(&telemetry, 5_001..5_002);
    drop(telemetry.flush(Duration::ZERO));
    let mut events = Vec::new();
    while numbers(&events).last() != Some(&5_001) {
        events.extend(slow.next().await);
    }
    let kinds: Vec<_> = events.iter().rev().take(3).map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["function", "platform.logsDropped", "function"]);
    assert_eq!(events[events.len() - 2]["record"]["droppedRecords"], 1);
}

/// Finds nobody until the door is opened.
struct Door(Arc<AtomicBool>);

impl Dial for Door {
    fn dial(&self, port: u16) -> Pending<'static, io::Result<TcpStream>> {
        if self.0.load(Ordering::SeqCst) {
            Loopback.dial(port)
        } else {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }
}

#[tokio::test]
async fn a_listener_may_come_late() {
    let (open, mut listener) = (Arc::new(AtomicBool::new(false)), Listener::start().await);
    let telemetry = Telemetry::new(Arc::new(Door(Arc::clone(&open))), Arc::new(Noon));
    telemetry.subscribe("late", Api::Telemetry, &listener.body(&["function"], quick())).expect("accepted");
    lines(&telemetry, 0..3);
    let began = Instant::now();
    soon(telemetry.flush(Duration::from_millis(50))).await;
    assert!(began.elapsed() >= Duration::from_millis(50), "nobody can have taken it");
    open.store(true, Ordering::SeqCst);
    soon(telemetry.flush(DEADLINE)).await;
    assert_eq!(numbers(&listener.next().await), [0, 1, 2]);
}

#[tokio::test]
async fn a_batch_that_is_refused_again_and_again_is_given_up() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    listener.status.send_replace(Some(500));
    let types = ["platform", "function"];
    telemetry.subscribe("broken", Api::Telemetry, &listener.body(&types, quick())).expect("accepted");
    lines(&telemetry, 0..2);
    for _ in 0..5 {
        assert_eq!(numbers(&listener.next().await), [0, 1]);
    }
    soon(telemetry.flush(DEADLINE)).await;
    listener.status.send_replace(Some(200));
    lines(&telemetry, 2..3);
    let events = listener.next().await;
    assert_eq!(events[0]["record"]["droppedRecords"], 2);
    assert_eq!(numbers(&events), [2]);
}

#[tokio::test]
async fn tcp_carries_lines_and_none_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let telemetry = telemetry();
    let body = subscription(&["function"], quick(), json!({ "protocol": "TCP", "port": port }));
    telemetry.subscribe("tcp", Api::Telemetry, &body).expect("accepted");
    let mut seen = HashSet::new();
    for round in 0..3 {
        lines(&telemetry, round * 2..round * 2 + 2);
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        let mut lines = BufReader::new(stream).lines();
        for number in round * 2..round * 2 + 2 {
            let line = soon(lines.next_line()).await.expect("readable").expect("a line");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(event, function(json!(number.to_string())));
            assert!(seen.insert(number), "{number} came twice");
        }
        // The next round finds this connection closed.
        drop(lines);
        soon(telemetry.flush(DEADLINE)).await;
    }
}

/// Connects with small buffers, so that whoever does not read stops the writer early.
struct Narrow;

impl Dial for Narrow {
    fn dial(&self, port: u16) -> Pending<'static, io::Result<TcpStream>> {
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            socket.set_send_buffer_size(4 * 1024)?;
            socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
        })
    }
}

#[tokio::test]
async fn tcp_resumes_where_it_was_cut_off() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let listener = socket.listen(8).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let mut outlet = Outlet::new(Destination::Tcp { port }, Arc::new(Narrow));
    let events: Vec<_> = (0..100).map(|number| Bytes::from(format!("{number:050000}"))).collect();
    let mut parcel = Parcel::new(&events);

    let (sent, first) = tokio::join!(soon(outlet.send(&mut parcel)), async {
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        soon(BufReader::new(stream).lines().next_line()).await.expect("readable").expect("a line")
    });
    assert!(matches!(sent, Err(SendError::Broken { subject: "TCP", .. })), "{sent:?}");
    assert_eq!(first, events[0]);

    let (sent, rest) = tokio::join!(soon(outlet.send(&mut parcel)), async {
        let (stream, _) = soon(listener.accept()).await.expect("a connection");
        let (mut lines, mut rest) = (BufReader::new(stream).lines(), Vec::new());
        while rest.last().is_none_or(|last| *last != events[99]) {
            rest.push(soon(lines.next_line()).await.expect("readable").expect("a line"));
        }
        rest
    });
    sent.expect("the reader is there");
    assert!(rest.len() < 100, "what was written whole is not repeated");
    assert_eq!(rest, events[100 - rest.len()..]);
}

#[tokio::test]
async fn who_is_gone_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let body = subscription(&["function"], quick(), json!({ "protocol": "TCP", "port": port }));
    let telemetry = telemetry();
    for leave in [|telemetry: &Telemetry| telemetry.unsubscribe("tcp"), Telemetry::reset] {
        telemetry.subscribe("tcp", Api::Telemetry, &body).expect("accepted");
        assert!(telemetry.wants(Source::Function) && !telemetry.wants(Source::Extension));
        lines(&telemetry, 0..1);
        let (mut stream, _) = soon(listener.accept()).await.expect("a connection");
        leave(&telemetry);
        assert!(!telemetry.wants(Source::Function));
        lines(&telemetry, 1..2);
        // The connection ends, and what it carried is at most what came before.
        let mut text = String::new();
        let _ = soon(stream.read_to_string(&mut text)).await;
        assert!(!text.contains("\"1\""), "{text}");
        // Nobody to wait for.
        soon(telemetry.flush(Duration::MAX)).await;
    }
}

fn init_start() -> InitStart<'static> {
    InitStart {
        initialization_type: InitType::OnDemand,
        phase: InitPhase::Init,
        function_name: "hello",
        function_version: "1",
        runtime_version: None,
        runtime_version_arn: None,
        instance_id: None,
        instance_max_memory: None,
    }
}

#[tokio::test]
async fn who_subscribes_is_told_what_init_has_done_so_far() {
    let (telemetry, mut listener) = (telemetry(), Listener::start().await);
    telemetry.tell(NOON, init_start);
    let body = listener.body(&["platform", "function"], quick());
    let subscribed = telemetry.subscribe("watch", Api::Telemetry, &body).expect("accepted");
    telemetry.tell(NOON, || subscribed.clone());
    let events = listener.next().await;
    let kinds: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["platform.initStart", "platform.telemetrySubscription"]);
    let record = json!({ "name": "watch", "state": "Subscribed", "types": ["platform", "function"] });
    assert_eq!(events[1]["record"], record);
    assert_eq!(subscribed.line(), "TELEMETRY\tName: watch\tState: Subscribed\tTypes: [Platform, Function]");
    // A reset begins anew.
    telemetry.reset();
    telemetry.subscribe("watch", Api::Telemetry, &body).expect("accepted");
    telemetry.tell(NOON, init_start);
    assert_eq!(listener.next().await.len(), 1);
}

#[tokio::test]
async fn each_extension_subscribes_once_and_during_init() {
    let (telemetry, listener) = (telemetry(), Listener::start().await);
    let body = listener.body(&["function"], quick());
    let other = listener.body(&["platform", "extension"], quick());
    let logs =
        String::from_utf8(body.clone()).expect("text").replace("2025-01-29", "2021-03-18").into_bytes();
    let first = telemetry.subscribe("watch", Api::Telemetry, &body).expect("accepted");
    assert_eq!((first.state, first.kind()), ("Subscribed", "platform.telemetrySubscription"));
    let again = telemetry.subscribe("watch", Api::Telemetry, &other).expect("accepted");
    assert_eq!((again.state, again.types), ("Already subscribed", vec![Source::Function]));
    let refused = telemetry.subscribe("watch", Api::Logs, &logs).expect_err("the other API");
    assert_eq!((refused.status.as_u16(), refused.error_type), (400, "Logs.ValidationError"));
    assert_eq!(refused.message, "extension is already subscribed to the Telemetry API");
    let older = telemetry.subscribe("older", Api::Logs, &logs).expect("accepted");
    assert_eq!(older.kind(), "platform.logsSubscription");
    assert_eq!(older.line(), "LOGS\tName: older\tState: Subscribed\tTypes: [Function]");

    telemetry.close();
    let closed = |api, name| {
        let refused = telemetry.subscribe("late", api, &body).expect_err("init is over");
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.error_type, format!("{name}.SubscriptionClosed"));
        assert_eq!(refused.message, format!("{name} API subscription is closed already"));
    };
    closed(Api::Telemetry, "Telemetry");
    closed(Api::Logs, "Logs");
}

#[tokio::test]
async fn each_version_sees_its_own_shape() {
    let (telemetry, mut new, mut old) = (telemetry(), Listener::start().await, Listener::start().await);
    let types = ["platform", "function"];
    telemetry.subscribe("new", Api::Telemetry, &new.body(&types, quick())).expect("accepted");
    let body = String::from_utf8(old.body(&types, quick())).expect("text");
    let body = body.replace("2025-01-29", "2020-08-15").replace("telemetry?a=b", "logs");
    telemetry.subscribe("old", Api::Logs, body.as_bytes()).expect("accepted");
    telemetry.tell(NOON, init_start);
    telemetry.tell(NOON, || End { request: model::id::RequestId::from_random([0; 16]) });
    for line in [r#"{"b": 1, "a": 2}"#, "{\n}", "{broken", "[1]"] {
        telemetry.emit_line(Source::Function, NOON, line, LogFormat::Json);
    }
    telemetry.emit_line(Source::Function, NOON, r#"{"text":1}"#, LogFormat::Text);
    let summary = |events: Vec<Value>| {
        let pair =
            |event: Value| (event["type"].as_str().unwrap_or_default().to_owned(), event["record"].clone());
        events.into_iter().map(pair).collect::<Vec<_>>()
    };
    let function = |record: Value| ("function".to_owned(), record);
    let mut expected: Vec<_> = ["{broken", "[1]", r#"{"text":1}"#].map(|line| function(json!(line))).into();
    let seen = summary(new.next().await);
    assert_eq!(seen[0].0, "platform.initStart");
    assert_eq!(seen[1..3], [function(json!({ "b": 1, "a": 2 })), function(json!({}))]);
    assert_eq!(seen[3..], expected);

    let arrival = old.arrival().await;
    assert_eq!(arrival.path, "/logs");
    let id = "00000000-0000-4000-8000-000000000000";
    expected.splice(
        0..0,
        [
            ("platform.end".to_owned(), json!({ "requestId": id })),
            function(json!(r#"{"b": 1, "a": 2}"#)),
            function(json!("{\n}")),
        ],
    );
    assert_eq!(summary(arrival.events), expected);
}

#[tokio::test]
async fn nothing_is_built_that_nobody_wants() {
    let (telemetry, listener) = (telemetry(), Listener::start().await);
    telemetry.close();
    let unwanted = || -> Value { panic!("nobody wants this") };
    telemetry.emit(Source::Platform, NOON, "platform.start", unwanted);
    telemetry.reset();
    telemetry.subscribe("watch", Api::Telemetry, &listener.body(&["extension"], quick())).expect("accepted");
    telemetry.emit(Source::Function, NOON, "function", unwanted);
}
