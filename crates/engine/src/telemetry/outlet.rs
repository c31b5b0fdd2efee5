//! Carries batches to a subscriber inside its sandbox: JSON arrays over HTTP/1.1 on a kept connection, or
//! newline-delimited JSON over TCP. One attempt at a time; when to try again is `subscriber`'s business.
//!
//! No attempt has a time limit. The sandbox may be frozen at any moment and for hours, and what was sent is then
//! read when it is thawed; whoever never reads only loses its own events.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Dial;
use super::request::Destination;
use super::subscriber::Task;

/// What an answer may hold; nobody reads it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What a connection may buffer of an answer's head.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("cannot connect to port {port}")]
    Dial {
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("the connection for {subject} broke")]
    Broken {
        subject: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the subscriber answered {0}")]
    Refused(StatusCode),
    #[error("cannot build the request")]
    Request(#[from] http::Error),
}

/// The way to one subscriber.
pub(super) struct Outlet {
    dial: Arc<dyn Dial>,
    way: Way,
}

enum Way {
    Http { method: Method, host: String, path: String, port: u16, connection: Option<Connection> },
    Tcp { port: u16, stream: Option<TcpStream> },
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes; ends with the connection.
    _driver: Task,
}

/// A batch as bytes, and for TCP how far it has got.
pub(super) struct Parcel {
    events: Vec<Bytes>,
    /// Events known to be written whole.
    sent: usize,
}

impl Parcel {
    pub(super) fn new(events: &[Bytes]) -> Self {
        Self { events: events.to_vec(), sent: 0 }
    }

    /// `[a,b]`
    fn array(&self) -> Bytes {
        let mut array =
            BytesMut::with_capacity(self.events.iter().map(|event| event.len() + 1).sum::<usize>() + 2);
        array.put_u8(b'[');
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                array.put_u8(b',');
            }
            array.put_slice(event);
        }
        array.put_u8(b']');
        array.freeze()
    }

    /// A line for each event that has not been written.
    fn lines(&self) -> BytesMut {
        let mut lines = BytesMut::new();
        for event in &self.events[self.sent..] {
            lines.put_slice(event);
            lines.put_u8(b'\n');
        }
        lines
    }
}

impl Outlet {
    pub(super) fn new(destination: Destination, dial: Arc<dyn Dial>) -> Self {
        let way = match destination {
            Destination::Http { method, host, path, port } => {
                Way::Http { method, host, path, port, connection: None }
            }
            Destination::Tcp { port } => Way::Tcp { port, stream: None },
        };
        Self { dial, way }
    }

    /// One attempt. A connection that was kept from before may have been closed meanwhile, so that a failure on it
    /// is followed by a try on a new one at once.
    pub(super) async fn send(&mut self, parcel: &mut Parcel) -> Result<(), SendError> {
        let kept = match &self.way {
            Way::Http { connection, .. } => connection.is_some(),
            Way::Tcp { stream, .. } => stream.is_some(),
        };
        match self.attempt(parcel).await {
            Err(SendError::Broken { .. }) if kept => self.attempt(parcel).await,
            result => result,
        }
    }

    async fn attempt(&mut self, parcel: &mut Parcel) -> Result<(), SendError> {
        match &mut self.way {
            Way::Http { method, host, path, port, connection } => {
                let request = http::Request::builder()
                    .method(&*method)
                    .uri(path.as_str())
                    .header(HOST, host.as_str())
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(parcel.array()))?;
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => connect(dial(&*self.dial, *port).await?).await?,
                };
                post(&mut open.sender, request).await?;
                *connection = Some(open);
                Ok(())
            }
            Way::Tcp { port, stream } => {
                let mut open = match stream.take() {
                    Some(open) => open,
                    None => dial(&*self.dial, *port).await?,
                };
                write(&mut open, parcel).await?;
                *stream = Some(open);
                Ok(())
            }
        }
    }
}

async fn dial(dial: &dyn Dial, port: u16) -> Result<TcpStream, SendError> {
    let stream = dial.dial(port).await.map_err(|source| SendError::Dial { port, source })?;
    // A batch is written in one go; waiting for more would only delay it.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn connect(stream: TcpStream) -> Result<Connection, SendError> {
    let handshake = http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(|error| broken("HTTP", error))?;
    let driver = Task::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a telemetry subscriber ended badly");
        }
    });
    Ok(Connection { sender, _driver: driver })
}

async fn post(
    sender: &mut SendRequest<Full<Bytes>>,
    request: http::Request<Full<Bytes>>,
) -> Result<(), SendError> {
    sender.ready().await.map_err(|error| broken("HTTP", error))?;
    let answer = sender.send_request(request).await.map_err(|error| broken("HTTP", error))?;
    let status = answer.status();
    // Read to its end, so that the connection can be used again.
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    if status.is_client_error() || status.is_server_error() {
        return Err(SendError::Refused(status));
    }
    if let Err(error) = body {
        // The batch was accepted all the same; the next one will find the connection closed.
        tracing::debug!(%error, "a telemetry subscriber's answer was cut off");
    }
    Ok(())
}

/// Writes what has not been written, and notes which events have gone whole, so that none is written twice.
async fn write(stream: &mut TcpStream, parcel: &mut Parcel) -> Result<(), SendError> {
    let mut scratch = [0; 256];
    // Nothing is expected from there; an end of file says that nobody will read.
    while let Ok(count) = stream.try_read(&mut scratch) {
        if count == 0 {
            return Err(broken("TCP", io::Error::from(io::ErrorKind::ConnectionReset)));
        }
    }
    let mut lines = parcel.lines();
    while !lines.is_empty() {
        let count = stream.write(&lines).await.map_err(|error| broken("TCP", error))?;
        parcel.sent += lines[..count].iter().filter(|byte| **byte == b'\n').count();
        let _ = lines.split_to(count);
    }
    Ok(())
}

fn broken(subject: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SendError {
    SendError::Broken { subject, source: source.into() }
}
