//! What an extension asks for when it subscribes, parsed and checked: all that is wrong is told at once, in one
//! sentence for each fault. Nothing here is known of who subscribes or of delivery.
//!
//! The body is hostile until it has been read: only destinations inside the sandbox are accepted.
//! Source: AWS Lambda Developer Guide, "Lambda Telemetry API reference" and "Using the Lambda Logs API". AWS
//! documents two of the messages and how they are joined; the others follow their pattern.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{Method, StatusCode, Uri};
use serde_json::Value;

use super::schema::Schema;
use super::{Api, Source};

/// What has been asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub schema: Schema,
    /// Each at most once, in the order asked for; never empty.
    pub types: Vec<Source>,
    pub buffering: Buffering,
    pub destination: Destination,
}

/// When buffered events are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffering {
    pub items_max: usize,
    pub bytes_max: usize,
    pub timeout: Duration,
}

/// Where to deliver, always on the sandbox's own loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// JSON arrays.
    Http {
        /// `POST`, or `PUT` if the Logs API was asked for it.
        method: Method,
        /// The `Host` header.
        host: String,
        /// Path and query.
        path: String,
        port: u16,
    },
    /// Newline-delimited JSON.
    Tcp { port: u16 },
}

/// Why a subscription is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Rejected {
    pub status: StatusCode,
    /// The `errorType` of the answer.
    pub error_type: &'static str,
    /// The `errorMessage` of the answer.
    pub message: String,
}

/// A subscription is a few hundred bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The Runtime API's and the platform endpoint's own ports.
const PORTS_RESERVED: [u16; 2] = [9001, 4566];
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];
/// The guide's page on buffering says 10,000 for both APIs, the reference of the Telemetry API 1,000. With the greater
/// one, nothing is sent earlier than either page says.
const ITEMS_DEFAULT: u64 = 10_000;
const ITEMS: RangeInclusive<u64> = 1_000..=10_000;
const BYTES_DEFAULT: u64 = 262_144;
const BYTES: RangeInclusive<u64> = 262_144..=1_048_576;
const TIMEOUT_MS_DEFAULT: u64 = 1_000;
const TIMEOUT_MS: RangeInclusive<u64> = 25..=30_000;

impl Request {
    /// Parses and checks the body of a subscription.
    ///
    /// # Errors
    /// A validation error that lists every fault.
    pub(super) fn parse(api: Api, body: &[u8]) -> Result<Self, Rejected> {
        let mut faults = Vec::new();
        let request = Self::read(api, body, &mut faults);
        match request {
            Some(request) if faults.is_empty() => Ok(request),
            _ => Err(Rejected {
                status: StatusCode::BAD_REQUEST,
                error_type: api.validation_error(),
                message: faults.join("; "),
            }),
        }
    }

    /// `None` only with a fault.
    fn read(api: Api, body: &[u8], faults: &mut Vec<String>) -> Option<Self> {
        if body.len() > BODY_BYTES_MAX {
            faults.push(format!("request body should not exceed {BODY_BYTES_MAX} bytes"));
            return None;
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            faults.push("request body should be a JSON object".to_owned());
            return None;
        };
        let field = |name: &str| body.get(name).filter(|value| !value.is_null());
        let schema = schema(api, field("schemaVersion"), faults);
        let destination = destination(api, field("destination"), faults);
        let types = types(field("types"), faults);
        let buffering = buffering(field("buffering"), faults);
        Some(Self { schema: schema?, types: types?, buffering: buffering?, destination: destination? })
    }
}

fn schema(api: Api, value: Option<&Value>, faults: &mut Vec<String>) -> Option<Schema> {
    let Some(value) = value else {
        let default = Schema::default_of(api);
        if default.is_none() {
            faults.push("schemaVersion is not provided".to_owned());
        }
        return default;
    };
    let schema = value.as_str().and_then(|version| Schema::parse(api, version));
    if schema.is_none() {
        let versions: Vec<_> = Schema::of(api).map(Schema::version).collect();
        faults.push(format!("schemaVersion should be one of: {}", versions.join(", ")));
    }
    schema
}

fn types(value: Option<&Value>, faults: &mut Vec<String>) -> Option<Vec<Source>> {
    let names = match value {
        None => &Vec::new(),
        Some(Value::Array(names)) => names,
        Some(_) => {
            faults.push("types should be an array of strings".to_owned());
            return None;
        }
    };
    let mut types = Vec::new();
    for name in names {
        match name.as_str().and_then(Source::parse) {
            Some(source) if types.contains(&source) => {}
            Some(source) => types.push(source),
            None => {
                faults.push("types should be of: platform, function, extension".to_owned());
                return None;
            }
        }
    }
    if types.is_empty() {
        faults.push("types should not be empty".to_owned());
        return None;
    }
    Some(types)
}

fn buffering(value: Option<&Value>, faults: &mut Vec<String>) -> Option<Buffering> {
    if value.is_some_and(|value| !value.is_object()) {
        faults.push("buffering should be an object".to_owned());
        return None;
    }
    let mut number = |name: &str, range: RangeInclusive<u64>, default: u64| {
        let value = value.and_then(|buffering| buffering.get(name)).filter(|value| !value.is_null());
        let Some(value) = value else { return Some(default) };
        let number = value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            faults.push(format!("{name} should be between {} and {}", range.start(), range.end()));
        }
        number
    };
    let items = number("maxItems", ITEMS, ITEMS_DEFAULT);
    let bytes = number("maxBytes", BYTES, BYTES_DEFAULT);
    let timeout_ms = number("timeoutMs", TIMEOUT_MS, TIMEOUT_MS_DEFAULT);
    Some(Buffering {
        items_max: usize::try_from(items?).ok()?,
        bytes_max: usize::try_from(bytes?).ok()?,
        timeout: Duration::from_millis(timeout_ms?),
    })
}

fn destination(api: Api, value: Option<&Value>, faults: &mut Vec<String>) -> Option<Destination> {
    let Some(value) = value else {
        faults.push("destination is not provided".to_owned());
        return None;
    };
    let field = |name: &str| value.get(name).filter(|value| !value.is_null());
    let destination = match field("protocol").and_then(Value::as_str) {
        Some("HTTP") => http(field("URI").and_then(Value::as_str)).and_then(|(host, path, port)| {
            Ok(Destination::Http { method: method(api, value)?, host, path, port })
        }),
        Some("TCP") => tcp_port(field("port")).map(|port| Destination::Tcp { port }),
        _ => Err("protocol should be one of: HTTP, TCP".to_owned()),
    };
    destination.map_err(|fault| faults.push(fault)).ok()
}

/// `Host` header, path and port of a URI that leads into the sandbox.
fn http(uri: Option<&str>) -> Result<(String, String, u16), String> {
    let uri = uri.filter(|uri| !uri.is_empty()).ok_or("URI is not provided")?;
    let uri: Uri = uri.parse().map_err(|_| "URI is not valid")?;
    if uri.scheme_str() != Some("http") {
        return Err("URI scheme should be http".to_owned());
    }
    let authority = uri.authority().ok_or("URI host is not provided")?;
    let named = HOSTS.iter().any(|host| authority.host().eq_ignore_ascii_case(host));
    if !named || authority.as_str().contains('@') {
        return Err(format!("URI host should be {}", HOSTS[0]));
    }
    let port = free(authority.port_u16().ok_or("URI port is not provided")?)?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Ok((authority.as_str().to_owned(), path.to_owned(), port))
}

/// Only the Logs API lets one choose.
fn method(api: Api, destination: &Value) -> Result<Method, String> {
    let chosen = |name: &str| destination.get(name).filter(|value| api == Api::Logs && !value.is_null());
    if chosen("encoding").is_some_and(|encoding| encoding != "JSON") {
        return Err("encoding should be JSON".to_owned());
    }
    match chosen("method").map(|method| method.as_str().unwrap_or_default()) {
        None | Some("POST") => Ok(Method::POST),
        Some("PUT") => Ok(Method::PUT),
        Some(_) => Err("method should be one of: POST, PUT".to_owned()),
    }
}

fn tcp_port(port: Option<&Value>) -> Result<u16, String> {
    let port = port.ok_or("port is not provided")?;
    free(port.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0))
}

fn free(port: u16) -> Result<u16, String> {
    match port {
        0 => Err(format!("port should be between 1 and {}", u16::MAX)),
        port if PORTS_RESERVED.contains(&port) => Err(format!("port {port} is reserved")),
        port => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "schemaVersion": "2022-12-13", "types": ["platform"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080" },
        })
    }

    fn parse(api: Api, body: &Value) -> Result<Request, Rejected> {
        Request::parse(api, body.to_string().as_bytes())
    }

    fn http_to(method: Method, host: &str, path: &str) -> Destination {
        Destination::Http { method, host: host.to_owned(), path: path.to_owned(), port: 8080 }
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let request = parse(Api::Telemetry, &valid()).expect("a valid subscription");
        let buffering = Buffering { items_max: 10_000, bytes_max: 262_144, timeout: Duration::from_secs(1) };
        let expected = Request {
            schema: Schema::Telemetry2022December,
            types: vec![Source::Platform],
            buffering,
            destination: http_to(Method::POST, "sandbox.localdomain:8080", "/"),
        };
        assert_eq!(request, expected);

        let mut logs = valid();
        logs["schemaVersion"] = Value::Null;
        assert_eq!(parse(Api::Logs, &logs).expect("a valid subscription").schema, Schema::Logs2020);
    }

    #[test]
    fn what_is_given_counts() {
        let check = |api: Api, version: &str, destination: Value, expected: Destination| {
            let body = json!({
                "schemaVersion": version, "types": ["extension", "function", "extension"],
                "buffering": { "maxItems": 1000, "maxBytes": 1048576, "timeoutMs": 25 },
                "destination": destination,
            });
            let request = parse(api, &body).expect("a valid subscription");
            assert_eq!(request.schema.version(), version);
            assert_eq!(request.types, [Source::Extension, Source::Function]);
            let buffering =
                Buffering { items_max: 1_000, bytes_max: 1_048_576, timeout: Duration::from_millis(25) };
            assert_eq!(request.buffering, buffering);
            assert_eq!(request.destination, expected);
        };
        let tcp = json!({ "protocol": "TCP", "port": 8080 });
        let path = json!({ "protocol": "HTTP", "URI": "http://SANDBOX:8080/a/b?c=d", "method": "PUT" });
        check(Api::Telemetry, "2025-01-29", tcp.clone(), Destination::Tcp { port: 8080 });
        check(Api::Telemetry, "2022-07-01", path.clone(), http_to(Method::POST, "SANDBOX:8080", "/a/b?c=d"));
        check(Api::Logs, "2021-03-18", path, http_to(Method::PUT, "SANDBOX:8080", "/a/b?c=d"));
        check(Api::Logs, "2020-08-15", tcp, Destination::Tcp { port: 8080 });
    }

    #[track_caller]
    fn refused(api: Api, path: &str, value: Value, message: &str) {
        let mut body = valid();
        if api == Api::Logs {
            body["schemaVersion"] = "2021-03-18".into();
        }
        if let Some(place) = body.pointer_mut(path) {
            *place = value;
        } else {
            let (parent, name) = path.rsplit_once('/').expect("a JSON pointer");
            body.pointer_mut(parent).expect("a place for it")[name] = value;
        }
        let rejected = parse(api, &body).expect_err("a fault");
        assert_eq!((rejected.status, rejected.message.as_str()), (StatusCode::BAD_REQUEST, message));
    }

    #[test]
    fn each_fault_has_its_sentence() {
        let telemetry = |path, value, message| refused(Api::Telemetry, path, value, message);
        let versions = "schemaVersion should be one of: 2022-07-01, 2022-12-13, 2025-01-29";
        telemetry("/schemaVersion", json!("2020-08-15"), versions);
        telemetry("/schemaVersion", json!(7), versions);
        telemetry("/schemaVersion", Value::Null, "schemaVersion is not provided");
        telemetry("/types", json!([]), "types should not be empty");
        telemetry("/types", Value::Null, "types should not be empty");
        telemetry("/types", json!("platform"), "types should be an array of strings");
        telemetry(
            "/types",
            json!(["platform", "runtime"]),
            "types should be of: platform, function, extension",
        );
        telemetry("/buffering", json!([]), "buffering should be an object");
        telemetry("/buffering", json!({ "maxItems": 999 }), "maxItems should be between 1000 and 10000");
        telemetry(
            "/buffering",
            json!({ "maxBytes": 1_048_577 }),
            "maxBytes should be between 262144 and 1048576",
        );
        telemetry("/buffering", json!({ "timeoutMs": "100" }), "timeoutMs should be between 25 and 30000");
        telemetry("/destination", Value::Null, "destination is not provided");
        telemetry("/destination/protocol", json!("UDP"), "protocol should be one of: HTTP, TCP");
        telemetry("/destination", json!({ "protocol": "TCP" }), "port is not provided");
        let range = "port should be between 1 and 65535";
        telemetry("/destination", json!({ "protocol": "TCP", "port": 65_536 }), range);
        telemetry("/destination", json!({ "protocol": "TCP", "port": 9001 }), "port 9001 is reserved");
        let versions = "schemaVersion should be one of: 2020-08-15, 2021-03-18";
        refused(Api::Logs, "/schemaVersion", json!("2022-07-01"), versions);
        refused(Api::Logs, "/destination/method", json!("GET"), "method should be one of: POST, PUT");
        refused(Api::Logs, "/destination/encoding", json!("XML"), "encoding should be JSON");
    }

    #[test]
    fn only_the_sandbox_is_a_destination() {
        let check =
            |uri: &str, message: &str| refused(Api::Telemetry, "/destination/URI", json!(uri), message);
        let host = "URI host should be sandbox.localdomain";
        check("http://sandbox.localdomain", "URI port is not provided");
        check("http://sandbox.localdomain/x", "URI port is not provided");
        check("http://sandbox.localdomain:0", "port should be between 1 and 65535");
        check("http://sandbox.localdomain:9001", "port 9001 is reserved");
        check("http://sandbox:4566/x", "port 4566 is reserved");
        check("http://127.0.0.1:8080", host);
        check("http://localhost:8080", host);
        check("http://example.com:8080", host);
        check("http://user@sandbox:8080", host);
        check("https://sandbox:8080", "URI scheme should be http");
        check("sandbox:8080", "URI scheme should be http");
        check("http://a b", "URI is not valid");
        check("", "URI is not provided");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let body = json!({
            "schemaVersion": "2022-07-01", "types": [],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain" },
        });
        let rejected = parse(Api::Telemetry, &body).expect_err("two faults");
        assert_eq!(rejected.error_type, "ValidationError");
        assert_eq!(rejected.message, "URI port is not provided; types should not be empty");
        let rejected = Request::parse(Api::Logs, b"{").expect_err("no JSON");
        assert_eq!(rejected.error_type, "Logs.ValidationError");
        assert_eq!(rejected.message, "request body should be a JSON object");
        let rejected = Request::parse(Api::Logs, &[b' '; BODY_BYTES_MAX + 1]).expect_err("too much");
        assert_eq!(rejected.message, "request body should not exceed 65536 bytes");
    }
}
