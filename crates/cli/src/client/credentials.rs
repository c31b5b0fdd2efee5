//! Whose request it is: access keys and region, found where AWS's own tools look for them.
//!
//! What was asked for on the command line comes first (`--profile`, then the server's own key in
//! `--data-dir`), then the environment, then the shared credentials file, then the data directories that
//! Dormouse itself would use. Secrets are held redacted and never leave this module but to the signer; where
//! they were found is remembered, because an error about them must say so.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use wire::sigv4::{self, Secret};

/// The profile used where none is named.
const PROFILE_DEFAULT: &str = "default";
/// The region used where none is named; the server takes any.
const REGION_DEFAULT: &str = "us-east-1";
/// Data directories whose root key is used when nothing else is found: `dev`'s, then `serve`'s.
const DATA_DIRS: [&str; 2] = [".dormouse", "/var/lib/dormouse"];
/// Name of the root key's file in a data directory.
const CREDENTIALS_FILE: &str = "credentials";

/// An access key and where it was found.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What the signer needs.
    pub key: sigv4::Credentials,
    /// Where the key was found, for messages.
    pub origin: String,
}

impl Credentials {
    /// The key's id with where it was found; holds no secret.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} ({})", self.key.access_key_id, self.origin)
    }
}

/// Credentials that were asked for and are not there.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file exists but cannot be read.
    #[error("cannot read the credentials in {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The profile asked for has no keys.
    #[error("there are no keys for the profile {profile:?} in {path:?}")]
    NoProfile {
        /// As asked for.
        profile: String,
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// What the command line and the environment say about the caller.
pub struct Lookup<'a> {
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `--data-dir`.
    pub data_dir: Option<&'a Path>,
    /// Reads a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Lookup<'_> {
    /// Finds the caller's key; `None` means that nothing names one, and requests go out unsigned.
    ///
    /// # Errors
    /// [`CredentialsError`] when a key was asked for by name and is not there.
    pub fn credentials(&self) -> Result<Option<Credentials>, CredentialsError> {
        let shared = self.shared_file();
        if let Some(profile) = self.profile {
            return from_file(&shared, profile).and_then(|found| found_or_missing(found, &shared, profile));
        }
        if let Some(dir) = self.data_dir {
            let path = dir.join(CREDENTIALS_FILE);
            let found = from_file(&path, PROFILE_DEFAULT)?;
            return found_or_missing(found, &path, PROFILE_DEFAULT);
        }
        if let Some(found) = self.environment_key() {
            return Ok(Some(found));
        }
        if let Some(profile) = self.variable("AWS_PROFILE") {
            return from_file(&shared, &profile).and_then(|found| found_or_missing(found, &shared, &profile));
        }
        if let Some(found) = from_file(&shared, PROFILE_DEFAULT)? {
            return Ok(Some(found));
        }
        for dir in DATA_DIRS {
            // Another user's server is not an error: its key is simply not ours to use.
            if let Ok(Some(found)) = from_file(&Path::new(dir).join(CREDENTIALS_FILE), PROFILE_DEFAULT) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Finds the region: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, or `us-east-1`.
    #[must_use]
    pub fn region(&self) -> String {
        let named = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        named.or_else(|| self.profile_region()).unwrap_or_else(|| REGION_DEFAULT.to_owned())
    }

    fn profile_region(&self) -> Option<String> {
        let path =
            self.variable("AWS_CONFIG_FILE").map(PathBuf::from).or_else(|| self.home_file("config"))?;
        let named = self.profile.map(str::to_owned).or_else(|| self.variable("AWS_PROFILE"));
        let section = match named.as_deref() {
            None | Some(PROFILE_DEFAULT) => PROFILE_DEFAULT.to_owned(),
            Some(profile) => format!("profile {profile}"),
        };
        // A config file that cannot be read only costs the default region.
        let mut sections = sections(&std::fs::read_to_string(path).ok()?);
        sections.remove(&section)?.remove("region")
    }

    fn environment_key(&self) -> Option<Credentials> {
        let key = sigv4::Credentials {
            access_key_id: self.variable("AWS_ACCESS_KEY_ID")?,
            secret: Secret::new(self.variable("AWS_SECRET_ACCESS_KEY")?),
            session_token: self.variable("AWS_SESSION_TOKEN").map(Secret::new),
        };
        Some(Credentials { key, origin: "AWS_ACCESS_KEY_ID in the environment".to_owned() })
    }

    fn shared_file(&self) -> PathBuf {
        let named = self.variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        named.or_else(|| self.home_file(CREDENTIALS_FILE)).unwrap_or_default()
    }

    fn home_file(&self, name: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.variable("HOME")?).join(".aws").join(name))
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

fn found_or_missing(
    found: Option<Credentials>,
    path: &Path,
    profile: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let missing = || CredentialsError::NoProfile { profile: profile.to_owned(), path: path.to_owned() };
    found.ok_or_else(missing).map(Some)
}

fn from_file(path: &Path, profile: &str) -> Result<Option<Credentials>, CredentialsError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CredentialsError::Read { path: path.to_owned(), source }),
    };
    let Some(mut keys) = sections(&text).remove(profile) else { return Ok(None) };
    let (Some(access_key_id), Some(secret)) =
        (keys.remove("aws_access_key_id"), keys.remove("aws_secret_access_key"))
    else {
        return Ok(None);
    };
    let session_token = keys.remove("aws_session_token").map(Secret::new);
    let key = sigv4::Credentials { access_key_id, secret: Secret::new(secret), session_token };
    Ok(Some(Credentials { key, origin: format!("[{profile}] in {}", path.display()) }))
}

/// The sections of a file in AWS's INI dialect; a later value of the same key wins.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            current = name.0.trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let section = sections.entry(current.clone()).or_default();
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case<'a> {
        environment: &'a [(&'a str, &'a str)],
        profile: Option<&'a str>,
        data_dir: bool,
        expect: Result<&'a str, &'a str>,
    }

    /// Looks up with a shared file of two profiles and a data directory with a root key.
    fn check(case: &Case<'_>) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let shared = home.path().join("shared");
        let two = "[default]\naws_access_key_id = SHARED\naws_secret_access_key = s\n\
                   # a comment\n[work]\naws_access_key_id=WORK\naws_secret_access_key=s\naws_session_token=t\n";
        std::fs::write(&shared, two).expect("written");
        let root = "[default]\naws_access_key_id = ROOT\naws_secret_access_key = s\n";
        std::fs::write(home.path().join("credentials"), root).expect("written");
        let variable = |name: &str| match name {
            "AWS_SHARED_CREDENTIALS_FILE" => shared.to_str().map(str::to_owned),
            _ => case.environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        };
        let data_dir = case.data_dir.then_some(home.path());
        let found = Lookup { profile: case.profile, data_dir, variable: &variable }.credentials();
        let seen = match &found {
            Ok(found) => Ok(found.as_ref().map_or("", |found| found.key.access_key_id.as_str())),
            Err(CredentialsError::NoProfile { profile, .. }) => Err(profile.as_str()),
            Err(CredentialsError::Read { .. }) => Err("read"),
        };
        assert_eq!(seen, case.expect);
    }

    #[test]
    fn what_was_asked_for_wins_over_what_is_around() {
        let keys: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let work: &[(&str, &str)] = &[("AWS_PROFILE", "work")];
        check(&Case { environment: &[], profile: None, data_dir: false, expect: Ok("SHARED") });
        check(&Case { environment: keys, profile: None, data_dir: false, expect: Ok("ENV") });
        check(&Case { environment: &keys[..1], profile: None, data_dir: false, expect: Ok("SHARED") });
        check(&Case { environment: work, profile: None, data_dir: false, expect: Ok("WORK") });
        check(&Case { environment: keys, profile: Some("work"), data_dir: true, expect: Ok("WORK") });
        check(&Case { environment: keys, profile: None, data_dir: true, expect: Ok("ROOT") });
        check(&Case { environment: keys, profile: Some("nobody"), data_dir: false, expect: Err("nobody") });
    }

    #[test]
    fn region_comes_from_environment_then_profile() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let config = home.path().join("config");
        std::fs::write(&config, "[default]\nregion=eu-west-1\n[profile work]\nregion = eu-north-1\n")
            .expect("written");
        let region = |profile, set: &[(&str, &str)]| {
            let variable = |name: &str| match name {
                "AWS_CONFIG_FILE" => config.to_str().map(str::to_owned),
                _ => set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
            };
            Lookup { profile, data_dir: None, variable: &variable }.region()
        };
        assert_eq!(region(None, &[]), "eu-west-1");
        assert_eq!(region(Some("work"), &[]), "eu-north-1");
        assert_eq!(region(Some("other"), &[]), "us-east-1");
        assert_eq!(region(None, &[("AWS_DEFAULT_REGION", "eu-south-1")]), "eu-south-1");
        assert_eq!(region(None, &[("AWS_DEFAULT_REGION", "a"), ("AWS_REGION", "b")]), "b");
    }
}
