//! Objects of buckets, for code that is uploaded there rather than sent along: a client of one S3-compatible
//! endpoint that the owner names.
//!
//! It sends one kind of request, a signed `GET`, path-style, and follows no redirects. What the endpoint refuses is told in
//! Lambda's words with S3's own code; what it does not answer is told as a failure of the endpoint. All objects together
//! take a bounded part of memory, from the head of the answer until nobody uses the bytes any more.
//!
//! Source: Lambda API reference, `FunctionCode`; Amazon S3 API reference, `GetObject`, error responses.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use model::arn::Scope;
use model::error::ServiceError;
use model::port::{Clock, Objects, Pending};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::percent::encode;
use wire::sigv4::{Credentials, Outgoing, Rules, Target, sign};

use crate::https::{Client, TransportError};

/// How long an answer may take to begin, and how long it may then stand still.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long the whole of an object may take.
const OBJECT_TIME_MAX: Duration = Duration::from_secs(300);
/// All large objects in memory at a time: two of the largest.
const LARGE_HELD_BYTES_MAX: usize = 512 * 1024 * 1024;
/// All others. They have a room of their own, so that they do not wait behind large ones.
const SMALL_HELD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Up to this size they are small.
const SMALL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an object waits for room.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(30);
/// What is read of an answer that refuses: an error document is a few hundred bytes.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// Where buckets are, and as whom they are read.
#[derive(Debug, Clone)]
pub struct ObjectsOptions {
    /// Such as `http://127.0.0.1:9000`: scheme, host and port, without a path.
    pub endpoint: Uri,
    /// As whom.
    pub credentials: Credentials,
}

/// Reads objects from an S3-compatible endpoint.
pub struct RemoteObjects {
    options: ObjectsOptions,
    client: Client,
    clock: Arc<dyn Clock>,
    room: Room,
}

/// What objects may take of memory, all together.
struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// An object, counted until it is dropped.
struct Held {
    bytes: BytesMut,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Room {
    fn new() -> Self {
        let of = |bytes| Arc::new(Semaphore::new(bytes));
        Self { small: of(SMALL_HELD_BYTES_MAX), large: of(LARGE_HELD_BYTES_MAX) }
    }

    /// Room for so many bytes.
    ///
    /// # Errors
    /// `Unavailable` where others do not give it back in time.
    async fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ServiceError> {
        let room = if bytes <= SMALL_BYTES_MAX { &self.small } else { &self.large };
        let permits = u32::try_from(bytes.min(LARGE_HELD_BYTES_MAX)).unwrap_or(u32::MAX);
        let permit = tokio::time::timeout(HOLD_WAIT_MAX, Arc::clone(room).acquire_many_owned(permits)).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            let message = "Too much code is being read from buckets at the same time; try again later.";
            ServiceError::Unavailable(message.to_owned())
        })
    }
}

impl RemoteObjects {
    /// A client of the endpoint; nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(options: ObjectsOptions, clock: Arc<dyn Clock>) -> Result<Self, TransportError> {
        Ok(Self { options, client: crate::https::client(None)?, clock, room: Room::new() })
    }

    async fn read(
        &self,
        scope: &Scope,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        bytes_max: u64,
    ) -> Result<Bytes, ServiceError> {
        let request = self.request(scope, bucket, key, version)?;
        let answer = tokio::time::timeout(ANSWER_MAX, self.client.request(request)).await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(unreachable(&crate::https::root_cause(&error))),
            Err(_) => return Err(unreachable("it did not answer in time")),
        };
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let body = tokio::time::timeout(OBJECT_TIME_MAX, body(response, bytes_max, &self.room)).await;
        body.unwrap_or_else(|_| Err(unreachable("it did not give the whole object in time")))
    }

    fn request(
        &self,
        scope: &Scope,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Request<Empty<Bytes>>, ServiceError> {
        if resolved(key).is_none() {
            return Err(ServiceError::InvalidParameterValue(
                "The code could not be read: an S3 key that leads out of its bucket is not asked for."
                    .to_owned(),
            ));
        }
        let key: Vec<_> = key.split('/').map(encode).collect();
        let path = format!("/{}/{}", encode(bucket), key.join("/"));
        let query = version.map(|version| format!("versionId={}", encode(version))).unwrap_or_default();
        let endpoint = &self.options.endpoint;
        let authority = endpoint.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(authority) {
            headers.insert(header::HOST, host);
        }
        let mut outgoing =
            Outgoing { method: "GET", path: &path, query: &query, headers: &mut headers, body: b"" };
        let target = Target { region: scope.region.as_str(), service: "s3", rules: Rules::S3 };
        sign(&mut outgoing, target, &self.options.credentials, self.clock.now());
        let mark = if query.is_empty() { "" } else { "?" };
        let scheme = endpoint.scheme_str().unwrap_or("https");
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{scheme}://{authority}{path}{mark}{query}"))
            .body(Empty::new())
            .map_err(|_| unreachable("its address is malformed"))?;
        request.headers_mut().extend(headers);
        Ok(request)
    }
}

impl Objects for RemoteObjects {
    fn get<'a>(
        &'a self,
        scope: &'a Scope,
        bucket: &'a str,
        key: &'a str,
        version: Option<&'a str>,
        bytes_max: u64,
    ) -> Pending<'a, Result<Bytes, ServiceError>> {
        Box::pin(self.read(scope, bucket, key, version, bytes_max))
    }
}

/// The key that whoever resolves `.`, `..` and empty names would take for this one; none where that leads out of the
/// bucket. To S3 they are names as any other.
#[must_use]
pub fn resolved(key: &str) -> Option<String> {
    let mut segments = Vec::new();
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()?),
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

async fn body(response: Response<Incoming>, bytes_max: u64, room: &Room) -> Result<Bytes, ServiceError> {
    let too_large = || {
        ServiceError::InvalidParameterValue(format!(
            "The object is larger than the allowed size of {bytes_max} bytes."
        ))
    };
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let size_max = length.and_then(|text| text.parse().ok()).unwrap_or(bytes_max);
    if size_max > bytes_max {
        return Err(too_large());
    }
    let size_max = usize::try_from(size_max).unwrap_or(usize::MAX);
    let permit = room.hold(size_max).await?;
    // All at once, since growing would take twice as much; of what is not written to nothing is used.
    let mut bytes = BytesMut::with_capacity(size_max);
    let mut incoming = response.into_body();
    loop {
        let frame = match tokio::time::timeout(ANSWER_MAX, incoming.frame()).await {
            Ok(None) => return Ok(Bytes::from_owner(Held { bytes, _permit: permit })),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(unreachable(&crate::https::root_cause(&error))),
            Err(_) => return Err(unreachable("it stopped in the middle of the object")),
        };
        if let Ok(data) = frame.into_data() {
            // More than was announced has no room, and is possible only where two lengths are told.
            if bytes.len() + data.len() > size_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// Lambda's words for what S3 answers.
async fn refusal(response: Response<Incoming>) -> ServiceError {
    let status = response.status();
    let limited = http_body_util::Limited::new(response.into_body(), REFUSAL_BYTES_MAX);
    let document = match tokio::time::timeout(ANSWER_MAX, limited.collect()).await {
        Ok(Ok(collected)) => String::from_utf8_lossy(&collected.to_bytes()).into_owned(),
        _ => String::new(),
    };
    let code = element(&document, "Code").unwrap_or_else(|| status.as_u16().to_string());
    let message = element(&document, "Message")
        .unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned());
    ServiceError::InvalidParameterValue(format!(
        "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    ))
}

/// The text of the first element of this name; S3's error documents are flat.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
}

fn unreachable(reason: &str) -> ServiceError {
    ServiceError::InvalidParameterValue(format!(
        "The code could not be read from the bucket endpoint of this server: {reason}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_documents_are_read() {
        let document = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>The specified key does not \
                        exist.</Message><Key>x</Key></Error>";
        assert_eq!(element(document, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(document, "Message").as_deref(), Some("The specified key does not exist."));
        assert_eq!(element("", "Code"), None);
        assert_eq!(element("<Code>cut", "Code"), None);
    }

    #[test]
    fn a_key_stays_in_its_bucket() {
        for (key, meant) in [
            ("a", "a"),
            ("/a//c", "a/c"),
            ("a/../b/./c//d.zip", "b/c/d.zip"),
            ("a/..", ""),
            ("...", "..."),
            ("a/..b", "a/..b"),
        ] {
            assert_eq!(resolved(key).as_deref(), Some(meant), "{key}");
        }
        for key in ["..", "../b", "a/../../b", ".//../b", "/../b", "a/b/../../../c"] {
            assert_eq!(resolved(key), None, "{key}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn objects_wait_for_room_and_not_for_ever() {
        let (room, largest) = (Room::new(), 250 * 1024 * 1024);
        let [first, second] = [room.hold(largest).await.unwrap(), room.hold(largest).await.unwrap()];
        let refused = room.hold(largest).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Unavailable(_)), "{refused}");
        let (third, small) =
            tokio::join!(room.hold(largest), tokio::time::timeout(ANSWER_MAX / 2, room.hold(1)));
        assert!(
            third.is_err() && small.is_ok_and(|small| small.is_ok()),
            "small ones do not wait behind large ones"
        );
        drop(Bytes::from_owner(Held { bytes: BytesMut::new(), _permit: first }));
        drop((room.hold(largest).await.unwrap(), second));
        assert!(room.hold(usize::MAX).await.is_ok(), "what is larger than all has all");
    }
}
