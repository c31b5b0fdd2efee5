//! Making signatures, for the command line, for tests, and for the addresses that the server itself hands out.
//!
//! It shares the canonical form with the verifier; that the form is right is shown by the vectors of another signer.
//! The clock is the caller's.

use http::{HeaderMap, HeaderValue};
use model::time::Timestamp;

use super::canonical::request_hash;
use super::key::{hex, sha256};
use super::{ALGORITHM, Form, Parts, Rules, Secret, SigningKey, TERMINATOR};
use crate::percent::encode;
use crate::time::basic;

/// Who signs.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Secret,
    /// With temporary credentials, their token.
    pub session_token: Option<Secret>,
}

/// For what is signed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The region.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
    /// The service's rules.
    pub rules: Rules,
}

/// A request that is to be signed. `headers` must hold `host`.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The encoded path.
    pub path: &'a str,
    /// The encoded query without `?`.
    pub query: &'a str,
    /// The headers; all of them are signed but those that proxies change.
    pub headers: &'a mut HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Headers that proxies and clients change after signing.
const UNSIGNED: &[&str] =
    &["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];

/// Signs a request by adding headers to it, `authorization` last.
pub fn sign(request: &mut Outgoing<'_>, target: Target<'_>, credentials: &Credentials, now: Timestamp) {
    let time = basic(now);
    let payload = hex(&sha256(request.body));
    let headers = &mut *request.headers;
    set(headers, "x-amz-date", &time);
    if let Some(token) = &credentials.session_token {
        set(headers, "x-amz-security-token", token.expose());
    }
    // S3 asks for it; others would accept it, but their own clients do not send it.
    if target.rules.unsigned_payload {
        set(headers, "x-amz-content-sha256", &String::from_utf8_lossy(&payload));
    }
    let names = signed_names(headers);
    let parts =
        Parts { method: request.method, path: request.path, query: request.query, headers: request.headers };
    let hash = request_hash(&parts, target.rules, Form::Header, &names, &payload);
    let (scope, signature) = signature(target, credentials, &time, &hash);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key_id
    );
    set(request.headers, "authorization", &authorization);
}

/// The query of a request that anyone may make until it expires, without `?`. Only `host` is signed; the body is
/// empty, or anything where the service's rules leave presigned bodies uncovered.
#[must_use]
pub fn presign(
    request: &Outgoing<'_>,
    target: Target<'_>,
    credentials: &Credentials,
    now: Timestamp,
    expires_s: u32,
) -> String {
    let time = basic(now);
    let scope = scope_text(target, &time);
    let mut query = request.query.to_owned();
    let mut add = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&format!("{name}={}", encode(value)));
    };
    add("X-Amz-Algorithm", ALGORITHM);
    add("X-Amz-Credential", &format!("{}/{scope}", credentials.access_key_id));
    add("X-Amz-Date", &time);
    add("X-Amz-Expires", &expires_s.to_string());
    add("X-Amz-SignedHeaders", "host");
    if let Some(token) = &credentials.session_token {
        add("X-Amz-Security-Token", token.expose());
    }
    let parts = Parts { method: request.method, path: request.path, query: &query, headers: request.headers };
    let payload = hex(&sha256(request.body));
    let payload: &[u8] = if target.rules.unsigned_payload { b"UNSIGNED-PAYLOAD" } else { &payload };
    let hash = request_hash(&parts, target.rules, Form::Presigned { expires_s }, "host", payload);
    let (_, signature) = signature(target, credentials, &time, &hash);
    format!("{query}&X-Amz-Signature={signature}")
}

fn scope_text(target: Target<'_>, time: &str) -> String {
    format!("{}/{}/{}/{TERMINATOR}", &time[..8], target.region, target.service)
}

fn signature(target: Target<'_>, credentials: &Credentials, time: &str, hash: &[u8; 64]) -> (String, String) {
    let scope = scope_text(target, time);
    let key = SigningKey::derive(&credentials.secret, &time[..8], target.region, target.service);
    let head = format!("{ALGORITHM}\n{time}\n{scope}\n");
    (scope, key.sign(&[head.as_bytes(), hash]).to_hex())
}

fn signed_names(headers: &HeaderMap) -> String {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| !UNSIGNED.contains(name));
    names.sort_unstable();
    names.join(";")
}

/// Credentials with control characters cannot be sent; leaving them out makes the server say so.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
