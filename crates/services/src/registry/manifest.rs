//! Manifests: taking, giving and removing them. The same functions serve `/v2/` and ECR's API.
//!
//! A manifest is taken only when everything that it refers to is in the repository, and its bytes are kept as they
//! came: their digest is its name.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode, header as h};
use model::id::Digest;

use super::body::{Body, collect, whole};
use super::catalog::{CatalogError, Image, Repository};
use super::refusal::{Code, Refusal};
use super::{CONTENT_DIGEST, Registry, empty, header, set};
use crate::layout::LayoutError;
use crate::oci::manifest::{Content, MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::oci::media_type::ManifestKind;
use crate::oci::name::Tag;
use crate::oci::{DigestError, digest_of, digest_text, parse_digest};

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// What a request for a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference {
    Digest(Digest),
    Tag(Tag),
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return Ok(Self::Digest(parse_digest(text)?));
        }
        let tag = Tag::parse(text).map_err(|error| Refusal::new(Code::TagInvalid, error.to_string()))?;
        Ok(Self::Tag(tag))
    }
}

/// A manifest that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
}

/// Why a manifest was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// It is malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It names something wrongly.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Its bytes do not have the digest under which it was to be stored.
    #[error("the manifest has digest sha256:{found}, not sha256:{expected}")]
    WrongDigest {
        /// As announced.
        expected: Digest,
        /// As computed.
        found: Digest,
    },
    /// It refers to blobs that the repository does not have.
    #[error("the manifest refers to what is not in the repository: {}", list(.0))]
    BlobsMissing(Vec<Digest>),
    /// It refers to manifests that the repository does not have.
    #[error("the index refers to what is not in the repository: {}", list(.0))]
    ManifestsMissing(Vec<Digest>),
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The disk failed.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Digests named in one message; a manifest can refer to thousands.
const LISTED_MAX: usize = 5;

fn list(digests: &[Digest]) -> String {
    let mut shown: Vec<_> = digests.iter().take(LISTED_MAX).map(|digest| digest_text(*digest)).collect();
    if digests.len() > LISTED_MAX {
        shown.push(format!("and {} more", digests.len() - LISTED_MAX));
    }
    shown.join(", ")
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let message = error.to_string();
        match error {
            PushError::Manifest(error) => error.into(),
            PushError::Digest(error) => error.into(),
            PushError::WrongDigest { .. } => Self::new(Code::DigestInvalid, message),
            PushError::BlobsMissing(_) | PushError::ManifestsMissing(_) => {
                Self::new(Code::ManifestBlobUnknown, message)
            }
            PushError::Catalog(error) => error.into(),
            PushError::Layout(error) => error.into(),
        }
    }
}

/// What goes with a manifest that is pushed.
#[derive(Debug, Clone, Default)]
pub struct Push {
    /// The media type that it was announced with.
    pub content_type: Option<String>,
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// The tag that shall stand for it.
    pub tag: Option<Tag>,
    /// Whether to refuse what is there already, as ECR's `PutImage` does.
    pub refuse_same: bool,
}

impl Registry {
    /// Takes a manifest, when everything that it refers to is in the repository.
    pub async fn push_manifest(
        &self,
        repository: &Arc<Repository>,
        bytes: Bytes,
        push: Push,
    ) -> Result<PushedManifest, PushError> {
        let manifest = Manifest::parse(&bytes, push.content_type.as_deref())?;
        let found = digest_of(&bytes);
        if let Some(expected) = push.digest.filter(|expected| *expected != found) {
            return Err(PushError::WrongDigest { expected, found });
        }
        self.check_references(repository, &manifest).await?;
        let manifest_bytes = bytes.len() as u64;
        let digest = self.layout.put(bytes).await?;
        let subject = manifest.subject.as_ref().map(|to| to.digest()).transpose()?;
        let image = Image {
            digest,
            media_type: manifest.media_type.clone(),
            manifest_bytes,
            size_bytes: manifest.size_bytes(),
            pushed: self.catalog.now(),
            subject,
            artifact_type: manifest.artifact_type,
        };
        repository.put_image(image, push.tag, push.refuse_same).await?;
        Ok(PushedManifest { digest, media_type: manifest.media_type, subject })
    }

    async fn check_references(&self, repository: &Repository, manifest: &Manifest) -> Result<(), PushError> {
        let now = self.catalog.now();
        let needed = manifest.descriptors().filter(|to| !to.is_foreign()).map(|to| to.digest());
        let needed = needed.collect::<Result<Vec<_>, _>>()?;
        let is_image = matches!(manifest.content, Content::Image { .. });
        let has = |digest: &Digest| {
            if is_image {
                repository.blob(*digest, now).is_some()
            } else {
                repository.image(*digest).is_some()
            }
        };
        let missing: Vec<_> = needed.iter().copied().filter(|digest| !has(digest)).collect();
        if !missing.is_empty() {
            let of_kind = if is_image { PushError::BlobsMissing } else { PushError::ManifestsMissing };
            return Err(of_kind(missing));
        }
        // From here on the files stay, whatever is being collected at this moment.
        match self.layout.touch(needed).await {
            Err(LayoutError::Missing { digest }) => Err(PushError::BlobsMissing(vec![digest])),
            touched => Ok(touched?),
        }
    }

    /// The bytes of a manifest, checked against their digest.
    pub async fn manifest_bytes(&self, digest: Digest) -> Result<Bytes, LayoutError> {
        self.layout.read(digest, MANIFEST_BYTES_MAX).await
    }

    /// Everything that manifests of the repository are made of.
    pub(super) async fn referenced(&self, repository: &Repository) -> Result<HashSet<Digest>, LayoutError> {
        let mut referenced = HashSet::new();
        for image in repository.images() {
            let bytes = self.manifest_bytes(image.digest).await?;
            // It was parsed before it was stored.
            let Ok(manifest) = Manifest::parse(&bytes, Some(&image.media_type)) else { continue };
            referenced.extend(manifest.descriptors().filter_map(|to| to.digest().ok()));
        }
        Ok(referenced)
    }

    /// The indexes of the repository that name this manifest.
    pub async fn indexes_with(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Vec<Digest>, LayoutError> {
        let mut found = Vec::new();
        let images = repository.images();
        for index in
            images.iter().filter(|image| ManifestKind::of(&image.media_type) == Some(ManifestKind::Index))
        {
            let bytes = self.manifest_bytes(index.digest).await?;
            let Ok(manifest) = Manifest::parse(&bytes, Some(&index.media_type)) else { continue };
            if manifest.descriptors().any(|to| to.digest() == Ok(digest)) {
                found.push(index.digest);
            }
        }
        Ok(found)
    }

    pub(super) async fn take_manifest<B>(
        &self,
        repository: &Arc<Repository>,
        reference: &str,
        parts: &Parts,
        body: &mut B,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let reference = Reference::parse(reference)?;
        let bytes = collect(body, MANIFEST_BYTES_MAX).await?.ok_or(ManifestError::TooLarge)?;
        let content_type =
            header(parts, h::CONTENT_TYPE).map(|text| text.split(';').next().unwrap_or(text).trim());
        let mut push = Push { content_type: content_type.map(str::to_owned), ..Push::default() };
        let place = match reference {
            Reference::Digest(digest) => {
                push.digest = Some(digest);
                digest_text(digest)
            }
            Reference::Tag(tag) => {
                let place = tag.to_string();
                push.tag = Some(tag);
                place
            }
        };
        let pushed = self.push_manifest(repository, bytes, push).await?;
        let mut response = empty(StatusCode::CREATED);
        set(&mut response, h::LOCATION, &format!("/v2/{}/manifests/{place}", repository.name));
        set(&mut response, CONTENT_DIGEST, &digest_text(pushed.digest));
        if let Some(subject) = pushed.subject {
            set(&mut response, OCI_SUBJECT, &digest_text(subject));
        }
        Ok(response)
    }

    pub(super) async fn get_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        let found = match Reference::parse(reference)? {
            Reference::Digest(digest) => repository.image(digest),
            Reference::Tag(tag) => repository.tagged(&tag),
        };
        let image = found.ok_or_else(|| unknown(reference))?;
        let bytes = self.manifest_bytes(image.digest).await?;
        let digest = digest_text(image.digest);
        let mut response = empty(StatusCode::OK);
        set(&mut response, h::CONTENT_LENGTH, &bytes.len().to_string());
        set(&mut response, h::CONTENT_TYPE, &image.media_type);
        set(&mut response, h::ETAG, &format!("\"{digest}\""));
        set(&mut response, CONTENT_DIGEST, &digest);
        if parts.method == Method::GET {
            *response.body_mut() = whole(bytes);
        }
        Ok(response)
    }

    /// By tag only the tag goes, by digest the manifest with all its tags.
    pub(super) async fn delete_manifest(
        &self,
        repository: &Arc<Repository>,
        reference: &str,
    ) -> Result<Response<Body>, Refusal> {
        let removed = match Reference::parse(reference)? {
            Reference::Tag(tag) => repository.remove_tag(tag).await?.is_some(),
            Reference::Digest(digest) => {
                if let Some(index) = self.indexes_with(repository, digest).await?.first() {
                    let message =
                        format!("the index sha256:{index} refers to the manifest; delete that first");
                    return Err(Refusal::new(Code::Unsupported, message));
                }
                repository.remove_image(digest).await?.is_some()
            }
        };
        if removed { Ok(empty(StatusCode::ACCEPTED)) } else { Err(unknown(reference)) }
    }
}

fn unknown(reference: &str) -> Refusal {
    let shown: String = reference.chars().take(140).collect();
    Refusal::new(Code::ManifestUnknown, format!("there is no manifest {shown} in the repository"))
}
