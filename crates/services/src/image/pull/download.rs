//! One blob into one file, over as many connections as it takes.
//!
//! What has arrived stays in `FILE` until it is whole and verified; a later attempt, also after a restart, goes on
//! from there with a `Range` request. A registry that ignores ranges starts the file anew.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header as h};
use http_body_util::BodyExt;
use model::id::Digest;
use sha2::{Digest as _, Sha256};

use super::Remote;
use super::auth::PIECE_MAX;
use crate::image::error::ImageError;

/// Connections that may break in a row without a byte being gained.
const ATTEMPTS_MAX: u32 = 5;
/// Wait before the second attempt; doubled with each further one.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// Written to the disk at a time.
const BATCH_BYTES: usize = 1024 * 1024;
/// Read at a time when the digest is computed.
const READ_BYTES: usize = 1024 * 1024;

impl Remote<'_> {
    /// Brings a blob of `size_bytes` into `path` and verifies it; the file stays if the connection fails for good.
    pub(in crate::image) async fn download(
        &self,
        digest: Digest,
        size_bytes: u64,
        path: &Path,
    ) -> Result<File, ImageError> {
        let file = Arc::new(open(path)?);
        let mut have = file.metadata().map_err(ImageError::io("look at", path))?.len();
        let mut failures = 0;
        while have < size_bytes {
            let before = have;
            match self.receive(digest, size_bytes, path, &file, &mut have).await {
                Ok(()) => failures = 0,
                Err(error @ ImageError::Registry { .. }) => {
                    failures = if have > before { 1 } else { failures + 1 };
                    if failures >= ATTEMPTS_MAX {
                        return Err(error);
                    }
                    tokio::time::sleep(RETRY_WAIT * 2_u32.pow(failures)).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.verify(digest, size_bytes, path, file).await
    }

    /// One request; `have` counts what is in the file.
    async fn receive(
        &self,
        digest: Digest,
        size_bytes: u64,
        path: &Path,
        file: &Arc<File>,
        have: &mut u64,
    ) -> Result<(), ImageError> {
        let range = [(h::RANGE, format!("bytes={have}-"))];
        let headers = if *have > 0 { &range[..] } else { &[] };
        let response = self.session.get(&self.blob_path(digest), headers).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if *have > 0 => {}
            // All of it, whatever was asked for.
            StatusCode::OK => *have = 0,
            status => return Err(self.session.refused(status)),
        }
        let mut body = response.into_body();
        let (mut pieces, mut held) = (Vec::new(), 0);
        loop {
            let frame = tokio::time::timeout(PIECE_MAX, body.frame()).await;
            let data = match frame {
                Ok(Some(Ok(frame))) => frame.into_data().ok(),
                Ok(None) => break,
                broken => {
                    *have = write(file, path, *have, pieces).await?;
                    let reason = match broken {
                        Ok(Some(Err(error))) => format!("the connection broke: {error}"),
                        _ => "the content did not arrive in time".to_owned(),
                    };
                    return Err(self.session.failed(&reason));
                }
            };
            let Some(data) = data else { continue };
            held += data.len();
            pieces.push(data);
            if *have + held as u64 > size_bytes {
                return Err(ImageError::WrongDigest(digest));
            }
            if held >= BATCH_BYTES {
                *have = write(file, path, *have, std::mem::take(&mut pieces)).await?;
                held = 0;
            }
        }
        *have = write(file, path, *have, pieces).await?;
        if *have < size_bytes { Err(self.session.failed("the content ended too early")) } else { Ok(()) }
    }

    async fn verify(
        &self,
        digest: Digest,
        size_bytes: u64,
        path: &Path,
        file: Arc<File>,
    ) -> Result<File, ImageError> {
        let path = path.to_owned();
        let verified = tokio::task::spawn_blocking(move || {
            let found = digest_of_file(&file).map_err(ImageError::io("read", &path))?;
            let size = file.metadata().map_err(ImageError::io("look at", &path))?.len();
            if found == digest && size == size_bytes {
                return File::open(&path).map_err(ImageError::io("open", &path));
            }
            // Kept, it would fail for ever.
            fs::remove_file(&path).map_err(ImageError::io("remove", &path))?;
            Err(ImageError::WrongDigest(digest))
        });
        verified.await.unwrap_or(Err(ImageError::Stopping))
    }
}

fn open(path: &Path) -> Result<File, ImageError> {
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(ImageError::io("create", path))
}

/// Writes pieces at `offset`; returns where they end, where the file then ends too.
async fn write(file: &Arc<File>, path: &Path, offset: u64, pieces: Vec<Bytes>) -> Result<u64, ImageError> {
    let (file, path) = (Arc::clone(file), path.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let mut at = offset;
        for piece in &pieces {
            file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        file.set_len(at)?;
        io::Result::Ok(at)
    });
    written.await.map_err(|_| ImageError::Stopping)?.map_err(ImageError::io("write", path))
}

fn digest_of_file(file: &File) -> io::Result<Digest> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(Digest::from_bytes(digest.finalize().into())),
            count => {
                digest.update(&buffer[..count]);
                at += count as u64;
            }
        }
    }
}
