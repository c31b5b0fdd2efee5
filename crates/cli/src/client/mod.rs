//! Talking to a server: one signed HTTP request at a time over a fresh connection.
//!
//! [`Client`] knows bytes, signatures and deadlines; what the operations are called and what they carry is in
//! [`api`]. Every wait has a bound except following a log, which lasts as long as its reader wants.

pub mod api;
mod body;
mod credentials;
mod endpoint;
mod error;
mod sign;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use wire::percent::encode;

pub use credentials::{Credentials, CredentialsError, Lookup};
pub use endpoint::{ENDPOINT_DEFAULT, Endpoint};
pub use error::ClientError;

use body::Upload;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Largest answer that is read: a payload of 6 MB, or a page of functions, with room to spare.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Told how many bytes of a request have been sent.
pub type OnSent = Box<dyn FnMut(u64) + Send>;

/// Sends requests to one server as one caller.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    region: String,
    credentials: Option<Credentials>,
}

/// One request.
pub(crate) struct Call {
    /// The API operation, for messages.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Percent-encoded path.
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// How long the answer may take.
    pub(crate) deadline: Duration,
    pub(crate) on_sent: Option<OnSent>,
}

impl Call {
    /// How long an ordinary operation may take; the largest upload included.
    const DEADLINE: Duration = Duration::from_secs(120);

    pub(crate) fn new(operation: &'static str, method: Method, path: String) -> Self {
        let (query, headers, body) = (Vec::new(), Vec::new(), Bytes::new());
        Self { operation, method, path, query, headers, body, deadline: Self::DEADLINE, on_sent: None }
    }

    /// Path and query as they stand in the request line.
    fn target(&self) -> String {
        let mut target = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.push_str(&encode(value));
        }
        target
    }
}

/// An answer that was read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    /// A client of the server at `endpoint`. Without credentials its requests are not signed, which `dormouse
    /// dev` accepts.
    #[must_use]
    pub fn new(endpoint: Endpoint, region: String, credentials: Option<Credentials>) -> Self {
        Self { endpoint, region, credentials }
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Access key id of this client, if it signs.
    #[must_use]
    pub fn access_key_id(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.key.access_key_id.as_str())
    }

    /// Sends a request and reads the whole answer. An answer that is not a success becomes an error.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let (operation, deadline) = (call.operation, call.deadline);
        let exchange = async { self.read_whole(operation, self.open(call).await?).await };
        let answer =
            tokio::time::timeout(deadline, exchange).await.map_err(|_| self.late(operation, deadline))??;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refused(operation, &answer)) }
    }

    /// Sends a request and returns as soon as the answer begins, to be read piece by piece.
    pub(crate) async fn stream(&self, call: Call) -> Result<Incoming, ClientError> {
        let (operation, deadline) = (call.operation, call.deadline);
        let exchange = async {
            let response = self.open(call).await?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            Err(self.refused(operation, &self.read_whole(operation, response).await?))
        };
        tokio::time::timeout(deadline, exchange).await.map_err(|_| self.late(operation, deadline))?
    }

    async fn read_whole(
        &self,
        operation: &'static str,
        response: Response<Incoming>,
    ) -> Result<Answer, ClientError> {
        let (parts, body) = response.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = collected.map_err(|source| self.broken(operation, source))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Connects, signs and sends; returns at the head of the answer.
    async fn open(&self, call: Call) -> Result<Response<Incoming>, ClientError> {
        let operation = call.operation;
        let request = self.request(call)?;
        let connected = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(self.endpoint.host_and_port()));
        let stream = connected.await.map_err(|_| self.late(operation, CONNECT_MAX))?.map_err(|source| {
            ClientError::Connect { authority: self.endpoint.authority().to_owned(), source }
        })?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|source| self.broken(operation, source.into()))?;
        // Ends when the answer has been read or dropped; its errors surface in the answer.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|source| self.broken(operation, source.into()))
    }

    fn request(&self, call: Call) -> Result<Request<Upload>, ClientError> {
        let operation = call.operation;
        let mut request = Request::builder().method(call.method.clone()).uri(call.target());
        request = request.header(http::header::HOST, self.endpoint.authority());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let failed = |source| ClientError::Request { operation, source };
        let mut request = request.body(()).map_err(failed)?;
        if let Some(credentials) = &self.credentials {
            sign::sign(&mut request, &call.body, &credentials.key, &self.region);
        }
        Ok(request.map(|()| Upload::new(call.body, call.on_sent)))
    }

    /// Decodes the JSON of an answer.
    pub(crate) fn decode<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        body: &[u8],
    ) -> Result<T, ClientError> {
        let authority = || self.endpoint.authority().to_owned();
        serde_json::from_slice(body).map_err(|source| ClientError::Answer {
            operation,
            authority: authority(),
            source,
        })
    }

    fn late(&self, operation: &'static str, after: Duration) -> ClientError {
        ClientError::Timeout { operation, authority: self.endpoint.authority().to_owned(), after }
    }

    pub(crate) fn broken(
        &self,
        operation: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> ClientError {
        ClientError::Exchange { operation, authority: self.endpoint.authority().to_owned(), source }
    }

    /// Reads AWS's error form: the code in `x-amzn-ErrorType`, the message in `message` or `Message`.
    fn refused(&self, operation: &'static str, answer: &Answer) -> ClientError {
        let header = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let code = header.and_then(|text| text.split(':').next()).unwrap_or("an error without a code");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let told = ["message", "Message"].iter().find_map(|key| json.get(key)).and_then(|text| text.as_str());
        let key = self.credentials.as_ref().map(Credentials::describe);
        ClientError::Refused {
            operation,
            status: answer.status,
            code: code.to_owned(),
            message: told.map_or_else(|| format!("status {}", answer.status), str::to_owned),
            key,
        }
    }
}
