//! Everything that a command can fail with, and its exit code.
//!
//! Rendering is in `output`; the wording is in the errors themselves and their `help`.

use std::io;
use std::path::PathBuf;

use crate::client::ClientError;
use crate::package::PackageError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line does not make sense.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<&'static str>,
    },
    /// The folder cannot be packed.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The server cannot be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server has no runtime for the code.
    #[error("the server offers no {language} runtime; it offers {offered}")]
    NoRuntime {
        /// The language of the folder.
        language: &'static str,
        /// What the server has, as a list.
        offered: String,
    },
    /// The payload cannot be read.
    #[error("cannot read the payload from {path:?}")]
    Payload {
        /// The file, or `-`.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The function ran and failed; its answer has been printed.
    #[error("the function failed ({kind})")]
    FunctionFailed {
        /// `Unhandled`, as AWS calls it.
        kind: String,
    },
    /// A log that was to be followed goes on without us.
    #[error("the log is followed no more: {reason}")]
    Unfollowed {
        /// What the server said.
        reason: String,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output {
        /// What the operating system said.
        #[from]
        source: io::Error,
    },
}

impl CliError {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>, help: Option<&'static str>) -> Self {
        Self::Usage { message: message.into(), help }
    }

    /// 1 for a failure, 2 for wrong usage.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Client(ClientError::Endpoint { .. }) => 2,
            _ => 1,
        }
    }

    /// A word for programs: AWS's error code where there is one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Usage { .. } | Self::Client(ClientError::Endpoint { .. }) => "Usage",
            Self::Package(_) => "Package",
            Self::Client(ClientError::Refused { code, .. }) => code,
            Self::Client(ClientError::Connect { .. }) => "Connect",
            Self::Client(_) => "Client",
            Self::NoRuntime { .. } => "NoRuntime",
            Self::Payload { .. } => "Payload",
            Self::FunctionFailed { .. } => "FunctionFailed",
            Self::Unfollowed { .. } => "Unfollowed",
            Self::Output { .. } => "Output",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Usage { help, .. } => help.map(str::to_owned),
            Self::Package(error) => error.help().map(str::to_owned),
            Self::Client(error) => error.help(),
            Self::NoRuntime { .. } => {
                Some("install the interpreter on the server's machine and start the server again".to_owned())
            }
            _ => None,
        }
    }
}
