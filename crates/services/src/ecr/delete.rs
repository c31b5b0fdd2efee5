//! Deleting images: by digest with all tags, or by tag, whose last one takes the image with it (Amazon ECR API
//! Reference, BatchDeleteImage).

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use model::id::Digest;
use wire::ecr as api;

use super::Ecr;
use super::error::{of_catalog, of_layout};
use super::image::{NotFound, find, identifier};
use crate::oci::digest_text;
use crate::oci::name::Tag;
use crate::registry::catalog::Repository;

impl Ecr {
    pub(super) async fn delete_images(
        &self,
        scope: &Scope,
        input: &api::BatchDeleteImageRequest,
    ) -> Result<api::BatchDeleteImageResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for id in input.image_ids.as_deref().unwrap_or_default() {
            match find(&repository, id) {
                Ok(image) => match id.image_tag.as_deref().and_then(|tag| Tag::parse(tag).ok()) {
                    Some(tag) if repository.tags_of(image.digest).len() > 1 => {
                        self.remove_tag(&repository, tag.clone()).await?;
                        deleted.push(identifier(image.digest, Some(&tag)));
                    }
                    _ => match self.delete_image(&repository, image.digest).await? {
                        Ok(ids) => deleted.extend(ids),
                        Err(failure) => {
                            failures.push(api::ImageFailure { image_id: Some(id.clone()), ..failure })
                        }
                    },
                },
                Err(not_found) => failures.push(not_found.failure(id)),
            }
        }
        Ok(api::BatchDeleteImageResponse { image_ids: Some(deleted), failures: Some(failures) })
    }

    /// Deletes an image with its tags, unless an index needs it.
    async fn delete_image(
        &self,
        repository: &Arc<Repository>,
        digest: Digest,
    ) -> Result<Result<Vec<api::ImageIdentifier>, api::ImageFailure>, ServiceError> {
        let indexes = self.registry.indexes_with(repository, digest).await.map_err(of_layout)?;
        if !indexes.is_empty() {
            let indexes: Vec<_> = indexes.into_iter().map(digest_text).collect();
            let reason = format!("Requested image referenced by manifest list: [{}]", indexes.join(", "));
            return Ok(Err(api::ImageFailure {
                failure_code: Some(api::ImageFailureCode::ImageReferencedByManifestList),
                failure_reason: Some(reason),
                ..api::ImageFailure::default()
            }));
        }
        let removed = repository.remove_image(digest).await;
        let removed = removed.map_err(|error| {
            of_catalog(error, repository.name.as_str(), repository.scope.account.as_str())
        })?;
        Ok(match removed {
            Some(tags) if tags.is_empty() => Ok(vec![identifier(digest, None)]),
            Some(tags) => Ok(tags.iter().map(|tag| identifier(digest, Some(tag))).collect()),
            // Somebody else was quicker.
            None => {
                let code = api::ImageFailureCode::ImageNotFound;
                Err(NotFound { code, reason: "Requested image not found" }.failure(&identifier(digest, None)))
            }
        })
    }

    async fn remove_tag(&self, repository: &Arc<Repository>, tag: Tag) -> Result<(), ServiceError> {
        let removed = repository.remove_tag(tag).await;
        let account = repository.scope.account;
        removed.map(drop).map_err(|error| of_catalog(error, repository.name.as_str(), account.as_str()))
    }
}
