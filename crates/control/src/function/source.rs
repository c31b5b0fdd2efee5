//! Where the code of a function or layer comes from, and how it gets here: sent along, fetched from a bucket, or named
//! as a container image.

use std::fmt;

use bytes::Bytes;
use model::arn::Scope;
use model::error::ServiceError;
use model::limits;
use model::port::Objects;

/// Code that a caller brings.
#[derive(Debug, Clone)]
pub enum Source {
    /// A zip.
    Zip(ZipSource),
    /// The reference of a container image.
    Image(String),
}

/// A zip that a caller brings.
#[derive(Clone)]
pub enum ZipSource {
    /// Sent along.
    Inline(Bytes),
    /// Kept in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// One version of it, or the newest.
        version: Option<String>,
    },
}

impl fmt::Debug for ZipSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => f.debug_tuple("Inline").field(&bytes.len()).finish(),
            Self::Object { bucket, key, version } => f
                .debug_struct("Object")
                .field("bucket", bucket)
                .field("key", key)
                .field("version", version)
                .finish(),
        }
    }
}

impl ZipSource {
    /// The zip's bytes, not looked into yet.
    ///
    /// # Errors
    /// `RequestTooLarge` for more than 50 MB sent along; `InvalidParameterValue` where there is no such object, or no
    /// bucket at all.
    pub(crate) async fn read(
        self,
        scope: &Scope,
        objects: Option<&dyn Objects>,
    ) -> Result<Bytes, ServiceError> {
        match self {
            Self::Inline(bytes) if bytes.len() > limits::ZIP_BYTES_MAX => {
                let message = "Zipped size must be smaller than 52428800 bytes".to_owned();
                Err(ServiceError::RequestTooLarge(message))
            }
            Self::Inline(bytes) => Ok(bytes),
            Self::Object { bucket, key, version } => {
                let objects = objects.ok_or_else(no_buckets)?;
                // What is larger zipped cannot be small enough unzipped.
                objects.get(scope, &bucket, &key, version.as_deref(), limits::UNZIPPED_BYTES_MAX).await
            }
        }
    }
}

fn no_buckets() -> ServiceError {
    ServiceError::InvalidParameterValue(
        "This server keeps no buckets, so code cannot come from S3Bucket. Send it as ZipFile.".to_owned(),
    )
}
