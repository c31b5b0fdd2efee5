//! The configuration file: TOML with one value a key, and no key that the table does not have.
//!
//! Values are turned back into text, so that every source of a setting meets the same parser.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::KEYS;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path:?}")]
    Read {
        /// As given.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("the configuration file {path:?} is wrong in line {line}: {message}")]
    Parse {
        /// As given.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A key that nobody reads.
    #[error("the configuration file {path:?} has an unknown key {key:?}; known are {known}")]
    UnknownKey {
        /// As given.
        path: PathBuf,
        /// As written.
        key: String,
        /// All that are known.
        known: String,
    },
    /// A table or a list.
    #[error(
        "the value of {key:?} in the configuration file {path:?} is neither text nor number nor true or false"
    )]
    NotScalar {
        /// As given.
        path: PathBuf,
        /// As written.
        key: String,
    },
}

/// Reads a file into text by key.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        FileError::Parse { path: path.to_owned(), line, message: error.message().to_owned() }
    })?;
    table.into_iter().map(|(key, value)| entry(path, key, value)).collect()
}

fn entry(path: &Path, key: String, value: toml::Value) -> Result<(String, String), FileError> {
    if !KEYS.iter().any(|known| known.name == key) {
        let known = KEYS.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
        return Err(FileError::UnknownKey { path: path.to_owned(), key, known });
    }
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        _ => return Err(FileError::NotScalar { path: path.to_owned(), key }),
    };
    Ok((key, text))
}
