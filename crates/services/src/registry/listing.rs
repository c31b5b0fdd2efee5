//! Lists: repositories, tags, and what refers to a manifest. Pages are bounded whether or not the client asks
//! for it; `Link` leads to the next one (OCI Distribution Specification 1.1, "Content discovery").

use http::request::Parts;
use http::{HeaderName, Response, StatusCode, header as h};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::body::Body;
use super::catalog::Repository;
use super::refusal::{Code, Refusal};
use super::route::parameter;
use super::{Registry, json as json_answer, set};
use crate::oci::manifest::{Descriptor, Manifest};
use crate::oci::{media_type, parse_digest};

/// Entries on a page.
const PAGE_MAX: usize = 1_000;
/// Referrers that are told of. Each costs reading a manifest, for its annotations.
const REFERRERS_MAX: usize = 1_000;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Registry {
    pub(super) fn list_repositories(&self, scope: &model::arn::Scope, parts: &Parts) -> Response<Body> {
        let page = Page::of(parts);
        let found = self.catalog.page(scope, page.last.as_deref(), page.limit + 1);
        let names = found.iter().map(|repository| repository.name.to_string()).collect();
        let (names, next) = page.cut(names, "/v2/_catalog");
        answer(&json!({ "repositories": names }), next)
    }

    pub(super) fn list_tags(
        &self,
        repository: &Repository,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        if parameter(parts.uri.query(), "n").is_some_and(|n| n.parse::<u64>().is_err()) {
            return Err(Refusal::new(Code::Unsupported, "n is not a number").status(StatusCode::BAD_REQUEST));
        }
        let page = Page::of(parts);
        let found = repository.tags(page.last.as_deref(), page.limit + 1);
        let tags = found.into_iter().map(|(tag, _)| tag.to_string()).collect();
        let (tags, next) = page.cut(tags, &format!("/v2/{}/tags/list", repository.name));
        Ok(answer(&json!({ "name": repository.name.as_str(), "tags": tags }), next))
    }

    pub(super) async fn list_referrers(
        &self,
        repository: &Repository,
        digest: &str,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        let digest = parse_digest(digest)?;
        let filter = parameter(parts.uri.query(), "artifactType");
        let mut manifests = Vec::new();
        for image in repository.referrers(digest).into_iter().take(REFERRERS_MAX) {
            if filter.is_some() && image.artifact_type != filter {
                continue;
            }
            let bytes = self.manifest_bytes(image.digest).await?;
            let annotations =
                Manifest::parse(&bytes, Some(&image.media_type)).map(|manifest| manifest.annotations);
            let mut descriptor = Descriptor::new(&image.media_type, image.digest, image.manifest_bytes);
            descriptor.artifact_type = image.artifact_type;
            descriptor.annotations = annotations.unwrap_or_default();
            manifests.push(descriptor);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests });
        let mut response = json_answer(StatusCode::OK, &index);
        set(&mut response, h::CONTENT_TYPE, media_type::OCI_INDEX);
        if filter.is_some() {
            set(&mut response, FILTERS_APPLIED, "artifactType");
        }
        Ok(response)
    }
}

/// Which page is asked for.
struct Page {
    last: Option<String>,
    limit: usize,
}

impl Page {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query();
        let limit = parameter(query, "n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(PAGE_MAX);
        Self { last: parameter(query, "last"), limit: limit.min(PAGE_MAX) }
    }

    /// Cuts what is beyond the page, and says where it goes on.
    fn cut(&self, mut names: Vec<String>, path: &str) -> (Vec<String>, Option<String>) {
        if names.len() <= self.limit {
            return (names, None);
        }
        names.truncate(self.limit);
        let next = names.last().map(|last| {
            let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
            format!("<{path}?n={}&last={last}>; rel=\"next\"", self.limit)
        });
        (names, next)
    }
}

fn answer(value: &serde_json::Value, next: Option<String>) -> Response<Body> {
    let mut response = json_answer(StatusCode::OK, value);
    if let Some(next) = next {
        set(&mut response, h::LINK, &next);
    }
    response
}
