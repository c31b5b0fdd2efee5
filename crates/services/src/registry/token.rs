//! The authorization token of ECR's `GetAuthorizationToken`: the password that `docker login` sends with the user
//! name `AWS`, valid for 12 hours. Nothing is stored; a key of the server's seals what the token says.
//!
//! A token is URL-safe Base64 of: version (1 byte), expiry (8 bytes, big-endian milliseconds since the epoch),
//! account, region, bearer and path (each a 2-byte length and UTF-8), HMAC-SHA-256 (32 bytes) over all of it.
//! One with a path is for reading that path alone: `GetDownloadUrlForLayer` puts it into the address.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use http::{HeaderName, HeaderValue, Method};
use model::arn::Scope;
use model::id::{AccountId, Region};
use model::time::Timestamp;
use sha2::Sha256;

use super::route::parameter;

/// How long a token is valid (Amazon ECR API Reference, GetAuthorizationToken).
pub const VALID: Duration = Duration::from_secs(12 * 3600);
/// The user name that goes with a token.
pub const USER: &str = "AWS";

/// Tokens of version 1 did not say whose they are.
const VERSION: u8 = 2;
const SEAL_BYTES: usize = 32;
/// A bearer's session may have policies and tags; see `EcrCaller`.
const TOKEN_CHARS_MAX: usize = 16_384;
/// Keeps this use of the server's key apart from others.
const LABEL: &[u8] = b"dormouse registry token\0";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account and region in which it was asked for.
    pub scope: Scope,
    /// Who asked, as the gateway finds them again.
    pub bearer: String,
    /// The only path that it opens, for reading; empty for all that the bearer may do.
    pub path: String,
    /// When it stops working.
    pub expires: Timestamp,
}

impl Claims {
    /// Whether the token is for such a request at all; what its bearer may do is decided elsewhere.
    #[must_use]
    pub fn fits(&self, method: &Method, path: &str) -> bool {
        self.path.is_empty() || (self.path == path && matches!(*method, Method::GET | Method::HEAD))
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not made here, or changed.
    #[error("Your authorization token is invalid. Reauthenticate and try again.")]
    Forged,
    /// Too old.
    #[error("Your authorization token has expired. Reauthenticate and try again.")]
    Expired,
}

/// Makes and checks tokens.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    /// Takes the server's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of every length; the type only says so for all of its kin.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// A token for these claims.
    #[must_use]
    pub fn mint(&self, claims: &Claims) -> String {
        let mut token = vec![VERSION];
        token.extend(claims.expires.as_millis().to_be_bytes());
        let Claims { scope, bearer, path, .. } = claims;
        for text in [scope.account.as_str(), scope.region.as_str(), bearer, path] {
            // Lengths are far below 64 KB; a longer text would only fail to verify.
            token.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            token.extend(text.as_bytes());
        }
        let seal = self.seal(&token).finalize().into_bytes();
        token.extend(seal);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// `authorizationToken`: Base64 of user name and token.
    #[must_use]
    pub fn authorization(&self, claims: &Claims) -> String {
        STANDARD.encode(format!("{USER}:{}", self.mint(claims)))
    }

    /// What a token says, if it was made here and is still valid.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn open(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Forged);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Forged)?;
        let (body, seal) = token.split_last_chunk::<SEAL_BYTES>().ok_or(TokenError::Forged)?;
        // Compared in constant time.
        self.seal(body).verify_slice(seal).map_err(|_| TokenError::Forged)?;
        let claims = decode(body).ok_or(TokenError::Forged)?;
        if claims.expires <= now { Err(TokenError::Expired) } else { Ok(claims) }
    }

    fn seal(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(LABEL);
        mac.update(body);
        mac
    }
}

fn decode(bytes: &[u8]) -> Option<Claims> {
    let (&version, rest) = bytes.split_first()?;
    let (expires, mut rest) = rest.split_first_chunk::<8>()?;
    let mut text = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        String::from_utf8(text.to_vec()).ok()
    };
    let (account, region, bearer, path) = (text()?, text()?, text()?, text()?);
    (version == VERSION).then_some(())?;
    Some(Claims {
        scope: Scope { account: AccountId::parse(&account).ok()?, region: Region::parse(&region).ok()? },
        bearer,
        path,
        expires: Timestamp::from_millis(i64::from_be_bytes(*expires)),
    })
}

/// The parameter of an address that carries a token bound to its path.
pub const QUERY: &str = "dormouse-token";

/// The token in a query, if there is one.
#[must_use]
pub fn in_query(query: Option<&str>) -> Option<String> {
    parameter(query, QUERY)
}

/// User name and password of a request's `Authorization: Basic …`; `None` if there is no such header.
#[must_use]
pub fn basic(authorization: Option<&HeaderValue>) -> Option<(String, String)> {
    let text = authorization?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The header of a 401 that makes container tools send their credentials; `endpoint` is the registry's address.
#[must_use]
pub fn challenge(endpoint: &str) -> (HeaderName, HeaderValue) {
    let value = format!("Basic realm=\"{}/\",service=\"ecr.amazonaws.com\"", endpoint.replace('"', ""));
    let fallback = HeaderValue::from_static("Basic realm=\"dormouse\"");
    (http::header::WWW_AUTHENTICATE, HeaderValue::from_str(&value).unwrap_or(fallback))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let (bearer, path) = ("somebody".to_owned(), String::new());
        Claims { scope, bearer, path, expires: Timestamp::from_millis(1_000) }
    }

    #[test]
    fn a_token_is_opened_by_its_own_key_and_in_time() {
        let key = TokenKey::new(b"k");
        let token = key.mint(&claims());
        let now = Timestamp::from_millis(999);
        assert_eq!(key.open(&token, now), Ok(claims()));
        assert_eq!(key.open(&token, Timestamp::from_millis(1_000)), Err(TokenError::Expired));
        assert_eq!(TokenKey::new(b"other").open(&token, now), Err(TokenError::Forged));
        for broken in ["", "AAAA", &token[1..], &format!("{token}AAAA"), &"A".repeat(20_000)] {
            assert_eq!(key.open(broken, now), Err(TokenError::Forged), "{broken}");
        }
    }

    #[test]
    fn what_says_not_whose_it_is_is_refused() {
        let key = TokenKey::new(b"k");
        let mut token = URL_SAFE_NO_PAD.decode(key.mint(&claims())).unwrap();
        token.truncate(token.len() - SEAL_BYTES);
        token[0] = 1;
        let seal = key.seal(&token).finalize().into_bytes();
        token.extend(seal);
        let token = URL_SAFE_NO_PAD.encode(token);
        assert_eq!(key.open(&token, Timestamp::from_millis(0)), Err(TokenError::Forged));
    }

    #[test]
    fn a_path_binds_a_token() {
        let bound = Claims { path: "/v2/a/blobs/x".to_owned(), ..claims() };
        assert!(bound.fits(&Method::GET, "/v2/a/blobs/x"));
        assert!(!bound.fits(&Method::DELETE, "/v2/a/blobs/x"));
        assert!(!bound.fits(&Method::GET, "/v2/a/blobs/y"));
        assert!(claims().fits(&Method::PUT, "/v2/a/manifests/x"));
    }

    #[test]
    fn docker_sends_what_the_api_gave() {
        let key = TokenKey::new(b"k");
        let header = HeaderValue::from_str(&format!("Basic {}", key.authorization(&claims()))).unwrap();
        let (user, password) = basic(Some(&header)).unwrap();
        assert_eq!(user, USER);
        assert!(key.open(&password, Timestamp::from_millis(0)).is_ok());
        for wrong in ["Bearer x", "Basic !", "Basic", "Basic QQ=="] {
            assert_eq!(basic(Some(&HeaderValue::from_static(wrong))), None, "{wrong}");
        }
    }
}
