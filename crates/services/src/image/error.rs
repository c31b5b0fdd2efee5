//! Why an image is not to be had, and how Lambda says so to the caller who named it.
//!
//! The caller's fault is `InvalidParameterValueException` in AWS's wording, with ours behind it in parentheses;
//! this machine's fault is logged with all its causes and answered without them.

use std::io;
use std::path::PathBuf;

use model::error::ServiceError;
use model::id::Digest;

use super::reference::ReferenceError;
use super::unpack::UnpackError;
use crate::layout::LayoutError;
use crate::oci::config::ConfigError;
use crate::oci::manifest::ManifestError;

/// Why an image was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The text names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// There is no such image.
    #[error("there is no such image")]
    Missing,
    /// The registry does not give it to us.
    #[error("the registry {host} refuses access")]
    Denied {
        /// The registry.
        host: String,
    },
    /// The registry cannot be reached or does not answer as registries do.
    #[error("the registry {host} failed: {reason}")]
    Registry {
        /// The registry.
        host: String,
        /// How it failed; holds no credentials.
        reason: String,
    },
    /// The folder is not one from which images may be taken.
    #[error(
        "images may not be taken from {path}; the server's configuration lists the folders that are allowed"
    )]
    NotAllowed {
        /// As asked for.
        path: PathBuf,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not an image for functions: other media types, no layers for this machine.
    #[error("{0}")]
    Unsupported(String),
    /// Content that does not have its digest.
    #[error("the content of sha256:{0} does not have that digest")]
    WrongDigest(Digest),
    /// Larger than Lambda allows.
    #[error("the image is larger than {limit_bytes} bytes uncompressed")]
    TooLarge {
        /// The most.
        limit_bytes: u64,
    },
    /// A layer cannot be unpacked.
    #[error("the layer sha256:{layer} cannot be unpacked")]
    Layer {
        /// Its digest once unpacked.
        layer: Digest,
        /// Why.
        source: UnpackError,
    },
    /// The built-in registry's files failed.
    #[error("could not read the built-in registry")]
    Own(#[from] LayoutError),
    /// This machine's disk failed.
    #[error("could not {operation} {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl ImageError {
    pub(super) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    /// As Lambda words it for the caller who named the image `uri`.
    #[must_use]
    pub fn answer(&self, uri: &str) -> ServiceError {
        let invalid = |message: String| ServiceError::InvalidParameterValue(message);
        match self {
            Self::Missing => {
                invalid(format!("Source image {uri} does not exist. Provide a valid source image."))
            }
            Self::Denied { host } => ServiceError::AccessDenied(format!(
                "Lambda does not have permission to access the ECR image. Check the ECR permissions. (The registry \
                 {host} refused access to {uri}.)"
            )),
            Self::Manifest(_) | Self::Config(_) | Self::Unsupported(_) => invalid(format!(
                "The image manifest, config or layer media type for the source image {uri} is not supported. ({self})"
            )),
            Self::TooLarge { limit_bytes } => too_large(uri, *limit_bytes),
            Self::Layer { source: UnpackError::TooLarge { limit_bytes }, .. } => too_large(uri, *limit_bytes),
            Self::Layer { layer, source } if !source.is_local() => invalid(format!(
                "Source image {uri} is not valid. Provide a valid source image. (Layer sha256:{layer}: {source}.)"
            )),
            Self::Reference(_) | Self::Registry { .. } | Self::NotAllowed { .. } | Self::WrongDigest(_) => {
                invalid(format!("Source image {uri} is not valid. Provide a valid source image. ({self}.)"))
            }
            Self::Stopping => ServiceError::Unavailable("The server is stopping.".to_owned()),
            Self::Layer { .. } | Self::Own(_) | Self::Io { .. } => {
                tracing::error!(uri, error = %Chain(self), "an image could not be prepared");
                ServiceError::Internal(format!(
                    "The source image {uri} could not be prepared; the server's log says why."
                ))
            }
        }
    }
}

fn too_large(uri: &str, limit_bytes: u64) -> ServiceError {
    ServiceError::InvalidParameterValue(format!(
        "The uncompressed size of the source image {uri} exceeds the limit of {limit_bytes} bytes."
    ))
}

/// An error with all its causes.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
