//! The environment variables of a function's processes, built from nothing: never from the server's own.
//!
//! Source: AWS Lambda Developer Guide, "Using Lambda environment variables", defined runtime variables.

use std::ffi::OsString;

use model::function::{Function, LogFormat};
use model::port::RoleCredentials;
use model::runtime::Family;

use crate::telemetry::events::InitType;

/// Where the Runtime API listens inside every sandbox.
pub(crate) const RUNTIME_API: &str = "127.0.0.1:9001";
/// Where AWS calls from inside go.
const PLATFORM: &str = "http://127.0.0.1:4566";

/// All variables for one environment of a function. Reserved ones win over the owner's; the owner's win over
/// those that the language adds.
pub(crate) fn of(
    function: &Function,
    credentials: RoleCredentials,
    log_stream: &str,
    init_type: InitType,
    language: &[(String, String)],
) -> Vec<(OsString, OsString)> {
    let mut variables = std::collections::BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };
    for (name, value) in DEFAULTS {
        set(name, value);
    }
    for (name, value) in language {
        set(name, value);
    }
    for (name, value) in function.settings.environment.0.iter() {
        set(name, value);
    }
    let settings = &function.settings;
    let region = function.id.scope.region.as_str();
    if let Some(handler) = settings.handler() {
        set("_HANDLER", handler);
    }
    set("AWS_REGION", region);
    set("AWS_DEFAULT_REGION", region);
    if let Some(runtime) = settings.runtime().filter(|runtime| runtime.family() != Family::Provided) {
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{runtime}"));
    }
    set("AWS_LAMBDA_FUNCTION_NAME", function.id.name.as_str());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &settings.memory_mb.to_string());
    set("AWS_LAMBDA_FUNCTION_VERSION", &function.version.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", init_type.as_str());
    let concurrency = function.concurrency_per_environment();
    if concurrency > 1 {
        set("AWS_LAMBDA_MAX_CONCURRENCY", &concurrency.to_string());
    }
    set("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream);
    set("AWS_LAMBDA_RUNTIME_API", RUNTIME_API);
    set("LAMBDA_TASK_ROOT", "/var/task");
    set("LAMBDA_RUNTIME_DIR", "/var/runtime");
    set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
    set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
    set("AWS_SESSION_TOKEN", &credentials.session_token);
    if settings.logging.format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON");
        set("AWS_LAMBDA_LOG_LEVEL", settings.logging.application_level.as_deref().unwrap_or("INFO"));
    } else {
        set("AWS_LAMBDA_LOG_FORMAT", "Text");
    }
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The same for external extensions: what concerns the runtime alone is left out.
///
/// Source: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions", environment variables.
pub(crate) fn for_extensions(all: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let hidden = |name: &OsString| name.to_str().is_some_and(|name| RUNTIME_ONLY.contains(&name));
    all.iter().filter(|(name, _)| !hidden(name)).cloned().collect()
}

/// Names the descriptor on which the runtime may write log records in frames.
pub(crate) fn log_descriptor() -> (OsString, OsString) {
    ("_LAMBDA_TELEMETRY_LOG_FD".into(), "3".into())
}

const RUNTIME_ONLY: [&str; 9] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_HANDLER",
];

/// Variables that Lambda sets but owners may replace.
const DEFAULTS: [(&str, &str); 6] = [
    ("AWS_ENDPOINT_URL", PLATFORM),
    ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ("LANG", "en_US.UTF-8"),
    (
        "LD_LIBRARY_PATH",
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    ),
    ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"),
    ("TZ", ":UTC"),
];
