//! The address of a server.
//!
//! Plain `http` only: today's server speaks nothing else, and silently sending a signed request elsewhere would
//! be worse than refusing.

use super::ClientError;

/// Where a server listens by default.
pub const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:4566";

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` as it goes into the `Host` header.
    authority: String,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Parses `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`].
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let refuse = |reason| ClientError::Endpoint { text: text.to_owned(), reason };
        let uri: http::Uri = text.parse().map_err(|_| refuse("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse("https is not supported yet, only http")),
            _ => return Err(refuse("it does not begin with http://")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("it has a path; only host and port are wanted"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it holds a user name; credentials are given otherwise"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { authority: authority.as_str().to_owned(), host, port })
    }

    /// `host:port` as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What to connect to.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(&str, u16), &str>) {
        let parsed = Endpoint::parse(text);
        let seen = match &parsed {
            Ok(endpoint) => Ok(endpoint.host_and_port()),
            Err(ClientError::Endpoint { reason, .. }) => Err(*reason),
            Err(_) => Err("another error"),
        };
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn addresses() {
        check(ENDPOINT_DEFAULT, Ok(("127.0.0.1", 4566)));
        check("http://localhost/", Ok(("localhost", 80)));
        check("http://[::1]:8000", Ok(("::1", 8000)));
        check("https://localhost", Err("https is not supported yet, only http"));
        check("localhost:4566", Err("it does not begin with http://"));
        check("ftp://localhost", Err("it does not begin with http://"));
        check("http://h/lambda", Err("it has a path; only host and port are wanted"));
        check("http://me:pw@h", Err("it holds a user name; credentials are given otherwise"));
        check("", Err("it is not a URL"));
    }
}
