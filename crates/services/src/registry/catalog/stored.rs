//! The stored form of the catalog: JSON objects whose field `v` names the version that wrote them, one record
//! for each repository, manifest, tag and blob link. A form that was released is never edited; a change is a
//! new version.

use std::collections::BTreeMap;

use model::arn::Scope;
use model::id::{AccountId, Digest, Region};
use model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::SchemaError;
use store::records::{Record, RecordError, Records};

use super::contents::{Image, Settings, TagMutability};
use crate::oci::name::{RepositoryName, Tag};

/// Repositories, filed under `ACCOUNT/REGION` and their name.
pub(super) const REPOSITORY: &str = "registry-repository";
/// Manifests, filed under the repository's id and their digest.
pub(super) const IMAGE: &str = "registry-manifest";
/// Tags, filed under the repository's id and the tag.
pub(super) const TAG: &str = "registry-tag";
/// Blobs that a repository may use, filed under the repository's id and their digest.
pub(super) const LINK: &str = "registry-blob";

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredRepository {
    v: u32,
    pub(super) id: String,
    created_ms: i64,
    immutable: bool,
    immutable_except: Vec<String>,
    scan_on_push: bool,
    encryption: Option<(String, Option<String>)>,
    tags: BTreeMap<String, String>,
    policy: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredImage {
    v: u32,
    media_type: String,
    manifest_bytes: u64,
    size_bytes: u64,
    pushed_ms: i64,
    subject: Option<String>,
    artifact_type: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredTag {
    v: u32,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct StoredLink {
    v: u32,
    size_bytes: u64,
}

/// A repository as its record tells it.
pub(super) struct ReadRepository {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) name: RepositoryName,
    pub(super) created: Timestamp,
    pub(super) settings: Settings,
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Serializing strings, numbers and maps with string keys into memory cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn write_repository(id: &str, created: Timestamp, settings: &Settings) -> Vec<u8> {
    encode(&StoredRepository {
        v: VERSION,
        id: id.to_owned(),
        created_ms: created.as_millis(),
        immutable: settings.mutability.immutable,
        immutable_except: settings.mutability.except.clone(),
        scan_on_push: settings.scan_on_push,
        encryption: settings.encryption.clone(),
        tags: settings.tags.clone(),
        policy: settings.policy.clone(),
    })
}

pub(super) fn write_image(image: &Image) -> Vec<u8> {
    encode(&StoredImage {
        v: VERSION,
        media_type: image.media_type.clone(),
        manifest_bytes: image.manifest_bytes,
        size_bytes: image.size_bytes,
        pushed_ms: image.pushed.as_millis(),
        subject: image.subject.map(|digest| digest.to_string()),
        artifact_type: image.artifact_type.clone(),
    })
}

pub(super) fn write_tag(digest: Digest) -> Vec<u8> {
    encode(&StoredTag { v: VERSION, digest: digest.to_string() })
}

pub(super) fn write_link(size_bytes: u64) -> Vec<u8> {
    encode(&StoredLink { v: VERSION, size_bytes })
}

#[derive(Deserialize)]
struct Marker {
    v: u32,
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SchemaError> {
    let marker: Marker =
        serde_json::from_slice(bytes).map_err(|error| SchemaError::NoVersion { column: error.column() })?;
    match marker.v {
        VERSION => serde_json::from_slice(bytes)
            .map_err(|error| SchemaError::Malformed { version: VERSION, column: error.column() }),
        found => Err(SchemaError::UnknownVersion { found, known: VERSION }),
    }
}

fn illegal<E>(field: &'static str) -> impl FnOnce(E) -> SchemaError {
    move |_| SchemaError::IllegalValue { field }
}

fn digest(text: &str, field: &'static str) -> Result<Digest, SchemaError> {
    Digest::parse(text).map_err(illegal(field))
}

pub(super) fn read_repository(record: &Record) -> Result<ReadRepository, SchemaError> {
    let stored: StoredRepository = decode(&record.value)?;
    let (account, region) = record.key.scope.split_once('/').ok_or(SchemaError::Misfiled)?;
    let account = AccountId::parse(account).map_err(illegal("account"))?;
    let region = Region::parse(region).map_err(illegal("region"))?;
    let mutability = TagMutability { immutable: stored.immutable, except: stored.immutable_except };
    Ok(ReadRepository {
        id: stored.id,
        scope: Scope { account, region },
        name: RepositoryName::parse(&record.key.name).map_err(illegal("name"))?,
        created: Timestamp::from_millis(stored.created_ms),
        settings: Settings {
            mutability,
            scan_on_push: stored.scan_on_push,
            encryption: stored.encryption,
            tags: stored.tags,
            policy: stored.policy,
        },
    })
}

pub(super) fn read_image(record: &Record) -> Result<Image, SchemaError> {
    let stored: StoredImage = decode(&record.value)?;
    Ok(Image {
        digest: digest(&record.key.name, "digest")?,
        media_type: stored.media_type,
        manifest_bytes: stored.manifest_bytes,
        size_bytes: stored.size_bytes,
        pushed: Timestamp::from_millis(stored.pushed_ms),
        subject: stored.subject.map(|text| digest(&text, "subject")).transpose()?,
        artifact_type: stored.artifact_type,
    })
}

pub(super) fn read_tag(record: &Record) -> Result<(Tag, Digest), SchemaError> {
    let stored: StoredTag = decode(&record.value)?;
    Ok((Tag::parse(&record.key.name).map_err(illegal("tag"))?, digest(&stored.digest, "digest")?))
}

pub(super) fn read_link(record: &Record) -> Result<(Digest, u64), SchemaError> {
    let stored: StoredLink = decode(&record.value)?;
    Ok((digest(&record.key.name, "digest")?, stored.size_bytes))
}

/// Names the record that could not be understood.
pub(super) fn unreadable(records: &dyn Records, record: &Record, source: SchemaError) -> RecordError {
    RecordError::Unreadable { key: record.key.clone(), by_hand: records.by_hand(&record.key), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What version 1 wrote must stay readable for ever.
    #[test]
    fn version_1_is_read() {
        let stored: StoredRepository = decode(
            br#"{"v":1,"id":"0a","created_ms":7,"immutable":true,"immutable_except":["a*"],"scan_on_push":false,
                "encryption":["KMS","k"],"tags":{"a":"b"},"policy":null}"#,
        )
        .unwrap();
        assert_eq!((stored.id.as_str(), stored.created_ms, stored.immutable), ("0a", 7, true));
        let image: StoredImage = decode(
            br#"{"v":1,"media_type":"m","manifest_bytes":1,"size_bytes":2,"pushed_ms":3,"subject":null,
                "artifact_type":"a"}"#,
        )
        .unwrap();
        assert_eq!(image.size_bytes, 2);
        assert_eq!(decode::<StoredTag>(br#"{"v":1,"digest":"d"}"#).unwrap().digest, "d");
        assert_eq!(decode::<StoredLink>(br#"{"v":1,"size_bytes":9}"#).unwrap().size_bytes, 9);
        let newer = decode::<StoredLink>(br#"{"v":2}"#).err();
        assert_eq!(newer, Some(SchemaError::UnknownVersion { found: 2, known: 1 }));
    }
}
