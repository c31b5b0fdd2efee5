//! From method and path to what is asked for (OCI Distribution Specification 1.1, "Endpoints"), and to the right
//! that it needs.
//!
//! Pure. Names are parsed here, so no path of a request ever reaches the file system.

use http::Method;
use percent_encoding::percent_decode_str;

use super::refusal::{Code, Refusal};
use crate::oci::name::RepositoryName;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/NAME/tags/list`
    Tags(RepositoryName),
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(RepositoryName, String),
    /// `/v2/NAME/manifests/TAG-OR-DIGEST`
    Manifest(RepositoryName, String),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(RepositoryName, String),
    /// `/v2/NAME/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(RepositoryName, String),
}

/// What a request needs the right to do, for whoever decides about rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing but to be known.
    Login,
    /// To read.
    Pull,
    /// To add.
    Push,
    /// To remove.
    Delete,
}

/// The right that a request needs, and the repository's name as written.
#[must_use]
pub fn access(method: &Method, path: &str) -> (Access, Option<RepositoryName>) {
    let Ok(place) = Place::parse(path) else { return (Access::Login, None) };
    let (upload, name) = match place {
        Place::Base => return (Access::Login, None),
        Place::Catalog => return (Access::Pull, None),
        Place::Uploads(name) | Place::Upload(name, _) => (true, name),
        Place::Tags(name) | Place::Referrers(name, _) | Place::Manifest(name, _) | Place::Blob(name, _) => {
            (false, name)
        }
    };
    let access = match *method {
        // To ask about an upload or to cancel it is a part of pushing.
        _ if upload => Access::Push,
        Method::GET | Method::HEAD => Access::Pull,
        Method::DELETE => Access::Delete,
        _ => Access::Push,
    };
    (access, Some(name))
}

impl Place {
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let lost = || {
            Refusal::new(Code::Unsupported, "there is nothing at this path")
                .status(http::StatusCode::NOT_FOUND)
        };
        let path = percent_decode_str(path).decode_utf8().map_err(|_| lost())?;
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Base),
            Some(rest) => rest.strip_prefix('/').ok_or_else(lost)?,
            None => return Err(lost()),
        };
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        // Names contain slashes, so the path is read from its end.
        let mut from_end = rest.rsplitn(3, '/');
        let (last, kind, before) = (from_end.next(), from_end.next(), from_end.next());
        let (last, kind, before) = (last.ok_or_else(lost)?, kind.ok_or_else(lost)?, before.ok_or_else(lost)?);
        if kind == "uploads"
            && let Some(name) = before.strip_suffix("/blobs")
        {
            let name = RepositoryName::parse(name)?;
            return Ok(if last.is_empty() {
                Self::Uploads(name)
            } else {
                Self::Upload(name, last.to_owned())
            });
        }
        // Without the slash that the specification puts at the end; some clients leave it out.
        if kind == "blobs" && last == "uploads" {
            return Ok(Self::Uploads(RepositoryName::parse(before)?));
        }
        let name = || RepositoryName::parse(before);
        match (kind, last) {
            (_, "") => Err(lost()),
            ("tags", "list") => Ok(Self::Tags(name()?)),
            ("manifests", reference) => Ok(Self::Manifest(name()?, reference.to_owned())),
            ("blobs", digest) => Ok(Self::Blob(name()?, digest.to_owned())),
            ("referrers", digest) => Ok(Self::Referrers(name()?, digest.to_owned())),
            _ => Err(lost()),
        }
    }
}

/// The value of a parameter in a query, decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.into_iter().find(|(key, _)| *key == name)?.1;
    // A plus stays one: media types contain it, and clients escape spaces as %20.
    percent_decode_str(value).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let name = || RepositoryName::parse("a/b").unwrap();
        let text = |text: &str| text.to_owned();
        for (path, expected) in [
            ("/v2", Place::Base),
            ("/v2/", Place::Base),
            ("/v2/_catalog", Place::Catalog),
            ("/v2/a/b/tags/list", Place::Tags(name())),
            ("/v2/a/b/manifests/latest", Place::Manifest(name(), text("latest"))),
            ("/v2/a/b/manifests/sha256%3Aab", Place::Manifest(name(), text("sha256:ab"))),
            ("/v2/a/b/blobs/sha256:ab", Place::Blob(name(), text("sha256:ab"))),
            ("/v2/a/b/blobs/uploads/", Place::Uploads(name())),
            ("/v2/a/b/blobs/uploads", Place::Uploads(name())),
            ("/v2/a/b/blobs/uploads/17", Place::Upload(name(), text("17"))),
            ("/v2/a/b/referrers/sha256:ab", Place::Referrers(name(), text("sha256:ab"))),
        ] {
            assert_eq!(Place::parse(path), Ok(expected), "{path}");
        }
        for (path, code) in [
            ("/", Code::Unsupported),
            ("/v2x", Code::Unsupported),
            ("/v2/a", Code::Unsupported),
            ("/v2/a/manifests/", Code::Unsupported),
            ("/v2/A/manifests/latest", Code::NameInvalid),
            ("/v2/../manifests/latest", Code::NameInvalid),
            ("/v2/%2e%2e/blobs/uploads/", Code::NameInvalid),
        ] {
            assert_eq!(Place::parse(path).unwrap_err().code, code, "{path}");
        }
    }

    #[test]
    fn rights() {
        for (method, path, expected) in [
            (Method::GET, "/v2/", Access::Login),
            (Method::GET, "/v2/a/manifests/x", Access::Pull),
            (Method::PUT, "/v2/a/manifests/x", Access::Push),
            (Method::DELETE, "/v2/a/manifests/x", Access::Delete),
            (Method::DELETE, "/v2/a/blobs/uploads/x", Access::Push),
            (Method::GET, "/v2/a/blobs/uploads/x", Access::Push),
        ] {
            assert_eq!(access(&method, path).0, expected, "{method} {path}");
        }
    }

    #[test]
    fn parameters() {
        let query = Some("n=5&last=a%2Fb&artifactType=application/x+json");
        assert_eq!(parameter(query, "last").as_deref(), Some("a/b"));
        assert_eq!(parameter(query, "artifactType").as_deref(), Some("application/x+json"));
        assert_eq!(parameter(query, "from"), None);
    }
}
