//! The ways in which a function fails without answering, and what Lambda tells the caller and the log then.
//!
//! Source: AWS Lambda Developer Guide, "Troubleshoot execution issues" and the behaviour of the public runtime
//! interface emulator. A failure that the function reports itself is not a fault; its own JSON is passed on.

use std::time::Duration;

use crate::id::RequestId;

/// A failure of an environment during init or invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The function timeout passed.
    TimedOut {
        /// The timeout that applied.
        limit: Duration,
    },
    /// The init phase took too long.
    InitTimedOut {
        /// The limit that applied.
        limit: Duration,
    },
    /// The runtime process ended with a status.
    Exited {
        /// Its exit status.
        status: i32,
    },
    /// The runtime process was ended by a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// The memory limit was reached.
    OutOfMemory,
    /// There is nothing to start: `bootstrap` or the interpreter is missing or cannot be executed.
    InvalidEntrypoint {
        /// What was tried and what the operating system said.
        detail: String,
    },
    /// The runtime reported an init error; its own JSON is the answer.
    Reported {
        /// The error's type, from the runtime's header.
        error_type: String,
        /// The runtime's JSON.
        payload: bytes::Bytes,
    },
    /// The response was larger than a synchronous invocation may return.
    ResponseTooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The runtime broke off in the middle of its response.
    ResponseTruncated,
    /// The working directory that the image or function asks for cannot be entered.
    InvalidWorkingDirectory {
        /// The directory and what the operating system said.
        detail: String,
    },
    /// An extension failed.
    Extension {
        /// How.
        failure: ExtensionFailure,
        /// What is known about it, for the log: the extension's name and how it ended.
        detail: String,
    },
    /// The environment was taken down under the invocation.
    Stopped,
}

/// The ways in which an extension fails an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionFailure {
    /// Its file cannot be executed.
    Launch,
    /// It ended by itself.
    Crash,
    /// It reported an error of its init.
    Init,
    /// It reported that it has to exit.
    Exit,
    /// There are more than may be registered.
    TooMany,
}

impl ExtensionFailure {
    /// The `errorType` of an invocation that fails for it.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::Launch => "Extension.LaunchError",
            Self::Crash => "Extension.Crash",
            Self::Init => "Extension.InitError",
            Self::Exit => "Extension.ExitError",
            Self::TooMany => "Extension.TooManyExtensions",
        }
    }
}

impl Fault {
    /// The `errorType` that the caller sees.
    #[must_use]
    pub fn error_type(&self) -> &str {
        match self {
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::InitTimedOut { .. } => "Sandbox.Timedout",
            // The caller is told how the process ended; only the log says why.
            Self::Exited { .. } | Self::Signaled { .. } | Self::OutOfMemory => "Runtime.ExitError",
            Self::InvalidEntrypoint { .. } => "Runtime.InvalidEntrypoint",
            Self::Reported { error_type, .. } => error_type,
            Self::ResponseTooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::ResponseTruncated => "Runtime.TruncatedResponse",
            Self::InvalidWorkingDirectory { .. } => "Runtime.InvalidWorkingDir",
            Self::Extension { failure, .. } => failure.error_type(),
            Self::Stopped => "Sandbox.Failure",
        }
    }

    /// The `Error Type` that the `REPORT` line shows.
    #[must_use]
    pub fn reported_type(&self) -> &str {
        match self {
            Self::OutOfMemory => "Runtime.OutOfMemory",
            other => other.error_type(),
        }
    }

    /// The `errorMessage` that the caller sees.
    #[must_use]
    pub fn message(&self, request: RequestId) -> String {
        match self {
            Self::ResponseTooLarge { limit_bytes, .. } => {
                format!("Response payload size exceeded maximum allowed payload size ({limit_bytes} bytes).")
            }
            other => format!("RequestId: {request} Error: {}", other.summary()),
        }
    }

    /// What happened, in a few words, as Lambda's logs put it.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::TimedOut { limit } | Self::InitTimedOut { limit } => {
                format!("Task timed out after {:.2} seconds", limit.as_secs_f64())
            }
            Self::Exited { status: 0 } => "Runtime exited without providing a reason".to_owned(),
            Self::Exited { status } => format!("Runtime exited with error: exit status {status}"),
            Self::Signaled { signal } => {
                format!("Runtime exited with error: signal: {}", signal_name(*signal))
            }
            Self::OutOfMemory => "Runtime exited with error: signal: killed".to_owned(),
            Self::InvalidEntrypoint { detail } => detail.clone(),
            Self::Reported { error_type, .. } => error_type.clone(),
            Self::ResponseTruncated => "Response is truncated".to_owned(),
            Self::InvalidWorkingDirectory { detail } | Self::Extension { detail, .. } => detail.clone(),
            Self::ResponseTooLarge { size_bytes, .. } => {
                format!("Response payload size ({size_bytes} bytes) exceeded maximum allowed payload size")
            }
            Self::Stopped => "The execution environment was stopped".to_owned(),
        }
    }

    /// The word after `Status:` in the `REPORT` line.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } | Self::InitTimedOut { .. } => "timeout",
            _ => "error",
        }
    }
}

/// A signal by the name that Go's runtime gives it, since Lambda prints these.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lambdas() {
        let request = RequestId::from_random([0; 16]);
        let check = |fault: Fault, error_type: &str, message: &str| {
            assert_eq!(fault.error_type(), error_type);
            let id = "00000000-0000-4000-8000-000000000000";
            assert_eq!(fault.message(request), format!("RequestId: {id} Error: {message}"));
        };
        let limit = Duration::from_secs(3);
        check(Fault::TimedOut { limit }, "Sandbox.Timedout", "Task timed out after 3.00 seconds");
        check(Fault::Exited { status: 0 }, "Runtime.ExitError", "Runtime exited without providing a reason");
        check(Fault::Exited { status: 7 }, "Runtime.ExitError", "Runtime exited with error: exit status 7");
        check(
            Fault::Signaled { signal: 11 },
            "Runtime.ExitError",
            "Runtime exited with error: signal: segmentation fault",
        );
        check(Fault::OutOfMemory, "Runtime.ExitError", "Runtime exited with error: signal: killed");
        assert_eq!(Fault::OutOfMemory.reported_type(), "Runtime.OutOfMemory");
    }
}
