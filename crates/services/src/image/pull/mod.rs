//! Pulling from registries: manifests whole, blobs into files that a broken connection or a restart continues.
//!
//! Speaks the pull part of the OCI Distribution Specification, with Docker's token authentication and basic
//! authentication. TLS by the machine's trusted certificates and the owner's; plain HTTP for loopback names and
//! for hosts that the owner lists. Credentials are the owner's, for all accounts alike; they go to the registry that
//! they are for and to the token server that it names, and nowhere else.

mod auth;
mod credentials;
mod download;
mod transport;

use bytes::Bytes;
use http::{StatusCode, header as h};
use model::id::Digest;

use super::error::ImageError;
use crate::oci::manifest::MANIFEST_BYTES_MAX;
use crate::oci::name::RepositoryName;
use crate::oci::{digest_of, digest_text, media_type};
use auth::Session;

pub use transport::{Transport, TransportOptions};

/// One repository in a registry, during one pull.
pub(super) struct Remote<'t> {
    session: Session<'t>,
    repository: RepositoryName,
}

impl<'t> Remote<'t> {
    /// `host` as in references; `docker.io` stands for the host that serves it.
    pub(super) fn new(transport: &'t Transport, host: &str, repository: RepositoryName) -> Self {
        Self { session: Session::new(transport, host, &repository), repository }
    }

    /// A manifest and its media type; `reference` is a tag or a digest, which is then verified.
    pub(super) async fn manifest(
        &self,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<(Bytes, String), ImageError> {
        let path = format!("/v2/{}/manifests/{reference}", self.repository);
        let accept = [(h::ACCEPT, media_type::ACCEPTED_MANIFESTS.to_owned())];
        let response = self.session.get(&path, &accept).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(self.session.refused(status));
        }
        let content_type = response.headers().get(h::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(|text| text.split(';').next().unwrap_or(text).trim().to_owned());
        let bytes = self.session.whole(response, MANIFEST_BYTES_MAX).await?;
        if let Some(expected) = expected.filter(|expected| digest_of(&bytes) != *expected) {
            return Err(ImageError::WrongDigest(expected));
        }
        Ok((bytes, content_type.unwrap_or_default()))
    }

    /// A small blob, verified.
    pub(super) async fn blob(&self, digest: Digest, limit_bytes: usize) -> Result<Bytes, ImageError> {
        let response = self.session.get(&self.blob_path(digest), &[]).await?;
        if response.status() != StatusCode::OK {
            return Err(self.session.refused(response.status()));
        }
        let bytes = self.session.whole(response, limit_bytes).await?;
        if digest_of(&bytes) == digest { Ok(bytes) } else { Err(ImageError::WrongDigest(digest)) }
    }

    /// Which repository of which registry it is.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.session.host(), self.repository)
    }

    fn blob_path(&self, digest: Digest) -> String {
        format!("/v2/{}/blobs/{}", self.repository, digest_text(digest))
    }
}
