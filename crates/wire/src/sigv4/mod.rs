//! Signature Version 4: reading, verifying and making signatures, in header and presigned-query form, with whole,
//! unsigned and chunked payloads.
//!
//! It is pure: requests come as borrowed parts, the time as a value, and looking up the secret of an access key is
//! the caller's part, as is caching [`SigningKey`]s (one per key, day, region and service). Invariants: signatures
//! are compared in constant time; secrets, keys and session tokens never appear in `Debug` or an error; no parser
//! panics on any bytes. Source: AWS IAM User Guide, "AWS Signature Version 4 for API requests", and for chunks the
//! Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
//!
//! A server calls [`Authorization::parse`], finds the key's secret, then calls [`Authorization::verify`], and acts
//! on the [`BodyRule`] it gets back.

mod authorization;
mod canonical;
mod chunked;
mod key;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

use http::HeaderMap;

pub use authorization::{Authorization, Form, Payload, Scope};
pub use chunked::{ChunkDecoder, ChunkError, Trailers};
pub use key::{Secret, Signature, SigningKey};
pub use sign::{Credentials, Outgoing, Target, presign, sign};
pub use verify::{Body, BodyRule};

/// The parts of a request that are signed.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The method as it was sent.
    pub method: &'a str,
    /// The raw path, still encoded.
    pub path: &'a str,
    /// The raw query without `?`.
    pub query: &'a str,
    /// All headers, `host` among them.
    pub headers: &'a HeaderMap,
}

/// Where a service's use of the scheme differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The path is encoded once and not normalised. All services but S3 encode twice and normalise.
    pub raw_path: bool,
    /// `UNSIGNED-PAYLOAD` is accepted, and a presigned request never covers its body.
    pub unsigned_payload: bool,
    /// Chunked payloads are accepted.
    pub chunked_payload: bool,
}

impl Rules {
    /// Amazon S3.
    pub const S3: Rules = Rules { raw_path: true, unsigned_payload: true, chunked_payload: true };
    /// Every other service.
    pub const STANDARD: Rules = Rules { raw_path: false, unsigned_payload: false, chunked_payload: false };
}

/// Why a request is not authenticated. The AWS code and status of each stand in `crate::error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The request carries no signature.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// A part of the signature is missing or not in form.
    #[error("{0}")]
    IncompleteSignature(String),
    /// No such access key, or the session token does not belong to it. For the caller to return.
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    /// The session token has run out. For the caller to return.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// The signature is wrong, too old or too new, or does not cover what it must.
    #[error("{0}")]
    InvalidSignature(String),
    /// The body is not the one whose hash was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch,
}

/// The only algorithm that is served.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last element of every credential scope.
pub(crate) const TERMINATOR: &str = "aws4_request";
/// Longest life of a presigned request, in seconds: 7 days.
pub const EXPIRES_S_MAX: u32 = 7 * 24 * 3600;
