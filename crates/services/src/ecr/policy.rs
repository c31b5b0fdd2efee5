//! Repository policies: set, get, delete.
//!
//! They are stored and returned as given; whoever authorizes requests decides by them, not this module.

use std::sync::Arc;

use model::arn::Scope;
use model::error::ServiceError;
use policy::{Document, Kind};
use wire::ecr::{self as api, errors};

use super::Ecr;
use super::error::{invalid, of_catalog};
use crate::registry::catalog::Repository;

impl Ecr {
    pub(super) async fn set_policy(
        &self,
        scope: &Scope,
        input: &api::SetRepositoryPolicyRequest,
    ) -> Result<api::SetRepositoryPolicyResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let policy = input.policy_text.clone().unwrap_or_default();
        Document::parse(&policy, Kind::Repository)
            .map_err(|_| invalid("PolicyText", "Invalid repository policy provided"))?;
        let stored = policy.clone();
        self.change_policy(&repository, Some(stored)).await?;
        Ok(api::SetRepositoryPolicyResponse {
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(repository.name.to_string()),
            policy_text: Some(policy),
        })
    }

    pub(super) fn get_policy(
        &self,
        scope: &Scope,
        input: &api::GetRepositoryPolicyRequest,
    ) -> Result<api::GetRepositoryPolicyResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        Ok(api::GetRepositoryPolicyResponse {
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(repository.name.to_string()),
            policy_text: Some(policy_of(&repository)?),
        })
    }

    pub(super) async fn delete_policy(
        &self,
        scope: &Scope,
        input: &api::DeleteRepositoryPolicyRequest,
    ) -> Result<api::DeleteRepositoryPolicyResponse, ServiceError> {
        let repository =
            self.repository(scope, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let policy = policy_of(&repository)?;
        self.change_policy(&repository, None).await?;
        Ok(api::DeleteRepositoryPolicyResponse {
            registry_id: Some(scope.account.to_string()),
            repository_name: Some(repository.name.to_string()),
            policy_text: Some(policy),
        })
    }

    async fn change_policy(
        &self,
        repository: &Arc<Repository>,
        policy: Option<String>,
    ) -> Result<(), ServiceError> {
        let updated = repository.update(move |settings| settings.policy = policy).await;
        let account = repository.scope.account;
        updated.map(drop).map_err(|error| of_catalog(error, repository.name.as_str(), account.as_str()))
    }
}

fn policy_of(repository: &Repository) -> Result<String, ServiceError> {
    let missing = || {
        errors::REPOSITORY_POLICY_NOT_FOUND_EXCEPTION.error(format!(
            "Repository policy does not exist for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.account
        ))
    };
    repository.settings().policy.ok_or_else(missing)
}
