//! A raw HTTP client: one request, one connection, every byte of the request chosen by the test. SDKs would not
//! send half of what the tests need to send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::time::Timestamp;
use serde_json::{Value, json};
use wire::sigv4::{self, Outgoing, Rules, Secret, Target};

use super::{DEADLINE, KEY_ID, SECRET, Server};

/// The function that most raw tests create.
pub const ROLE: &str = "arn:aws:iam::000000000000:role/tester";

/// A request in the making.
pub struct Request {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
    region: String,
    service: String,
    now: Option<Timestamp>,
    signed: bool,
}

/// What came back.
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    /// A request of this method and target (`/path?query`).
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            region: "us-east-1".to_owned(),
            service: "lambda".to_owned(),
            now: None,
            signed: true,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// Signs for another service than Lambda.
    pub fn service(mut self, service: &str) -> Self {
        self.service = service.to_owned();
        self
    }

    /// Signs as of another time than now.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Signs as the root key and sends.
    pub fn send(self, server: &Server) -> Response {
        self.send_as(server, KEY_ID, SECRET)
    }

    /// Signs with a key and sends.
    pub fn send_as(mut self, server: &Server, key_id: &str, secret: &str) -> Response {
        let address = server.address();
        let host = HeaderValue::from_str(&address.to_string()).expect("an address");
        self.headers.entry("host").or_insert(host);
        if self.signed {
            self.sign(key_id, secret);
        }
        exchange(address, &self.bytes())
    }

    fn sign(&mut self, key_id: &str, secret: &str) {
        let key = sigv4::Credentials {
            access_key_id: key_id.to_owned(),
            secret: Secret::new(secret),
            session_token: None,
        };
        let mut outgoing = Outgoing {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &mut self.headers,
            body: &self.body,
        };
        let target = Target { region: &self.region, service: &self.service, rules: Rules::STANDARD };
        sigv4::sign(&mut outgoing, target, &key, self.now.unwrap_or_else(now));
    }

    fn bytes(&self) -> Vec<u8> {
        let separator = if self.query.is_empty() { "" } else { "?" };
        let mut bytes =
            format!("{} {}{separator}{} HTTP/1.1\r\n", self.method, self.path, self.query).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.headers.contains_key("content-length") {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// AWS's error code, or the empty text.
    pub fn code(&self) -> &str {
        self.header("x-amzn-errortype").and_then(|text| text.split(':').next()).unwrap_or_default()
    }
}

/// The time now.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).expect("before the year 292,278,994"))
}

/// Sends bytes as they are, and reads until the server closes.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    // A server that has refused already may close while the rest is being sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer).unwrap_or_else(|| panic!("not an HTTP answer: {:?}", String::from_utf8_lossy(&answer)))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    let body = &answer[end + 4..];
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { unchunked(body)? } else { body.to_vec() };
    Some(Response { status, headers, body })
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// The body of a `CreateFunction` with Python code of one file, to be changed by the test.
pub fn creation(name: &str, code: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": ROLE,
        "Timeout": 10,
        "Code": {"ZipFile": BASE64.encode(super::zip(&[("app.py", code)]))},
    })
}

/// Creates a function and waits until it can be invoked.
pub fn create(server: &Server, body: &Value) {
    try_create(server, "us-east-1", body).unwrap_or_else(|problem| panic!("{problem}"));
}

/// Creates a function in a region and waits until it can be invoked, or says why it cannot.
pub fn try_create(server: &Server, region: &str, body: &Value) -> Result<(), String> {
    let name = body["FunctionName"].as_str().expect("a name");
    let request = Request::new("POST", "/2015-03-31/functions").region(region).body(body.to_string());
    let created = request.send(server);
    if created.status != 201 {
        return Err(created.text());
    }
    let path = format!("/2015-03-31/functions/{name}/configuration");
    super::until("the function is prepared", || {
        let found = Request::new("GET", &path).region(region).send(server).json();
        match found["State"].as_str() {
            Some("Active") => Some(Ok(())),
            Some("Failed") => Some(Err(found["StateReason"].to_string())),
            _ => None,
        }
    })
}

/// Invokes a function and waits for its answer.
pub fn invoke(server: &Server, name: &str, payload: &str) -> Response {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    Request::new("POST", &path).body(payload).send(server)
}
