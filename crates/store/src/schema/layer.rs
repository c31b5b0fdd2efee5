//! The stored form of layers: one record for each version, and one for each layer that holds the last number given
//! out, which outlives all versions. Version 1 of both; `golden/layer-v1.json` is an example.

use model::arn::Scope;
use model::function as domain;
use model::id::{AccountId, Digest, Region};
use model::layer::{LayerId, LayerName, LayerVersion, LayerVersionId};
use model::runtime::RuntimeName;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::v2::{Architecture, Zip};
use super::{SchemaError, versioned};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer<'a> {
    v: u32,
    account: String,
    region: String,
    name: String,
    number: u64,
    #[serde(borrow)]
    zip: Zip<'a>,
    description: String,
    license: Option<String>,
    runtimes: Vec<String>,
    architectures: Vec<Architecture>,
    created_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    v: u32,
    account: String,
    region: String,
    name: String,
    last_number: u64,
}

/// The stored form of a layer version.
pub(crate) fn encode_layer(layer: &LayerVersion) -> Vec<u8> {
    let LayerVersionId { layer: LayerId { scope, name }, number } = &layer.id;
    let stored = Layer {
        v: VERSION,
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        name: name.to_string(),
        number: *number,
        zip: layer.zip.into(),
        description: layer.description.clone(),
        license: layer.license.clone(),
        runtimes: layer.runtimes.iter().map(ToString::to_string).collect(),
        architectures: layer.architectures.iter().map(|&architecture| architecture.into()).collect(),
        created_ms: layer.created.as_millis(),
    };
    // Serializing strings and numbers into memory cannot fail.
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// Reads a layer version in any stored form.
pub(crate) fn decode_layer(bytes: &[u8]) -> Result<LayerVersion, SchemaError> {
    let stored: Layer<'_> = versioned(VERSION, bytes)?;
    let illegal = |_| SchemaError::IllegalValue { field: "zip.digest" };
    let digest = Digest::parse(&stored.zip.digest).map_err(illegal)?;
    let layer = layer_id(&stored.account, &stored.region, &stored.name)?;
    Ok(LayerVersion {
        id: LayerVersionId { layer, number: stored.number },
        zip: domain::Zip { digest, size_bytes: stored.zip.size_bytes },
        description: stored.description,
        license: stored.license,
        runtimes: stored.runtimes.iter().map(|name| RuntimeName::new(name)).collect(),
        architectures: stored.architectures.into_iter().map(Into::into).collect(),
        created: Timestamp::from_millis(stored.created_ms),
    })
}

/// The stored form of a layer's last number.
pub(crate) fn encode_counter(layer: &LayerId, last_number: u64) -> Vec<u8> {
    let stored = Counter {
        v: VERSION,
        account: layer.scope.account.to_string(),
        region: layer.scope.region.to_string(),
        name: layer.name.to_string(),
        last_number,
    };
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// Reads a layer's last number in any stored form.
pub(crate) fn decode_counter(bytes: &[u8]) -> Result<(LayerId, u64), SchemaError> {
    let stored: Counter = versioned(VERSION, bytes)?;
    Ok((layer_id(&stored.account, &stored.region, &stored.name)?, stored.last_number))
}

fn layer_id(account: &str, region: &str, name: &str) -> Result<LayerId, SchemaError> {
    let illegal = |field| move |_| SchemaError::IllegalValue { field };
    let scope = Scope {
        account: AccountId::parse(account).map_err(illegal("account"))?,
        region: Region::parse(region).map_err(illegal("region"))?,
    };
    Ok(LayerId { scope, name: LayerName::parse(name).map_err(illegal("name"))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../golden/layer-v1.json");

    fn golden() -> (LayerVersion, u64) {
        let id = LayerVersionId::parse("arn:aws:lambda:eu-central-1:123456789012:layer:tools:3");
        let layer = LayerVersion {
            id: id.unwrap(),
            zip: domain::Zip { digest: Digest::from_bytes([0x5a; 32]), size_bytes: 1_234 },
            description: "quotes \" and ünïcode".to_owned(),
            license: Some("Apache-2.0".to_owned()),
            runtimes: vec![RuntimeName::new("python3.12"), RuntimeName::new("provided.al2023")],
            architectures: vec![domain::Architecture::Arm64],
            created: Timestamp::from_millis(1_764_000_000_123),
        };
        (layer, 17)
    }

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let (layer, last_number) = golden();
        let (first, second) = GOLDEN.trim_end().split_once('\n').unwrap();
        assert_eq!(String::from_utf8(encode_layer(&layer)).unwrap(), first);
        assert_eq!(String::from_utf8(encode_counter(&layer.id.layer, last_number)).unwrap(), second);
        assert_eq!(decode_counter(second.as_bytes()), Ok((layer.id.layer.clone(), last_number)));
        assert_eq!(decode_layer(first.as_bytes()), Ok(layer));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let (first, second) = GOLDEN.split_once('\n').unwrap();
        let later = first.replace("\"v\":1", "\"v\":2");
        let unknown = SchemaError::UnknownVersion { found: 2, known: 1 };
        assert_eq!(decode_layer(later.as_bytes()), Err(unknown));
        let illegal = first.replace("5a5a", "zzzz");
        assert_eq!(decode_layer(illegal.as_bytes()), Err(SchemaError::IllegalValue { field: "zip.digest" }));
        assert!(matches!(decode_layer(second.as_bytes()), Err(SchemaError::Malformed { version: 1, .. })));
    }
}
