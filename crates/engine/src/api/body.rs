//! Request bodies from inside, read whole and within bounds.
//!
//! A body is read to its end also where it is not needed: a connection is lost if the rest of one is still to come when
//! the answer goes out, and the next request of its sender with it. What a body means is not known here.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::reply::{Reply, bad_request, forbidden, too_large};
use crate::environment::Environment;

/// Why there is no body.
pub(super) enum Unreadable {
    TooLarge,
    Broken,
    /// Another body of this environment is being read.
    Busy,
}

impl Unreadable {
    pub(super) fn into_reply(self, bytes_max: usize) -> Reply {
        match self {
            Self::TooLarge => too_large(bytes_max),
            Self::Broken => bad_request("HTTP request detected as truncated", "TruncatedHTTPRequest"),
            Self::Busy => forbidden("Another response is being received.", "InvalidStateTransition"),
        }
    }
}

/// A body that nobody needs is read up to here, so that its connection stays usable.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

/// A body and its trailers.
pub(super) struct Whole {
    pub bytes: Bytes,
    pub trailers: HeaderMap,
}

/// Reads a body, with its turn: a function may open many connections, and the memory that their bodies take is
/// the server's. Only an environment that is given several invocations at once may send several bodies.
pub(super) async fn read(
    environment: &Environment,
    request: Request<Incoming>,
    bytes_max: usize,
) -> Result<Whole, Unreadable> {
    let _turn = match environment.body_turn.try_acquire() {
        Ok(turn) => turn,
        Err(_) if environment.function.concurrency_per_environment() > 1 => {
            environment.body_turn.acquire().await.map_err(|_| Unreadable::Broken)?
        }
        Err(_) => return Err(Unreadable::Busy),
    };
    read_small(request, bytes_max).await
}

/// Reads a body that is so small that as many at once as there may be connections do no harm.
pub(super) async fn read_small(request: Request<Incoming>, bytes_max: usize) -> Result<Whole, Unreadable> {
    match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            Ok(Whole { bytes: collected.to_bytes(), trailers })
        }
        Err(error) if error.is::<LengthLimitError>() => Err(Unreadable::TooLarge),
        Err(_) => Err(Unreadable::Broken),
    }
}

/// Reads and forgets the body of a request that is refused. A greater one costs its sender the connection.
pub(super) async fn discard(request: Request<Incoming>) {
    let mut body = Limited::new(request.into_body(), DISCARDED_BYTES_MAX);
    while let Some(Ok(_)) = body.frame().await {}
}
