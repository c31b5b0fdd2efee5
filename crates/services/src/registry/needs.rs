//! What a request needs the caller's leave for: the actions of ECR's API that do the same.
//!
//! Says it, and decides nothing. Source: Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon Elastic Container Registry"; ECR User Guide, "IAM permissions for pushing an image", "Blob mounting".

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use model::arn::Scope;
use policy::{Document, Kind, Need};

use super::Registry;
use super::catalog::Repository;
use super::route::{Place, parameter};
use crate::oci::name::RepositoryName;

/// All repositories, where one is named in an ARN.
pub(crate) const EVERY: &str = "*";

impl Registry {
    /// The rights that a request below `/v2/` needs. What is nowhere needs no more than to be let in.
    #[must_use]
    pub fn needs(&self, scope: &Scope, head: &Parts) -> Vec<Need> {
        let place = Place::parse(head.uri.path()).unwrap_or(Place::Base);
        let (name, actions) = match &place {
            Place::Base => return vec![Need::of("ecr:GetAuthorizationToken", "*")],
            Place::Catalog => return vec![self.need(scope, "ecr:DescribeRepositories", EVERY)],
            Place::Tags(name)
            | Place::Referrers(name, _)
            | Place::Manifest(name, _)
            | Place::Blob(name, _)
            | Place::Uploads(name)
            | Place::Upload(name, _) => (name, actions(&place, head)),
        };
        let makes = matches!(actions[0], "ecr:InitiateLayerUpload" | "ecr:PutImage")
            && self.options.create_on_push
            && self.catalog.find(scope, name).is_none();
        let make = makes.then_some("ecr:CreateRepository");
        make.iter().chain(actions).map(|action| self.need(scope, action, name.as_str())).collect()
    }

    /// The right that taking a layer over from another repository needs.
    #[must_use]
    pub fn need_to_mount(&self, from: &Repository) -> Need {
        self.need(&from.scope, "ecr:GetDownloadUrlForLayer", from.name.as_str())
    }

    /// The rights that pulling an image needs, with the policy of the repository, by which it lets services in.
    #[must_use]
    pub fn needs_to_pull(&self, scope: &Scope, name: &str) -> [Need; 2] {
        let found = RepositoryName::parse(name).ok().and_then(|name| self.catalog.find(scope, &name));
        let text = found.and_then(|repository| repository.settings().policy);
        // What is no policy lets nobody in.
        let document = text.and_then(|text| Document::parse(&text, Kind::Repository).ok()).map(Arc::new);
        ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
            .map(|action| Need { policy: document.clone(), ..self.need(scope, action, name) })
    }

    /// A right that is needed of a repository, or of every one (`*`).
    #[must_use]
    pub fn need(&self, scope: &Scope, action: &str, name: &str) -> Need {
        let Scope { account, region } = scope;
        let mut need = Need::of(action, format!("arn:aws:ecr:{region}:{account}:repository/{name}"));
        let found = RepositoryName::parse(name).ok().and_then(|name| self.catalog.find(scope, &name));
        let tags = found.map(|repository| repository.settings().tags).unwrap_or_default();
        need.facts.set_resource_tags(&tags);
        need.facts.add_tags("ecr:ResourceTag", &tags);
        need
    }
}

/// The actions of a request to a repository; there is always one.
fn actions(place: &Place, head: &Parts) -> &'static [&'static str] {
    match (place, &head.method) {
        (Place::Tags(_), _) => &["ecr:ListImages"],
        (Place::Manifest(..), &Method::PUT) => &["ecr:PutImage"],
        (Place::Manifest(..) | Place::Blob(..), &Method::DELETE) => &["ecr:BatchDeleteImage"],
        (Place::Blob(..), &Method::HEAD) => &["ecr:BatchCheckLayerAvailability"],
        (Place::Blob(..), _) => &["ecr:GetDownloadUrlForLayer"],
        // The whole blob at once.
        (Place::Uploads(_), _) if parameter(head.uri.query(), "digest").is_some() => {
            &["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]
        }
        (Place::Uploads(_), _) => &["ecr:InitiateLayerUpload"],
        // The last bytes may come with the end.
        (Place::Upload(..), &Method::PUT) => &["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
        // To ask about an upload or to cancel it is a part of pushing.
        (Place::Upload(..), _) => &["ecr:UploadLayerPart"],
        (Place::Manifest(..) | Place::Referrers(..) | Place::Base | Place::Catalog, _) => {
            &["ecr:BatchGetImage"]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, target: &str, expected: &[&str]) {
        let request = http::Request::builder().method(method).uri(target).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let place = Place::parse(head.uri.path()).unwrap();
        assert_eq!(actions(&place, &head), expected, "{} {target}", head.method);
    }

    #[test]
    fn requests_need_what_the_api_needs() {
        check(Method::GET, "/v2/a/tags/list", &["ecr:ListImages"]);
        check(Method::GET, "/v2/a/referrers/sha256:ab", &["ecr:BatchGetImage"]);
        check(Method::HEAD, "/v2/a/manifests/x", &["ecr:BatchGetImage"]);
        check(Method::PUT, "/v2/a/manifests/x", &["ecr:PutImage"]);
        check(Method::DELETE, "/v2/a/manifests/x", &["ecr:BatchDeleteImage"]);
        check(Method::GET, "/v2/a/blobs/sha256:ab", &["ecr:GetDownloadUrlForLayer"]);
        check(Method::HEAD, "/v2/a/blobs/sha256:ab", &["ecr:BatchCheckLayerAvailability"]);
        check(Method::DELETE, "/v2/a/blobs/sha256:ab", &["ecr:BatchDeleteImage"]);
        check(Method::POST, "/v2/a/blobs/uploads/", &["ecr:InitiateLayerUpload"]);
        let whole = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"];
        check(Method::POST, "/v2/a/blobs/uploads/?digest=sha256:ab", &whole);
        check(Method::PATCH, "/v2/a/blobs/uploads/x", &["ecr:UploadLayerPart"]);
        check(Method::PUT, "/v2/a/blobs/uploads/x", &["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"]);
        check(Method::DELETE, "/v2/a/blobs/uploads/x", &["ecr:UploadLayerPart"]);
    }
}
