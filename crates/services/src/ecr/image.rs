//! Images: put, get, list and describe, and how an identifier (digest, tag, or both) finds its image.
//!
//! Changes nothing but by `Registry::push_manifest`, which also serves `/v2/`: both ways in have the same rules.

use std::sync::Arc;

use bytes::Bytes;
use model::arn::Scope;
use model::error::ServiceError;
use model::id::Digest;
use wire::ecr::{self as api, errors};

use super::error::{invalid, of_layout, of_push};
use super::{Ecr, page, text};
use crate::oci::name::Tag;
use crate::oci::{digest_text, parse_digest};
use crate::registry::Push;
use crate::registry::catalog::{Image, Repository};

/// Why an image that was named is not to be had.
pub(super) struct NotFound {
    pub(super) code: api::ImageFailureCode,
    pub(super) reason: &'static str,
}

impl NotFound {
    pub(super) fn failure(self, id: &api::ImageIdentifier) -> api::ImageFailure {
        api::ImageFailure {
            image_id: Some(id.clone()),
            failure_code: Some(self.code),
            failure_reason: Some(self.reason.to_owned()),
        }
    }
}

/// The image that an identifier names.
pub(super) fn find(repository: &Repository, id: &api::ImageIdentifier) -> Result<Image, NotFound> {
    use api::ImageFailureCode as Code;
    let not_found = || NotFound { code: Code::ImageNotFound, reason: "Requested image not found" };
    let digest = id.image_digest.as_deref().map(parse_digest).transpose().map_err(|_| NotFound {
        code: Code::InvalidImageDigest,
        reason: "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    })?;
    let tag = id.image_tag.as_deref().map(Tag::parse).transpose().map_err(|_| NotFound {
        code: Code::InvalidImageTag,
        reason: "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_.-]{1,128}'",
    })?;
    match (digest, tag) {
        (None, None) => Err(NotFound {
            code: Code::MissingDigestAndTag,
            reason: "Invalid request parameters: both tag and digest cannot be null",
        }),
        (Some(digest), None) => repository.image(digest).ok_or_else(not_found),
        (None, Some(tag)) => repository.tagged(&tag).ok_or_else(not_found),
        (Some(digest), Some(tag)) => match repository.tagged(&tag) {
            Some(image) if image.digest == digest => Ok(image),
            Some(_) => Err(NotFound {
                code: Code::ImageTagDoesNotMatchDigest,
                reason: "The tag does not refer to the digest specified",
            }),
            None => Err(not_found()),
        },
    }
}

pub(super) fn identifier(digest: Digest, tag: Option<&Tag>) -> api::ImageIdentifier {
    api::ImageIdentifier { image_digest: Some(digest_text(digest)), image_tag: tag.map(ToString::to_string) }
}

impl Ecr {
    pub(super) async fn put_image(
        &self,
        scope: &Scope,
        input: &api::PutImageRequest,
    ) -> Result<api::PutImageResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let manifest = input.image_manifest.clone().unwrap_or_default();
        let digest = input.image_digest.as_deref().map(parse_digest).transpose();
        let digest = digest.map_err(|error| invalid("imageDigest", &error.to_string()))?;
        let tag = input.image_tag.as_deref().map(Tag::parse).transpose();
        let tag = tag.map_err(|error| invalid("imageTag", &error.to_string()))?;
        let content_type = input.image_manifest_media_type.clone();
        let push = Push { content_type, digest, tag: tag.clone(), refuse_same: true };
        let bytes = Bytes::from(manifest.clone());
        let named = format!(
            "digest '{}' and tag '{}'",
            digest_text(crate::oci::digest_of(&bytes)),
            tag.as_ref().map_or("null", |tag| tag.as_str())
        );
        let pushed = self.registry.push_manifest(&repository, bytes, push).await;
        let pushed = pushed.map_err(|error| of_push(error, &repository, &named))?;
        Ok(api::PutImageResponse {
            image: Some(api::Image {
                registry_id: Some(scope.account.to_string()),
                repository_name: Some(repository.name.to_string()),
                image_id: Some(identifier(pushed.digest, tag.as_ref())),
                image_manifest: Some(manifest),
                image_manifest_media_type: Some(pushed.media_type),
            }),
        })
    }

    pub(super) async fn get_images(
        &self,
        scope: &Scope,
        input: &api::BatchGetImageRequest,
    ) -> Result<api::BatchGetImageResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in input.image_ids.as_deref().unwrap_or_default() {
            match find(&repository, id) {
                Ok(image) => {
                    let bytes = self.registry.manifest_bytes(image.digest).await.map_err(of_layout)?;
                    let image_id =
                        api::ImageIdentifier { image_digest: Some(digest_text(image.digest)), ..id.clone() };
                    images.push(api::Image {
                        registry_id: Some(scope.account.to_string()),
                        repository_name: Some(repository.name.to_string()),
                        image_id: Some(image_id),
                        image_manifest: Some(text(&bytes)),
                        image_manifest_media_type: Some(image.media_type),
                    });
                }
                Err(not_found) => failures.push(not_found.failure(id)),
            }
        }
        Ok(api::BatchGetImageResponse { images: Some(images), failures: Some(failures) })
    }

    /// One entry for each tag, and one for each image without.
    pub(super) fn list_images(
        &self,
        scope: &Scope,
        input: &api::ListImagesRequest,
    ) -> Result<api::ListImagesResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let wanted = Wanted::of(input.filter.as_ref().and_then(|filter| filter.tag_status.as_ref()));
        let mut found = Vec::new();
        for image in repository.images() {
            let tags = repository.tags_of(image.digest);
            if wanted.includes(&tags) {
                found.extend(tags.iter().map(|tag| identifier(image.digest, Some(tag))));
                found.extend(tags.is_empty().then(|| identifier(image.digest, None)));
            }
        }
        let key = |id: &api::ImageIdentifier| {
            format!(
                "{} {}",
                id.image_digest.as_deref().unwrap_or_default(),
                id.image_tag.as_deref().unwrap_or_default()
            )
        };
        let (ids, next_token) = page::cut(found, key, input.next_token.as_deref(), input.max_results)?;
        Ok(api::ListImagesResponse { image_ids: Some(ids), next_token })
    }

    pub(super) fn describe_images(
        &self,
        scope: &Scope,
        input: &api::DescribeImagesRequest,
    ) -> Result<api::DescribeImagesResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let ids = input.image_ids.as_deref().unwrap_or_default();
        if !ids.is_empty() {
            let found = ids.iter().map(|id| described_by(&repository, id)).collect::<Result<Vec<_>, _>>()?;
            let image_details = found.iter().map(|image| detail(&repository, image)).collect();
            return Ok(api::DescribeImagesResponse { image_details: Some(image_details), next_token: None });
        }
        let wanted = Wanted::of(input.filter.as_ref().and_then(|filter| filter.tag_status.as_ref()));
        let mut found = repository.images();
        found.retain(|image| wanted.includes(&repository.tags_of(image.digest)));
        let key = |image: &Image| digest_text(image.digest);
        let (found, next_token) = page::cut(found, key, input.next_token.as_deref(), input.max_results)?;
        let image_details = found.iter().map(|image| detail(&repository, image)).collect();
        Ok(api::DescribeImagesResponse { image_details: Some(image_details), next_token })
    }
}

/// Which images a list is of.
#[derive(Clone, Copy)]
enum Wanted {
    Tagged,
    Untagged,
    Any,
}

impl Wanted {
    fn of(status: Option<&api::TagStatus>) -> Self {
        match status {
            Some(api::TagStatus::Tagged) => Self::Tagged,
            Some(api::TagStatus::Untagged) => Self::Untagged,
            _ => Self::Any,
        }
    }

    fn includes(self, tags: &[Tag]) -> bool {
        match self {
            Self::Tagged => !tags.is_empty(),
            Self::Untagged => tags.is_empty(),
            Self::Any => true,
        }
    }
}

fn described_by(repository: &Arc<Repository>, id: &api::ImageIdentifier) -> Result<Image, ServiceError> {
    find(repository, id).map_err(|not_found| match not_found.code {
        api::ImageFailureCode::ImageNotFound => errors::IMAGE_NOT_FOUND_EXCEPTION.error(format!(
            "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with \
             name '{}' in the registry with id '{}'",
            id.image_digest.as_deref().unwrap_or("null"),
            id.image_tag.as_deref().unwrap_or("null"),
            repository.name,
            repository.scope.account
        )),
        _ => errors::INVALID_PARAMETER_EXCEPTION.error(not_found.reason),
    })
}

fn detail(repository: &Repository, image: &Image) -> api::ImageDetail {
    let tags: Vec<String> = repository.tags_of(image.digest).iter().map(ToString::to_string).collect();
    api::ImageDetail {
        registry_id: Some(repository.scope.account.to_string()),
        repository_name: Some(repository.name.to_string()),
        image_digest: Some(digest_text(image.digest)),
        image_tags: (!tags.is_empty()).then_some(tags),
        image_size_in_bytes: i64::try_from(image.size_bytes).ok(),
        image_pushed_at: Some(image.pushed),
        image_manifest_media_type: Some(image.media_type.clone()),
        artifact_media_type: image.artifact_type.clone(),
        subject_manifest_digest: image.subject.map(digest_text),
        image_status: Some(api::ImageStatus::Active),
        ..api::ImageDetail::default()
    }
}
