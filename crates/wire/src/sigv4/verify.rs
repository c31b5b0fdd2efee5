//! The decision: is this request signed by the holder of this key, now, and over all that matters?
//!
//! It reads no clock and knows no keys. Order: time, coverage, payload, signature, body; only the last of them may be
//! left open, and then the [`BodyRule`] says what the caller still has to hold the body against.

use std::time::Duration;

use http::HeaderMap;
use model::limits::CLOCK_SKEW_MAX;
use model::time::Timestamp;

use super::authorization::incomplete;
use super::canonical::request_hash;
use super::key::{hex, sha256};
use super::{ALGORITHM, AuthError, Authorization, ChunkDecoder, Form, Parts, Payload, Rules, SigningKey};
use super::{Signature, TERMINATOR};
use crate::time::basic;

/// What is known of the body when the signature is checked.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Its SHA-256 hash, taken while it came in.
    Hashed([u8; 32]),
    /// Nothing yet: it will be read after this decision. Works only where the request declares its hash.
    Later,
}

/// What is left to do about the body once the request itself is found good.
#[derive(Debug)]
pub enum BodyRule {
    /// Nothing: it is covered and right, or the service accepts it uncovered.
    Settled,
    /// It must have this SHA-256 hash; until then nothing may be kept of it.
    Sha256([u8; 32]),
    /// It must be decoded by this; until [`ChunkDecoder::finish`] nothing may be kept of it.
    Chunked(Box<ChunkDecoder>),
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
                        AWS Secret Access Key and signing method. Consult the service documentation for details.";

impl Authorization {
    /// Checks everything but a body that is still to come. `key` must be derived for this
    /// authorization's [`scope`](Authorization::scope).
    pub fn verify(
        &self,
        parts: &Parts<'_>,
        rules: Rules,
        key: &SigningKey,
        now: Timestamp,
        body: Body<'_>,
    ) -> Result<BodyRule, AuthError> {
        self.check_time(now)?;
        self.check_coverage(parts.headers)?;
        let (line, known) = self.payload_line(parts.headers, rules, body)?;
        let hash = request_hash(parts, rules, self.form, &self.signed_headers, &line);
        if self.signature != self.sign(key, &hash) {
            return Err(invalid(MISMATCH));
        }
        match (self.payload, known) {
            (Payload::Sha256(declared), Some(actual)) if declared != actual => {
                Err(AuthError::ContentSha256Mismatch)
            }
            (Payload::Sha256(declared), None) => Ok(BodyRule::Sha256(declared)),
            (Payload::Chunked { trailer }, _) => {
                let decoder = ChunkDecoder::signed(key, self, trailer);
                Ok(BodyRule::Chunked(Box::new(decoder.of_length(decoded_length(parts.headers)?))))
            }
            (Payload::UnsignedTrailer, _) => {
                let decoder = ChunkDecoder::unsigned();
                Ok(BodyRule::Chunked(Box::new(decoder.of_length(decoded_length(parts.headers)?))))
            }
            _ => Ok(BodyRule::Settled),
        }
    }

    /// The scope without the key id, as it is signed.
    pub(super) fn scope_text(&self) -> String {
        let scope = &self.scope;
        format!("{}/{}/{}/{TERMINATOR}", scope.date, scope.region, scope.service)
    }

    fn sign(&self, key: &SigningKey, request_hash: &[u8; 64]) -> Signature {
        let scope = self.scope_text();
        let parts = [ALGORITHM, "\n", &self.time_text, "\n", &scope, "\n"].map(str::as_bytes);
        let [a, b, c, d, e, f] = parts;
        key.sign(&[a, b, c, d, e, f, request_hash])
    }

    fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let day = &self.time_text[..8];
        if self.scope.date != day {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
                 '{day}', from '{}'.",
                self.scope.date, self.time_text
            )));
        }
        let life = match self.form {
            Form::Header => CLOCK_SKEW_MAX,
            Form::Presigned { expires_s } => Duration::from_secs(expires_s.into()),
        };
        if self.time.after(life) < now {
            let span = match self.form {
                Form::Header => format!("{} min.", life.as_secs() / 60),
                Form::Presigned { expires_s } => format!("{expires_s} sec."),
            };
            return Err(invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - {span})",
                self.time_text,
                basic(before(now, life)),
                basic(now)
            )));
        }
        let latest = now.after(CLOCK_SKEW_MAX);
        if self.time > latest {
            return Err(invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + {} min.)",
                self.time_text,
                basic(latest),
                basic(now),
                CLOCK_SKEW_MAX.as_secs() / 60
            )));
        }
        Ok(())
    }

    /// `host` and every `x-amz-` header that is there must be signed.
    fn check_coverage(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        if !signed("host") {
            return Err(invalid("'Host' must be a 'SignedHeader' in the AWS Authorization."));
        }
        let unsigned =
            headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !signed(name.as_str()));
        match unsigned {
            Some(name) => {
                Err(invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")))
            }
            None => Ok(()),
        }
    }

    /// The last line of the canonical request, and the body's hash where it is known.
    fn payload_line(
        &self,
        headers: &HeaderMap,
        rules: Rules,
        body: Body<'_>,
    ) -> Result<(Vec<u8>, Option<[u8; 32]>), AuthError> {
        match self.payload {
            Payload::Unsigned if !rules.unsigned_payload => {
                return Err(invalid("UNSIGNED-PAYLOAD is not accepted by this service."));
            }
            Payload::Chunked { .. } | Payload::UnsignedTrailer if !rules.chunked_payload => {
                return Err(invalid("Chunked payloads are not accepted by this service."));
            }
            _ => {}
        }
        let declared = headers.get("x-amz-content-sha256").map(|value| value.as_bytes().to_vec());
        let presigned = matches!(self.form, Form::Presigned { .. });
        if presigned && rules.unsigned_payload && declared.is_none() {
            return Ok((b"UNSIGNED-PAYLOAD".to_vec(), None));
        }
        let known = match (self.payload, body) {
            (Payload::Implied | Payload::Sha256(_), Body::Whole(body)) => Some(sha256(body)),
            (_, Body::Hashed(hash)) => Some(hash),
            _ => None,
        };
        let line = declared.or_else(|| known.map(|hash| hex(&hash).to_vec()));
        line.map(|line| (line, known)).ok_or_else(|| incomplete("x-amz-content-sha256 is required here."))
    }
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(millis))
}

/// How long the decoded body will be; chunked requests must say it.
fn decoded_length(headers: &HeaderMap) -> Result<u64, AuthError> {
    let value = headers.get("x-amz-decoded-content-length").and_then(|value| value.to_str().ok());
    let length = value.and_then(|digits| digits.parse().ok());
    length.ok_or_else(|| incomplete("Chunked payloads require 'x-amz-decoded-content-length'."))
}

fn invalid(message: impl Into<String>) -> AuthError {
    AuthError::InvalidSignature(message.into())
}
