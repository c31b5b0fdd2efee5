//! What a request says of its own signature: who signed, when, for what, and over which parts. Reading it decides
//! nothing yet; [`Authorization::verify`] does.

use std::borrow::Cow;

use model::time::Timestamp;

use super::key::parse_hex;
use super::{ALGORITHM, AuthError, EXPIRES_S_MAX, Parts, Signature, TERMINATOR};
use crate::{percent, time};

/// The credential scope: for whom and what a signature counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The access key's id; not a secret.
    pub access_key_id: String,
    /// The day, `YYYYMMDD`.
    pub date: String,
    /// The region as the client names it.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

/// How the signature travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query.
    Presigned {
        /// Life of the signature in seconds.
        expires_s: u32,
    },
}

/// What the signature says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: the hash of the body itself is signed.
    Implied,
    /// Its SHA-256 hash.
    Sha256([u8; 32]),
    /// That it is not covered.
    Unsigned,
    /// Each chunk has a signature; with `trailer`, a signed trailer follows.
    Chunked {
        /// Trailing headers follow the last chunk.
        trailer: bool,
    },
    /// Chunks without signatures, followed by a trailer.
    UnsignedTrailer,
}

/// The signature of one request.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Who signed for what.
    pub scope: Scope,
    /// When the request was signed.
    pub time: Timestamp,
    /// How the signature travels.
    pub form: Form,
    /// What is said of the body.
    pub payload: Payload,
    /// The time as it was written; it is part of what is signed.
    pub(super) time_text: String,
    /// The names of the signed headers, separated by `;`.
    pub(super) signed_headers: String,
    pub(super) signature: Signature,
    session_token: Option<SessionToken>,
}

/// A session token, kept out of `Debug`.
#[derive(Clone)]
struct SessionToken(String);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Authorization {
    /// Reads the signature of a request, in whichever form it has one.
    pub fn parse(parts: &Parts<'_>) -> Result<Authorization, AuthError> {
        let header = parts.headers.get(http::header::AUTHORIZATION);
        let presigned = parts.query.contains("X-Amz-Algorithm=") || parts.query.contains("X-Amz-Signature=");
        match (header, presigned) {
            (Some(_), true) => Err(incomplete(
                "Only one authentication mechanism is allowed: the Authorization header or the X-Amz-Signature \
                 parameter.",
            )),
            (Some(header), false) => {
                let text =
                    header.to_str().map_err(|_| incomplete("The Authorization header is not ASCII."))?;
                from_header(parts, text)
            }
            (None, true) => from_query(parts),
            (None, false) => Err(AuthError::MissingAuthenticationToken),
        }
    }

    /// The session token that came with temporary credentials.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(|token| token.0.as_str())
    }
}

pub(super) fn incomplete(message: impl Into<String>) -> AuthError {
    AuthError::IncompleteSignature(message.into())
}

fn from_header(parts: &Parts<'_>, text: &str) -> Result<Authorization, AuthError> {
    let (algorithm, fields) = text.split_once(' ').unwrap_or((text, ""));
    if !algorithm.starts_with("AWS4-") {
        return Err(AuthError::MissingAuthenticationToken);
    }
    known_algorithm(algorithm)?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').ok_or_else(|| {
            incomplete("Invalid key=value pair (missing equal-sign) in Authorization header.")
        })?;
        match name {
            "Credential" => credential = Some(value),
            "SignedHeaders" => signed_headers = Some(value),
            "Signature" => signature = Some(value),
            _ => {}
        }
    }
    let date = header_date(parts);
    let (Some(credential), Some(signed_headers), Some(signature), Some((time, time_text))) =
        (credential, signed_headers, signature, date)
    else {
        let names = [
            ("'Credential' parameter", credential.is_none()),
            ("'Signature' parameter", signature.is_none()),
            ("'SignedHeaders' parameter", signed_headers.is_none()),
            ("existence of either a 'X-Amz-Date' or a 'Date' header", date_missing(parts)),
        ];
        let missing = names.iter().filter(|(_, missing)| *missing);
        let message: Vec<_> =
            missing.map(|(name, _)| format!("Authorization header requires {name}.")).collect();
        return Err(incomplete(message.join(" ")));
    };
    let token = parts.headers.get("x-amz-security-token");
    let token = token.map(|token| token.to_str().map_err(|_| AuthError::UnrecognizedClient)).transpose()?;
    Ok(Authorization {
        scope: parse_scope(credential)?,
        time,
        form: Form::Header,
        payload: parse_payload(parts)?,
        time_text,
        signed_headers: parse_signed_headers(signed_headers)?,
        signature: parse_signature(signature)?,
        session_token: token.map(|token| SessionToken(token.to_owned())),
    })
}

fn from_query(parts: &Parts<'_>) -> Result<Authorization, AuthError> {
    let mut found: [Option<Cow<'_, str>>; 7] = Default::default();
    const NAMES: [&str; 7] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
    ];
    for pair in percent::query_pairs(parts.query) {
        let (name, value) = pair.map_err(|_| incomplete("The query is not UTF-8."))?;
        if let Some(place) = NAMES.iter().position(|known| *known == name) {
            // Which of two would have been signed is not for us to guess.
            if found[place].replace(value).is_some() {
                return Err(incomplete(format!("AWS query-string parameter '{name}' is repeated.")));
            }
        }
    }
    let required = |place: usize| {
        found[place].as_deref().ok_or_else(|| {
            incomplete(format!("AWS query-string parameters must include '{}'.", NAMES[place]))
        })
    };
    known_algorithm(required(0)?)?;
    let time_text = required(2)?;
    let time = time::parse_basic(time_text).ok_or_else(|| {
        incomplete("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    let expires = required(3)?.parse().ok().filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds));
    let expires_s = expires.ok_or_else(|| {
        incomplete(format!("X-Amz-Expires must be a number of seconds from 1 to {EXPIRES_S_MAX}."))
    })?;
    Ok(Authorization {
        scope: parse_scope(required(1)?)?,
        time,
        form: Form::Presigned { expires_s },
        payload: parse_payload(parts)?,
        time_text: time_text.to_owned(),
        signed_headers: parse_signed_headers(required(4)?)?,
        signature: parse_signature(required(5)?)?,
        session_token: found[6].as_deref().map(|token| SessionToken(token.to_owned())),
    })
}

fn known_algorithm(algorithm: &str) -> Result<(), AuthError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    let shown: String = algorithm.chars().take(40).collect();
    Err(incomplete(format!("Unsupported AWS 'algorithm': '{shown}', only '{ALGORITHM}' is served.")))
}

/// `X-Amz-Date`, or else `Date` in either of its forms.
fn header_date(parts: &Parts<'_>) -> Option<(Timestamp, String)> {
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(text) = text("x-amz-date") {
        return time::parse_basic(text).map(|time| (time, text.to_owned()));
    }
    let text = text("date")?;
    let time = time::parse_basic(text).or_else(|| time::parse_http_date(text))?;
    Some((time, time::basic(time)))
}

fn date_missing(parts: &Parts<'_>) -> bool {
    header_date(parts).is_none()
}

fn parse_scope(credential: &str) -> Result<Scope, AuthError> {
    let parts: Vec<&str> = credential.split('/').collect();
    // Checked together: which of them is wrong is plain from the words.
    let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
        return Err(incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.",
        ));
    };
    let date_ok = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    if access_key_id.is_empty() || region.is_empty() || service.is_empty() || !date_ok {
        return Err(incomplete("Credential has an empty element, or its date is not in the form YYYYMMDD."));
    }
    Ok(Scope {
        access_key_id: access_key_id.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

fn parse_signed_headers(names: &str) -> Result<String, AuthError> {
    let legal = |name: &str| {
        !name.is_empty() && http::HeaderName::from_bytes(name.as_bytes()).is_ok_and(|parsed| parsed == name)
    };
    if names.split(';').all(legal) {
        Ok(names.to_owned())
    } else {
        Err(incomplete("SignedHeaders must be lower-case header names separated by semicolons."))
    }
}

fn parse_signature(text: &str) -> Result<Signature, AuthError> {
    Signature::parse(text).ok_or_else(|| incomplete("Signature must be 64 hexadecimal digits."))
}

fn parse_payload(parts: &Parts<'_>) -> Result<Payload, AuthError> {
    let Some(value) = parts.headers.get("x-amz-content-sha256") else { return Ok(Payload::Implied) };
    Ok(match value.as_bytes() {
        b"UNSIGNED-PAYLOAD" => Payload::Unsigned,
        b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Chunked { trailer: false },
        b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::Chunked { trailer: true },
        b"STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::UnsignedTrailer,
        digits => parse_hex(digits).map(Payload::Sha256).ok_or_else(|| {
            incomplete(
                "x-amz-content-sha256 must be a SHA-256 hash, UNSIGNED-PAYLOAD or a known STREAMING form.",
            )
        })?,
    })
}
