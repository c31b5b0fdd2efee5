//! The load generator: a blocking HTTP/1.1 client on one keep-alive connection, so that as little as possible of
//! what is measured is its own. Requests are signed for real; where the same request is sent again and again it is
//! signed once, which is legal for five minutes, and every copy is verified by the server.
//!
//! Where many clients are to keep a server busy that shares the cores with them, one thread plays them all: a thread for
//! each costs more in switches between them than their work.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use wire::sigv4::{Credentials, Outgoing, Rules, Secret, Target, sign};

/// The key that measured servers are started with.
pub const KEY_ID: &str = "AKIADORMOUSEBENCH000";
/// Its secret; it guards nothing but a temporary server on loopback.
pub const SECRET: &str = "bench-only-secret";

/// Read at a time: what most answers have, since clearing more would be measured too.
const READ_BYTES: usize = 4 * 1024;

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Head as text.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

/// A request ready to be sent any number of times.
#[derive(Clone)]
pub struct Prepared(Vec<u8>);

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a prepared request and reads the answer.
    pub fn send(&mut self, request: &Prepared) -> anyhow::Result<Answer> {
        self.stream.write_all(&request.0)?;
        self.buffer.clear();
        loop {
            if let Some(answer) = Answer::parse(&self.buffer)? {
                return Ok(answer);
            }
            self.read_more()?;
        }
    }

    /// Signs and sends, and insists on success.
    pub fn call(&mut self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        self.insist(&prepare(method, path, body)?).with_context(|| format!("{method} {path}"))
    }

    /// Calls an operation of SQS, and insists on success.
    pub fn call_sqs(
        &mut self,
        operation: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let request = prepare_json("sqs", &format!("AmazonSQS.{operation}"), input.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&self.insist(&request)?.body)?)
    }

    /// Sends a prepared request, and insists on success.
    pub fn insist(&mut self, request: &Prepared) -> anyhow::Result<Answer> {
        let answer = self.send(request)?;
        ensure!(answer.status < 300, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }

    fn read_more(&mut self) -> anyhow::Result<()> {
        let mut chunk = [0; READ_BYTES];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

impl Answer {
    /// An answer, if it is all there.
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(end + 4);
        let head = String::from_utf8_lossy(head).into_owned();
        let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0usize);
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("a status line")?;
        Ok(Some(Self { status, body: body.to_vec(), head }))
    }
}

/// Many clients, each with a connection of its own on which it sends a request so many times, the next when the last is
/// answered; every answer must have this status.
pub fn crowd(
    address: SocketAddr,
    clients: usize,
    request: &Prepared,
    times: usize,
    status: u16,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut crowd = JoinSet::new();
        for _ in 0..clients {
            crowd.spawn(repeat(address, request.clone(), times, status));
        }
        while let Some(client) = crowd.join_next().await {
            client??;
        }
        Ok(())
    })
}

async fn repeat(address: SocketAddr, request: Prepared, times: usize, status: u16) -> anyhow::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    for _ in 0..times {
        stream.write_all(&request.0).await?;
        buffer.clear();
        let answer = loop {
            if let Some(answer) = Answer::parse(&buffer)? {
                break answer;
            }
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the server closed the connection");
        };
        ensure!(answer.status == status, "status {}", answer.status);
    }
    Ok(())
}

/// Signs a request to the Lambda API.
pub fn prepare(method: &str, path: &str, body: &[u8]) -> anyhow::Result<Prepared> {
    prepare_rest("lambda", method, path, body)
}

/// Signs a request to a service of the REST protocols.
pub fn prepare_rest(service: &str, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Prepared> {
    signed(service, method, path, &[("content-type", "application/json")], body)
}

/// Signs a request to a service of the query protocol.
pub fn prepare_form(service: &str, form: &str) -> anyhow::Result<Prepared> {
    signed(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], form.as_bytes())
}

/// Signs a request to a service of the JSON protocols.
fn prepare_json(service: &str, target: &str, body: &[u8]) -> anyhow::Result<Prepared> {
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
    signed(service, "POST", "/", &headers, body)
}

fn signed(
    service: &str,
    method: &str,
    path: &str,
    given: &[(&'static str, &str)],
    body: &[u8],
) -> anyhow::Result<Prepared> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("127.0.0.1"));
    for (name, value) in given {
        headers.insert(*name, HeaderValue::from_str(value)?);
    }
    let credentials =
        Credentials { access_key_id: KEY_ID.to_owned(), secret: Secret::new(SECRET), session_token: None };
    let target = Target { region: "us-east-1", service, rules: Rules::STANDARD };
    let mut outgoing = Outgoing { method, path, query: "", headers: &mut headers, body };
    sign(&mut outgoing, target, &credentials, now()?);
    Ok(raw(method, path, &headers, body))
}

/// The bytes of a request.
pub fn raw(method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Prepared {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat()
    };
    bytes.extend(headers.iter().flat_map(line));
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Prepared(bytes)
}

fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::from_millis(i64::try_from(since.as_millis())?))
}

/// A header's value in a head, by lower-case name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
