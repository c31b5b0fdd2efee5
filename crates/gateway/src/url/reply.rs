//! What the response of a function means as an answer of HTTP. Pure.
//!
//! JSON without `statusCode` is the body itself; with it, it says status, headers, cookies and body. Behind a stream that
//! was collected, or at the head of one, stands the same without a body: metadata, eight zero bytes, and then the body.
//! Headers that belong to the connection, or are counted by, are the server's: a function's own are given another name,
//! as Lambda does.
//!
//! Source: Lambda Developer Guide, "Invoking Lambda function URLs", "Response payload format".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};
use wire::rest_json::Reply;

use super::has_type;
use crate::respond::{Body, whole};

/// Ends the metadata of a streamed response.
pub const DELIMITER: [u8; 8] = [0; 8];
/// The metadata of a streamed response at most.
pub const PRELUDE_BYTES_MAX: usize = 64 * 1024;
/// Given to the client under another name.
const REMAPPED: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amzn-errortype",
    "x-amzn-requestid",
];

/// Why a response means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Meant {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Meant {
    /// What a whole response means. To callers who take streams, what is no JSON is a body like any other.
    pub fn of(payload: &Bytes, streams: bool) -> Result<Self, Malformed> {
        if let Some((metadata, body)) = split(payload) {
            return Self::of_prelude(metadata, body);
        }
        match serde_json::from_slice::<Value>(payload) {
            Ok(Value::Object(members)) if members.contains_key("statusCode") => Self::of_members(&members),
            Err(_) if !streams => Err(Malformed("it is no JSON")),
            _ => {
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Ok(Self { status: StatusCode::OK, headers, body: payload.clone() })
            }
        }
    }

    /// What the metadata of a stream means, with the beginning of its body.
    pub fn of_prelude(metadata: &[u8], body: Bytes) -> Result<Self, Malformed> {
        let Ok(Value::Object(members)) = serde_json::from_slice(metadata) else {
            return Err(Malformed("its metadata is no JSON object"));
        };
        let (status, mut headers) = head(&members)?;
        if !has_type(&headers) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        }
        Ok(Self { status, headers, body })
    }

    fn of_members(members: &Map<String, Value>) -> Result<Self, Malformed> {
        let (status, mut headers) = head(members)?;
        if !has_type(&headers) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let text = match members.get("body") {
            None | Some(Value::Null) => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(Malformed("its body is no text")),
        };
        let body = match members.get("isBase64Encoded") {
            None | Some(Value::Null | Value::Bool(false)) => Bytes::copy_from_slice(text.as_bytes()),
            Some(Value::Bool(true)) => {
                STANDARD.decode(text).map_err(|_| Malformed("its body is no Base64"))?.into()
            }
            Some(_) => return Err(Malformed("isBase64Encoded is neither true nor false")),
        };
        Ok(Self { status, headers, body })
    }

    /// The answer, whole.
    pub fn response(self) -> Response<Body> {
        whole(Reply { status: self.status, headers: self.headers, body: self.body })
    }
}

/// Metadata and body of a stream that was collected. JSON has no zero byte, so nothing else can look like one.
fn split(payload: &Bytes) -> Option<(&[u8], Bytes)> {
    let at = find(payload)?;
    Some((&payload[..at], payload.slice(at + DELIMITER.len()..)))
}

/// Where the metadata at the head of a stream ends, if that is among the bytes that have come.
pub fn find(bytes: &[u8]) -> Option<usize> {
    let within = &bytes[..bytes.len().min(PRELUDE_BYTES_MAX + DELIMITER.len())];
    within.windows(DELIMITER.len()).position(|window| window == DELIMITER)
}

fn head(members: &Map<String, Value>) -> Result<(StatusCode, HeaderMap), Malformed> {
    let status = members
        .get("statusCode")
        .map_or(Some(StatusCode::OK), status)
        .ok_or(Malformed("its status is none"))?;
    let mut headers = HeaderMap::new();
    match members.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(named)) => {
            for (name, value) in named {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    _ => return Err(Malformed("a header is no text")),
                };
                headers.append(header_name(name)?, header_value(&text)?);
            }
        }
        Some(_) => return Err(Malformed("its headers are no object")),
    }
    match members.get("cookies") {
        None | Some(Value::Null) => {}
        Some(Value::Array(cookies)) => {
            for cookie in cookies {
                let cookie = cookie.as_str().ok_or(Malformed("a cookie is no text"))?;
                headers.append(SET_COOKIE, header_value(cookie)?);
            }
        }
        Some(_) => return Err(Malformed("its cookies are no list")),
    }
    Ok((status, headers))
}

/// A number, or one in quotes. An answer's last status is none below 200.
fn status(value: &Value) -> Option<StatusCode> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    let number = u16::try_from(number).ok().filter(|number| (200..600).contains(number))?;
    StatusCode::from_u16(number).ok()
}

fn header_name(name: &str) -> Result<HeaderName, Malformed> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    let remapped = |name: HeaderName| match REMAPPED.contains(&name.as_str()) {
        true => HeaderName::from_bytes(format!("x-amzn-remapped-{name}").as_bytes()),
        false => Ok(name),
    };
    parsed.and_then(remapped).map_err(|_| Malformed("the name of a header is none"))
}

fn header_value(text: &str) -> Result<HeaderValue, Malformed> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Malformed("the value of a header is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers in order, and body.
    type Shown = (u16, Vec<(String, String)>, Vec<u8>);

    fn meant(payload: &str, streams: bool) -> Option<Shown> {
        let meant = Meant::of(&Bytes::copy_from_slice(payload.as_bytes()), streams).ok()?;
        let headers = meant.headers.iter();
        let mut headers: Vec<_> = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        Some((meant.status.as_u16(), headers, meant.body.to_vec()))
    }

    fn check(payload: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(meant(payload, false), Some((status, headers, body.to_vec())), "{payload}");
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn what_has_no_status_is_the_body() {
        for payload in [r#""Hello, world!""#, r#"{"message": "Hello"}"#, "null", "7", "[1, 2]"] {
            check(payload, 200, &[JSON], payload.as_bytes());
        }
    }

    #[test]
    fn what_has_a_status_says_all() {
        check(r#"{"statusCode":204}"#, 204, &[JSON], b"");
        check(r#"{"statusCode":"201","body":"x"}"#, 201, &[JSON], b"x");
        check(
            r#"{"statusCode":200,"headers":{"Content-Type":"text/html","X-N":1,"X-B":true},"cookies":["a=1","b=2"],
                "body":"aGk=","isBase64Encoded":true}"#,
            200,
            &[
                ("content-type", "text/html"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("x-b", "true"),
                ("x-n", "1"),
            ],
            b"hi",
        );
        check(
            r#"{"statusCode":200,"headers":{"Content-Length":"999","Connection":"close","X-Amzn-ErrorType":"x"}}"#,
            200,
            &[
                JSON,
                ("x-amzn-remapped-connection", "close"),
                ("x-amzn-remapped-content-length", "999"),
                ("x-amzn-remapped-x-amzn-errortype", "x"),
            ],
            b"",
        );
    }

    #[test]
    fn what_means_nothing_is_malformed() {
        for payload in [
            "",
            "<html>",
            r#"{"statusCode":100}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":null}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"body":"*","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"isBase64Encoded":"yes"}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\nc"}}"#,
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            r#"{"statusCode":200,"cookies":"a=1"}"#,
            r#"{"statusCode":200,"cookies":[1]}"#,
        ] {
            assert_eq!(meant(payload, false), None, "{payload}");
        }
        assert_eq!(
            meant("<html>", true).map(|(status, _, body)| (status, body)),
            Some((200, b"<html>".to_vec()))
        );
    }

    #[test]
    fn a_stream_that_was_collected_is_taken_apart() {
        let octets = ("content-type", "application/octet-stream");
        check("{\"statusCode\":418}\0\0\0\0\0\0\0\0tea", 418, &[octets], b"tea");
        check("{}\0\0\0\0\0\0\0\0", 200, &[octets], b"");
        assert_eq!(meant("{\0\0\0\0\0\0\0\0tea", false), None);
    }
}
