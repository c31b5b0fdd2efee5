//! Somebody else's registry, with one image `a:v1`: wants credentials, breaks off, lies, or speaks TLS.
//!
//! It counts what it is asked for, so that tests can tell one flight from two and a resumed download from a new
//! one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use services::oci::media_type::OCI_MANIFEST;
use services::oci::{digest_of, digest_text};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::image_files::TestImage;

type Body = UnsyncBoxBody<Bytes, io::Error>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    Nothing,
    /// `u:secret`.
    Basic,
    /// A token, for which the same is wanted.
    Token,
}

struct Shared {
    content: HashMap<String, Bytes>,
    wants: Wants,
    /// Bytes after which every answer with a blob breaks off.
    cut: Option<usize>,
    authority: String,
    manifests: AtomicUsize,
    blobs: AtomicUsize,
    ranges: AtomicUsize,
}

pub struct OtherRegistry {
    pub authority: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for OtherRegistry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

const LOGIN: &str = "Basic dTpzZWNyZXQ=";

impl OtherRegistry {
    pub async fn start(image: TestImage, wants: Wants, cut: Option<usize>) -> Self {
        let content = image.blobs.iter().map(|blob| (digest_text(digest_of(blob)), blob.clone())).collect();
        Self::serve("127.0.0.1", content, &image, wants, cut, None).await
    }

    /// Loopback names are spoken to without encryption; 127.0.0.2 is of the loopback and no such name.
    pub async fn start_at(host: &str, image: TestImage) -> Self {
        let content = image.blobs.iter().map(|blob| (digest_text(digest_of(blob)), blob.clone())).collect();
        Self::serve(host, content, &image, Wants::Nothing, None, None).await
    }

    /// Its last blob is not what the manifest says.
    pub async fn start_lying(image: TestImage) -> Self {
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest_bytes).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let names = [&manifest["config"]].into_iter().chain(layers).map(|to| to["digest"].as_str().unwrap());
        let content = names.map(str::to_owned).zip(image.blobs.clone()).collect();
        Self::serve("127.0.0.1", content, &image, Wants::Nothing, None, None).await
    }

    pub async fn start_tls(image: TestImage, certificate: &[u8], key: &[u8]) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let content = image.blobs.iter().map(|blob| (digest_text(digest_of(blob)), blob.clone())).collect();
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::serve("127.0.0.2", content, &image, Wants::Nothing, None, Some(tls)).await
    }

    async fn serve(
        host: &str,
        content: HashMap<String, Vec<u8>>,
        image: &TestImage,
        wants: Wants,
        cut: Option<usize>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let authority = format!("{host}:{}", listener.local_addr().unwrap().port());
        let mut content: HashMap<_, _> =
            content.into_iter().map(|(name, blob)| (name, Bytes::from(blob))).collect();
        content.insert("v1".to_owned(), image.manifest_bytes.clone().into());
        let shared = Arc::new(Shared {
            content,
            wants,
            cut,
            authority: authority.clone(),
            manifests: AtomicUsize::new(0),
            blobs: AtomicUsize::new(0),
            ranges: AtomicUsize::new(0),
        });
        let serving = tokio::spawn(accept(listener, shared.clone(), tls));
        Self { authority, shared, serving }
    }

    pub fn manifests(&self) -> usize {
        self.shared.manifests.load(Ordering::Relaxed)
    }

    pub fn blobs(&self) -> usize {
        self.shared.blobs.load(Ordering::Relaxed)
    }

    pub fn ranges(&self) -> usize {
        self.shared.ranges.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(&shared, &request)) }
    });
    // Some break off on purpose.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization");
    let path = request.uri().path();
    if path == "/token" {
        let asked = request.uri().query().unwrap_or_default();
        assert_eq!(asked, "scope=repository%3Aa%3Apull&service=test");
        let known = authorization == LOGIN;
        return if known { respond(200, br#"{"token":"t0k"}"#) } else { respond(401, b"") };
    }
    let known = match shared.wants {
        Wants::Nothing => authorization.is_empty(),
        Wants::Basic => authorization == LOGIN,
        Wants::Token => authorization == "Bearer t0k",
    };
    if !known {
        let challenge = match shared.wants {
            Wants::Token => format!("Bearer realm=\"http://{}/token\",service=\"test\"", shared.authority),
            _ => "Basic realm=\"x\"".to_owned(),
        };
        let mut response = respond(401, b"");
        response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        return response;
    }
    let name = path.rsplit('/').next().unwrap();
    let Some(content) = shared.content.get(name) else { return respond(404, b"") };
    if path == "/v2/a/manifests/v1" {
        shared.manifests.fetch_add(1, Ordering::Relaxed);
        let mut response = respond(200, content);
        response.headers_mut().insert("content-type", OCI_MANIFEST.parse().unwrap());
        return response;
    }
    shared.blobs.fetch_add(1, Ordering::Relaxed);
    blob(shared, content, header("range"))
}

/// A blob from the start of the range, until it breaks off.
fn blob(shared: &Shared, content: &Bytes, range: &str) -> Response<Body> {
    let start = range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap_or(0);
    let rest = content.slice(start..);
    let sent = rest.slice(..shared.cut.unwrap_or(rest.len()).min(rest.len()));
    let breaks_off = sent.len() < rest.len();
    let pieces = stream::unfold(Some(sent), move |left| async move {
        match left {
            Some(sent) if !sent.is_empty() => Some((Ok(Frame::data(sent)), Some(Bytes::new()))),
            Some(_) if breaks_off => {
                // What was sent goes out first.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
            _ => None,
        }
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert("content-length", rest.len().into());
    if start > 0 {
        shared.ranges.fetch_add(1, Ordering::Relaxed);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn respond(status: u16, body: &[u8]) -> Response<Body> {
    let mut response = Response::new(services::registry::body::whole(Bytes::copy_from_slice(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
