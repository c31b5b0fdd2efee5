//! Manifests and indexes: what they refer to, checked. The bytes themselves are kept by whoever stores them;
//! a manifest is never written anew, because its digest is its name.

use std::collections::BTreeMap;

use model::id::Digest;
use serde::{Deserialize, Serialize};

use super::media_type::{self, ManifestKind};
use super::parse_digest;

/// Largest manifest: 4 MiB, as the OCI Distribution Specification asks registries to accept at least.
pub const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest is larger than 4 MiB")]
    TooLarge,
    /// Not JSON of this shape.
    #[error("the manifest is not valid JSON of its kind: {0}")]
    Json(String),
    /// Well formed and not usable.
    #[error("the manifest is not valid: {0}")]
    Invalid(String),
    /// Not one of the media types that are served.
    #[error("the manifest's media type {0:?} is not supported")]
    MediaType(String),
}

/// Points at a blob or a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest as text, checked when the manifest was parsed.
    digest: String,
    /// Its size.
    #[serde(rename = "size")]
    pub size_bytes: u64,
    /// Where else it can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// For which machine, in indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact, in answers about referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor with nothing but the necessary.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size_bytes: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: super::digest_text(digest),
            size_bytes,
            urls: Vec::new(),
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The digest that it points at.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] for text that is no digest; never for descriptors of a parsed manifest.
    pub fn digest(&self) -> Result<Digest, ManifestError> {
        parse_digest(&self.digest).map_err(|error| ManifestError::Invalid(error.to_string()))
    }

    /// Whether the blob may be missing from the registry: it is to be had elsewhere.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        media_type::is_foreign(&self.media_type) && !self.urls.is_empty()
    }
}

/// A machine that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// Such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its own media type.
    pub media_type: String,
    /// Configuration and layers, or manifests.
    pub content: Content,
    /// The manifest that this one is about.
    pub subject: Option<Descriptor>,
    /// The kind of artifact: declared, or the configuration's media type.
    pub artifact_type: Option<String>,
    /// Notes.
    pub annotations: BTreeMap<String, String>,
}

/// The two shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One image.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, lowest first.
        layers: Vec<Descriptor>,
    },
    /// A choice.
    Index {
        /// What can be chosen.
        manifests: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest that was announced as `content_type`; without one, its own `mediaType` or its shape tells.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge);
        }
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|error| ManifestError::Json(error.to_string()))?;
        let invalid = |what: &str| Err(ManifestError::Invalid(what.to_owned()));
        if raw.schema_version != 2 {
            return invalid("schemaVersion must be 2");
        }
        if let (Some(inside), Some(outside)) = (raw.media_type.as_deref(), content_type)
            && inside != outside
        {
            return invalid("its mediaType differs from the Content-Type it came with");
        }
        let by_shape = if raw.manifests.is_some() { media_type::OCI_INDEX } else { media_type::OCI_MANIFEST };
        let media_type = content_type.or(raw.media_type.as_deref()).unwrap_or(by_shape).to_owned();
        let kind =
            ManifestKind::of(&media_type).ok_or_else(|| ManifestError::MediaType(media_type.clone()))?;
        let content = match (kind, raw.config, raw.layers, raw.manifests) {
            (ManifestKind::Image, Some(config), Some(layers), None) => Content::Image { config, layers },
            (ManifestKind::Index, None, None, Some(manifests)) => Content::Index { manifests },
            (ManifestKind::Image, ..) => {
                return invalid("an image manifest has config and layers, and no manifests");
            }
            (ManifestKind::Index, ..) => {
                return invalid("an index has manifests, and neither config nor layers");
            }
        };
        let of_config = match &content {
            Content::Image { config, .. } => Some(config.media_type.clone()),
            Content::Index { .. } => None,
        };
        let artifact_type = raw.artifact_type.or(of_config);
        let manifest =
            Self { media_type, content, subject: raw.subject, artifact_type, annotations: raw.annotations };
        manifest.descriptors().chain(&manifest.subject).try_for_each(|to| to.digest().map(drop))?;
        Ok(manifest)
    }

    /// Everything that it is made of; its subject is not.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        let (first, rest) = match &self.content {
            Content::Image { config, layers } => (Some(config), layers),
            Content::Index { manifests } => (None, manifests),
        };
        first.into_iter().chain(rest)
    }

    /// Which of the two shapes it has.
    #[must_use]
    pub fn kind(&self) -> ManifestKind {
        match self.content {
            Content::Image { .. } => ManifestKind::Image,
            Content::Index { .. } => ManifestKind::Index,
        }
    }

    /// Size of what it is made of, as ECR reports it: configuration and layers in transport form.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.descriptors().fold(0, |sum, to| sum.saturating_add(to.size_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn check(json: &str, content_type: Option<&str>, expected: Result<ManifestKind, &str>) {
        let json = json.replace("ZEROS", ZEROS);
        let found = Manifest::parse(json.as_bytes(), content_type);
        match (found, expected) {
            (Ok(manifest), Ok(kind)) => assert_eq!(manifest.kind(), kind, "{json}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
            (found, expected) => panic!("{json}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn manifests_are_checked() {
        let image = r#"{"schemaVersion":2,"config":{"mediaType":"c","digest":"ZEROS","size":1},"layers":[]}"#;
        check(image, None, Ok(ManifestKind::Image));
        check(image, Some(media_type::DOCKER_MANIFEST), Ok(ManifestKind::Image));
        check(image, Some(media_type::OCI_INDEX), Err("an index has manifests"));
        check(image, Some("text/plain"), Err("\"text/plain\" is not supported"));
        check(&image.replace(":2", ":1"), None, Err("schemaVersion must be 2"));
        check(&image.replace("ZEROS", "sha256:1"), None, Err("is not a digest"));
        check(&image.replace(":1}", ":-1}"), None, Err("not valid JSON of its kind"));
        check("{", None, Err("not valid JSON"));
        check(r#"{"schemaVersion":2,"manifests":[]}"#, None, Ok(ManifestKind::Index));
        let named =
            format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::DOCKER_LIST);
        check(&named, None, Ok(ManifestKind::Index));
        check(&named, Some(media_type::OCI_INDEX), Err("differs from the Content-Type"));
        let large = format!("{image}{}", " ".repeat(MANIFEST_BYTES_MAX));
        check(&large, None, Err("larger than 4 MiB"));
    }
}
