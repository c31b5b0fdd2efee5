//! The events of `InvokeWithResponseStream`: chunks of the function's response as it writes them, then the end with
//! what went wrong and the tail of the log. See the Lambda API reference, InvokeWithResponseStream.
//!
//! An event becomes one message of an event stream, a chunk as many as it needs. After the end there is nothing more.

use bytes::Bytes;

use super::InvokeWithResponseStreamCompleteEvent;
use crate::event_stream::{Message, PAYLOAD_BYTES_MAX};
use crate::json::{Malformed, from_json, to_json, write_text};

const MESSAGE_TYPE: &str = ":message-type";
const EVENT_TYPE: &str = ":event-type";
const EXCEPTION_TYPE: &str = ":exception-type";
const ERROR_CODE: &str = ":error-code";
const ERROR_MESSAGE: &str = ":error-message";
const CONTENT_TYPE: &str = ":content-type";
const JSON: &str = "application/json";
/// Most bytes of an exception's message, which is a header too.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of error details; JSON may write a byte of them as six.
const DETAILS_BYTES_MAX: usize = 1 << 20;

/// One event of a streamed response.
#[derive(Clone, PartialEq)]
pub enum ResponseEvent {
    /// Bytes of the response.
    PayloadChunk(Bytes),
    /// The response is complete, or ended by an error that the event names.
    InvokeComplete(InvokeWithResponseStreamCompleteEvent),
    /// The service failed after the response had begun.
    Exception {
        /// The error code.
        code: String,
        /// For the caller.
        message: String,
    },
}

/// A chunk is a function's output, of which only the size is told.
impl std::fmt::Debug for ResponseEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PayloadChunk(chunk) => write!(f, "PayloadChunk({} bytes)", chunk.len()),
            Self::InvokeComplete(complete) => f.debug_tuple("InvokeComplete").field(complete).finish(),
            Self::Exception { code, message } => {
                f.debug_struct("Exception").field("code", code).field("message", message).finish()
            }
        }
    }
}

impl ResponseEvent {
    /// The event as bytes of the stream. An empty chunk says nothing and has none; error details beyond a megabyte
    /// and an exception's message beyond 4 KB are cut.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::PayloadChunk(chunk) => encode_chunk(chunk),
            Self::InvokeComplete(complete) => {
                let mut complete = complete.clone();
                if let Some(details) = &mut complete.error_details {
                    cut(details, DETAILS_BYTES_MAX);
                }
                let headers = [(EVENT_TYPE, "InvokeComplete"), (CONTENT_TYPE, JSON), (MESSAGE_TYPE, "event")];
                encode(&headers, to_json(&complete).into())
            }
            Self::Exception { code, message } => {
                let (mut code, mut message) = (code.clone(), message.clone());
                cut(&mut code, 128);
                cut(&mut message, MESSAGE_BYTES_MAX);
                let mut body = br#"{"message":"#.to_vec();
                write_text(&message, &mut body);
                body.push(b'}');
                // The model lists no exception of this stream: some clients then look for the error's own headers,
                // others for an exception.
                let headers = [
                    (EXCEPTION_TYPE, &*code),
                    (CONTENT_TYPE, JSON),
                    (MESSAGE_TYPE, "exception"),
                    (ERROR_CODE, &*code),
                    (ERROR_MESSAGE, &*message),
                ];
                encode(&headers, body.into())
            }
        }
    }

    /// The event that a message is; none for events that this version does not know.
    pub fn of(message: &Message) -> Result<Option<Self>, Malformed> {
        let kind = message.text(MESSAGE_TYPE).ok_or_else(|| Malformed("a message has no type".to_owned()))?;
        Ok(match (kind, message.text(EVENT_TYPE)) {
            ("event", Some("PayloadChunk")) => Some(Self::PayloadChunk(message.payload.clone())),
            ("event", Some("InvokeComplete")) => Some(Self::InvokeComplete(from_json(&message.payload)?)),
            ("exception", _) => Some(Self::Exception {
                code: message.text(EXCEPTION_TYPE).unwrap_or("UnknownError").to_owned(),
                message: exception_message(&message.payload),
            }),
            ("error", _) => Some(Self::Exception {
                code: message.text(ERROR_CODE).unwrap_or("UnknownError").to_owned(),
                message: message.text(ERROR_MESSAGE).unwrap_or_default().to_owned(),
            }),
            _ => None,
        })
    }
}

fn encode_chunk(chunk: &Bytes) -> Bytes {
    let headers =
        [(EVENT_TYPE, "PayloadChunk"), (CONTENT_TYPE, "application/octet-stream"), (MESSAGE_TYPE, "event")];
    if (1..=PAYLOAD_BYTES_MAX).contains(&chunk.len()) {
        return encode(&headers, chunk.clone());
    }
    let parts = chunk.chunks(PAYLOAD_BYTES_MAX);
    parts.flat_map(|part| encode(&headers, chunk.slice_ref(part))).collect()
}

/// Every text in a header is short, and every payload was cut to its bound before.
fn encode(headers: &[(&str, &str)], payload: Bytes) -> Bytes {
    Message::new(headers, payload).encode().expect("the parts of an event are bounded")
}

fn cut(text: &mut String, bytes_max: usize) {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

fn exception_message(payload: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = body.get("message").or_else(|| body.get("Message")).and_then(serde_json::Value::as_str);
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::Decoder;

    /// Encodes, takes the messages apart again, and gives them with their events.
    fn sent(event: &ResponseEvent) -> Vec<(Message, Option<ResponseEvent>)> {
        let mut decoder = Decoder::new();
        decoder.push(&event.encode());
        let mut found = Vec::new();
        while let Some(message) = decoder.message().expect("whole") {
            let event = ResponseEvent::of(&message).expect("an event");
            found.push((message, event));
        }
        decoder.finish().expect("nothing is left");
        found
    }

    fn check(event: ResponseEvent, headers: &[(&str, &str)], payload: &str) {
        let message = Message::new(headers, payload.to_owned());
        assert_eq!(sent(&event), [(message, Some(event))]);
    }

    #[test]
    fn events_become_messages_and_events_again() {
        check(
            ResponseEvent::PayloadChunk(Bytes::from_static(b"data")),
            &[
                (":event-type", "PayloadChunk"),
                (":content-type", "application/octet-stream"),
                (":message-type", "event"),
            ],
            "data",
        );
        let complete = [
            (":event-type", "InvokeComplete"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        let event = InvokeWithResponseStreamCompleteEvent::default();
        check(ResponseEvent::InvokeComplete(event), &complete, "{}");
        let event = InvokeWithResponseStreamCompleteEvent {
            error_code: Some("Unhandled".to_owned()),
            error_details: Some("{\"errorType\":\"E\"}".to_owned()),
            log_result: Some("bG9n".to_owned()),
        };
        let document =
            r#"{"ErrorCode":"Unhandled","ErrorDetails":"{\"errorType\":\"E\"}","LogResult":"bG9n"}"#;
        check(ResponseEvent::InvokeComplete(event), &complete, document);
        check(
            ResponseEvent::Exception { code: "ServiceException".to_owned(), message: "é\n".to_owned() },
            &[
                (":exception-type", "ServiceException"),
                (":content-type", "application/json"),
                (":message-type", "exception"),
                (":error-code", "ServiceException"),
                (":error-message", "é\n"),
            ],
            r#"{"message":"é\n"}"#,
        );
    }

    #[test]
    fn chunks_of_any_size_fit() {
        assert!(ResponseEvent::PayloadChunk(Bytes::new()).encode().is_empty());
        let large = Bytes::from(vec![7; 2 * PAYLOAD_BYTES_MAX + 1]);
        let parts = sent(&ResponseEvent::PayloadChunk(large.clone()));
        assert_eq!(parts.len(), 3);
        let joined: Vec<u8> = parts.into_iter().flat_map(|(message, _)| message.payload).collect();
        assert!(joined == large);
    }

    #[test]
    fn details_are_cut_at_a_character() {
        let details = format!("a{}", "é".repeat(DETAILS_BYTES_MAX));
        let event = InvokeWithResponseStreamCompleteEvent {
            error_details: Some(details.clone()),
            ..InvokeWithResponseStreamCompleteEvent::default()
        };
        let sent = sent(&ResponseEvent::InvokeComplete(event));
        let Some(ResponseEvent::InvokeComplete(event)) = &sent[0].1 else { panic!("another event") };
        let cut = event.error_details.as_deref().expect("set");
        assert_eq!((cut.len(), details.starts_with(cut)), (DETAILS_BYTES_MAX - 1, true));
    }

    #[test]
    fn foreign_messages_are_told_apart() {
        let of = |headers: &[(&str, &str)], payload: &'static str| {
            ResponseEvent::of(&Message::new(headers, payload))
        };
        let error = [(":message-type", "error"), (":error-code", "Gone"), (":error-message", "m")];
        let gone = ResponseEvent::Exception { code: "Gone".to_owned(), message: "m".to_owned() };
        assert_eq!(of(&error, ""), Ok(Some(gone)));
        assert_eq!(of(&[(":message-type", "event"), (":event-type", "Later")], ""), Ok(None));
        assert!(of(&[], "").is_err());
        let broken = [(":message-type", "event"), (":event-type", "InvokeComplete")];
        assert!(of(&broken, "<html>").is_err());
    }

    #[test]
    fn what_a_function_said_is_not_printed() {
        let chunk = ResponseEvent::PayloadChunk(Bytes::from_static(b"hush"));
        let event = InvokeWithResponseStreamCompleteEvent {
            error_details: Some("hush".to_owned()),
            log_result: Some("hush".to_owned()),
            error_code: None,
        };
        assert!(!format!("{chunk:?}{:?}", ResponseEvent::InvokeComplete(event)).contains("hush"));
    }
}
