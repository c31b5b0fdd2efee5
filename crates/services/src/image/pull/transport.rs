//! HTTP to other hosts: TLS with the right certificates, redirects, time limits.
//!
//! Invariant: a request's `Authorization` reaches the host that it was made for and no other, and never over an
//! unencrypted connection unless the owner or the loopback allows that.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderName, Method, Request, Response, Uri, header as h};
use http_body_util::Empty;
use hyper::body::Incoming;

use super::super::error::ImageError;
use super::credentials::CredentialsFile;
use crate::https::{self, TransportError};

/// How long an answer may take to begin.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Redirects in a row.
const REDIRECTS_MAX: usize = 5;

/// What the owner sets.
#[derive(Debug, Clone, Default)]
pub struct TransportOptions {
    /// A file of further certificates to trust, in PEM.
    pub extra_ca: Option<PathBuf>,
    /// Hosts (with port, as in references) that may be spoken to without encryption. Loopback names always may.
    pub plain_http: Vec<String>,
    /// A file in the form of Docker's `config.json` with credentials.
    pub credentials: Option<PathBuf>,
}

/// Sends requests.
pub struct Transport {
    client: https::Client,
    plain_http: Vec<String>,
    credentials: CredentialsFile,
}

impl Transport {
    /// Reads the machine's trusted certificates; without any, only `extra_ca` counts.
    ///
    /// # Errors
    /// [`TransportError::ExtraCa`] if that file cannot be used.
    pub fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        let client = https::client(options.extra_ca.as_deref())?;
        let credentials = CredentialsFile::new(options.credentials.clone());
        Ok(Self { client, plain_http: options.plain_http.clone(), credentials })
    }

    pub(super) fn credentials(&self) -> &CredentialsFile {
        &self.credentials
    }

    /// Where a registry of this name is spoken to.
    pub(super) fn base(&self, host: &str) -> String {
        let scheme = if self.may_be_plain(host) { "http" } else { "https" };
        // Docker Hub's registry has another name than its references.
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        format!("{scheme}://{host}")
    }

    fn may_be_plain(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name);
        let loopback =
            name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]";
        loopback || self.plain_http.iter().any(|listed| listed == host)
    }

    /// Sends a GET for a registry and follows redirects.
    ///
    /// A registry elsewhere can send us to encrypted addresses only, so it cannot make this server talk to what
    /// listens on its own loopback.
    pub(super) async fn get(
        &self,
        registry: &str,
        url: &str,
        authorization: Option<&str>,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Incoming>, ImageError> {
        let first: Uri = url.parse().map_err(|_| failed(url, "the address is malformed"))?;
        let mut at = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let same = (at.scheme(), at.authority()) == (first.scheme(), first.authority());
            let plain = self.may_be_plain(registry);
            let response = self.send(&at, plain, authorization.filter(|_| same), headers).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(h::LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| join(&at, location));
            at = target.ok_or_else(|| failed(url, "it redirects to nowhere"))?;
        }
        Err(failed(url, "it redirects too often"))
    }

    async fn send(
        &self,
        uri: &Uri,
        plain: bool,
        authorization: Option<&str>,
        headers: &[(HeaderName, String)],
    ) -> Result<Response<Incoming>, ImageError> {
        let host = uri.authority().map(Authority::as_str).unwrap_or_default();
        let is_encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let allowed = is_encrypted || (plain && self.may_be_plain(host));
        if !allowed {
            return Err(failed(
                host,
                "it leads to an unencrypted address, which the configuration does not allow",
            ));
        }
        let mut request = Request::builder().method(Method::GET).uri(uri);
        request = request.header(h::USER_AGENT, concat!("dormouse/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(h::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|_| failed(host, "the request is malformed"))?;
        match tokio::time::timeout(ANSWER_MAX, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failed(host, &https::root_cause(&error))),
            Err(_) => Err(failed(host, "it did not answer in time")),
        }
    }
}

pub(super) fn failed(url: &str, reason: &str) -> ImageError {
    let host = url.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or(url);
    ImageError::Registry { host: host.to_owned(), reason: reason.to_owned() }
}

fn join(base: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with('/') {
        let (scheme, authority) = (base.scheme_str()?, base.authority()?);
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    location.parse().ok().filter(|uri: &Uri| uri.scheme().is_some() && uri.authority().is_some())
}
