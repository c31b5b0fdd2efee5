//! Authentication during one pull: basic, or Docker's tokens (Distribution "Token Authentication Specification"):
//! a registry that answers 401 names a server that gives tokens, which is asked once.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Response, StatusCode, header as h};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::error::ImageError;
use super::transport::{Transport, failed};
use crate::oci::name::RepositoryName;

/// Largest answer of a token server.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// How long one piece of a body may take.
pub(super) const PIECE_MAX: Duration = Duration::from_secs(60);

/// One registry during one pull.
pub(super) struct Session<'t> {
    transport: &'t Transport,
    host: String,
    base: String,
    scope: String,
    /// The `Authorization` header that worked last.
    authorization: Mutex<Option<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a registry wants before it answers.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl<'t> Session<'t> {
    pub(super) fn new(transport: &'t Transport, host: &str, repository: &RepositoryName) -> Self {
        Self {
            transport,
            host: host.to_owned(),
            base: transport.base(host),
            scope: format!("repository:{repository}:pull"),
            authorization: Mutex::new(None),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Asks for a path, authenticating when the registry wants it.
    pub(super) async fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Incoming>, ImageError> {
        let url = format!("{}{path}", self.base);
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = self.transport.get(&self.host, &url, known.as_deref(), headers).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenges = response.headers().get_all(h::WWW_AUTHENTICATE).iter();
        let challenge = challenges.filter_map(|value| Challenge::parse(value.to_str().ok()?)).next();
        let Some(authorization) = self.answer(challenge).await? else { return Ok(response) };
        let response = self.transport.get(&self.host, &url, Some(&authorization), headers).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        }
        Ok(response)
    }

    /// What a status other than the expected one means.
    pub(super) fn refused(&self, status: StatusCode) -> ImageError {
        match status {
            StatusCode::NOT_FOUND => ImageError::Missing,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ImageError::Denied { host: self.host.clone() }
            }
            status => self.failed(&format!("it answered {status}")),
        }
    }

    pub(super) fn failed(&self, reason: &str) -> ImageError {
        failed(&self.host, reason)
    }

    /// A body of at most so many bytes.
    pub(super) async fn whole(
        &self,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Bytes, ImageError> {
        let mut body = response.into_body();
        let mut bytes = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(PIECE_MAX, body.frame()).await;
            match frame.map_err(|_| self.failed("its answer did not arrive in time"))? {
                None => return Ok(bytes.freeze()),
                Some(Err(error)) => return Err(self.failed(&format!("its answer broke off: {error}"))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if bytes.len() + data.len() > limit {
                        return Err(self.failed("its answer is too large"));
                    }
                    bytes.extend_from_slice(&data);
                }
            }
        }
    }

    async fn answer(&self, challenge: Option<Challenge>) -> Result<Option<String>, ImageError> {
        let login = self.transport.credentials().login(&self.host);
        let login = login.map_err(|error| {
            tracing::warn!(%error, "registry credentials are not used");
            self.failed("the credentials for it cannot be read; the server's log says why")
        })?;
        let basic = login.map(|login| login.basic());
        let (realm, service, scope) = match challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => return Ok(basic),
            Some(Challenge::Bearer { realm, service, scope }) => (realm, service, scope),
        };
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let separator = if realm.contains('?') { '&' } else { '?' };
        let mut url = format!("{realm}{separator}scope={}", encoded(scope.as_deref().unwrap_or(&self.scope)));
        if let Some(service) = service {
            url.push_str(&format!("&service={}", encoded(&service)));
        }
        let response = self.transport.get(&self.host, &url, basic.as_deref(), &[]).await?;
        match response.status() {
            StatusCode::OK => {}
            status => return Err(self.refused(status)),
        }
        let bytes = self.whole(response, TOKEN_BYTES_MAX).await?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        let token = token.ok_or_else(|| self.failed("its token server gave no token"))?;
        Ok(Some(format!("Bearer {token}")))
    }
}

impl Challenge {
    /// Reads a `WWW-Authenticate` header; others than the two kinds are none.
    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest.trim();
        while let Some((name, after)) = rest.split_once('=') {
            // A quoted value may contain commas: scopes do.
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                "scope" => scope = Some(value.to_owned()),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let header = r#"Bearer realm="https://a.io/token",service="a.io",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://a.io/token".to_owned(),
            service: Some("a.io".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        assert_eq!(Challenge::parse(header), Some(expected));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        for other in ["Bearer service=x", "Negotiate", "", "Bearer realm=\"x"] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }
}
