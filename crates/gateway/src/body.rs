//! Reading request bodies whole, within bounds: size per operation, time, and bytes held by all requests together.
//!
//! Only bytes that have arrived count, never those that a client merely announces.

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
/// How long a body waits, with each piece, until others give back what they hold.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a client may take over its body, and over each piece of it.
const BODY_TIME_MAX: Duration = Duration::from_secs(300);
const PIECE_TIME_MAX: Duration = Duration::from_secs(30);
/// Room that is made at once for the rest of a body; more is made as it arrives.
const PREPARED_BYTES_MAX: usize = 1024 * 1024;
/// How much of a refused body is read and thrown away.
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

    /// Reads a body of at most `limit_bytes` for the operation that AWS's message names. Room is taken as bytes
    /// arrive, so that who announces much and sends nothing is in nobody's way.
    ///
    /// # Errors
    /// `RequestTooLarge`; `Serialization` if it breaks off or stalls; `Unavailable` if too much is held already.
    pub async fn read(
        &self,
        mut body: Incoming,
        limit_bytes: usize,
        operation: &str,
    ) -> Result<Held, ServiceError> {
        let error = match self.collect(&mut body, limit_bytes).await {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => ServiceError::RequestTooLarge(format!(
                "Request must be smaller than {limit_bytes} bytes for the {operation} operation"
            )),
            Err(error) => error,
        };
        discard(body);
        Err(error)
    }

    /// The whole body, or `None` if it is larger than the limit.
    async fn collect(&self, body: &mut Incoming, limit_bytes: usize) -> Result<Option<Held>, ServiceError> {
        let announced = |body: &Incoming| usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced(body) > limit_bytes {
            return Ok(None);
        }
        let deadline = Instant::now() + BODY_TIME_MAX;
        let Some(first) = next(body, deadline).await? else {
            return Ok(Some(Held { bytes: Bytes::new(), _permit: None }));
        };
        if first.len() > limit_bytes {
            return Ok(None);
        }
        let mut permit = None;
        self.hold(&mut permit, first.len()).await?;
        // Nearly every body is one piece, which is then not copied.
        if body.is_end_stream() {
            return Ok(Some(Held { bytes: first, _permit: permit }));
        }
        let to_come = announced(body).min(PREPARED_BYTES_MAX);
        let mut whole = BytesMut::with_capacity(first.len() + to_come);
        whole.extend_from_slice(&first);
        while let Some(piece) = next(body, deadline).await? {
            let size_bytes = whole.len() + piece.len();
            if size_bytes > limit_bytes {
                return Ok(None);
            }
            self.hold(&mut permit, size_bytes).await?;
            whole.extend_from_slice(&piece);
        }
        Ok(Some(Held { bytes: whole.freeze(), _permit: permit }))
    }

    /// Makes `permit` cover a body that has grown to `size_bytes`. Bodies that wait for each other's room do not
    /// wait for ever: the first that has waited too long gives up its own.
    async fn hold(
        &self,
        permit: &mut Option<OwnedSemaphorePermit>,
        size_bytes: usize,
    ) -> Result<(), ServiceError> {
        let covered_kb = permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing_kb = size_bytes.div_ceil(1024).saturating_sub(covered_kb);
        if size_bytes <= SMALL_BYTES_MAX || missing_kb == 0 {
            return Ok(());
        }
        let missing_kb = u32::try_from(missing_kb).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.held_kb).acquire_many_owned(missing_kb);
        let Ok(Ok(more)) = tokio::time::timeout(HOLD_WAIT_MAX, more).await else {
            let message = "Too many large requests are in progress; try again later.";
            return Err(ServiceError::Unavailable(message.to_owned()));
        };
        match permit {
            Some(permit) => permit.merge(more),
            None => *permit = Some(more),
        }
        Ok(())
    }
}

/// Whether a body is announced to be so small that it does not count.
pub fn is_small(body: &Incoming) -> bool {
    body.size_hint().upper().is_some_and(|size_bytes| size_bytes <= SMALL_BYTES_MAX as u64)
}

/// Reads the rest of a refused body and throws it away, within bounds, while the answer is already on its way: a
/// client that is still sending would otherwise see a broken connection instead of the answer. The connection
/// takes no next request before this has ended, so there are never more of these than connections.
pub fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let deadline = Instant::now() + BODY_TIME_MAX;
        let mut discarded_bytes = 0;
        while let Ok(Some(piece)) = next(&mut body, deadline).await {
            discarded_bytes += piece.len();
            if discarded_bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    });
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
