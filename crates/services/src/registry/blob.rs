//! Blobs that are there: reading, in whole or in part, and deleting.
//!
//! A blob is visible only through a repository that it was pushed or mounted to. Files are streamed, never held
//! in memory.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode, header as h};

use super::body::{Body, Wanted, of_file};
use super::catalog::Repository;
use super::refusal::{Code, Refusal};
use super::{CONTENT_DIGEST, Registry, empty, header, set};
use crate::layout::LayoutError;
use crate::oci::{digest_text, parse_digest};

impl Registry {
    pub(super) async fn get_blob(
        &self,
        repository: &Repository,
        digest: &str,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        let digest = parse_digest(digest)?;
        let unknown = || Refusal::new(Code::BlobUnknown, "the blob is not known to this repository");
        repository.blob(digest, self.catalog.now()).ok_or_else(unknown)?;
        // A client that is told that a blob is there will not send it, so it must stay for a while.
        let touched = self.layout.touch(vec![digest]).await;
        touched.map_err(|error| match error {
            LayoutError::Missing { .. } => unknown(),
            other => other.into(),
        })?;
        let (file, size) = self.layout.open_blob(digest).await?;
        let wanted = Wanted::parse(header(parts, h::RANGE), size);
        let (status, start, length) = match wanted {
            Wanted::All => (StatusCode::OK, 0, size),
            Wanted::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end - start + 1),
            Wanted::Unsatisfiable => {
                let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
                set(&mut response, h::CONTENT_RANGE, &format!("bytes */{size}"));
                return Ok(response);
            }
        };
        let mut response = empty(status);
        if parts.method == Method::GET {
            *response.body_mut() = of_file(file, start, length);
        }
        set(&mut response, h::CONTENT_LENGTH, &length.to_string());
        set(&mut response, h::CONTENT_TYPE, "application/octet-stream");
        set(&mut response, h::ACCEPT_RANGES, "bytes");
        set(&mut response, h::ETAG, &format!("\"{}\"", digest_text(digest)));
        set(&mut response, CONTENT_DIGEST, &digest_text(digest));
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {start}-{}/{size}", start + length - 1);
            set(&mut response, h::CONTENT_RANGE, &range);
        }
        Ok(response)
    }

    /// The repository forgets the blob; the file goes when no other repository uses it and time has passed.
    pub(super) async fn delete_blob(
        &self,
        repository: &Arc<Repository>,
        digest: &str,
    ) -> Result<Response<Body>, Refusal> {
        let digest = parse_digest(digest)?;
        if self.referenced(repository).await?.contains(&digest) {
            let message = "a manifest of this repository refers to the blob; delete that first";
            return Err(Refusal::new(Code::Unsupported, message));
        }
        if repository.unlink(digest).await? {
            return Ok(empty(StatusCode::ACCEPTED));
        }
        Err(Refusal::new(Code::BlobUnknown, "the blob is not known to this repository"))
    }
}
