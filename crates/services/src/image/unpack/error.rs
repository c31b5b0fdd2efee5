//! Why a layer was not unpacked: the layer's own fault, or the file system's.
//!
//! Paths are shown as the layer has them, escaped and shortened, since they come from strangers.

use std::io;

use model::id::Digest;

/// Why a layer was not unpacked. Paths are those of the layer, with unprintable bytes escaped.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The layer could not be read or decompressed.
    #[error("the layer could not be read")]
    Read(#[source] io::Error),
    /// It is no tar.
    #[error("the layer is not a tar file: {0}")]
    Format(&'static str),
    /// It has an entry that no image needs and no file system can hold.
    #[error("the layer's entry {path:?} is not allowed: {reason}")]
    Illegal {
        /// The entry.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More entries than allowed.
    #[error("the layer has more than {limit} entries")]
    TooManyEntries {
        /// The most.
        limit: u64,
    },
    /// More bytes than allowed.
    #[error("the layer is larger than {limit_bytes} bytes once unpacked")]
    TooLarge {
        /// The most.
        limit_bytes: u64,
    },
    /// Not the content that the image's configuration names.
    #[error("the layer's content has digest sha256:{found}, not sha256:{expected}")]
    WrongDigest {
        /// As the configuration says.
        expected: Digest,
        /// As computed.
        found: Digest,
    },
    /// What a process of its own said, which unpacks in place of this one.
    #[error("{reason}")]
    Elsewhere {
        /// Its words: those of another of these errors.
        reason: String,
        /// Whether the fault is the machine's.
        is_local: bool,
    },
    /// The file system did not do it.
    #[error("could not {operation} {path:?} of the layer")]
    Write {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The entry.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl UnpackError {
    pub(super) fn illegal(path: &[u8], reason: &'static str) -> Self {
        Self::Illegal { path: printable(path), reason }
    }

    pub(super) fn write(operation: &'static str, path: &[u8], source: impl Into<io::Error>) -> Self {
        Self::Write { operation, path: printable(path), source: source.into() }
    }

    /// Whether the fault is the machine's, so that another attempt may succeed.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Elsewhere { is_local: true, .. })
    }
}

impl From<UnpackError> for io::Error {
    fn from(error: UnpackError) -> Self {
        io::Error::other(error)
    }
}

fn printable(path: &[u8]) -> String {
    /// Enough to find the entry.
    const SHOWN_MAX: usize = 200;
    path[..path.len().min(SHOWN_MAX)].escape_ascii().to_string()
}
