//! The stored form of records: JSON objects whose field `v` says which version wrote them.
//!
//! Writing uses the newest version. Reading takes any: the value is parsed as the version that it names, then
//! led through the chain of upgrades (`From<vN::Function> for vM::Function`, M = N + 1) to the newest, and only
//! that one is turned into the domain type. Each version has a golden file that must stay readable for ever.
//! A form that was released is never edited; a change is a new version.

mod v1;

use model::function::Function;
use serde::Deserialize;

use v1 as newest;

/// Why stored bytes are not the record they should be. Never shows the bytes: they hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not JSON with a version.
    #[error("it is not JSON with a version in field \"v\" (column {column})")]
    NoVersion {
        /// Where reading stopped.
        column: usize,
    },
    /// A version that this program does not know.
    #[error("it has version {found}, and this version of Dormouse reads 1 to {known}")]
    UnknownVersion {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// Not what its version writes.
    #[error("it is not what version {version} writes (column {column})")]
    Malformed {
        /// The version it names.
        version: u32,
        /// Where reading stopped.
        column: usize,
    },
    /// A field holds something illegal.
    #[error("its field {field} holds no legal value")]
    IllegalValue {
        /// Which field.
        field: &'static str,
    },
    /// The record's content belongs under another key.
    #[error("it is filed under a name that is not its own")]
    Misfiled,
}

#[derive(Deserialize)]
struct Marker {
    v: u32,
}

/// The newest stored form of a function.
pub(crate) fn encode_function(function: &Function) -> Vec<u8> {
    // Serializing strings, numbers and maps with string keys into memory cannot fail.
    serde_json::to_vec(&newest::Function::from(function)).unwrap_or_default()
}

/// Reads a function in any stored form.
pub(crate) fn decode_function(bytes: &[u8]) -> Result<Function, SchemaError> {
    let marker: Marker =
        serde_json::from_slice(bytes).map_err(|error| SchemaError::NoVersion { column: error.column() })?;
    match marker.v {
        1 => parse::<v1::Function>(1, bytes)?.try_into(),
        found => Err(SchemaError::UnknownVersion { found, known: newest::VERSION }),
    }
}

fn parse<'a, T: Deserialize<'a>>(version: u32, bytes: &'a [u8]) -> Result<T, SchemaError> {
    serde_json::from_slice(bytes).map_err(|error| SchemaError::Malformed { version, column: error.column() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::arn::{FunctionId, Scope};
    use model::function::{
        Architecture, Code, Environment, LogFormat, Logging, Settings, State, TracingMode, UpdateStatus,
    };
    use model::id::{AccountId, Digest, Region, RevisionId};
    use model::name::{FunctionName, Version};
    use model::runtime::RuntimeName;
    use model::time::Timestamp;

    use super::*;

    const GOLDEN_V1: &[u8] = include_bytes!("../../golden/function-v1.json");

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// A function in which every field differs from its default and from its neighbours.
    fn golden() -> Function {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
        };
        Function {
            id: FunctionId { scope, name: FunctionName::parse("resize_Image-2").unwrap() },
            version: Version::Published(7),
            settings: Settings {
                runtime: RuntimeName::new("python3.12"),
                handler: "app.handler".to_owned(),
                role: "arn:aws:iam::123456789012:role/worker".to_owned(),
                description: "quotes \" and ünïcode".to_owned(),
                timeout_s: 29,
                memory_mb: 1_769,
                ephemeral_mb: 2_048,
                environment: Environment(map(&[("TABLE", "orders"), ("EMPTY", "")])),
                architecture: Architecture::Arm64,
                tracing: TracingMode::Active,
                logging: Logging {
                    format: LogFormat::Json,
                    application_level: Some("DEBUG".to_owned()),
                    system_level: None,
                    group: Some("/teams/images".to_owned()),
                },
            },
            code: Code { digest: Digest::from_bytes([0x5a; 32]), size_bytes: 1_234_567 },
            revision: RevisionId::from_random([3; 16]),
            last_modified: Timestamp::from_millis(1_764_000_000_123),
            state: State::Failed { reason: "no such interpreter".to_owned() },
            last_update: UpdateStatus::InProgress,
            tags: map(&[("dormouse:freeze", "false"), ("team", "images")]),
        }
    }

    #[test]
    fn version_1_stays_readable() {
        assert_eq!(decode_function(GOLDEN_V1), Ok(golden()));
    }

    #[test]
    fn what_is_written_is_version_1_to_the_byte() {
        let written = String::from_utf8(encode_function(&golden())).unwrap();
        assert_eq!(written + "\n", String::from_utf8(GOLDEN_V1.to_vec()).unwrap());
    }

    #[test]
    fn every_state_survives_a_round_trip() {
        let failed = || "reason".to_owned();
        for state in [State::Pending, State::Active, State::Failed { reason: failed() }] {
            for last_update in [
                UpdateStatus::Successful,
                UpdateStatus::InProgress,
                UpdateStatus::Failed { reason: failed() },
            ] {
                let function = Function { state: state.clone(), last_update, ..golden() };
                assert_eq!(decode_function(&encode_function(&function)), Ok(function));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_shown() {
        let text = String::from_utf8(GOLDEN_V1.to_vec()).unwrap();
        let check = |from: &str, to: &str, expect: SchemaError| {
            let damaged = text.replacen(from, to, 1);
            assert_ne!(damaged, text, "{from} must occur");
            assert_eq!(decode_function(damaged.as_bytes()), Err(expect), "{from} -> {to}");
        };
        check("\"v\":1", "\"v\":2", SchemaError::UnknownVersion { found: 2, known: 1 });
        check("eu-central-1", "EU", SchemaError::IllegalValue { field: "region" });
        check("\"version\":\"7\"", "\"version\":\"live\"", SchemaError::IllegalValue { field: "version" });
        let unknown = decode_function(text.replacen("\"tags\"", "\"labels\"", 1).as_bytes()).unwrap_err();
        assert!(matches!(unknown, SchemaError::Malformed { version: 1, .. }), "{unknown}");
        let secret = decode_function(text.replacen("\"orders\"", "4711", 1).as_bytes()).unwrap_err();
        assert!(!secret.to_string().contains("4711"), "{secret}");
        assert!(matches!(decode_function(b""), Err(SchemaError::NoVersion { .. })));
        assert!(matches!(decode_function(b"{}"), Err(SchemaError::NoVersion { .. })));
    }
}
