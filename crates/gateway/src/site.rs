//! Which web pages an open server listens to: none but those of this machine.
//!
//! An open server believes every request, and a browser sends requests for any page that its user looks at. A
//! page from elsewhere gives itself away by its `Origin`; one whose name was made to point here (DNS rebinding)
//! by the `Host` that it asks for. Programs other than browsers can write anything there: against them, only the
//! address that the server listens on and signatures help.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri};
use model::error::ServiceError;

/// Lets a request pass that names this machine, or AWS, as the host that it wants.
///
/// A page under AWS's domain is not trusted: everybody can put pages there.
///
/// # Errors
/// `AccessDenied` naming the header.
pub fn admit(headers: &HeaderMap) -> Result<(), ServiceError> {
    let hosts = headers.get_all(HOST);
    if hosts.iter().next().is_none() || !hosts.iter().all(is_meant_for_us) {
        return Err(denied("Host", headers.get(HOST)));
    }
    match headers.get_all(ORIGIN).iter().find(|origin| !is_page_of_this_machine(origin)) {
        Some(foreign) => Err(denied("Origin", Some(foreign))),
        None => Ok(()),
    }
}

fn is_meant_for_us(value: &HeaderValue) -> bool {
    let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    authority
        .is_some_and(|authority| is_local(authority.host()) || is_below(authority.host(), "amazonaws.com"))
}

/// The origin `null`, of pages without an address, is as foreign as any.
fn is_page_of_this_machine(value: &HeaderValue) -> bool {
    let page = value.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    page.is_some_and(|page| page.scheme().is_some() && page.host().is_some_and(is_local))
}

fn is_local(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || is_below(host, "localhost"),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn denied(header: &str, value: Option<&HeaderValue>) -> ServiceError {
    let shown: String =
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().chars().take(100).collect();
    ServiceError::AccessDenied(format!(
        "A server that checks no signatures answers only requests from this machine to localhost, a loopback \
         address or amazonaws.com; the header {header} is {shown:?}. Use dormouse serve for others."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>, is_admitted: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header"));
        }
        assert_eq!(admit(&headers).is_ok(), is_admitted, "{host} {origin:?}");
    }

    #[test]
    fn hosts_of_this_machine_and_of_aws_are_meant_for_us() {
        for host in
            ["127.0.0.1:4566", "127.9.9.9", "[::1]:4566", "[::ffff:127.0.0.1]", "localhost", "LocalHost:1"]
        {
            check(host, None, true);
        }
        check("a.b.localhost:4566", None, true);
        check("lambda.us-east-1.amazonaws.com", None, true);
        for host in
            ["evil.example:4566", "10.0.0.1", "[::2]", "notlocalhost", ".localhost", "127.0.0.1.evil.example"]
        {
            check(host, None, false);
        }
        for host in ["amazonaws.com.evil.example", "evilamazonaws.com", "localhost.evil.example", "a b", ""] {
            check(host, None, false);
        }
        assert!(admit(&HeaderMap::new()).is_err(), "no host is no host of ours");
    }

    #[test]
    fn only_pages_of_this_machine_may_ask() {
        for origin in
            ["http://localhost:3000", "https://app.localhost", "http://127.0.0.1:8080", "http://[::1]"]
        {
            check("localhost:4566", Some(origin), true);
        }
        for origin in
            ["https://evil.example", "null", "localhost", "https://bucket.s3.amazonaws.com", "file://", ""]
        {
            check("localhost:4566", Some(origin), false);
        }
    }
}
