//! `dormouse.toml`: the settings that live beside a function's code.
//!
//! Every key is optional and unknown keys are errors, so that a misspelt one cannot be silently ignored. What
//! a flag says wins over the file; what neither says is left as the server has it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::PackageError;

/// The file's name, looked for at the top of the folder.
pub const SETTINGS_FILE: &str = "dormouse.toml";

/// What a function's folder says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Function name; the folder's name where absent.
    pub name: Option<String>,
    /// Runtime identifier such as `python3.12`.
    pub runtime: Option<String>,
    /// Entry point such as `app.handler`.
    pub handler: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Memory in MB.
    pub memory: Option<u32>,
    /// Longest run of one invocation, in seconds.
    pub timeout: Option<u32>,
    /// Size of `/tmp` in MB.
    pub ephemeral_storage: Option<u32>,
    /// `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// ARN of the execution role.
    pub role: Option<String>,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Tags, set when the function is created.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether `.gitignore` files count too. Off by default: they commonly list what is built or installed,
    /// which is just what a package needs.
    #[serde(default)]
    pub gitignore: bool,
}

impl Settings {
    /// Reads the settings of a folder; a folder without any has the defaults.
    ///
    /// # Errors
    /// [`PackageError::ReadSettings`] and [`PackageError::Settings`].
    pub fn read(dir: &Path) -> Result<Self, PackageError> {
        let path = dir.join(SETTINGS_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                // Never the parser's whole rendering: it quotes the line, which may hold a secret variable.
                toml::from_str(&text).map_err(|error| PackageError::Settings {
                    message: located(&text, error.span().map(|span| span.start), error.message()),
                    path,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(PackageError::ReadSettings { path, source }),
        }
    }
}

/// `line N: message`, without quoting the line.
fn located(text: &str, offset: Option<usize>, message: &str) -> String {
    match offset.and_then(|offset| text.get(..offset)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(SETTINGS_FILE), text).expect("written");
        Settings::read(dir.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_without_settings_has_the_defaults() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Settings::read(dir.path()).expect("readable"), Settings::default());
    }

    #[test]
    fn all_keys_are_understood() {
        let settings = read(
            "name = 'n'\nruntime = 'python3.11'\nhandler = 'a.b'\nmemory = 256\ntimeout = 9\n\
             ephemeral-storage = 1024\ndescription = 'd'\narchitecture = 'arm64'\nrole = 'r'\ngitignore = true\n\
             [environment]\nA = '1'\n[tags]\nteam = 'x'\n",
        )
        .expect("valid settings");
        assert_eq!((settings.memory, settings.ephemeral_storage), (Some(256), Some(1024)));
        assert_eq!(settings.environment["A"], "1");
        assert_eq!(settings.tags["team"], "x");
        assert!(settings.gitignore);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_line_but_quotes_nothing() {
        let error = read("name = 'n'\nmemroy = 'hunter2'\n").expect_err("misspelt");
        assert!(error.contains("line 2") && error.contains("memroy"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
