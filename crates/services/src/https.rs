//! The HTTP client for other hosts: TLS with the machine's certificates and the owner's, bounded connections.
//!
//! Whom it may speak to, and with which credentials, is decided by its users.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Idle connections kept for one host, and for how long.
const IDLE_PER_HOST_MAX: usize = 4;
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The owner's certificates cannot be used.
    #[error("could not read the certificates in {path}: {reason}")]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The TLS library refuses its own defaults.
    #[error("could not set up TLS")]
    Tls(#[from] rustls::Error),
}

/// Sends requests without a body.
pub(crate) type Client = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client that trusts as [`tls`] says.
pub(crate) fn client(extra_ca: Option<&Path>) -> Result<Client, TransportError> {
    let config = tls(extra_ca)?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_MAX));
    http.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    let connector = connector.https_or_http().enable_http1().wrap_connector(http);
    Ok(hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(connector))
}

/// Reads the machine's trusted certificates; without any, only those of `extra_ca` count.
pub(crate) fn tls(extra_ca: Option<&Path>) -> Result<ClientConfig, TransportError> {
    let mut roots = RootCertStore::empty();
    // Broken ones among the machine's own are left out: the others still work.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra_ca {
        add_certificates(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What went wrong in the end; the outer errors only say that something did.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), TransportError> {
    let failed = |reason: String| TransportError::ExtraCa { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.len() == before { Err(failed("it holds no certificate".to_owned())) } else { Ok(()) }
}
