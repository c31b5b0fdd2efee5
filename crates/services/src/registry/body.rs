//! Bodies: reading what clients send piece by piece within bounds of size and time, and sending files without
//! holding them in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};

use super::refusal::{Code, Refusal};

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How long a client may take over one piece of its body. What arrived before stays, so it can resume.
const PIECE_TIME_MAX: Duration = Duration::from_secs(60);
/// Written to the disk at a time.
const BATCH_BYTES: usize = 1024 * 1024;
/// Pieces in one such write; clients that send byte by byte gain nothing by it.
const BATCH_PIECES_MAX: usize = 1_024;
/// Read from the disk at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// A body that is in memory.
#[must_use]
pub fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// `length` bytes of a file from `start` on.
#[must_use]
pub fn of_file(file: File, start: u64, length: u64) -> Body {
    let stream = stream::try_unfold((file, start, length), async |(mut file, start, left)| {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; wanted];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut bytes)?;
            io::Result::Ok((file, bytes))
        });
        let (file, bytes) = read.await.map_err(io::Error::other)??;
        let frame = http_body::Frame::data(Bytes::from(bytes));
        Ok(Some((frame, (file, start + wanted as u64, left - wanted as u64))))
    });
    StreamBody::new(stream).boxed_unsync()
}

/// The next pieces of a request's body, about [`BATCH_BYTES`] of them; `None` at its end.
///
/// # Errors
/// The client went away or was too slow. Pieces that came before it are returned first.
pub async fn batch<B>(body: &mut B) -> Result<Option<Vec<Bytes>>, Refusal>
where
    B: http_body::Body<Error: std::fmt::Display> + Unpin,
{
    let (mut pieces, mut size) = (Vec::new(), 0);
    while size < BATCH_BYTES && pieces.len() < BATCH_PIECES_MAX {
        match piece(body).await {
            Ok(Some(bytes)) => {
                size += bytes.len();
                pieces.push(bytes);
            }
            Ok(None) => break,
            // What has arrived counts; asked again, the body fails again.
            Err(_) if !pieces.is_empty() => break,
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(Some(pieces).filter(|pieces| !pieces.is_empty()))
}

/// A whole body of at most `limit_bytes`; `None` if it is larger.
pub async fn collect<B>(body: &mut B, limit_bytes: usize) -> Result<Option<Bytes>, Refusal>
where
    B: http_body::Body<Error: std::fmt::Display> + Unpin,
{
    let mut bytes = BytesMut::new();
    while let Some(more) = piece(body).await? {
        if bytes.len() + more.len() > limit_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&more);
    }
    Ok(Some(bytes.freeze()))
}

async fn piece<B>(body: &mut B) -> Result<Option<Bytes>, Refusal>
where
    B: http_body::Body<Error: std::fmt::Display> + Unpin,
{
    loop {
        let late = |_| Refusal::new(Code::BlobUploadInvalid, "the body did not arrive in time");
        match tokio::time::timeout(PIECE_TIME_MAX, body.frame()).await.map_err(late)? {
            None => return Ok(None),
            Some(Err(error)) => {
                let message = format!("the body broke off: {error}");
                return Err(Refusal::new(Code::BlobUploadInvalid, message));
            }
            Some(Ok(frame)) => {
                // Trailers say nothing that is needed here.
                let data = frame.into_data().ok().map(|mut data| data.copy_to_bytes(data.remaining()));
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// What a `Range` header asks of `size` bytes (RFC 9110, section 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: no header, or one that may be ignored.
    All,
    /// `start..=end`.
    Part(u64, u64),
    /// Nothing that is there.
    Unsatisfiable,
}

impl Wanted {
    /// Reads the header.
    #[must_use]
    pub fn parse(header: Option<&str>, size: u64) -> Self {
        let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
            return Self::All;
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        match (number(first), number(last)) {
            (Some(start), Some(end)) if start <= end && start < size => Self::Part(start, end.min(size - 1)),
            (Some(start), Some(end)) if start > end => Self::All,
            (Some(start), None) if last.is_empty() && start < size => Self::Part(start, size - 1),
            (None, Some(count)) if first.is_empty() && count > 0 && size > 0 => {
                Self::Part(size.saturating_sub(count), size - 1)
            }
            (Some(_), Some(_)) => Self::Unsatisfiable,
            (Some(_), None) | (None, Some(_)) if first.is_empty() || last.is_empty() => Self::Unsatisfiable,
            // Several ranges, other forms: answering with everything is always right.
            _ => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, expected) in [
            (None, Wanted::All),
            (Some("bytes=0-3"), Wanted::Part(0, 3)),
            (Some("bytes=3-100"), Wanted::Part(3, 9)),
            (Some("bytes=3-"), Wanted::Part(3, 9)),
            (Some("bytes=-3"), Wanted::Part(7, 9)),
            (Some("bytes=-30"), Wanted::Part(0, 9)),
            (Some("bytes=10-"), Wanted::Unsatisfiable),
            (Some("bytes=10-12"), Wanted::Unsatisfiable),
            (Some("bytes=-0"), Wanted::Unsatisfiable),
            (Some("bytes=5-3"), Wanted::All),
            (Some("bytes=0-1,3-4"), Wanted::All),
            (Some("bytes=a-b"), Wanted::All),
            (Some("items=0-1"), Wanted::All),
            (Some("bytes=99999999999999999999999-"), Wanted::Unsatisfiable),
        ] {
            assert_eq!(Wanted::parse(header, 10), expected, "{header:?}");
        }
        assert_eq!(Wanted::parse(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }
}
