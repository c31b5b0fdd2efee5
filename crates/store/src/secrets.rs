//! The server's own secrets, such as the key that signs code locations: one file each, mode 0600, made once.
//!
//! Secrets are few, small and read at start; callers keep the value. It is shown neither by `Debug` nor by errors.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, create_private_dir, publish};

/// Largest secret.
pub const SECRET_BYTES_MAX: usize = 4_096;

/// A secret's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, to be passed to the cryptography that needs them and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Names are 1 to 64 lower-case letters, digits and hyphens.
    #[error("{name:?} cannot name a secret")]
    IllegalName {
        /// The name, shortened.
        name: String,
    },
    /// The secret, stored or about to be, is empty or larger than [`SECRET_BYTES_MAX`]. A stored one is not
    /// replaced, since what was signed with it would turn invalid unnoticed.
    #[error("the secret in {path} has {size_bytes} bytes, and 1 to {SECRET_BYTES_MAX} are legal")]
    IllegalSize {
        /// Its file.
        path: PathBuf,
        /// Its size, cut off above the limit.
        size_bytes: usize,
    },
    /// The secret is not what its user needs it to be.
    #[error("the secret {name} is damaged; restore the file from a backup")]
    Unusable {
        /// Its name.
        name: &'static str,
    },
    /// The disk failed.
    #[error("could not {operation} the secret in {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// All secrets of the server.
#[derive(Debug)]
pub struct Secrets {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    /// Held while a secret is looked up and made, so that two callers never make two.
    gate: Mutex<()>,
}

impl Secrets {
    /// Keeps secrets in `dir`, which is created if missing.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Io { operation: "make room for", path: dir.to_owned(), source };
        create_private_dir(dir).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), disk, gate: Mutex::new(()) })
    }

    /// The secret of that name; if there is none, the one that `make` gives, durable before it is returned.
    /// Blocks on the disk.
    pub fn get_or_create(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Secret, SecretError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            return Err(SecretError::IllegalName { name: name.chars().take(80).collect() });
        }
        let path = self.dir.join(name);
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secret) = read(&path)? {
            return Ok(secret);
        }
        let secret = checked(make(), &path)?;
        // A name with a dot is no legal secret, so this can only be left over from a crash.
        let temporary = self.dir.join(format!("{name}.new"));
        let failed = |source| SecretError::Io { operation: "write", path: path.clone(), source };
        match self.disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        publish(&*self.disk, &temporary, &path, secret.expose()).map_err(failed)?;
        Ok(secret)
    }
}

fn read(path: &Path) -> Result<Option<Secret>, SecretError> {
    let failed = |source| SecretError::Io { operation: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    checked(bytes, path).map(Some)
}

fn checked(bytes: Vec<u8>, path: &Path) -> Result<Secret, SecretError> {
    if bytes.is_empty() || bytes.len() > SECRET_BYTES_MAX {
        return Err(SecretError::IllegalSize { path: path.to_owned(), size_bytes: bytes.len() });
    }
    Ok(Secret(bytes))
}
