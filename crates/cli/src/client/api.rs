//! The operations that the commands use: Lambda's own, and Dormouse's additions (runtimes, logs, events and queues).
//!
//! The types are the parts of AWS's JSON that the commands show or send. Fields that a command does not need
//! are not read, so a newer server can add to its answers.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Incoming;
use model::limits::TIMEOUT_S;
use serde::{Deserialize, Serialize};
use wire::percent::encode;

use super::{Call, Client, ClientError, OnSent};

const FUNCTIONS: &str = "/2015-03-31/functions";
/// A function's longest run, its cold start and its place in the line.
const INVOKE_DEADLINE: Duration = Duration::from_secs(*TIMEOUT_S.end() as u64 + 120);

/// `FunctionConfiguration`, as far as it is shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionConfiguration {
    /// Name.
    pub function_name: String,
    /// ARN without qualifier.
    pub function_arn: String,
    /// Runtime identifier.
    pub runtime: Option<String>,
    /// Entry point.
    pub handler: Option<String>,
    /// Execution role.
    pub role: Option<String>,
    /// Free text.
    pub description: String,
    /// Size of the zip in bytes.
    pub code_size: u64,
    /// Base64 of the zip's SHA-256.
    pub code_sha256: String,
    /// Seconds.
    pub timeout: u32,
    /// MB.
    pub memory_size: u32,
    /// AWS's text form.
    pub last_modified: String,
    /// `Pending`, `Active`, `Inactive` or `Failed`.
    pub state: Option<String>,
    /// Why, if not `Active`.
    pub state_reason: Option<String>,
    /// `Successful`, `InProgress` or `Failed`.
    pub last_update_status: Option<String>,
    /// Why, if not `Successful`.
    pub last_update_status_reason: Option<String>,
    /// Variables.
    pub environment: Option<Environment>,
    /// `/tmp`.
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// One of `x86_64` and `arm64`.
    pub architectures: Vec<String>,
}

/// Environment variables; `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Environment {
    /// Name and value.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Size of `/tmp`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EphemeralStorage {
    /// MB.
    pub size: u32,
}

/// The settings of a create or update request; what is `None` is left to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Changes {
    /// Runtime identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// Execution role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_size: Option<u32>,
    /// Variables, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// `/tmp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
}

/// What only creation sets besides the settings.
#[derive(Debug, Clone, Default)]
pub struct Creation {
    /// Function name.
    pub name: String,
    /// Settings.
    pub changes: Changes,
    /// `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What to invoke, and with what.
#[derive(Debug, Clone, Default)]
pub struct InvokeRequest {
    /// Name, partial ARN or ARN.
    pub function: String,
    /// Version or alias.
    pub qualifier: Option<String>,
    /// The event.
    pub payload: Bytes,
    /// JSON of the client context.
    pub client_context: Option<String>,
    /// Whether the end of the log is wanted.
    pub tail: bool,
    /// Whether the event is to be queued, and run later.
    pub queue: bool,
}

/// What a function answered.
#[derive(Debug, Clone)]
pub struct InvokeAnswer {
    /// HTTP status.
    pub status: u16,
    /// The payload, byte by byte.
    pub payload: Bytes,
    /// `Unhandled`, if the function failed.
    pub function_error: Option<String>,
    /// The version that ran.
    pub executed_version: Option<String>,
    /// The end of the log, if it was asked for.
    pub log: Option<Vec<u8>>,
    /// `warm`, `cold` or `queued`, if the server tells.
    pub start: Option<String>,
    /// Microseconds per phase in the server's order, if the server tells.
    pub phases: Vec<(String, u64)>,
    /// The request's id.
    pub request_id: Option<String>,
}

/// One line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since the epoch; none where the server itself speaks to the reader.
    pub timestamp: Option<i64>,
    /// The environment's stream.
    pub stream: String,
    /// The line.
    pub message: String,
}

#[derive(Deserialize)]
struct Runtimes {
    runtimes: Vec<RuntimeEntry>,
}

/// A runtime that functions can use, and what is behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuntimeEntry {
    /// Such as `ruby3.3`.
    pub name: String,
    /// The interpreter's true version, where it is known.
    #[serde(default)]
    pub version: Option<String>,
    /// The interpreter, if there is one.
    #[serde(default)]
    pub interpreter: Option<String>,
    /// The directory that the owner added.
    #[serde(default)]
    pub directory: Option<String>,
    /// The image that the owner added.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether functions can use it before the server is started again.
    #[serde(default = "yes")]
    pub ready: bool,
}

const fn yes() -> bool {
    true
}

/// Where an added runtime is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimePlace {
    /// A directory of the server's machine.
    Path(std::path::PathBuf),
    /// An image.
    Image(String),
}

/// What has become of a queued event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct EventFate {
    /// The id of the request that brought it.
    pub request_id: String,
    /// For whom.
    pub function_arn: String,
    /// `queued`, `running`, or how it ended, such as `Success` or `RetriesExhausted`.
    pub status: String,
    /// How often the function ran and failed.
    pub failed_attempts: u32,
    /// When this became so; of an event that waits, when it was accepted.
    pub at: String,
}

/// How much a queue holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct Backlog {
    /// `async`, `deliver` or `sqs`.
    pub purpose: String,
    /// The function, who sends, or the queue.
    pub name: String,
    /// Can be taken now.
    pub waiting: u64,
    /// Taken, or resting after a failure.
    pub in_flight: u64,
    /// Not to be taken yet.
    pub delayed: u64,
    /// When the oldest of all was sent.
    pub oldest_at: Option<String>,
}

#[derive(Deserialize)]
struct BacklogPage {
    queues: Vec<Backlog>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct RuntimeAdded {
    effect: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionPage {
    functions: Vec<FunctionConfiguration>,
    next_marker: Option<String>,
}

impl Client {
    /// `GetFunctionConfiguration`; `None` if there is no such function.
    pub async fn function(&self, name: &str) -> Result<Option<FunctionConfiguration>, ClientError> {
        let path = format!("{FUNCTIONS}/{}/configuration", encode(name));
        let call = Call::new("GetFunctionConfiguration", Method::GET, path);
        match self.send(call).await {
            Ok(answer) => self.decode("GetFunctionConfiguration", &answer.body).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `CreateFunction` with a zip.
    pub async fn create(
        &self,
        creation: &Creation,
        zip: &[u8],
        on_sent: Option<OnSent>,
    ) -> Result<FunctionConfiguration, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            function_name: &'a str,
            #[serde(flatten)]
            changes: &'a Changes,
            #[serde(skip_serializing_if = "Option::is_none")]
            architectures: Option<[&'a str; 1]>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            tags: &'a BTreeMap<String, String>,
            code: ZipCode,
        }
        let body = Body {
            function_name: &creation.name,
            changes: &creation.changes,
            architectures: creation.architecture.as_deref().map(|one| [one]),
            tags: &creation.tags,
            code: ZipCode { zip_file: BASE64.encode(zip) },
        };
        let mut call = Call::new("CreateFunction", Method::POST, FUNCTIONS.to_owned());
        call.on_sent = on_sent;
        self.send_json(call, &body).await
    }

    /// `UpdateFunctionCode` with a zip.
    pub async fn update_code(
        &self,
        name: &str,
        architecture: Option<&str>,
        zip: &[u8],
        on_sent: Option<OnSent>,
    ) -> Result<FunctionConfiguration, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            #[serde(flatten)]
            code: ZipCode,
            #[serde(skip_serializing_if = "Option::is_none")]
            architectures: Option<[&'a str; 1]>,
        }
        let body = Body {
            code: ZipCode { zip_file: BASE64.encode(zip) },
            architectures: architecture.map(|one| [one]),
        };
        let path = format!("{FUNCTIONS}/{}/code", encode(name));
        let mut call = Call::new("UpdateFunctionCode", Method::PUT, path);
        call.on_sent = on_sent;
        self.send_json(call, &body).await
    }

    /// `UpdateFunctionConfiguration`.
    pub async fn update_configuration(
        &self,
        name: &str,
        changes: &Changes,
    ) -> Result<FunctionConfiguration, ClientError> {
        let path = format!("{FUNCTIONS}/{}/configuration", encode(name));
        self.send_json(Call::new("UpdateFunctionConfiguration", Method::PUT, path), changes).await
    }

    /// `DeleteFunction`.
    pub async fn delete(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("{FUNCTIONS}/{}", encode(name));
        self.send(Call::new("DeleteFunction", Method::DELETE, path)).await.map(|_| ())
    }

    /// One page of `ListFunctions`, and the marker of the next.
    pub async fn list(
        &self,
        marker: Option<String>,
    ) -> Result<(Vec<FunctionConfiguration>, Option<String>), ClientError> {
        let mut call = Call::new("ListFunctions", Method::GET, FUNCTIONS.to_owned());
        call.query.extend(marker.map(|marker| ("Marker", marker)));
        let answer = self.send(call).await?;
        let page: FunctionPage = self.decode("ListFunctions", &answer.body)?;
        Ok((page.functions, page.next_marker.filter(|marker| !marker.is_empty())))
    }

    /// `Invoke`, waiting for the answer unless the event is to be queued.
    pub async fn invoke(&self, request: InvokeRequest) -> Result<InvokeAnswer, ClientError> {
        let path = format!("{FUNCTIONS}/{}/invocations", encode(&request.function));
        let mut call = Call::new("Invoke", Method::POST, path);
        call.deadline = INVOKE_DEADLINE;
        call.query.extend(request.qualifier.map(|qualifier| ("Qualifier", qualifier)));
        call.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        if request.queue {
            let name = HeaderName::from_static("x-amz-invocation-type");
            call.headers.push((name, HeaderValue::from_static("Event")));
        }
        if request.tail {
            let name = HeaderName::from_static("x-amz-log-type");
            call.headers.push((name, HeaderValue::from_static("Tail")));
        }
        if let Some(context) = &request.client_context {
            let name = HeaderName::from_static("x-amz-client-context");
            let value = HeaderValue::try_from(BASE64.encode(context));
            let failed = |source: http::Error| ClientError::Request { operation: "Invoke", source };
            call.headers.push((name, value.map_err(|error| failed(error.into()))?));
        }
        call.body = request.payload;
        let answer = self.send(call).await?;
        let header = |name| text_of(&answer.headers, name);
        Ok(InvokeAnswer {
            status: answer.status.as_u16(),
            function_error: header("x-amz-function-error"),
            executed_version: header("x-amz-executed-version"),
            log: header("x-amz-log-result").and_then(|text| BASE64.decode(text).ok()),
            start: header("x-dormouse-start"),
            phases: header("x-dormouse-phases").map(|text| phases(&text)).unwrap_or_default(),
            request_id: header("x-amzn-requestid"),
            payload: answer.body,
        })
    }

    /// What has become of a queued event, by the id of the request that brought it.
    pub async fn event(&self, request: &str) -> Result<EventFate, ClientError> {
        let path = format!("/_dormouse/events/{}", encode(request));
        let answer = self.send(Call::new("GetEvent", Method::GET, path)).await?;
        self.decode("GetEvent", &answer.body)
    }

    /// One page of the queues that hold something, and where the next one begins.
    pub async fn queues(&self, after: Option<&str>) -> Result<(Vec<Backlog>, Option<String>), ClientError> {
        let query = after.map(|after| format!("?after={}", encode(after))).unwrap_or_default();
        let answer =
            self.send(Call::new("ListQueues", Method::GET, format!("/_dormouse/queues{query}"))).await?;
        let page: BacklogPage = self.decode("ListQueues", &answer.body)?;
        Ok((page.queues, page.next))
    }

    /// The runtimes that functions can use.
    pub async fn runtimes(&self) -> Result<Vec<RuntimeEntry>, ClientError> {
        let answer =
            self.send(Call::new("ListRuntimes", Method::GET, "/_dormouse/runtimes".to_owned())).await?;
        let list: Runtimes = self.decode("ListRuntimes", &answer.body)?;
        Ok(list.runtimes)
    }

    /// Adds a runtime; says when it takes effect: `now` or `next-start`.
    pub async fn add_runtime(&self, name: &str, place: &RuntimePlace) -> Result<String, ClientError> {
        let mut call = Call::new("AddRuntime", Method::POST, format!("/_dormouse/runtimes/{}", encode(name)));
        // Neither form can fail to be written as JSON.
        call.body = serde_json::to_vec(place).unwrap_or_default().into();
        let answer = self.send(call).await?;
        let added: RuntimeAdded = self.decode("AddRuntime", &answer.body)?;
        Ok(added.effect)
    }

    /// Forgets an added runtime.
    pub async fn remove_runtime(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/_dormouse/runtimes/{}", encode(name));
        self.send(Call::new("RemoveRuntime", Method::DELETE, path)).await.map(drop)
    }

    /// The body of a function's log: JSON lines, ending with the last one unless `follow`.
    pub(crate) async fn logs(
        &self,
        name: &str,
        since_ms: Option<i64>,
        limit: Option<u32>,
        follow: bool,
    ) -> Result<Incoming, ClientError> {
        let path = format!("/_dormouse/functions/{}/logs", encode(name));
        let mut call = Call::new("ReadLogs", Method::GET, path);
        call.query.extend(since_ms.map(|since| ("since_ms", since.to_string())));
        call.query.extend(limit.map(|limit| ("limit", limit.to_string())));
        call.query.extend(follow.then(|| ("follow", "true".to_owned())));
        self.stream(call).await
    }

    async fn send_json<T: serde::de::DeserializeOwned>(
        &self,
        mut call: Call,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let operation = call.operation;
        call.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        // Serializing plain structs into memory cannot fail but by a bug in them.
        call.body = serde_json::to_vec(body).map_err(|source| self.broken(operation, source.into()))?.into();
        let answer = self.send(call).await?;
        self.decode(operation, &answer.body)
    }
}

/// The zip as the API carries it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ZipCode {
    zip_file: String,
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Reads `waited=12;run=34`; parts of another form are skipped.
fn phases(text: &str) -> Vec<(String, u64)> {
    let part = |part: &str| {
        let (name, micros) = part.trim().split_once('=')?;
        Some((name.to_owned(), micros.parse().ok()?))
    };
    text.split(';').filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_in_order_and_strangers_skipped() {
        let expect = vec![("waited".to_owned(), 12), ("run".to_owned(), 34)];
        assert_eq!(phases("waited=12; run=34;x;y=z"), expect);
        assert_eq!(phases(""), Vec::new());
    }

    #[test]
    fn changes_say_only_what_is_to_change() {
        let changes = Changes { memory_size: Some(256), ..Changes::default() };
        assert_eq!(serde_json::to_string(&changes).expect("JSON"), r#"{"MemorySize":256}"#);
    }

    #[test]
    fn a_line_of_the_server_itself_has_no_time() {
        let line = r#"{"timestamp":null,"stream":"dormouse","message":"3 events were left out"}"#;
        let line: LogLine = serde_json::from_str(line).expect("a line");
        assert_eq!((line.timestamp, line.message.as_str()), (None, "3 events were left out"));
    }

    #[test]
    fn variables_do_not_show() {
        let environment = Environment { variables: [("KEY".to_owned(), "hunter2".to_owned())].into() };
        assert_eq!(format!("{environment:?}"), r#"{"KEY"}"#);
    }
}
