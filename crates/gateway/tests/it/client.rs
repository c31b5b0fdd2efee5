//! A small HTTP client that signs as it is told, rightly or wrongly.
//!
//! One connection a request: tests of kept connections open their own. Its signer is `wire`'s, which is held to
//! botocore's by vectors there.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use wire::sigv4::{Credentials, Outgoing, Rules, Target, sign};

use crate::world::now;

/// Sends each request over a connection of its own.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    credentials: Option<Credentials>,
    region: String,
    service: String,
    /// How far the client's clock is off, in milliseconds.
    skew_ms: i64,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status, error code and message.
    pub fn error(&self) -> (u16, String, String) {
        let reply = wire::rest_json::Reply {
            status: http::StatusCode::from_u16(self.status).expect("a status"),
            headers: self.headers.clone(),
            body: self.body.clone(),
        };
        let error = wire::error::ErrorReply::read(&reply);
        (self.status, error.code, error.message)
    }
}

impl Client {
    pub fn new(address: SocketAddr, credentials: Option<Credentials>) -> Self {
        let (region, service) = ("us-east-1".to_owned(), "lambda".to_owned());
        Self { address, credentials, region, service, skew_ms: 0 }
    }

    pub fn with_skew_ms(self, skew_ms: i64) -> Self {
        Self { skew_ms, ..self }
    }

    pub fn with_region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    pub fn with_service(self, service: &str) -> Self {
        Self { service: service.to_owned(), ..self }
    }

    /// One that signs nothing.
    pub fn unsigned(self) -> Self {
        Self { credentials: None, ..self }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, HeaderMap::new(), Bytes::new()).await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, HeaderMap::new(), Bytes::new()).await
    }

    pub async fn post(&self, target: &str, body: serde_json::Value) -> Answer {
        self.send("POST", target, HeaderMap::new(), body.to_string().into()).await
    }

    pub async fn send(&self, method: &str, target: &str, headers: HeaderMap, body: Bytes) -> Answer {
        let response = self.open(method, target, headers, body).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Sends a request and gives the answer while its body is still coming.
    pub async fn open(
        &self,
        method: &str,
        target: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> http::Response<Incoming> {
        let host = HeaderValue::from_str(&self.address.to_string()).expect("an address");
        headers.entry("host").or_insert(host);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(credentials) = &self.credentials {
            let mut outgoing = Outgoing { method, path, query, headers: &mut headers, body: &body };
            let rules = Rules::STANDARD;
            let target = Target { region: &self.region, service: &self.service, rules };
            let millis = now().as_millis() + self.skew_ms;
            sign(&mut outgoing, target, credentials, model::time::Timestamp::from_millis(millis));
        }
        let mut request = Request::builder().method(method).uri(target);
        *request.headers_mut().expect("a sound request") = headers;
        let request = request.body(Full::new(body)).expect("a sound request");
        let sent = async {
            let stream = TcpStream::connect(self.address).await.expect("connected");
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.expect("a connection");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("an answer")
        };
        tokio::time::timeout(Duration::from_secs(20), sent).await.expect("an answer in time")
    }
}
