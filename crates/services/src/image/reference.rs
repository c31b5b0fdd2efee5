//! What the `ImageUri` of a function means: an image in the built-in registry, in another one, or on this disk.
//!
//! | form | leads to |
//! |---|---|
//! | `ACCOUNT.dkr.ecr.REGION.…/NAME`, `localhost:PORT/NAME` with this server's port | the built-in registry |
//! | `HOST[:PORT]/NAME`, `NAME` as Docker reads it | another registry |
//! | `oci:/DIR[:TAG]` | an OCI layout in a folder |
//! | `oci-archive:/FILE[:TAG]` | an OCI layout in a tar |
//! | `docker-archive:/FILE` | what `docker save` writes |
//!
//! The first two take `:TAG` and `@sha256:DIGEST` behind. Pure: nothing is looked up here.

use std::path::PathBuf;

use model::arn::Scope;
use model::id::{Digest, Region};

use crate::oci::name::{RepositoryName, Tag};
use crate::oci::parse_digest;
use crate::registry::address::{Address, host_scope};

/// Longest reference: AWS's limit has the same order, and no file system has longer paths.
const REFERENCE_LENGTH_MAX: usize = 4_096;

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} does not name an image: {reason}")]
pub struct ReferenceError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A parsed `ImageUri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where the image is.
    pub place: Place,
    /// Which one of those that are there.
    pub version: Version,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the built-in registry.
    Own {
        /// The account and region that the host names, if it names any.
        scope: Option<Scope>,
        /// The repository.
        repository: RepositoryName,
    },
    /// In another registry.
    Remote {
        /// Host and port, `docker.io` for Docker's own.
        host: String,
        /// The repository.
        repository: RepositoryName,
    },
    /// On this disk.
    Disk {
        /// What kind of file or folder.
        form: DiskForm,
        /// Where, absolute.
        path: PathBuf,
    },
}

/// Forms of images on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskForm {
    /// A folder with `index.json` and `blobs`.
    Layout,
    /// The same in a tar.
    LayoutArchive,
    /// `docker save`.
    DockerArchive,
}

/// Which image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one of this digest.
    Digest(Digest),
    /// The one that the tag stands for now.
    Tag(Tag),
    /// The only one there is; on disks alone.
    Only,
}

impl Reference {
    /// Reads a reference; `own` tells which hosts are this server.
    ///
    /// # Errors
    /// [`ReferenceError`] with what is wrong.
    pub fn parse(text: &str, own: &Address) -> Result<Self, ReferenceError> {
        let refused = |reason| ReferenceError { text: text.chars().take(200).collect(), reason };
        if text.is_empty() || text.len() > REFERENCE_LENGTH_MAX || text.contains('\0') {
            return Err(refused("it is empty or too long"));
        }
        for (prefix, form) in [
            ("oci:", DiskForm::Layout),
            ("oci-archive:", DiskForm::LayoutArchive),
            ("docker-archive:", DiskForm::DockerArchive),
        ] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return disk(rest, form).map_err(refused);
            }
        }
        let (name, version) = version(text).map_err(refused)?;
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let repository =
            RepositoryName::parse(&path).map_err(|_| refused("its repository name is malformed"))?;
        let place = if own.is_own(host) {
            Place::Own { scope: host_scope(host), repository }
        } else {
            Place::Remote { host: host.to_owned(), repository }
        };
        Ok(Self { place, version })
    }

    /// The reference of the same place with a digest in the place of the tag: `ResolvedImageUri`.
    #[must_use]
    pub fn pinned(text: &str, digest: Digest) -> String {
        let is_path =
            ["oci:", "oci-archive:", "docker-archive:"].iter().any(|prefix| text.starts_with(prefix));
        let name = match version(text) {
            Ok((name, _)) if !is_path => name,
            _ => text.split('@').next().unwrap_or(text),
        };
        format!("{name}@sha256:{digest}")
    }
}

/// Where an image of the built-in registry may be for a function of `scope`, in the order in which it is looked for. An
/// address without region means the function's own, then the default one, where tools push to that were logged in without
/// a region. Another account's images are none: they would need its consent.
pub(super) fn own_scopes(named: Option<&Scope>, scope: &Scope) -> Vec<Scope> {
    let fallback = Scope { account: scope.account, region: Region::default_region() };
    let mut scopes = named.map_or_else(|| vec![scope.clone(), fallback], |named| vec![named.clone()]);
    scopes.dedup();
    scopes.retain(|at| at.account == scope.account);
    scopes
}

/// Splits digest and tag from the end of a name.
fn version(text: &str) -> Result<(&str, Version), &'static str> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest).map_err(|_| "its digest is malformed")?)),
        None => (text, None),
    };
    // A colon before the last slash belongs to a port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => {
            (name, Some(Tag::parse(tag).map_err(|_| "its tag is malformed")?))
        }
        _ => (rest, None),
    };
    let latest = || Tag::parse("latest").map(Version::Tag).map_err(|_| "its tag is malformed");
    let version = match (digest, tag) {
        (Some(digest), _) => Version::Digest(digest),
        (None, Some(tag)) => Version::Tag(tag),
        (None, None) => latest()?,
    };
    Ok((name, version))
}

/// Docker's rule: the first component is a host if it could not be a user's name.
fn is_host(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
    let marked = text.contains(['.', ':']) || text == "localhost";
    starts && marked && text.bytes().all(legal)
}

fn disk(text: &str, form: DiskForm) -> Result<Reference, &'static str> {
    let (text, digest) = match text.split_once('@') {
        Some((path, digest)) => (path, Some(parse_digest(digest).map_err(|_| "its digest is malformed")?)),
        None => (text, None),
    };
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if form != DiskForm::DockerArchive && !tag.contains('/') => {
            (path, Some(Tag::parse(tag).map_err(|_| "its tag is malformed")?))
        }
        _ => (text, None),
    };
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err("its path is not absolute");
    }
    let version = match (digest, tag) {
        (Some(digest), _) => Version::Digest(digest),
        (None, Some(tag)) => Version::Tag(tag),
        (None, None) => Version::Only,
    };
    Ok(Reference { place: Place::Disk { form, path }, version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::address::Style;

    const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(text: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(text, &Address { authority: "localhost:4566".to_owned(), style: Style::Plain })
    }

    fn check(text: &str, expected: &str) {
        let text = text.replace("DIGITS", DIGITS);
        let seen = match parse(&text) {
            Err(error) => format!("error: {}", error.reason),
            Ok(Reference { place, version }) => {
                let place = match place {
                    Place::Own { scope, repository } => {
                        let scope = scope.map(|scope| format!("{}/{}", scope.account, scope.region));
                        format!("own {} {repository}", scope.as_deref().unwrap_or("-"))
                    }
                    Place::Remote { host, repository } => format!("{host} {repository}"),
                    Place::Disk { form, path } => format!("{form:?} {}", path.display()),
                };
                let version = match version {
                    Version::Digest(_) => "@".to_owned(),
                    Version::Tag(tag) => format!(":{tag}"),
                    Version::Only => String::new(),
                };
                format!("{place}{version}")
            }
        };
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn every_form() {
        check("debian", "docker.io library/debian:latest");
        check("user/app:1", "docker.io user/app:1");
        check("quay.io/a/b:1.2", "quay.io a/b:1.2");
        check("registry:5000/app", "registry:5000 app:latest");
        check("localhost:5000/app:x", "localhost:5000 app:x");
        check("localhost:4566/app:x", "own - app:x");
        check("127.0.0.1:4566/a/b@sha256:DIGITS", "own - a/b@");
        check("localhost:4566/app:x@sha256:DIGITS", "own - app@");
        let ecr = "123456789012.dkr.ecr.eu-west-1";
        check(&format!("{ecr}.amazonaws.com/app:v1"), "own 123456789012/eu-west-1 app:v1");
        check(&format!("{ecr}.localhost:4566/app"), "own 123456789012/eu-west-1 app:latest");
        check("oci:/srv/image:v1", "Layout /srv/image:v1");
        check("oci:/srv/image", "Layout /srv/image");
        check("oci-archive:/srv/a.tar@sha256:DIGITS", "LayoutArchive /srv/a.tar@");
        check("docker-archive:/srv/a:b.tar", "DockerArchive /srv/a:b.tar");
    }

    #[test]
    fn what_is_no_reference() {
        check("", "error: it is empty or too long");
        check("oci:image", "error: its path is not absolute");
        check("App", "error: its repository name is malformed");
        check("../etc:x", "error: its repository name is malformed");
        check("app@sha256:12", "error: its digest is malformed");
        check("app:-x", "error: its tag is malformed");
        check("http://quay.io/x", "error: its repository name is malformed");
    }

    #[test]
    fn a_reference_is_pinned_by_its_digest() {
        let digest = crate::oci::digest_of(b"");
        for (text, expected) in [
            ("localhost:4566/app:x", "localhost:4566/app@sha256:DIGITS"),
            ("localhost:4566/app", "localhost:4566/app@sha256:DIGITS"),
            ("app:1@sha256:DIGITS", "app@sha256:DIGITS"),
            ("oci:/srv/image:v1", "oci:/srv/image:v1@sha256:DIGITS"),
        ] {
            let (text, expected) = (text.replace("DIGITS", DIGITS), expected.replace("DIGITS", DIGITS));
            assert_eq!(Reference::pinned(&text, digest), expected);
            assert!(parse(&expected).is_ok(), "{expected}");
        }
    }
}
