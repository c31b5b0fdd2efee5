//! Uploads of blobs: in one piece, in chunks, resumed after a broken connection, or mounted from a repository
//! that has the blob already (OCI Distribution Specification 1.1, "Pushing blobs").
//!
//! What arrives is kept, also when a connection breaks: the `Range` of an answer says how far the upload is.

use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode, header as h};
use model::id::Digest;

use super::body::{Body, batch};
use super::catalog::Repository;
use super::refusal::{Code, Refusal};
use super::route::parameter;
use super::{CONTENT_DIGEST, Caller, Registry, UPLOAD_UUID, empty, header, set};
use crate::layout::{Owner, Upload, Writer};
use crate::oci::name::RepositoryName;
use crate::oci::{digest_text, parse_digest};

impl Registry {
    /// `POST …/blobs/uploads/`: mounts, takes a whole blob, or begins an upload.
    pub(super) async fn begin_upload<B>(
        &self,
        caller: &Caller,
        repository: &Arc<Repository>,
        parts: &Parts,
        body: &mut B,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let query = parts.uri.query();
        if let Some(digest) = parameter(query, "mount") {
            let digest = parse_digest(&digest)?;
            if self.mount(caller, repository, digest, parameter(query, "from").as_deref()).await? {
                return Ok(created(repository, digest));
            }
        }
        // Checked before the body is taken in.
        let digest = parameter(query, "digest").map(|text| parse_digest(&text)).transpose()?;
        let upload = self.layout.begin(owner(repository)).await?;
        let Some(digest) = digest else { return Ok(status(StatusCode::ACCEPTED, repository, &upload)) };
        let mut writer = self.layout.write_to(&upload).await?;
        match receive(&mut writer, None, parts, body).await {
            Ok(()) => self.complete(repository, writer, digest).await,
            Err(refusal) => {
                // Nobody knows the name of this upload, so nobody can resume it.
                drop(writer);
                self.layout.cancel(&upload).await?;
                Err(refusal)
            }
        }
    }

    /// `GET …/blobs/uploads/ID`: how far it is.
    pub(super) fn upload_status(&self, repository: &Repository, id: &str) -> Result<Response<Body>, Refusal> {
        let upload = self.layout.upload(id, &owner(repository))?;
        Ok(status(StatusCode::NO_CONTENT, repository, &upload))
    }

    /// `PATCH`: more bytes, from where it stands.
    pub(super) async fn continue_upload<B>(
        &self,
        repository: &Repository,
        id: &str,
        parts: &Parts,
        body: &mut B,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let upload = self.layout.upload(id, &owner(repository))?;
        let mut writer = self.layout.write_to(&upload).await?;
        let range = content_range(parts)?;
        if range.is_some_and(|(start, _)| start != writer.offset()) {
            return Ok(status(StatusCode::RANGE_NOT_SATISFIABLE, repository, &upload));
        }
        receive(&mut writer, range, parts, body).await?;
        Ok(status(StatusCode::ACCEPTED, repository, &upload))
    }

    /// `PUT ?digest=`: perhaps the last bytes, and the end.
    pub(super) async fn finish_upload<B>(
        &self,
        repository: &Arc<Repository>,
        id: &str,
        parts: &Parts,
        body: &mut B,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
    {
        let upload = self.layout.upload(id, &owner(repository))?;
        let digest = parameter(parts.uri.query(), "digest");
        let missing = || Refusal::new(Code::DigestInvalid, "the request has no parameter `digest`");
        let digest = parse_digest(&digest.ok_or_else(missing)?)?;
        let mut writer = self.layout.write_to(&upload).await?;
        let range = content_range(parts)?;
        if range.is_some_and(|(start, _)| start != writer.offset()) {
            return Ok(status(StatusCode::RANGE_NOT_SATISFIABLE, repository, &upload));
        }
        receive(&mut writer, range, parts, body).await?;
        self.complete(repository, writer, digest).await
    }

    /// `DELETE`: what has arrived is thrown away.
    pub(super) async fn cancel_upload(
        &self,
        repository: &Repository,
        id: &str,
    ) -> Result<Response<Body>, Refusal> {
        let upload = self.layout.upload(id, &owner(repository))?;
        self.layout.cancel(&upload).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    async fn complete(
        &self,
        repository: &Arc<Repository>,
        writer: Writer,
        digest: Digest,
    ) -> Result<Response<Body>, Refusal> {
        let size = writer.finish(digest).await?;
        repository.link(digest, size, self.catalog.now()).await?;
        Ok(created(repository, digest))
    }

    /// Lets the repository use a blob of another one of the same account and region. Without a name, whichever
    /// has it ("automatic content discovery"). What the caller may not read counts as not there.
    async fn mount(
        &self,
        caller: &Caller,
        into: &Arc<Repository>,
        digest: Digest,
        from: Option<&str>,
    ) -> Result<bool, Refusal> {
        let now = self.catalog.now();
        let held = |source: &Repository| {
            let size = source.blob(digest, now)?;
            (caller.may_mount)(source).then_some(size)
        };
        let size = match from.map(RepositoryName::parse) {
            Some(Ok(name)) => self.catalog.find(&into.scope, &name).and_then(|source| held(&source)),
            Some(Err(_)) => None,
            None => {
                let all = self.catalog.all();
                let mut own = all.iter().filter(|repository| repository.scope == into.scope);
                own.find_map(|source| held(source))
            }
        };
        // Where it cannot be mounted, an upload begins instead: the specification's fallback.
        let Some(size) = size else { return Ok(false) };
        if self.layout.touch(vec![digest]).await.is_err() {
            return Ok(false);
        }
        into.link(digest, size, now).await?;
        Ok(true)
    }
}

/// Whose the uploads to a repository are.
pub(crate) fn owner(repository: &Repository) -> Owner {
    Owner { scope: repository.scope.clone(), repository: repository.name.clone() }
}

/// Takes the body in. What does not fit its announcement is taken back; what was cut off is kept.
async fn receive<B>(
    writer: &mut Writer,
    range: Option<(u64, u64)>,
    parts: &Parts,
    body: &mut B,
) -> Result<(), Refusal>
where
    B: http_body::Body<Data: Send, Error: std::fmt::Display + Send> + Send + Unpin,
{
    let start = writer.offset();
    let announced = range.map(|(first, last)| last - first + 1);
    let length = header(parts, h::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if announced.zip(length).is_some_and(|(announced, length)| announced != length) {
        return Err(Refusal::new(Code::SizeInvalid, "Content-Range and Content-Length do not agree"));
    }
    while let Some(pieces) = batch(body).await? {
        let added: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if announced.is_some_and(|announced| writer.offset() - start + added > announced) {
            writer.truncate(start).await?;
            return Err(Refusal::new(Code::SizeInvalid, "the body is longer than its Content-Range"));
        }
        writer.append(pieces).await?;
    }
    if announced.is_some_and(|announced| writer.offset() - start != announced) {
        writer.truncate(start).await?;
        return Err(Refusal::new(Code::SizeInvalid, "the body is shorter than its Content-Range"));
    }
    Ok(())
}

/// `START-END` as the specification writes it, or with the unit that HTTP would put before it.
fn content_range(parts: &Parts) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(text) = header(parts, h::CONTENT_RANGE) else { return Ok(None) };
    let bare = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let bare = bare.split('/').next().unwrap_or(bare);
    let parsed = bare.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last && last < u64::MAX).then_some((first, last))
    });
    let malformed = || Refusal::new(Code::BlobUploadInvalid, "Content-Range is not START-END");
    parsed.map(Some).ok_or_else(malformed)
}

fn created(repository: &Repository, digest: Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    let digest = digest_text(digest);
    set(&mut response, h::LOCATION, &format!("/v2/{}/blobs/{digest}", repository.name));
    set(&mut response, CONTENT_DIGEST, &digest);
    response
}

fn status(code: StatusCode, repository: &Repository, upload: &Upload) -> Response<Body> {
    let mut response = empty(code);
    set(&mut response, h::LOCATION, &format!("/v2/{}/blobs/uploads/{}", repository.name, upload.id));
    // There is no way to write an empty range; clients expect this one.
    set(&mut response, h::RANGE, &format!("0-{}", upload.offset().saturating_sub(1)));
    set(&mut response, UPLOAD_UUID, &upload.id.to_string());
    response
}
