//! Responses that are passed on as the function writes them.
//!
//! A stream that begins with metadata gives status and headers as soon as these are complete; any other is a body from
//! its first byte on. Whoever reads slowly slows the function down; a function that fails midway breaks the connection,
//! so that no client takes half of a body for all of it.
//!
//! Source: Lambda Developer Guide, "Response streaming for Lambda functions" and "Using a Lambda response streaming
//! function with function URLs".

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Channel;
use http_body_util::channel::Sender;
use model::id::RequestId;
use model::port::{ResponseStream, StreamPart};
use wire::rest_json::Reply;

use super::reply::{DELIMITER, Malformed, Meant, PRELUDE_BYTES_MAX, find};
use crate::respond::{Body, BrokenOff, streaming};

/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 2;
/// The content type of streams that begin with metadata.
const WITH_METADATA: &str = "application/vnd.awslambda.http-integration-response";

/// The answer, as soon as its head is known.
pub async fn respond(
    id: RequestId,
    content_type: Option<&str>,
    mut body: Box<dyn ResponseStream>,
) -> Result<Response<Body>, Malformed> {
    let meant = match content_type {
        Some(content_type) if content_type.starts_with(WITH_METADATA) => begun(body.as_mut()).await?,
        other => plain(other),
    };
    let (sender, channel) = Channel::new(PIECES_MAX);
    // Ends with the function, or with the caller; neither takes the other along.
    tokio::spawn(pass_on(id, meant.body, body, sender));
    let reply = Reply { status: meant.status, headers: meant.headers, body: Bytes::new() };
    Ok(streaming(reply, channel))
}

fn plain(content_type: Option<&str>) -> Meant {
    let given = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let content_type = given.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    Meant { status: StatusCode::OK, headers, body: Bytes::new() }
}

/// Reads the metadata, and what of the body has come with it.
async fn begun(body: &mut dyn ResponseStream) -> Result<Meant, Malformed> {
    let mut read = BytesMut::new();
    loop {
        // A delimiter may have come in two parts; what is before it was looked at.
        let looked_at = read.len().saturating_sub(DELIMITER.len() - 1);
        match body.next().await {
            Some(StreamPart::Chunk(bytes)) => read.extend_from_slice(&bytes),
            Some(StreamPart::End(_)) | None => return Err(Malformed("it ended before its body began")),
        }
        if let Some(at) = find(&read[looked_at..]).map(|at| looked_at + at) {
            let read = read.freeze();
            return Meant::of_prelude(&read[..at], read.slice(at + DELIMITER.len()..));
        }
        if read.len() > PRELUDE_BYTES_MAX {
            return Err(Malformed("its metadata is too long"));
        }
    }
}

/// Passes a response on until it or its reader ends. Waits whenever the reader is behind, and then takes nothing more
/// from the function.
async fn pass_on(
    id: RequestId,
    first: Bytes,
    mut body: Box<dyn ResponseStream>,
    mut sender: Sender<Bytes, BrokenOff>,
) {
    if !first.is_empty() && sender.send_data(first).await.is_err() {
        return;
    }
    loop {
        match body.next().await {
            Some(StreamPart::Chunk(bytes)) if bytes.is_empty() => {}
            Some(StreamPart::Chunk(bytes)) => {
                if sender.send_data(bytes).await.is_err() {
                    return;
                }
            }
            Some(StreamPart::End(end)) if end.error.is_none() => return,
            Some(StreamPart::End(_)) => return sender.abort(BrokenOff),
            None => {
                tracing::error!(request = %id, "a response stream ended without saying how");
                return sender.abort(BrokenOff);
            }
        }
    }
}
