//! Connections: accepted within bounds, read with deadlines, ended in order.
//!
//! Bounds, each against one way of wearing a server out: connections at a time, header size and time, body size
//! (per operation) and time, and bytes of bodies held by all requests together. Stopping: listeners close first,
//! idle connections at once, busy ones after the answer that they are working on, or at the given limit.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::app::{App, Entry, Parts};

/// Connections from outside at a time; more wait in the listener's backlog.
const CONNECTIONS_MAX: u32 = 4_096;
/// Connections that functions have open at a time, all together; further ones are closed at once.
const INNER_CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take over its headers, and how long an idle connection stays open.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(60);
/// All headers of one request, of which hyper takes 100. A session token and a client context fit several times.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long a client may leave all that was sent to it unread, before its connection is cut.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(120);
/// Pause after an accept failed for want of resources, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The server's front.
pub struct Gateway {
    app: Arc<App>,
    connections: Arc<Semaphore>,
    inner_connections: Arc<Semaphore>,
    /// Set when no further request is to be taken from outside.
    stopping: watch::Sender<bool>,
}

impl Gateway {
    /// A front for these parts; it listens nowhere yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let stopping = watch::Sender::new(false);
        Arc::new(Self {
            app: Arc::new(App::new(parts, stopping.subscribe())),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX as usize)),
            inner_connections: Arc::new(Semaphore::new(INNER_CONNECTIONS_MAX)),
            stopping,
        })
    }

    /// Accepts connections until [`Gateway::stop`]. Several listeners may be served at once.
    ///
    /// # Errors
    /// When the listener cannot be used by the async runtime; it must be called within one.
    pub fn serve_listener(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let gateway = Arc::clone(self);
        Ok(async move { gateway.accept(listener).await })
    }

    /// Serves one connection to its end, whatever becomes of the listeners: for connections that a function
    /// makes, which end with its sandbox.
    pub fn serve_connection(
        self: &Arc<Self>,
        stream: TcpStream,
    ) -> impl Future<Output = ()> + Send + 'static {
        let app = Arc::clone(&self.app);
        let permit = Arc::clone(&self.inner_connections).try_acquire_owned();
        async move {
            let Ok(_permit) = permit else { return };
            let Some(entry) = prepare(&stream, true) else { return };
            let service = service_fn(move |request| answer(Arc::clone(&app), request, entry));
            // Whatever ends it, the client has gone or will see it.
            let _ = protocol().serve_connection(TokioIo::new(stream), service).await;
        }
    }

    /// Takes no further requests from outside, and waits for those that run, for at most `limit`. Returns how
    /// many connections were still busy then; they end with the process.
    pub async fn stop(&self, limit: Duration) -> usize {
        self.stopping.send_replace(true);
        let all_ended = self.connections.acquire_many(CONNECTIONS_MAX);
        match tokio::time::timeout(limit, all_ended).await {
            Ok(_) => 0,
            Err(_) => (CONNECTIONS_MAX as usize).saturating_sub(self.connections.available_permits()),
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut stopping = self.stopping.subscribe();
        loop {
            let accepted = async {
                let permit = Arc::clone(&self.connections).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                accepted = accepted => accepted,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match (permit, accepted) {
                (Ok(permit), Ok((stream, _peer))) => {
                    tokio::spawn(Arc::clone(&self).serve_until_stopped(stream, permit));
                }
                (Err(_), _) => return,
                (_, Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve_until_stopped(self: Arc<Self>, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Given back when the connection has ended, which is what `stop` waits for.
        let _permit = permit;
        let mut stopping = self.stopping.subscribe();
        let Some(entry) = prepare(&stream, false) else { return };
        let app = Arc::clone(&self.app);
        let service = service_fn(move |request| answer(Arc::clone(&app), request, entry));
        let mut connection = pin!(protocol().serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        connection.as_mut().graceful_shutdown();
        // Ends with the answer, or is dropped with the last of the runtime's tasks.
        let _ = connection.await;
    }
}

/// Small answers must not wait for more, and every answer may have to name its own address.
fn prepare(stream: &TcpStream, is_inside: bool) -> Option<Entry> {
    stream.set_nodelay(true).ok()?;
    // Also counts while the other side's window stays closed, so that nobody holds a connection by not reading.
    let unread_ms = u32::try_from(UNREAD_TIME_MAX.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(stream, unread_ms).ok()?;
    Some(Entry { local: stream.local_addr().ok()?, peer: stream.peer_addr().ok(), is_inside })
}

fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIME_MAX).max_header_size(HEADER_BYTES_MAX);
    protocol
}

async fn answer(
    app: Arc<App>,
    request: Request<Incoming>,
    entry: Entry,
) -> Result<http::Response<crate::respond::Body>, Infallible> {
    Ok(app.answer(request, entry).await)
}
