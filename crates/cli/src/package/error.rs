//! Why a folder does not become a package, and what its owner can do about it.
//!
//! One variant per step that can fail, each naming the file concerned. Messages are sentences for people;
//! remedies stand apart in [`PackageError::help`] so that output can set them off.

use std::io;
use std::path::PathBuf;

use model::limits::{MB, UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX, ZIP_ENTRIES_MAX};

/// A folder that cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The folder is missing or not a folder.
    #[error("cannot read the folder {path:?}")]
    Folder {
        /// As given.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder's settings cannot be read.
    #[error("cannot read {path:?}")]
    ReadSettings {
        /// Where they are.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder's settings are not what they should be.
    #[error("{path:?} is not a valid settings file: {message}")]
    Settings {
        /// Where they are.
        path: PathBuf,
        /// Where in the file, and what is wrong.
        message: String,
    },
    /// A folder inside cannot be listed, or an ignore file cannot be understood.
    #[error("cannot list the files of {path:?}")]
    Walk {
        /// The folder being packed.
        path: PathBuf,
        /// What failed.
        source: ignore::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A name that a zip cannot carry.
    #[error("the name of {path:?} is not UTF-8")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link whose target is not in the folder.
    #[error("{path:?} links to {target:?}, which is outside the package")]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// A device, socket or pipe.
    #[error("{path:?} is neither a file nor a folder nor a link")]
    Special {
        /// What was found.
        path: PathBuf,
    },
    /// Nothing is left to pack.
    #[error("there is nothing to pack in {path:?}")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Too many files.
    #[error("the package has more than {ZIP_ENTRIES_MAX} files")]
    TooManyFiles,
    /// Too large once unzipped.
    #[error("the package has {:.1} MB of files; at most {:.0} MB are allowed", megabytes(*.bytes), megabytes(UNZIPPED_BYTES_MAX))]
    UnzippedTooLarge {
        /// Size of all files together, as far as counted.
        bytes: u64,
    },
    /// Too large once zipped.
    #[error("the package is a zip of {:.1} MB; at most {} MB can be sent", megabytes(*.bytes), ZIP_BYTES_MAX as u64 / MB)]
    ZipTooLarge {
        /// Size of the zip.
        bytes: u64,
    },
    /// The zip cannot be written.
    #[error("cannot add {name:?} to the package")]
    Zip {
        /// The entry.
        name: String,
        /// What failed.
        source: zip::result::ZipError,
    },
    /// No handler was found.
    #[error("no handler found in {path:?}: {looked_for}")]
    NoEntrypoint {
        /// The folder.
        path: PathBuf,
        /// Which files and names were tried.
        looked_for: String,
    },
}

impl PackageError {
    /// What the owner of the folder can do.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::LinkLeaves { .. } => {
                Some("copy the target into the folder, or list the link in .dormouseignore")
            }
            Self::Special { .. } => Some("remove it, or list it in .dormouseignore"),
            Self::Empty { .. } => Some("check the folder's name and its .dormouseignore"),
            Self::TooManyFiles | Self::UnzippedTooLarge { .. } | Self::ZipTooLarge { .. } => {
                Some("list what the function does not need in .dormouseignore")
            }
            Self::NoEntrypoint { .. } => {
                Some("name it with --handler and --runtime, or as `handler` and `runtime` in dormouse.toml")
            }
            _ => None,
        }
    }
}

/// Binary megabytes, as Lambda counts them, for showing only.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MB as f64
}
