//! What can fail, one variant per operation, for the two people who read it: whoever starts the keeper
//! ([`KeeperError`]) and whoever uses a sandbox ([`SandboxError`]).
//!
//! Messages are fragments that read well after "failed to …:". They never hold arguments or
//! environment variables of a command, since those may be secret.

use std::io;
use std::path::PathBuf;

/// The keeper could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The instance name does not follow the rules of `KeeperConfig::instance`.
    #[error("instance name {name:?} is not 1 to 64 characters of letters, digits, '-' and '_'")]
    Instance {
        /// The name given.
        name: String,
    },
    /// The socket to the keeper could not be made or registered.
    #[error("make the keeper's socket: {0}")]
    Socket(#[source] io::Error),
    /// The work directory could not be made or locked.
    #[error("use the work directory {}: {source}", path.display())]
    WorkDir {
        /// `KeeperConfig::work_dir`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keeper of an earlier server on the same work directory, or an aide of it, has not ended.
    #[error(
        "an earlier keeper has not ended within {seconds} s: {holders}; end that process, then start again"
    )]
    Earlier {
        /// The processes that still run, with their numbers.
        holders: String,
        /// The time allowed.
        seconds: u64,
    },
    /// The keeper process could not be forked.
    #[error("fork the keeper: {0}")]
    Fork(#[source] io::Error),
    /// The keeper could not prepare itself; `reason` is its own account.
    #[error("the keeper could not start: {reason}")]
    Start {
        /// Which step failed, on what, and why.
        reason: String,
    },
    /// The keeper said nothing within the time allowed for starting.
    #[error("the keeper did not answer within {seconds} s")]
    Silent {
        /// The time allowed.
        seconds: u64,
    },
}

/// A sandbox could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The keeper process is gone, and every sandbox with it.
    #[error("the keeper process is gone")]
    KeeperGone,
    /// This sandbox's process 1 has ended.
    #[error("the sandbox is gone")]
    Gone,
    /// The keeper refused the specification or failed to carry it out; `reason` is its own account.
    #[error("create a sandbox: {reason}")]
    Create {
        /// Which step failed, on what, and why.
        reason: String,
    },
    /// A tree could not be unpacked; nothing of it is left, unless `reason` says so.
    #[error("unpack into {}: {reason}", target.display())]
    Unpack {
        /// The directory.
        target: PathBuf,
        /// Which step failed, on what, and why.
        reason: String,
    },
    /// A tree could not be removed.
    #[error("remove {}: {reason}", target.display())]
    Remove {
        /// The directory.
        target: PathBuf,
        /// Which step failed, on what, and why.
        reason: String,
    },
    /// The program could not be executed; an `errno` of the kernel is in `source`.
    #[error("start {program:?} in the sandbox: {source}")]
    Spawn {
        /// `argv[0]` as given.
        program: PathBuf,
        /// Why; `NotFound` when the program or its interpreter is missing.
        source: io::Error,
    },
    /// Arguments and environment together exceed what one message carries.
    #[error("the command is {size_bytes} bytes long; at most {size_bytes_max} are possible")]
    CommandTooLarge {
        /// Encoded size.
        size_bytes: usize,
        /// The bound.
        size_bytes_max: usize,
    },
    /// A channel or pipe failed.
    #[error("speak to the sandbox: {0}")]
    Channel(#[source] io::Error),
}

/// Names the failed step in an error that will cross a process boundary as text.
pub(crate) trait Step<T> {
    /// Puts `step` before the error's own message; the kind is kept.
    fn step(self, step: impl FnOnce() -> String) -> io::Result<T>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl FnOnce() -> String) -> io::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            io::Error::new(error.kind(), format!("{}: {error}", step()))
        })
    }
}
