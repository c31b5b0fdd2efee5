//! What the registry answers when it cannot do what was asked: the codes of the OCI Distribution Specification
//! with their HTTP statuses, and the JSON that carries them. What failed on the disk is logged; clients are told
//! no paths.

use http::{HeaderValue, Response, StatusCode};

use super::body::{Body, whole};
use super::catalog::CatalogError;
use crate::layout::LayoutError;
use crate::oci::DigestError;
use crate::oci::manifest::ManifestError;
use crate::oci::name::{NameError, RepositoryName, Tag};

/// The error codes (OCI Distribution Specification 1.1, "Error codes"), and two that Docker's clients know too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The blob is not known to the repository.
    BlobUnknown,
    /// The upload cannot go on like this.
    BlobUploadInvalid,
    /// There is no such upload.
    BlobUploadUnknown,
    /// The digest is malformed, unsupported, or not that of the content.
    DigestInvalid,
    /// The manifest refers to something that the repository does not have.
    ManifestBlobUnknown,
    /// The manifest is malformed.
    ManifestInvalid,
    /// There is no such manifest.
    ManifestUnknown,
    /// The repository's name is malformed.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// A length is not what was announced.
    SizeInvalid,
    /// The tag is malformed, or may not be moved.
    TagInvalid,
    /// The caller is not authenticated.
    Unauthorized,
    /// The caller may not do this.
    Denied,
    /// The operation is not served.
    Unsupported,
    /// Too much at once.
    TooManyRequests,
    /// Something failed here.
    Unknown,
}

impl Code {
    /// As it stands in answers: `NAME_UNKNOWN`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.word_and_status().0
    }

    const fn word_and_status(self) -> (&'static str, u16) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 400),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404),
            Self::DigestInvalid => ("DIGEST_INVALID", 400),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400),
            Self::ManifestInvalid => ("MANIFEST_INVALID", 400),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404),
            Self::NameInvalid => ("NAME_INVALID", 400),
            Self::NameUnknown => ("NAME_UNKNOWN", 404),
            Self::SizeInvalid => ("SIZE_INVALID", 400),
            Self::TagInvalid => ("TAG_INVALID", 400),
            Self::Unauthorized => ("UNAUTHORIZED", 401),
            Self::Denied => ("DENIED", 403),
            Self::Unsupported => ("UNSUPPORTED", 405),
            Self::TooManyRequests => ("TOOMANYREQUESTS", 429),
            Self::Unknown => ("UNKNOWN", 500),
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, for programs.
    pub code: Code,
    /// The HTTP status: the code's own, or a more exact one.
    pub status: StatusCode,
    /// Why, for people.
    pub message: String,
}

impl Refusal {
    /// A refusal with the code's own status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let status =
            StatusCode::from_u16(code.word_and_status().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, status, message: message.into() }
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn no_repository(name: &RepositoryName, account: &str) -> Self {
        let message =
            format!("The repository with name '{name}' does not exist in the registry with id '{account}'");
        Self::new(Code::NameUnknown, message)
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let error = serde_json::json!({ "code": self.code.word(), "message": self.message });
        let body = serde_json::json!({ "errors": [error] }).to_string();
        let mut response = Response::new(whole(body.into()));
        // For whoever keeps a record of what became of the request.
        response.extensions_mut().insert(self.clone());
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        if self.code == Code::TooManyRequests {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

pub(super) fn tag_immutable(tag: &Tag, repository: &RepositoryName) -> String {
    format!(
        "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because \
         the repository is immutable."
    )
}

impl From<LayoutError> for Refusal {
    fn from(error: LayoutError) -> Self {
        let message = error.to_string();
        match error {
            LayoutError::Missing { .. } => Self::new(Code::BlobUnknown, message),
            LayoutError::NoUpload { .. } => Self::new(Code::BlobUploadUnknown, message),
            LayoutError::WrongDigest { .. } => Self::new(Code::DigestInvalid, message),
            LayoutError::TooLarge { .. } => {
                Self::new(Code::SizeInvalid, message).status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            LayoutError::TooManyUploads { .. } | LayoutError::Busy { .. } => {
                Self::new(Code::TooManyRequests, message)
            }
            LayoutError::Io { ref source, .. } if is_full(source) => {
                tracing::error!(%error, cause = %source, "the registry's disk is full");
                let message = "the registry's disk is full; free some space and go on with the upload";
                Self::new(Code::BlobUploadInvalid, message).status(StatusCode::INSUFFICIENT_STORAGE)
            }
            LayoutError::Io { ref source, .. } => {
                tracing::error!(%error, cause = %source, "the registry's disk failed");
                Self::new(Code::Unknown, "the registry's disk failed; the server's log says how")
            }
            LayoutError::Damaged { .. } => {
                tracing::error!(%error, "a blob of the registry is damaged");
                Self::new(Code::Unknown, "the blob is damaged; push it again")
            }
            LayoutError::Stopping => {
                Self::new(Code::Unknown, message).status(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        let message = error.to_string();
        match error {
            CatalogError::NoRepository(_) => Self::new(Code::NameUnknown, message),
            CatalogError::RepositoryExists(_) | CatalogError::NotEmpty(_) => Self::new(Code::Denied, message),
            CatalogError::TooManyRepositories => Self::new(Code::Denied, message),
            CatalogError::TagImmutable { tag, repository } => {
                Self::new(Code::TagInvalid, tag_immutable(&tag, &repository))
            }
            CatalogError::ImageExists => Self::new(Code::TagInvalid, message),
            CatalogError::Records(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the registry's records failed");
                Self::new(Code::Unknown, "the registry's records failed; the server's log says how")
            }
            CatalogError::Stopping => {
                Self::new(Code::Unknown, message).status(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

impl From<DigestError> for Refusal {
    fn from(error: DigestError) -> Self {
        Self::new(Code::DigestInvalid, error.to_string())
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::new(Code::NameInvalid, error.to_string())
    }
}

impl From<ManifestError> for Refusal {
    fn from(error: ManifestError) -> Self {
        let refusal = Self::new(Code::ManifestInvalid, error.to_string());
        match error {
            ManifestError::TooLarge => refusal.status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => refusal,
        }
    }
}
