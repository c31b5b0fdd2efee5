//! HTTP endpoints as targets of deliveries: one POST each, of whose answer the status counts and nothing else.
//!
//! Any 2xx is taken; 429, 5xx and silence are tried again; all else, redirects too, is final. Everything is bounded: fifteen
//! seconds for all, one connection for each attempt, and nothing of the answer's body is read.
//!
//! Whom it speaks to: this machine and the owner's networks, for that is where a server of one's own has its endpoints; but
//! never to link-local addresses, where machines in clouds find their own credentials, whatever a name resolves to. The
//! requests are not signed, so the API of this server takes them from nobody's hand, unless it is open to anybody.
//! Source: SNS Developer Guide, "Amazon SNS message delivery to HTTP/S endpoints", "Amazon SNS message delivery retries".

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use model::delivery::{Address, Delivery, ENDPOINTS, Target, Undelivered};
use model::port::Pending;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::https::{self, TransportError};

/// One attempt (SNS Developer Guide: an endpoint has to answer within 15 seconds).
const ATTEMPT_MAX: Duration = Duration::from_secs(15);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Where machines of one cloud find their credentials by IPv6; it is not link-local.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// See the module.
pub struct Endpoints(TlsConnector);

impl Endpoints {
    /// Trusts the machine's certificates.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn new() -> Result<Self, TransportError> {
        Ok(Self(TlsConnector::from(Arc::new(https::tls(None)?))))
    }

    async fn post(&self, url: &str, delivery: &Delivery) -> Result<(), Undelivered> {
        let place = Place::of(url).ok_or_else(|| never("INVALID_ENDPOINT", "The endpoint is no address."))?;
        let request = request(&place, delivery)?;
        let stream = connect(&place).await?;
        if !place.is_secure {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(place.host.clone());
        let name = name.map_err(|error| never("INVALID_ENDPOINT", error))?;
        exchange(self.0.connect(name, stream).await.map_err(not_now)?, request).await
    }
}

impl Target for Endpoints {
    fn service(&self) -> &'static str {
        ENDPOINTS
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let Address::Endpoint(url) = &delivery.to else {
                return Err(Undelivered::not_found(&delivery.to));
            };
            let posted = tokio::time::timeout(ATTEMPT_MAX, self.post(url, delivery)).await;
            posted.unwrap_or_else(|_| Err(not_now("The endpoint has not answered within 15 seconds.")))
        })
    }
}

/// Whether an endpoint can be delivered to, as far as that is seen without asking anybody.
///
/// # Errors
/// Why not.
pub fn check(url: &str) -> Result<(), String> {
    let (plain, _) = Login::split(url).ok_or("it is no address of HTTP")?;
    let place = Place::of(&plain).ok_or("it is no address of HTTP")?;
    match place.host.parse() {
        Ok(address) if is_forbidden(address) => Err(format!("nothing is delivered to the address {address}")),
        _ => Ok(()),
    }
}

/// The name and password that an address may have in it. They are told to the endpoint alone.
pub struct Login;

impl Login {
    /// An address without them, and what stands for them in the header `authorization`.
    #[must_use]
    pub fn split(url: &str) -> Option<(String, Option<String>)> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, host) = match authority.rsplit_once('@') {
            None => (None, authority),
            Some((login, host)) => {
                let login: Vec<u8> = percent_decode_str(login).collect();
                (Some(format!("Basic {}", STANDARD.encode(login))), host)
            }
        };
        let plain = format!("{scheme}://{host}{path}");
        Place::of(&plain).map(|_| (plain, login))
    }

    /// An address as it is shown.
    #[must_use]
    pub fn hidden(url: &str) -> String {
        let found = url.split_once("://").and_then(|(scheme, rest)| {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (login, host) = rest[..end].rsplit_once('@')?;
            let name = login.split(':').next().unwrap_or_default();
            Some(format!("{scheme}://{name}:****@{host}{}", &rest[end..]))
        });
        found.unwrap_or_else(|| url.to_owned())
    }
}

/// An address taken apart.
struct Place {
    is_secure: bool,
    /// Without brackets.
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Place {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let is_secure = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let after_host = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest);
        let port = match after_host.split_once(':') {
            None => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            Some((_, port)) => port.parse().ok().filter(|port| *port != 0)?,
        };
        if host.is_empty() || authority.as_str().contains('@') {
            return None;
        }
        Some(Self {
            is_secure,
            host,
            port,
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == METADATA
        }
    }
}

async fn connect(place: &Place) -> Result<TcpStream, Undelivered> {
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await.map_err(not_now)?;
    let addresses: Vec<SocketAddr> =
        found.filter(|address| !is_forbidden(address.ip())).take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return Err(never("FORBIDDEN_ENDPOINT", "Nothing is delivered to the addresses of this endpoint."));
    }
    TcpStream::connect(addresses.as_slice()).await.map_err(not_now)
}

fn request(place: &Place, delivery: &Delivery) -> Result<Request<Full<Bytes>>, Undelivered> {
    let mut request = Request::post(&place.path).header(http::header::HOST, &place.authority);
    for (name, value) in &delivery.extras.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(delivery.body.clone()));
    request.map_err(|error| never("INVALID_ENDPOINT", error))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), Undelivered>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(not_now)?;
    let connection = Ended(tokio::spawn(async move { drop(connection.await) }));
    let status = sender.send_request(request).await.map_err(not_now)?.status();
    drop(connection);
    let told = format!("The endpoint has answered with the status {}.", status.as_u16());
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(not_now(told)),
        status if status.is_server_error() => Err(not_now(told)),
        _ => Err(never("ENDPOINT_REFUSED", told)),
    }
}

/// A connection's task, which ends with whoever waits for an answer.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn not_now(why: impl Display) -> Undelivered {
    Undelivered::NotNow { message: why.to_string() }
}

fn never(code: &'static str, why: impl Display) -> Undelivered {
    Undelivered::Never { code, message: why.to_string() }
}

#[cfg(test)]
mod tests {
    use model::arn::Scope;
    use model::delivery::{Extras, Retry, Sender};
    use model::id::{AccountId, Region};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What becomes of a delivery to an endpoint that answers so, and the request that it gets.
    async fn answered(answer: &str) -> (Result<(), Undelivered>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let endpoints = Endpoints::new().expect("TLS");
        let delivery = delivery(&format!("http://localhost:{port}/a?b=c"));
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"hello") {
                stream.read_buf(&mut request).await.expect("a request");
            }
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            String::from_utf8(request).expect("text")
        };
        let (taken, request) = tokio::join!(endpoints.take(&delivery), serve);
        (taken, request)
    }

    fn delivery(url: &str) -> Delivery {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        Delivery {
            to: Address::Endpoint(url.to_owned()),
            from: Sender {
                service: "sns.amazonaws.com".to_owned(),
                source: String::new(),
                scope,
                role: None,
            },
            body: Bytes::from_static(b"hello"),
            extras: Extras { headers: vec![("x-a".to_owned(), "1".to_owned())], ..Extras::default() },
            retry: Retry::BUS,
            dead_letter: None,
            line: "topic/a/1".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_status_decides_what_becomes_of_a_delivery() {
        for (status, code) in [
            (200, None),
            (204, None),
            (301, Some(true)),
            (404, Some(true)),
            (429, Some(false)),
            (503, Some(false)),
        ] {
            let answer = format!("HTTP/1.1 {status} x\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n");
            let (taken, request) = answered(&answer).await;
            let is_final = taken.err().map(|error| matches!(error, Undelivered::Never { .. }));
            assert_eq!(is_final, code, "{status}");
            assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("host: localhost:") && request.contains("x-a: 1\r\n"), "{request}");
        }
        let (cut_off, _) = answered("HTTP/1.1 2").await;
        assert!(matches!(cut_off, Err(Undelivered::NotNow { .. })), "{cut_off:?}");
    }

    #[tokio::test]
    async fn whom_nobody_can_reach_is_tried_again_and_whom_nobody_may_reach_is_not() {
        let endpoints = Endpoints::new().expect("TLS");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let away = endpoints.take(&delivery(&format!("http://127.0.0.1:{port}/"))).await;
        assert!(matches!(away, Err(Undelivered::NotNow { .. })), "{away:?}");
        let forbidden = endpoints.take(&delivery("http://169.254.169.254/")).await;
        assert!(
            matches!(forbidden, Err(Undelivered::Never { code: "FORBIDDEN_ENDPOINT", .. })),
            "{forbidden:?}"
        );
    }

    #[test]
    fn logins_are_taken_out_of_addresses_and_never_shown() {
        let split = |url: &str| Login::split(url);
        assert_eq!(split("http://h:8/a?b"), Some(("http://h:8/a?b".to_owned(), None)));
        let basic = Some("Basic dTpwQHc=".to_owned());
        assert_eq!(split("https://u:p%40w@h/a"), Some(("https://h/a".to_owned(), basic)));
        let not_one = [
            "h/a",
            "ftp://h",
            "http://",
            "http://u:p@",
            "http://a b/",
            "http://h:99999/",
            "http://[::1]:0/",
            "http://h:/",
        ];
        for url in not_one {
            assert_eq!(split(url), None, "{url}");
        }
        assert_eq!(Login::hidden("https://u:p@h/a@b"), "https://u:****@h/a@b");
        assert_eq!(Login::hidden("https://h/a@b"), "https://h/a@b");
    }

    #[test]
    fn places_where_credentials_lie_are_not_delivered_to() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.170.2]/",
            "http://[fd00:ec2::254]/",
            "http://0.0.0.0/",
            "http://u:p@169.254.169.254/",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:4566/", "http://[::1]/", "https://example.com", "http://10.0.0.1/x"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }
}
