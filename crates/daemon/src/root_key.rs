//! The key that owns the server: given by the environment, kept from an earlier start, or made at the first.
//!
//! It is kept in `DATA_DIR/credentials` in the format of AWS's shared credentials file, readable by its owner
//! only, so that AWS's tools and `dormouse --data-dir` can use it as it stands. A key from the environment is
//! never written down. The secret is printed once, when it is made, and never logged.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use control::identity::{RootKey, SigningSecret};
use model::id::AccountId;
use model::port::Entropy;

use crate::config::ROOT_VARIABLES;

/// Name of the file in the data directory.
const FILE: &str = "credentials";

/// A root key that cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootKeyError {
    /// One half is given without the other.
    #[error("{} and {} go together; only one of them is set", ROOT_VARIABLES[0], ROOT_VARIABLES[1])]
    Half,
    /// The file cannot be read.
    #[error("cannot read the root key in {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{path:?} holds no root key; remove it to have a new one made")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot keep the root key in {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The root key, and whether it was made just now.
pub(crate) struct Found {
    pub key: RootKey,
    pub made: bool,
}

/// Finds or makes the root key of the server whose state is in `data_dir`.
pub(crate) fn find_or_make(
    data_dir: &Path,
    environment: &BTreeMap<String, String>,
    entropy: &dyn Entropy,
) -> Result<Found, RootKeyError> {
    let given = ROOT_VARIABLES.map(|name| environment.get(name).filter(|value| !value.is_empty()));
    match given {
        [Some(id), Some(secret)] => return Ok(Found { key: root(id.clone(), secret.clone()), made: false }),
        [None, None] => {}
        _ => return Err(RootKeyError::Half),
    }
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let (id, secret) = parse(&text).ok_or(RootKeyError::Damaged { path })?;
            Ok(Found { key: root(id, secret), made: false })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = make(entropy);
            let text = format!(
                "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
                key.access_key_id,
                key.secret_access_key.expose()
            );
            write(&path, &text).map_err(|source| RootKeyError::Write { path, source })?;
            Ok(Found { key, made: true })
        }
        Err(source) => Err(RootKeyError::Read { path, source }),
    }
}

/// What is told once about a new key.
pub(crate) fn announcement(key: &RootKey, data_dir: &Path) -> String {
    format!(
        "dormouse made a root access key and keeps it in {}\n  aws_access_key_id     = {}\n  \
         aws_secret_access_key = {}",
        data_dir.join(FILE).display(),
        key.access_key_id,
        key.secret_access_key.expose()
    )
}

fn root(access_key_id: String, secret: String) -> RootKey {
    RootKey { access_key_id, secret_access_key: SigningSecret::new(secret), account: AccountId::DEFAULT }
}

/// A key in the form of AWS's: twenty characters beginning with `AKIA`, and forty.
fn make(entropy: &dyn Entropy) -> RootKey {
    let id = random_text(entropy, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    root(format!("AKIA{id}"), random_text(entropy, letters, 40))
}

/// `length` characters of an alphabet whose size divides 256, so that each is as likely as any other.
fn random_text(entropy: &dyn Entropy, alphabet: &[u8], length: usize) -> String {
    debug_assert_eq!(256 % alphabet.len(), 0, "an even choice");
    let mut bytes = vec![0; length];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
}

fn parse(text: &str) -> Option<(String, String)> {
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == wanted && !value.trim().is_empty()).then(|| value.trim().to_owned())
        })
    };
    Some((value("aws_access_key_id")?, value("aws_secret_access_key")?))
}

/// Writes all or nothing: a crash leaves no half file that would lock the owner out.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::system::SystemEntropy;

    fn find(dir: &Path, environment: &[(&str, &str)]) -> Result<Found, RootKeyError> {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        find_or_make(dir, &environment, &SystemEntropy)
    }

    #[test]
    fn made_once_kept_private_and_found_again() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = find(dir.path(), &[]).expect("made");
        let again = find(dir.path(), &[]).expect("found");
        assert!(first.made && !again.made);
        assert_eq!(first.key.access_key_id, again.key.access_key_id);
        assert_eq!(first.key.secret_access_key.expose(), again.key.secret_access_key.expose());
        assert_eq!((first.key.access_key_id.len(), first.key.secret_access_key.expose().len()), (20, 40));
        let mode = fs::metadata(dir.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_environment_wins_and_is_not_written_down() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let both = [(ROOT_VARIABLES[0], "AKIAEXAMPLE"), (ROOT_VARIABLES[1], "secret")];
        let found = find(dir.path(), &both).expect("given");
        assert_eq!(found.key.access_key_id, "AKIAEXAMPLE");
        assert!(!dir.path().join(FILE).exists());
        assert!(matches!(find(dir.path(), &both[..1]), Err(RootKeyError::Half)));
    }

    #[test]
    fn a_damaged_file_is_refused_not_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join(FILE), "[default]\naws_access_key_id = X\n").expect("written");
        assert!(matches!(find(dir.path(), &[]), Err(RootKeyError::Damaged { .. })));
    }
}
