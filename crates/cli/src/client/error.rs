//! Why a request to a server failed, told so that the reader knows what to do next.
//!
//! A refusal by the server keeps AWS's own error code and message. Everything else says which operation was
//! tried against which address. Nothing here holds a secret or a payload.

use std::io;
use std::time::Duration;

use http::StatusCode;

use super::CredentialsError;

/// A request that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("{text:?} is not an address of a server: {reason}")]
    Endpoint {
        /// As given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The caller's key cannot be found.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Nobody answers at the address.
    #[error("cannot connect to http://{authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The request cannot be put together.
    #[error("cannot make the request {operation}")]
    Request {
        /// The API operation.
        operation: &'static str,
        /// What failed.
        source: http::Error,
    },
    /// The connection broke.
    #[error("the connection to http://{authority} broke during {operation}")]
    Exchange {
        /// The API operation.
        operation: &'static str,
        /// Host and port.
        authority: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("http://{authority} did not answer {operation} within {} s", .after.as_secs())]
    Timeout {
        /// The API operation.
        operation: &'static str,
        /// Host and port.
        authority: String,
        /// How long it was given.
        after: Duration,
    },
    /// The server refused.
    #[error("{operation} was refused: {code}: {message}")]
    Refused {
        /// The API operation.
        operation: &'static str,
        /// The status.
        status: StatusCode,
        /// AWS's error code, such as `ResourceNotFoundException`.
        code: String,
        /// The server's words.
        message: String,
        /// Access key id of the request and where it was found; `None` if unsigned.
        key: Option<String>,
    },
    /// The answer is not what the operation answers.
    #[error("the answer to {operation} cannot be understood: is http://{authority} a Dormouse server?")]
    Answer {
        /// The API operation.
        operation: &'static str,
        /// Host and port.
        authority: String,
        /// What failed.
        source: serde_json::Error,
    },
    /// A function never became ready.
    #[error("{function} was not ready after {} s: it is {state}", .after.as_secs())]
    NotReady {
        /// The function.
        function: String,
        /// The last state seen.
        state: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server could not prepare a function.
    #[error("{function} could not be prepared: {reason}")]
    Failed {
        /// The function.
        function: String,
        /// The server's reason.
        reason: String,
    },
}

impl ClientError {
    /// Whether the server said that the resource does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "ResourceNotFoundException")
    }

    /// What the caller can do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Connect { .. } => Some(
                "is the server running? Start one with `dormouse dev`, or name another with --endpoint URL"
                    .to_owned(),
            ),
            Self::Endpoint { .. } => Some("give one such as http://127.0.0.1:4566".to_owned()),
            Self::Refused { code, key, .. } => refusal_help(code, key.as_deref()),
            Self::Timeout { .. } => Some("look at the server's own log".to_owned()),
            _ => None,
        }
    }
}

fn refusal_help(code: &str, key: Option<&str>) -> Option<String> {
    let about_keys = [
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "IncompleteSignatureException",
        "AccessDeniedException",
    ];
    if about_keys.contains(&code) {
        return Some(match key {
            Some(key) => format!(
                "the request was signed with the key {key}; use another with --profile NAME, or the server's \
                 own with --data-dir DIR"
            ),
            None => "the request was not signed; give a key with AWS_ACCESS_KEY_ID and \
                     AWS_SECRET_ACCESS_KEY, with --profile NAME, or the server's own with --data-dir DIR"
                .to_owned(),
        });
    }
    (code == "ResourceNotFoundException").then(|| "`dormouse list` shows what there is".to_owned())
}
