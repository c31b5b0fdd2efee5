//! Reading request bodies whole, within bounds: size per operation, time, and bytes held by all requests together.
//!
//! A body that is too large is read to its end and thrown away, up to a bound: a client that is still sending
//! would otherwise see a broken connection instead of the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use model::error::ServiceError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// All bodies in memory at a time, in kilobytes. Small ones do not count: connections bound them.
const HELD_KB_MAX: usize = 512 * 1024;
/// Bodies up to this size do not count.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// How long a request waits until others give back what they hold.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a client may take over its body, and over each piece of it.
const BODY_TIME_MAX: Duration = Duration::from_secs(300);
const PIECE_TIME_MAX: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read and thrown away.
const DISCARD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Reads bodies.
pub struct Bodies {
    held_kb: Arc<Semaphore>,
}

/// A body in memory, counted until it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self { held_kb: Arc::new(Semaphore::new(HELD_KB_MAX)) }
    }

    /// Reads a body of at most `limit_bytes` for the operation that AWS's message names.
    ///
    /// # Errors
    /// `RequestTooLarge`; `Serialization` if it breaks off or stalls; `Unavailable` if too much is held already.
    pub async fn read(
        &self,
        body: Incoming,
        limit_bytes: usize,
        operation: &str,
    ) -> Result<Held, ServiceError> {
        let too_large = || {
            ServiceError::RequestTooLarge(format!(
                "Request must be smaller than {limit_bytes} bytes for the {operation} operation"
            ))
        };
        let announced = body.size_hint().upper().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if announced.is_some_and(|size| size > limit_bytes) {
            discard(body).await;
            return Err(too_large());
        }
        let permit = self.hold(announced.unwrap_or(limit_bytes)).await?;
        match collect(body, limit_bytes).await? {
            Collected::Whole(bytes) => Ok(Held { bytes, _permit: permit }),
            Collected::TooLarge(rest) => {
                discard(rest).await;
                Err(too_large())
            }
        }
    }

    async fn hold(&self, size_bytes: usize) -> Result<Option<OwnedSemaphorePermit>, ServiceError> {
        if size_bytes <= SMALL_BYTES_MAX {
            return Ok(None);
        }
        let kb = u32::try_from(size_bytes.div_ceil(1024).min(HELD_KB_MAX)).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.held_kb).acquire_many_owned(kb);
        match tokio::time::timeout(HOLD_WAIT_MAX, held).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(ServiceError::Unavailable(
                "Too many large requests are in progress; try again later.".to_owned(),
            )),
        }
    }
}

enum Collected {
    Whole(Bytes),
    TooLarge(Incoming),
}

async fn collect(mut body: Incoming, limit_bytes: usize) -> Result<Collected, ServiceError> {
    let deadline = Instant::now() + BODY_TIME_MAX;
    // Nearly every body is one piece, which is then not copied.
    let Some(first) = next(&mut body, deadline).await? else { return Ok(Collected::Whole(Bytes::new())) };
    if first.len() > limit_bytes {
        return Ok(Collected::TooLarge(body));
    }
    if body.is_end_stream() {
        return Ok(Collected::Whole(first));
    }
    let to_come = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit_bytes);
    let mut whole = BytesMut::with_capacity(first.len() + to_come);
    whole.extend_from_slice(&first);
    while let Some(piece) = next(&mut body, deadline).await? {
        if whole.len() + piece.len() > limit_bytes {
            return Ok(Collected::TooLarge(body));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Collected::Whole(whole.freeze()))
}

/// The next piece of data, or `None` at the end; trailers are nothing to us.
async fn next(body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, ServiceError> {
    let broken = |what: &str| ServiceError::Serialization(format!("The request body {what}."));
    loop {
        let patience = deadline.min(Instant::now() + PIECE_TIME_MAX);
        let frame = tokio::time::timeout_at(patience, body.frame())
            .await
            .map_err(|_| broken("did not arrive in time"))?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(broken("broke off")),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn discard(mut body: Incoming) {
    let deadline = Instant::now() + BODY_TIME_MAX;
    let mut discarded_bytes = 0;
    while let Ok(Some(piece)) = next(&mut body, deadline).await {
        discarded_bytes += piece.len();
        if discarded_bytes > DISCARD_BYTES_MAX {
            return;
        }
    }
}
