//! What is known of a call whatever it asks for, as condition keys.
//!
//! Source: IAM User Guide, "AWS global condition context keys".

use std::net::SocketAddr;

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use model::id::Region;
use model::time::Timestamp;
use policy::Context;

/// What is known of a call that came at this time, from there, to this region.
pub(crate) fn of_call(now: Timestamp, peer: Option<SocketAddr>, head: &Parts, region: &Region) -> Context {
    let mut context = Context::new();
    context.set_some("aws:SourceIp", peer.map(|peer| peer.ip().to_canonical().to_string()));
    let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    context.set_some("aws:UserAgent", agent);
    let referer = head.headers.get(REFERER).and_then(|referer| referer.to_str().ok());
    context.set_some("aws:referer", referer);
    context.set("aws:CurrentTime", wire::time::rfc3339(now));
    context.set("aws:EpochTime", (now.as_millis() / 1_000).to_string());
    // Whatever encrypts the connection stands before the server, and may write what it likes.
    context.set("aws:SecureTransport", "false");
    context.set("aws:RequestedRegion", region.as_str());
    context
}
