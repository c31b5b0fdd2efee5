//! `InvokeWithResponseStream`: a response that is passed on as the function writes it.
//!
//! The answer begins with the function's first bytes, each piece leaves at once as an event of its own, and the last
//! event says how it ended. Whoever reads slowly slows the function down: between the two there are never more than
//! [`PIECES_MAX`] pieces. A failure before the first byte is told in the same way, with status 200.
//!
//! Source: Lambda API reference, `InvokeWithResponseStream`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Channel;
use http_body_util::channel::Sender;
use model::id::RequestId;
use model::port::{self, ResponseStream, StreamEnd, StreamPart};
use wire::lambda::{self as api, ResponseEvent};
use wire::rest_json::{Call as _, Output as _};

use super::Asked;
use super::invoke::{Wanted, describe, dry_run, one_hop_more, prepare};
use crate::respond::{Body, BrokenOff, Failure, streaming, whole};

/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 2;
/// The code of a failure before the first byte, the function's own or its environment's. Later ones have their own type.
const UNHANDLED: &str = "Unhandled";

pub async fn invoke(
    asked: &Asked<'_>,
    input: api::InvokeWithResponseStreamRequest,
) -> Result<Response<Body>, Failure> {
    let is_dry = input.invocation_type == Some(api::ResponseStreamingInvocationType::DryRun);
    let (mut invocation, _) = prepare(
        asked,
        Wanted {
            name: input.function_name.as_deref(),
            qualifier: input.qualifier.as_deref(),
            client_context: input.client_context.as_deref(),
            tenant: input.tenant_id.as_deref(),
            log_type: input.log_type.as_ref(),
            payload: input.payload,
            streaming: true,
        },
    )?;
    if is_dry {
        return Ok(dry_run());
    }
    one_hop_more(asked.app, asked.call.is_inside, &mut invocation)?;
    let (id, trace) = (asked.call.id, invocation.trace.clone());
    let reply = api::InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version: Some(invocation.function.version.to_string()),
        // The body's own type is the encoding's; what the function said is not told here.
        response_stream_content_type: None,
    };
    let outcome = asked.app.parts.invoke.invoke(invocation).await?;
    asked.app.metrics.invocation(outcome.reason, outcome.result.is_err());
    let mut reply = reply.reply(api::InvokeWithResponseStreamRequest::HTTP);
    let mut response = match outcome.result {
        Ok(port::Response::Stream { body, .. }) => {
            let (sender, channel) = Channel::new(PIECES_MAX);
            // Ends with the function, or with the caller; neither takes the other along.
            tokio::spawn(pass_on(id, body, sender));
            streaming(reply, channel)
        }
        Ok(port::Response::Whole(payload)) => {
            let end = StreamEnd { error: None, tail: outcome.tail };
            let events = [ResponseEvent::PayloadChunk(payload).encode(), complete(end)];
            reply.body = events.iter().fold(BytesMut::new(), joined).freeze();
            whole(reply)
        }
        Err(failure) => {
            reply.body = failed(&wire::failure::body(id, failure), outcome.tail);
            whole(reply)
        }
    };
    describe(response.headers_mut(), outcome.reason, outcome.phases, trace.as_deref());
    Ok(response)
}

/// Passes a response on until it or its reader ends. Waits whenever the reader is behind, and then takes nothing more
/// from the function.
async fn pass_on(id: RequestId, mut body: Box<dyn ResponseStream>, mut sender: Sender<Bytes, BrokenOff>) {
    loop {
        let event = match body.next().await {
            // Nothing to tell, and an empty piece would end the body.
            Some(StreamPart::Chunk(bytes)) if bytes.is_empty() => continue,
            Some(StreamPart::Chunk(bytes)) => ResponseEvent::PayloadChunk(bytes).encode(),
            Some(StreamPart::End(end)) => {
                // The last one; a reader who has gone misses nothing but it.
                let _ = sender.send_data(complete(end)).await;
                return;
            }
            None => {
                tracing::error!(request = %id, "a response stream ended without saying how");
                let code = "ServiceException".to_owned();
                let event = ResponseEvent::Exception { code, message: "The response broke off.".to_owned() };
                let _ = sender.send_data(event.encode()).await;
                return;
            }
        };
        if sender.send_data(event).await.is_err() {
            return;
        }
    }
}

fn complete(end: StreamEnd) -> Bytes {
    let (error_code, error_details) = match end.error {
        Some(error) => (Some(error.code), Some(error.details)),
        None => (None, None),
    };
    event(error_code, error_details, end.tail)
}

/// All of a response that never began.
fn failed(details: &[u8], tail: Option<Vec<u8>>) -> Bytes {
    let details = String::from_utf8_lossy(details).into_owned();
    event(Some(UNHANDLED.to_owned()), Some(details), tail)
}

fn event(error_code: Option<String>, error_details: Option<String>, tail: Option<Vec<u8>>) -> Bytes {
    let log_result = tail.map(|tail| STANDARD.encode(tail));
    let event = api::InvokeWithResponseStreamCompleteEvent { error_code, error_details, log_result };
    ResponseEvent::InvokeComplete(event).encode()
}

fn joined(mut whole: BytesMut, part: &Bytes) -> BytesMut {
    whole.extend_from_slice(part);
    whole
}
