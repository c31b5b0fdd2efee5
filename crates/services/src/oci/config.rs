//! An image's configuration: what to run, and the digests of its unpacked layers.
//!
//! Only what Lambda uses is read; the rest is skipped without being understood. The number of layers is the
//! caller's to compare with the manifest's.

use model::id::Digest;
use serde::Deserialize;

use super::{DigestError, parse_digest};

/// Largest configuration that is read: 8 MiB. Real ones have kilobytes, history included.
pub const CONFIG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why bytes are not an image configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Larger than [`CONFIG_BYTES_MAX`].
    #[error("the image configuration is larger than 8 MiB")]
    TooLarge,
    /// Not JSON of this shape.
    #[error("the image configuration is not valid JSON of its kind: {0}")]
    Json(String),
    /// A layer's digest is none.
    #[error("the image configuration names a layer wrongly: {0}")]
    Layer(#[from] DigestError),
}

/// The parts of a configuration that matter here. `User`, `ExposedPorts` and `Volumes` are not used, as in Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// `ENTRYPOINT`.
    pub entry_point: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `ENV`, in order.
    pub environment: Vec<(String, String)>,
    /// `WORKDIR`.
    pub working_directory: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    rootfs: RawRootfs,
    config: Option<RawRun>,
}

#[derive(Deserialize)]
struct RawRootfs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawRun {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge);
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(|error| ConfigError::Json(error.to_string()))?;
        let run = raw.config.unwrap_or_default();
        let diff_ids = raw.rootfs.diff_ids.unwrap_or_default();
        let split =
            |entry: String| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self {
            architecture: raw.architecture,
            os: raw.os,
            diff_ids: diff_ids.iter().map(|text| parse_digest(text)).collect::<Result<_, _>>()?,
            entry_point: run.entrypoint.unwrap_or_default(),
            command: run.cmd.unwrap_or_default(),
            environment: run.env.unwrap_or_default().into_iter().filter_map(split).collect(),
            working_directory: run.working_dir.filter(|path| !path.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_docker() {
        let digits = "0".repeat(64);
        let json = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"User":"x","Env":["A=b=c","bad"],"Entrypoint":["/e"],
            "Cmd":null,"WorkingDir":"","Labels":null}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digits}"]}},
            "history":[]}}"#
        );
        let config = ImageConfig::parse(json.as_bytes()).unwrap();
        assert_eq!(config.environment, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!((config.entry_point.len(), config.command.len(), config.diff_ids.len()), (1, 0, 1));
        assert_eq!(config.working_directory, None);
    }

    #[test]
    fn nonsense_is_refused() {
        for json in ["", "[]", "{}", r#"{"rootfs":{"diff_ids":["x"]}}"#] {
            assert!(ImageConfig::parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
