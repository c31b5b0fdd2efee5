//! The stored form of records: JSON objects whose field `v` says which version wrote them.
//!
//! Writing uses the newest version. Reading takes any: the value is parsed as the version that it names, then
//! led through the chain of upgrades (`From<vN::Function> for vM::Function`, M = N + 1) to the newest, and only
//! that one is turned into the domain type. Each version has a golden file that must stay readable for ever.
//! A form that was released is never edited; a change is a new version.

mod alias;
mod archive;
mod bus;
mod capacity;
mod code_signing;
mod concurrency;
mod event_invoke;
mod event_source;
mod function;
mod iam;
mod layer;
mod logs;
mod management;
mod noted;
mod owner;
mod resource_policy;
mod scheduler;
mod sqs;
mod topic;
mod url;
mod v1;
mod v2;
mod v3;
mod version;

use model::arn::FunctionId;
use model::function::Function;
use serde::Deserialize;

pub(crate) use layer::{decode_counter, decode_layer, encode_counter, encode_layer};
use v3 as newest;

use crate::records::typed::Stored;
use crate::seal::Sealer;

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
    /// A sealed field does not open: the key of the data directory is another, or the record was moved or changed.
    #[error(
        "its field {field} was sealed under another key than this data directory's, or for another record"
    )]
    Sealed {
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

/// A version of a function, filed under its number or `$LATEST`.
impl Stored for Function {
    type Owner = FunctionId;
    const KIND: &'static str = "function";

    fn owner(&self) -> FunctionId {
        self.id.clone()
    }

    fn name(&self) -> String {
        self.version.to_string()
    }

    /// Earlier versions held environment variables in the clear.
    fn is_newest(bytes: &[u8]) -> bool {
        version_of(bytes) == Ok(newest::VERSION)
    }

    fn encode(&self, sealer: &Sealer) -> Vec<u8> {
        // Serializing strings, numbers and maps with string keys into memory cannot fail.
        serde_json::to_vec(&function::store(self, sealer)).unwrap_or_default()
    }

    fn decode(bytes: &[u8], sealer: &Sealer) -> Result<Self, SchemaError> {
        let stored = match version_of(bytes)? {
            1 => v2::Function::from(parse::<v1::Function>(1, bytes)?).into(),
            2 => parse::<v2::Function>(2, bytes)?.into(),
            newest::VERSION => parse(newest::VERSION, bytes)?,
            found => return Err(SchemaError::UnknownVersion { found, known: newest::VERSION }),
        };
        function::read(stored, sealer)
    }
}

/// Reads a kind that has had one version so far.
fn versioned<'a, T: Deserialize<'a>>(known: u32, bytes: &'a [u8]) -> Result<T, SchemaError> {
    match version_of(bytes)? {
        found if found == known => parse(known, bytes),
        found => Err(SchemaError::UnknownVersion { found, known }),
    }
}

fn version_of(bytes: &[u8]) -> Result<u32, SchemaError> {
    // As it is written here; anything else that is JSON is read the long way.
    let digits = bytes.strip_prefix(b"{\"v\":").and_then(|rest| rest.split(|byte| *byte == b',').next());
    let written =
        digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|text| text.parse().ok());
    if let Some(version) = written {
        return Ok(version);
    }
    let marker: Result<Marker, _> = serde_json::from_slice(bytes);
    marker.map(|marker| marker.v).map_err(|error| SchemaError::NoVersion { column: error.column() })
}

fn parse<'a, T: Deserialize<'a>>(version: u32, bytes: &'a [u8]) -> Result<T, SchemaError> {
    serde_json::from_slice(bytes).map_err(|error| SchemaError::Malformed { version, column: error.column() })
}

/// Holds a kind to its golden record: written to the byte, read back equal, and refused where it is damaged.
#[cfg(test)]
fn check_golden<T: Stored + PartialEq + std::fmt::Debug>(value: &T, golden: &str) {
    let sealer = Sealer::new(&[7; 32]).unwrap();
    assert_eq!(String::from_utf8(value.encode(&sealer)).unwrap() + "\n", golden);
    assert_eq!(T::decode(golden.as_bytes(), &sealer).as_ref(), Ok(value));
    let later = golden.replacen("\"v\":1", "\"v\":99", 1);
    assert!(matches!(
        T::decode(later.as_bytes(), &sealer),
        Err(SchemaError::UnknownVersion { found: 99, .. })
    ));
    let unknown = golden.replacen("\"v\":1,", "\"v\":1,\"surprise\":0,", 1);
    assert!(matches!(T::decode(unknown.as_bytes(), &sealer), Err(SchemaError::Malformed { version: 1, .. })));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use model::arn::Scope;
    use model::function::{
        Architecture, CapacityProvider, Code, Environment, FileSystem, Image, ImageConfig, Layer, LogFormat,
        Logging, Settings, Start, State, TracingMode, UpdateStatus, Zip,
    };
    use model::id::{AccountId, Digest, Region, RevisionId};
    use model::name::{FunctionName, Version};
    use model::noted::{CustomRuntime, DirectRead, Durable, Noted, Object, Origin, Vpc};
    use model::runtime::RuntimeName;
    use model::time::Timestamp;

    use super::*;

    const GOLDEN_V1: &[u8] = include_bytes!("../../golden/function-v1.json");
    const GOLDEN_V2: &[u8] = include_bytes!("../../golden/function-v2.json");
    const GOLDEN_V2_IMAGE: &[u8] = include_bytes!("../../golden/function-v2-image.json");
    const GOLDEN_V3: &str = include_str!("../../golden/function-v3.json");

    fn sealer() -> Sealer {
        Sealer::new(&[7; 32]).unwrap()
    }

    fn decode_function(bytes: &[u8]) -> Result<Function, SchemaError> {
        Function::decode(bytes, &sealer())
    }

    fn encode_function(function: &Function) -> Vec<u8> {
        function.encode(&sealer())
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// A function in which every field that version 1 knew differs from its default and from its neighbours.
    fn golden_v1() -> Function {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
        };
        Function {
            id: FunctionId { scope, name: FunctionName::parse("resize_Image-2").unwrap() },
            version: Version::Published(7),
            settings: Arc::new(Settings {
                start: Start::Handler {
                    runtime: RuntimeName::new("python3.12"),
                    handler: "app.handler".to_owned(),
                },
                role: "arn:aws:iam::123456789012:role/worker".to_owned(),
                description: "quotes \" and ünïcode".to_owned(),
                timeout_s: 29,
                memory_mb: 1_769,
                ephemeral_mb: 2_048,
                environment: Environment(map(&[("TABLE", "orders"), ("EMPTY", "")]).into()),
                architecture: Architecture::Arm64,
                tracing: TracingMode::Active,
                logging: Logging {
                    format: LogFormat::Json,
                    application_level: Some("DEBUG".to_owned()),
                    system_level: None,
                    group: Some("/teams/images".to_owned()),
                },
                layers: Vec::new(),
                file_systems: Vec::new(),
                tenant_isolation: false,
                capacity: None,
                noted: Noted::default(),
            }),
            code: Code::Zip(Zip { digest: Digest::from_bytes([0x5a; 32]), size_bytes: 1_234_567 }),
            origin: Origin::default(),
            revision: RevisionId::from_random([3; 16]),
            build: RevisionId::from_random([3; 16]),
            last_modified: Timestamp::from_millis(1_764_000_000_123),
            state: State::Failed { reason: "no such interpreter".to_owned() },
            last_update: UpdateStatus::InProgress,
            tags: map(&[("dormouse:freeze", "false"), ("team", "images")]).into(),
        }
    }

    /// The same with all that version 2 added.
    fn golden_v2() -> Function {
        let mut function = golden_v1();
        let arn = |number| format!("arn:aws:lambda:eu-central-1:123456789012:layer:tools:{number}");
        let zip = |byte, size_bytes| Zip { digest: Digest::from_bytes([byte; 32]), size_bytes };
        let settings = Arc::make_mut(&mut function.settings);
        settings.layers =
            vec![Layer { arn: arn(3), zip: zip(1, 22) }, Layer { arn: arn(12), zip: zip(2, 33) }];
        settings.file_systems = vec![FileSystem {
            arn: "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-1".to_owned(),
            local_path: "/mnt/shared".to_owned(),
            direct_read: None,
        }];
        settings.tenant_isolation = true;
        settings.capacity = Some(CapacityProvider {
            arn: "arn:aws:lambda:eu-central-1:123456789012:capacity-provider:pool".to_owned(),
            concurrency: Some(16),
            memory_gib_per_vcpu: Some(2.5),
        });
        function
    }

    /// The same with all that version 3 added.
    fn golden() -> Function {
        let text = |text: &str| Some(text.to_owned());
        let mut function = golden_v2();
        function.origin = Origin {
            kms_key: text("arn:aws:kms:eu-central-1:123456789012:key/source"),
            object: Some(Box::new(Object {
                bucket: "code".to_owned(),
                key: "app.zip".to_owned(),
                version: text("v7"),
            })),
        };
        let settings = Arc::make_mut(&mut function.settings);
        settings.file_systems[0].direct_read = Some(DirectRead::Disabled);
        settings.noted = Noted {
            vpc: Some(Box::new(Vpc {
                subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
                security_groups: vec!["sg-1".to_owned()],
                ipv6: true,
            })),
            dead_letter: text("arn:aws:sqs:eu-central-1:123456789012:failed"),
            kms_key: text("arn:aws:kms:eu-central-1:123456789012:key/variables"),
            snap_start: true,
            durable: Some(Box::new(Durable {
                kms_key: text("arn:aws:kms:eu-central-1:123456789012:key/durable"),
                retention_days: Some(14),
                timeout_s: Some(3_600),
            })),
            custom_runtime: Some(Box::new(CustomRuntime {
                arn: "arn:aws:lambda:eu-central-1:123456789012:runtime/own".to_owned(),
                alias: "live".to_owned(),
            })),
            accelerator_gb: Some(24),
        };
        function
    }

    fn golden_image() -> Function {
        let mut function = golden_v1();
        function.code = Code::Image(Image {
            uri: "registry.localhost/team/app:1".to_owned(),
            resolved_uri: "registry.localhost/team/app@sha256:07".to_owned(),
            digest: Digest::from_bytes([7; 32]),
            size_bytes: 1_000_000_007,
        });
        Arc::make_mut(&mut function.settings).start = Start::Image(ImageConfig {
            entry_point: vec!["/usr/bin/app".to_owned(), "--serve".to_owned()],
            command: vec!["app.handler".to_owned()],
            working_directory: Some("/srv".to_owned()),
        });
        function
    }

    #[test]
    fn version_1_stays_readable() {
        assert_eq!(decode_function(GOLDEN_V1), Ok(golden_v1()));
    }

    #[test]
    fn version_2_stays_readable() {
        assert_eq!(decode_function(GOLDEN_V2), Ok(golden_v2()));
        assert_eq!(decode_function(GOLDEN_V2_IMAGE), Ok(golden_image()));
        assert!(!Function::is_newest(GOLDEN_V2));
    }

    /// What is sealed differs each time; all else is the same to the byte.
    fn without_sealed(text: &str) -> (String, String) {
        let (before, rest) = text.split_once("{\"sealed\":\"").unwrap();
        let (sealed, after) = rest.split_once('"').unwrap();
        (format!("{before}{after}"), sealed.to_owned())
    }

    #[test]
    fn version_3_is_written_to_the_byte_and_stays_readable() {
        let written = String::from_utf8(encode_function(&golden())).unwrap() + "\n";
        let ((written, new), (expected, old)) = (without_sealed(&written), without_sealed(GOLDEN_V3));
        assert_eq!(written, expected);
        assert_ne!(new, old, "a nonce was used twice");
        assert_eq!(decode_function(GOLDEN_V3.as_bytes()), Ok(golden()));
        assert!(Function::is_newest(GOLDEN_V3.as_bytes()));
    }

    #[test]
    fn variables_open_under_their_own_key_and_in_their_own_record_only() {
        let expect = Err(SchemaError::Sealed { field: "settings.environment" });
        let bytes = encode_function(&golden());
        assert_eq!(Function::decode(&bytes, &Sealer::new(&[8; 32]).unwrap()), expect);
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("orders") && !text.contains("TABLE"), "{text}");
        for (from, to) in [("\"version\":\"7\"", "\"version\":\"8\""), ("resize_Image-2", "other")] {
            let moved = text.replacen(from, to, 1);
            assert_ne!(moved, text);
            assert_eq!(decode_function(moved.as_bytes()), expect, "{from} -> {to}");
        }
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
        let text = GOLDEN_V3.to_owned();
        let check = |from: &str, to: &str, expect: SchemaError| {
            let damaged = text.replacen(from, to, 1);
            assert_ne!(damaged, text, "{from} must occur");
            assert_eq!(decode_function(damaged.as_bytes()), Err(expect), "{from} -> {to}");
        };
        check("\"v\":3", "\"v\":4", SchemaError::UnknownVersion { found: 4, known: 3 });
        check("eu-central-1", "EU", SchemaError::IllegalValue { field: "region" });
        check("\"version\":\"7\"", "\"version\":\"live\"", SchemaError::IllegalValue { field: "version" });
        let unknown = decode_function(text.replacen("\"tags\"", "\"labels\"", 1).as_bytes()).unwrap_err();
        assert!(matches!(unknown, SchemaError::Malformed { version: 3, .. }), "{unknown}");
        let damaged = String::from_utf8(GOLDEN_V2.to_vec()).unwrap().replacen("\"orders\"", "4711", 1);
        let secret = decode_function(damaged.as_bytes()).unwrap_err();
        assert!(!secret.to_string().contains("4711"), "{secret}");
        assert!(matches!(decode_function(b""), Err(SchemaError::NoVersion { .. })));
        assert!(matches!(decode_function(b"{}"), Err(SchemaError::NoVersion { .. })));
    }
}
