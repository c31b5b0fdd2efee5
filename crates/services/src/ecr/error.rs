//! ECR's errors, in ECR's words: what the catalog, the files and the manifests refuse, turned into the errors
//! of ECR's API model. Knows no operation.
//!
//! Failures on our own side are logged where they become a `Refusal`; callers are told no paths.

use model::error::ServiceError;
use wire::ecr::errors;

use crate::layout::LayoutError;
use crate::oci::digest_text;
use crate::registry::catalog::{CatalogError, Repository};
use crate::registry::{PushError, Refusal};

pub(super) fn no_repository(name: &str, registry_id: &str) -> ServiceError {
    errors::REPOSITORY_NOT_FOUND_EXCEPTION.error(format!(
        "The repository with name '{name}' does not exist in the registry with id '{registry_id}'"
    ))
}

/// `constraint` as ECR puts it behind the member's name.
pub(super) fn invalid(member: &str, constraint: &str) -> ServiceError {
    errors::INVALID_PARAMETER_EXCEPTION
        .error(format!("Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'"))
}

/// What the catalog refused about the repository of this name.
pub(super) fn of_catalog(error: CatalogError, name: &str, registry_id: &str) -> ServiceError {
    match error {
        CatalogError::NoRepository(_) => no_repository(name, registry_id),
        CatalogError::RepositoryExists(_) => errors::REPOSITORY_ALREADY_EXISTS_EXCEPTION.error(format!(
            "The repository with name '{name}' already exists in the registry with id '{registry_id}'"
        )),
        CatalogError::NotEmpty(_) => errors::REPOSITORY_NOT_EMPTY_EXCEPTION.error(format!(
            "The repository with name '{name}' in registry with id '{registry_id}' cannot be deleted because it \
             still contains images"
        )),
        CatalogError::TooManyRepositories => errors::LIMIT_EXCEEDED_EXCEPTION.error(error.to_string()),
        CatalogError::TagImmutable { tag, repository } => {
            errors::IMAGE_TAG_ALREADY_EXISTS_EXCEPTION.error(format!(
                "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten \
                 because the repository is immutable."
            ))
        }
        // Logged where it is turned into an answer.
        error => of_refusal(&Refusal::from(error)),
    }
}

pub(super) fn of_push(error: PushError, repository: &Repository, image: &str) -> ServiceError {
    let registry_id = repository.scope.account.as_str();
    let name = repository.name.as_str();
    match error {
        PushError::Manifest(error) => invalid("ImageManifest", &error.to_string()),
        PushError::Digest(error) => invalid("ImageManifest", &error.to_string()),
        PushError::WrongDigest { expected, .. } => {
            errors::IMAGE_DIGEST_DOES_NOT_MATCH_EXCEPTION.error(format!(
                "Image digest '{}' does not match the digest of the image manifest provided",
                digest_text(expected)
            ))
        }
        PushError::BlobsMissing(_) => errors::LAYERS_NOT_FOUND_EXCEPTION.error(error.to_string()),
        PushError::ManifestsMissing(_) => {
            errors::REFERENCED_IMAGES_NOT_FOUND_EXCEPTION.error(error.to_string())
        }
        PushError::Catalog(CatalogError::ImageExists) => {
            errors::IMAGE_ALREADY_EXISTS_EXCEPTION.error(format!(
                "Image with {image} already exists in the repository with name '{name}' in registry with id \
             '{registry_id}'"
            ))
        }
        PushError::Catalog(error) => of_catalog(error, name, registry_id),
        PushError::Layout(error) => of_layout(error),
    }
}

pub(super) fn of_layout(error: LayoutError) -> ServiceError {
    match error {
        LayoutError::WrongDigest { .. } => errors::INVALID_LAYER_EXCEPTION.error(
            "The layer digest calculation performed by Amazon ECR upon receipt of the image layer does not match \
             the digest specified.",
        ),
        LayoutError::TooLarge { .. } | LayoutError::TooManyUploads { .. } => {
            errors::LIMIT_EXCEEDED_EXCEPTION.error(error.to_string())
        }
        LayoutError::Busy { .. } => errors::INVALID_LAYER_PART_EXCEPTION.error(error.to_string()),
        error => of_refusal(&Refusal::from(error)),
    }
}

/// What is left are failures on our side, which [`Refusal`] has logged.
fn of_refusal(refusal: &Refusal) -> ServiceError {
    if refusal.status == http::StatusCode::SERVICE_UNAVAILABLE {
        return ServiceError::Unavailable(refusal.message.clone());
    }
    ServiceError::Internal(refusal.message.clone())
}
