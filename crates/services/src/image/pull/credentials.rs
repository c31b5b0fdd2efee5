//! Credentials for registries, from a file in the form of Docker's `config.json` (`auths` with `auth`, or with
//! `username` and `password`). Credential helpers are programs, and are not started. The file is read anew for
//! each pull, so that the owner can change it; its content is never logged.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Largest file of credentials.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why the file was not read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The disk.
    #[error("could not read the registry credentials in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its content, which is not shown.
    #[error("the registry credentials in {path} are not in the form of Docker's config.json")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Where credentials are.
#[derive(Debug, Clone)]
pub struct CredentialsFile(Option<PathBuf>);

/// A user name and a password. Has no `Debug`, so it cannot be shown.
pub(super) struct Login {
    user: String,
    password: String,
}

impl Login {
    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl CredentialsFile {
    /// Credentials from this file; from nowhere without one.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// What the file has for a registry. A file that is not there holds nothing.
    pub(super) fn login(&self, host: &str) -> Result<Option<Login>, CredentialsError> {
        let Some(path) = &self.0 else { return Ok(None) };
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CredentialsError::Read { path: path.clone(), source }),
            Ok(_) => {}
        }
        let malformed = || CredentialsError::Malformed { path: path.clone() };
        let config: Config = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let found = config.auths.into_iter().find(|(key, _)| names(key, host));
        let Some((_, auth)) = found else { return Ok(None) };
        if let (Some(user), Some(password)) = (auth.username, auth.password) {
            return Ok(Some(Login { user, password }));
        }
        let decoded = auth.auth.and_then(|auth| String::from_utf8(STANDARD.decode(auth).ok()?).ok());
        let (user, password) =
            decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(malformed)?;
        Ok(Some(Login { user: user.to_owned(), password: password.to_owned() }))
    }
}

/// Whether a key of the file is for this registry: with or without scheme and path, and Docker Hub by its old name.
fn names(key: &str, host: &str) -> bool {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let bare = bare.split('/').next().unwrap_or(bare);
    bare == host || (host == "docker.io" && matches!(bare, "index.docker.io" | "registry-1.docker.io"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_file() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("config.json");
        let file = CredentialsFile::new(Some(path.clone()));
        assert!(file.login("quay.io").unwrap().is_none());
        let json = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwOnc="},
            "quay.io":{"username":"a","password":"b"},"broken.io":{"auth":"!"}},"credsStore":"x"}"#;
        std::fs::write(&path, json).unwrap();
        let login = |host: &str| file.login(host).unwrap().map(|login| (login.user, login.password));
        assert_eq!(login("docker.io"), Some(("u".to_owned(), "p:w".to_owned())));
        assert_eq!(login("quay.io"), Some(("a".to_owned(), "b".to_owned())));
        assert_eq!(login("ghcr.io"), None);
        let error = file.login("broken.io").err().unwrap().to_string();
        assert!(!error.contains('!'), "{error}");
        std::fs::write(&path, "{").unwrap();
        assert!(file.login("quay.io").is_err());
    }
}
