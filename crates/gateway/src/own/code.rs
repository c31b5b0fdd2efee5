//! The addresses in `Code.Location`, and the packages behind them. Whoever holds an address gets the package until
//! it expires; there is no other check, as with AWS's.

use std::net::SocketAddr;
use std::sync::Arc;

use control::link::CodeLink;
use http::Response;
use http::header::HOST;
use http::request::Parts;
use model::error::ServiceError;
use model::id::Digest;
use model::time::Timestamp;
use wire::percent;

use super::PREFIX;
use crate::app::App;
use crate::respond::{Body, Failure, content};

/// An address of a package on the host that the caller used.
pub fn address(app: &App, head: &Parts, local: SocketAddr, digest: Digest) -> String {
    let CodeLink { expires, signature } = app.parts.links.make(digest, app.parts.clock.now());
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    let host = host.map_or_else(|| local.to_string(), str::to_owned);
    format!("http://{host}{PREFIX}code/{digest}?expires={}&signature={signature}", expires.as_millis())
}

/// The package of an address.
pub async fn serve(app: &Arc<App>, head: &Parts, digest: &str) -> Result<Response<Body>, Failure> {
    let link = link(head.uri.query().unwrap_or_default());
    let (digest, link) = Digest::parse(digest).ok().zip(link).ok_or_else(|| {
        ServiceError::AccessDenied("This is not an address that GetFunction gave out.".to_owned())
    })?;
    let checked = app.parts.links.check(digest, &link, app.parts.clock.now());
    checked.map_err(|error| ServiceError::AccessDenied(format!("Access denied: {error}.")))?;
    let zip = app.parts.functions.package(digest).await?;
    Ok(content("application/zip", zip))
}

fn link(query: &str) -> Option<CodeLink> {
    let value = |name: &str| {
        let mut pairs = percent::query_pairs(query).flatten();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let expires = Timestamp::from_millis(value("expires")?.parse().ok()?);
    Some(CodeLink { expires, signature: value("signature")? })
}

/// Host and port, and nothing that could make another address of it.
fn is_host(text: &str) -> bool {
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    !text.is_empty() && text.bytes().all(legal)
}
