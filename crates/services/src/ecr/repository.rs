//! Repositories: create, delete, describe, and whether their tags can be moved.
//!
//! Names and numbers were checked against the API model before; what only ECR's service knows (pairs of settings
//! that belong together) is checked here.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use wire::ecr as api;

use super::error::{invalid, of_catalog};
use super::{Ecr, label, page};
use crate::oci::name::RepositoryName;
use crate::registry::catalog::{Repository, Settings, TagMutability};

/// Exclusion filters of one repository (ECR API Reference, `ImageTagMutabilityExclusionFilter`).
const EXCLUSIONS_MAX: usize = 5;
/// Names in one request (ECR API Reference, DescribeRepositories).
const ALL_MAX: usize = 10_000;

impl Ecr {
    pub(super) async fn create_repository(
        &self,
        scope: &Scope,
        input: &api::CreateRepositoryRequest,
    ) -> Result<api::CreateRepositoryResponse, ServiceError> {
        let name = input.repository_name.as_deref().unwrap_or_default();
        let parsed =
            RepositoryName::parse(name).map_err(|error| invalid("repositoryName", &error.to_string()))?;
        let exclusions = input.image_tag_mutability_exclusion_filters.as_deref();
        let encryption = input.encryption_configuration.as_ref().map(|given| {
            let kind = given.encryption_type.as_ref().map_or("AES256", AsRef::as_ref);
            (kind.to_owned(), given.kms_key.clone())
        });
        let settings = Settings {
            mutability: mutability(input.image_tag_mutability.as_ref(), exclusions)?,
            scan_on_push: input.image_scanning_configuration.as_ref().and_then(|scan| scan.scan_on_push)
                == Some(true),
            encryption,
            tags: label::merged(Default::default(), input.tags.as_deref().unwrap_or_default())?,
            policy: None,
        };
        let made = self.registry.catalog().create(scope, &parsed, settings).await;
        let made = made.map_err(|error| of_catalog(error, name, scope.account.as_str()))?;
        Ok(api::CreateRepositoryResponse { repository: Some(self.shown(&made)) })
    }

    pub(super) async fn delete_repository(
        &self,
        scope: &Scope,
        input: &api::DeleteRepositoryRequest,
    ) -> Result<api::DeleteRepositoryResponse, ServiceError> {
        let name = input.repository_name.as_deref();
        let found = self.repository(scope, input.registry_id.as_deref(), name)?;
        let force = input.force.unwrap_or(false);
        let deleted = self.registry.delete_repository(scope, &found.name, force).await;
        let deleted =
            deleted.map_err(|error| of_catalog(error, found.name.as_str(), scope.account.as_str()))?;
        Ok(api::DeleteRepositoryResponse { repository: Some(self.shown(&deleted)) })
    }

    pub(super) fn describe_repositories(
        &self,
        scope: &Scope,
        input: &api::DescribeRepositoriesRequest,
    ) -> Result<api::DescribeRepositoriesResponse, ServiceError> {
        let found = match input.repository_names.as_deref().unwrap_or_default() {
            [] => self.registry.catalog().page(scope, None, ALL_MAX),
            names => {
                let find = |name: &String| self.repository(scope, input.registry_id.as_deref(), Some(name));
                let found = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
                let shown = found.iter().map(|repository| self.shown(repository)).collect();
                return Ok(api::DescribeRepositoriesResponse { repositories: Some(shown), next_token: None });
            }
        };
        let key = |repository: &Arc<Repository>| repository.name.to_string();
        let (found, next_token) = page::cut(found, key, input.next_token.as_deref(), input.max_results)?;
        let repositories = found.iter().map(|repository| self.shown(repository)).collect();
        Ok(api::DescribeRepositoriesResponse { repositories: Some(repositories), next_token })
    }

    pub(super) async fn put_mutability(
        &self,
        scope: &Scope,
        input: &api::PutImageTagMutabilityRequest,
    ) -> Result<api::PutImageTagMutabilityResponse, ServiceError> {
        let name = input.repository_name.as_deref();
        let repository = self.repository(scope, input.registry_id.as_deref(), name)?;
        let exclusions = input.image_tag_mutability_exclusion_filters.as_deref();
        let mutability = mutability(input.image_tag_mutability.as_ref(), exclusions)?;
        let updated = repository.update(move |settings| settings.mutability = mutability).await;
        let updated =
            updated.map_err(|error| of_catalog(error, repository.name.as_str(), scope.account.as_str()))?;
        let (word, filters) = shown_mutability(&updated.mutability);
        Ok(api::PutImageTagMutabilityResponse {
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(repository.name.to_string()),
            image_tag_mutability: Some(word),
            image_tag_mutability_exclusion_filters: filters,
        })
    }

    fn shown(&self, repository: &Repository) -> api::Repository {
        let Repository { scope, name, .. } = repository;
        let settings = repository.settings();
        let (word, filters) = shown_mutability(&settings.mutability);
        let (kind, kms_key) = settings.encryption.unwrap_or_else(|| ("AES256".to_owned(), None));
        let scan_on_push = Some(settings.scan_on_push);
        api::Repository {
            repository_arn: Some(repository.arn()),
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(name.to_string()),
            repository_uri: Some(self.registry.address().repository_uri(scope, name)),
            created_at: Some(repository.created),
            image_tag_mutability: Some(word),
            image_tag_mutability_exclusion_filters: filters,
            image_scanning_configuration: Some(api::ImageScanningConfiguration { scan_on_push }),
            encryption_configuration: Some(api::EncryptionConfiguration {
                encryption_type: Some(kind.as_str().into()),
                kms_key,
            }),
        }
    }
}

fn mutability(
    word: Option<&api::ImageTagMutability>,
    filters: Option<&[api::ImageTagMutabilityExclusionFilter]>,
) -> Result<TagMutability, ServiceError> {
    use api::ImageTagMutability as Word;
    let (immutable, excludes) = match word {
        None | Some(Word::Mutable) => (false, false),
        Some(Word::Immutable) => (true, false),
        Some(Word::MutableWithExclusion) => (false, true),
        Some(Word::ImmutableWithExclusion) => (true, true),
        Some(_) => return Err(invalid("imageTagMutability", "Member must satisfy enum value set")),
    };
    let except: Vec<String> =
        filters.unwrap_or_default().iter().filter_map(|filter| filter.filter.clone()).collect();
    if excludes == except.is_empty() || except.len() > EXCLUSIONS_MAX {
        let constraint =
            "One to five exclusion filters go with a mutability WITH_EXCLUSION, and with no other";
        return Err(invalid("imageTagMutabilityExclusionFilters", constraint));
    }
    Ok(TagMutability { immutable, except })
}

type Shown = (api::ImageTagMutability, Option<Vec<api::ImageTagMutabilityExclusionFilter>>);

fn shown_mutability(mutability: &TagMutability) -> Shown {
    use api::ImageTagMutability as Word;
    let word = match (mutability.immutable, mutability.except.is_empty()) {
        (false, true) => Word::Mutable,
        (true, true) => Word::Immutable,
        (false, false) => Word::MutableWithExclusion,
        (true, false) => Word::ImmutableWithExclusion,
    };
    let filter = |pattern: &String| api::ImageTagMutabilityExclusionFilter {
        filter_type: Some(api::ImageTagMutabilityExclusionFilterType::Wildcard),
        filter: Some(pattern.clone()),
    };
    let filters = (!mutability.except.is_empty()).then(|| mutability.except.iter().map(filter).collect());
    (word, filters)
}
