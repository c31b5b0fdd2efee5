//! Layers: whether they are there, uploading them in parts, and where to download one.
//!
//! An upload is the same thing as under `/v2/`, so one begun here can be finished there. Parts must follow each
//! other without gap.

use std::time::Duration;

use bytes::Bytes;
use model::arn::Scope;
use model::error::ServiceError;
use wire::ecr::{self as api, errors};

use super::error::{invalid, of_catalog, of_layout};
use super::{Ecr, EcrCaller};
use crate::layout::{LayoutError, Upload};
use crate::oci::{digest_text, parse_digest};
use crate::registry::catalog::Repository;
use crate::registry::owner;
use crate::registry::token::{Claims, QUERY};
use std::sync::Arc;

/// Bytes of a part that clients are asked to send: ECR's 20 MiB.
const PART_BYTES: u64 = 20 * 1024 * 1024;
/// How long the address of a layer works: ECR's one hour.
const DOWNLOAD_VALID: Duration = Duration::from_secs(3600);

impl Ecr {
    pub(super) fn check_layers(
        &self,
        scope: &Scope,
        input: &api::BatchCheckLayerAvailabilityRequest,
    ) -> Result<api::BatchCheckLayerAvailabilityResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let now = self.registry.catalog().now();
        let (mut layers, mut failures) = (Vec::new(), Vec::new());
        for text in input.layer_digests.as_deref().unwrap_or_default() {
            let Ok(digest) = parse_digest(text) else {
                failures.push(api::LayerFailure {
                    layer_digest: Some(text.clone()),
                    failure_code: Some(api::LayerFailureCode::InvalidLayerDigest),
                    failure_reason: Some("Invalid layer digest".to_owned()),
                });
                continue;
            };
            let size = repository.blob(digest, now);
            let availability = if size.is_some() {
                api::LayerAvailability::Available
            } else {
                api::LayerAvailability::Unavailable
            };
            layers.push(api::Layer {
                layer_digest: Some(text.clone()),
                layer_availability: Some(availability),
                layer_size: size.and_then(|size| i64::try_from(size).ok()),
                media_type: None,
            });
        }
        Ok(api::BatchCheckLayerAvailabilityResponse { layers: Some(layers), failures: Some(failures) })
    }

    pub(super) async fn begin_upload(
        &self,
        scope: &Scope,
        input: &api::InitiateLayerUploadRequest,
    ) -> Result<api::InitiateLayerUploadResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let upload = self.registry.layout().begin(owner(&repository)).await.map_err(of_layout)?;
        Ok(api::InitiateLayerUploadResponse {
            upload_id: Some(upload.id.to_string()),
            part_size: i64::try_from(PART_BYTES).ok(),
        })
    }

    pub(super) async fn upload_part(
        &self,
        scope: &Scope,
        input: &api::UploadLayerPartRequest,
    ) -> Result<api::UploadLayerPartResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let upload = self.upload(&repository, input.upload_id.as_deref())?;
        let blob: Bytes = input.layer_part_blob.clone().unwrap_or_default();
        let mut writer = self.registry.layout().write_to(&upload).await.map_err(of_layout)?;
        let first = input.part_first_byte.and_then(|first| u64::try_from(first).ok());
        let last = input.part_last_byte.and_then(|last| u64::try_from(last).ok());
        let expected = writer.offset().checked_add(blob.len() as u64).and_then(|end| end.checked_sub(1));
        if first != Some(writer.offset()) || last != expected || blob.is_empty() {
            return Err(errors::INVALID_LAYER_PART_EXCEPTION.error(format!(
                "The layer part size is not valid, or the first byte specified is not consecutive to the last byte \
                 of a previous layer part upload. The upload '{}' goes on at byte {}.",
                upload.id,
                writer.offset()
            )));
        }
        writer.append(vec![blob]).await.map_err(of_layout)?;
        Ok(api::UploadLayerPartResponse {
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(repository.name.to_string()),
            upload_id: Some(upload.id.to_string()),
            last_byte_received: i64::try_from(writer.offset() - 1).ok(),
        })
    }

    pub(super) async fn complete_upload(
        &self,
        scope: &Scope,
        input: &api::CompleteLayerUploadRequest,
    ) -> Result<api::CompleteLayerUploadResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let (name, account) = (repository.name.as_str(), scope.account.as_str());
        let upload = self.upload(&repository, input.upload_id.as_deref())?;
        let [text] = input.layer_digests.as_deref().unwrap_or_default() else {
            return Err(invalid("layerDigests", "Exactly one digest is supported"));
        };
        let digest = parse_digest(text).map_err(|error| invalid("layerDigests", &error.to_string()))?;
        let catalog = self.registry.catalog();
        if repository.blob(digest, catalog.now()).is_some() {
            self.registry.layout().cancel(&upload).await.map_err(of_layout)?;
            return Err(errors::LAYER_ALREADY_EXISTS_EXCEPTION.error(format!(
                "The image layer '{text}' already exists in the repository with name '{name}' in registry with id \
                 '{account}'"
            )));
        }
        if upload.offset() == 0 {
            let message = "The specified layer upload does not contain any layer parts.";
            return Err(errors::EMPTY_UPLOAD_EXCEPTION.error(message));
        }
        let writer = self.registry.layout().write_to(&upload).await.map_err(of_layout)?;
        let size = writer.finish(digest).await.map_err(of_layout)?;
        let linked = repository.link(digest, size, catalog.now()).await;
        linked.map_err(|error| of_catalog(error, name, account))?;
        Ok(api::CompleteLayerUploadResponse {
            registry_id: Some(account.to_owned()),
            repository_name: Some(name.to_owned()),
            upload_id: Some(upload.id.to_string()),
            layer_digest: Some(digest_text(digest)),
        })
    }

    /// An address that works without further credentials, for an hour and for this layer alone.
    pub(super) fn download_url(
        &self,
        caller: &EcrCaller,
        input: &api::GetDownloadUrlForLayerRequest,
    ) -> Result<api::GetDownloadUrlForLayerResponse, ServiceError> {
        let scope = &caller.scope;
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let text = input.layer_digest.as_deref().unwrap_or_default();
        let digest = parse_digest(text).map_err(|error| invalid("layerDigest", &error.to_string()))?;
        let now = self.registry.catalog().now();
        let missing = || {
            errors::LAYERS_NOT_FOUND_EXCEPTION.error(format!(
                "The layer with digest '{text}' does not exist in the repository with name '{}' in the registry \
                 with id '{}'",
                repository.name, scope.account
            ))
        };
        repository.blob(digest, now).ok_or_else(missing)?;
        let path = format!("/v2/{}/blobs/{text}", repository.name);
        let (expires, bearer) = (now.after(DOWNLOAD_VALID), caller.bearer.clone());
        let token = self.key.mint(&Claims { scope: scope.clone(), bearer, path: path.clone(), expires });
        Ok(api::GetDownloadUrlForLayerResponse {
            download_url: Some(format!("{}{path}?{QUERY}={token}", self.registry.address().endpoint(scope))),
            layer_digest: Some(text.to_owned()),
        })
    }

    fn upload(&self, repository: &Repository, id: Option<&str>) -> Result<Arc<Upload>, ServiceError> {
        let id = id.unwrap_or_default();
        self.registry.layout().upload(id, &owner(repository)).map_err(|error| match error {
            LayoutError::NoUpload { .. } => errors::UPLOAD_NOT_FOUND_EXCEPTION.error(format!(
                "The upload with id '{id}' does not exist in the repository with name '{}' in registry with id '{}'",
                repository.name, repository.scope.account
            )),
            error => of_layout(error),
        })
    }
}
