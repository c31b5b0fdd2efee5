//! A request body in memory that is handed out in pieces, so that sending it can be watched.
//!
//! The length is known from the start, so requests carry `Content-Length` and are never chunked.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::OnSent;

/// Bytes handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The body of a request.
pub(super) struct Upload {
    rest: Bytes,
    sent_bytes: u64,
    on_sent: Option<OnSent>,
}

impl Upload {
    pub(super) fn new(bytes: Bytes, on_sent: Option<OnSent>) -> Self {
        Self { rest: bytes, sent_bytes: 0, on_sent }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(size);
        self.sent_bytes += size as u64;
        let sent_bytes = self.sent_bytes;
        if let Some(on_sent) = &mut self.on_sent {
            on_sent(sent_bytes);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
