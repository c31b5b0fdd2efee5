//! The ports: traits through which one part reaches another without knowing it. `daemon` alone decides which
//! implementation stands behind each.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::arn::{FunctionId, Scope};
use crate::error::ServiceError;
use crate::fault::Fault;
use crate::function::{Architecture, Function, Image, Zip};
use crate::id::{Digest, RequestId};
use crate::lease::{Lease, Phases, StartReason};
use crate::log::{LogEvent, LogGroup};
use crate::name::{TenantId, Version};
use crate::runtime::RuntimeName;
use crate::time::Timestamp;

/// A boxed future, so that ports can be used as trait objects.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs functions. Implemented by `engine`.
pub trait Invoke: Send + Sync {
    /// Runs one invocation to its end. Dropping the future does not stop the invocation.
    ///
    /// # Errors
    /// `TooManyRequests` when no concurrency is left, `Unavailable` while stopping. A function that fails is not
    /// an error; see [`Outcome::result`].
    fn invoke(&self, invocation: Invocation) -> Pending<'_, Result<Outcome, ServiceError>>;

    /// Removes the environments of a version that was changed or deleted, once they are idle; those of all versions if
    /// none is named.
    fn retire(&self, function: &FunctionId, version: Option<Version>);

    /// Sets how many invocations of a function may run at once, apart from all others of its account; nothing gives
    /// that back. Takes effect at once; what runs is let end.
    fn reserve(&self, function: &FunctionId, executions: Option<u32>);

    /// Sets how many environments of which versions of a function are kept initialised; versions that are not named have
    /// none from then on. Environments start and end in the background.
    fn provision(&self, function: &FunctionId, wanted: &[(Arc<Function>, u32)]);

    /// How far that is for one version.
    fn provisioned(&self, function: &FunctionId, version: Version) -> Provisioned;
}

/// The environments that are kept initialised for a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provisioned {
    /// All that exist for this, those that still initialise among them.
    pub allocated: u32,
    /// Those that have initialised, whether or not they are busy.
    pub available: u32,
    /// Why there are not more, if the last one that was started failed.
    pub failure: Option<String>,
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id that the function sees and the caller is told.
    pub request: RequestId,
    /// The version to run, already resolved.
    pub function: Arc<Function>,
    /// The ARN as invoked, qualifier included if the caller gave one.
    pub invoked_arn: String,
    /// The event.
    pub payload: Bytes,
    /// JSON of the client context, decoded from Base64.
    pub client_context: Option<String>,
    /// JSON of the Cognito identity, where one is known.
    pub cognito_identity: Option<String>,
    /// The caller's `X-Amzn-Trace-Id`.
    pub trace: Option<String>,
    /// Whether the caller wants the end of the log.
    pub tail: bool,
    /// Whether the caller takes the response as it comes. Otherwise it is collected first.
    pub streaming: bool,
    /// For whom; only for functions that isolate tenants, and always for those.
    pub tenant: Option<TenantId>,
}

/// What became of an invocation.
#[derive(Debug)]
pub struct Outcome {
    /// The function's answer, or how it failed.
    pub result: Result<Response, FunctionFailure>,
    /// The last 4 KB of the invocation's log, if asked for.
    pub tail: Option<Vec<u8>>,
    /// Why it was warm, cold or queued.
    pub reason: StartReason,
    /// How long each phase took.
    pub phases: Phases,
}

/// A function's answer.
pub enum Response {
    /// All of it.
    Whole(Bytes),
    /// Its beginning; only for callers who asked for streaming.
    Stream {
        /// The content type that the function gave it.
        content_type: Option<String>,
        /// The rest, as it comes.
        body: Box<dyn ResponseStream>,
    },
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Stream { content_type, .. } => {
                f.debug_struct("Stream").field("content_type", content_type).finish_non_exhaustive()
            }
        }
    }
}

/// A response that is still being made. Whoever reads slowly slows the function down. Dropping it does not stop the
/// invocation.
pub trait ResponseStream: Send {
    /// The next part; `None` after [`StreamPart::End`].
    fn next(&mut self) -> Pending<'_, Option<StreamPart>>;
}

/// A part of a streamed response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamPart {
    /// More bytes.
    Chunk(Bytes),
    /// There is no more.
    End(StreamEnd),
}

/// How a streamed response ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamEnd {
    /// What went wrong midway.
    pub error: Option<StreamError>,
    /// The last 4 KB of the invocation's log, if asked for.
    pub tail: Option<Vec<u8>>,
}

/// A failure after the response had begun: `InvokeWithResponseStreamCompleteEvent` has these two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// Such as `Unhandled` or `Sandbox.Timedout`.
    pub code: String,
    /// For people: the error's JSON or message.
    pub details: String,
}

/// A function that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionFailure {
    /// The function reported the error itself; the JSON is its own.
    Reported {
        /// The runtime's JSON.
        payload: Bytes,
    },
    /// The environment failed.
    Fault(Fault),
}

/// Gives unpacked code. Implemented by `control`.
pub trait Artifacts: Send + Sync {
    /// The read-only directory that holds an unpacked package or layer, unpacking it if need be.
    ///
    /// # Errors
    /// `Internal` when the package cannot be read or written.
    fn code_dir(&self, zip: Zip) -> Pending<'_, Result<PathBuf, ServiceError>>;
}

/// Gives objects of buckets, for code that is uploaded there. Implemented by `services`.
pub trait Objects: Send + Sync {
    /// The whole content of an object, at most `bytes_max` of it.
    ///
    /// # Errors
    /// `InvalidParameterValue` in Lambda's wording ("Error occurred while GetObject. S3 Error Code: …") when there is
    /// no such object, or it is larger.
    fn get<'a>(
        &'a self,
        scope: &'a Scope,
        bucket: &'a str,
        key: &'a str,
        version: Option<&'a str>,
        bytes_max: u64,
    ) -> Pending<'a, Result<Bytes, ServiceError>>;
}

/// Gives container images. Implemented by `services`.
pub trait Images: Send + Sync {
    /// Finds what `uri` means now, makes every layer local and unpacked, and pins it by digest.
    ///
    /// # Errors
    /// `InvalidParameterValue` in Lambda's wording when there is no such image or it is of an unsupported kind.
    fn fetch<'a>(
        &'a self,
        scope: &'a Scope,
        uri: &'a str,
        architecture: Architecture,
    ) -> Pending<'a, Result<Image, ServiceError>>;

    /// The file system and the defaults of a fetched image; unpacks again what is missing.
    ///
    /// # Errors
    /// `Internal` when a layer cannot be read or written.
    fn root<'a>(&'a self, image: &'a Image) -> Pending<'a, Result<ImageRoot, ServiceError>>;

    /// The images in use, by manifest; all else may be collected.
    fn retain(&self, used: &[Digest]);
}

/// What an image brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRoot {
    /// Unpacked layers, topmost first.
    pub layers: Vec<PathBuf>,
    /// `ENTRYPOINT`.
    pub entry_point: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `WORKDIR`.
    pub working_directory: Option<String>,
    /// `ENV`.
    pub environment: Vec<(String, String)>,
}

/// Keeps finished leases. Implemented by `store`.
pub trait Ledger: Send + Sync {
    /// Records a lease; when this returns, a crash of the server does not lose it.
    fn record(&self, lease: &Lease);
}

/// Takes log events. Implemented by `store`.
pub trait LogSink: Send + Sync {
    /// Appends events to a group. Never blocks: when the sink cannot keep up, events are dropped and counted.
    fn append(&self, group: &Arc<LogGroup>, events: Vec<LogEvent>);
}

/// Keeps lines about who did what. Implemented by `store`.
pub trait AuditSink: Send + Sync {
    /// Keeps a line. Never blocks: what cannot be taken is dropped and counted.
    fn keep(&self, line: String);
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Gives randomness fit for ids and secrets.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// Temporary credentials of a function's execution role. `Debug` shows the key id only.
#[derive(Clone)]
pub struct RoleCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The signing secret.
    pub secret_access_key: String,
    /// Proves role and expiry to the server that made it.
    pub session_token: String,
}

impl std::fmt::Debug for RoleCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Gives execution roles their credentials. Implemented by `control`.
pub trait Roles: Send + Sync {
    /// Credentials for one environment of the function, valid for `limits::ROLE_CREDENTIALS_VALID`.
    fn credentials(&self, function: &Function) -> RoleCredentials;

    /// Whether what an environment with these credentials says may be kept in the stream of the function's log group.
    fn may_log(&self, function: &Function, credentials: &RoleCredentials, stream: &str) -> bool;
}

/// A runtime that functions can use on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyRuntime {
    /// Such as `python3.12`.
    pub name: RuntimeName,
    /// The interpreter on this machine; none for `provided.*`.
    pub interpreter: Option<PathBuf>,
}

/// Knows which runtimes this machine can serve. Implemented by `engine`.
pub trait Runtimes: Send + Sync {
    /// All that are ready, sorted by name.
    fn ready(&self) -> Vec<ReadyRuntime>;

    /// The runtime that will serve `wanted`: itself, or (under `dev`) the nearest version of its language.
    ///
    /// # Errors
    /// `InvalidParameterValue` that says which runtimes are ready and how to add one.
    fn choose(&self, wanted: &RuntimeName, architecture: Architecture) -> Result<RuntimeName, ServiceError>;
}
