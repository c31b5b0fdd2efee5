//! Amazon ECR's API in front of the registry: the same repositories, images and layers as under `/v2/`.
//!
//! [`Ecr::input`] reads an operation, [`Ecr::needs`] says what rights it needs, [`Ecr::perform`] carries it out for a
//! caller who has them. Errors have ECR's codes and wording. What ECR can
//! do and this cannot (scanning, replication, lifecycle policies) is refused as not served, never ignored;
//! `scanOnPush` and encryption settings are stored and returned.
//!
//! Source: Amazon ECR API Reference 2015-09-21.

mod delete;
mod error;
mod image;
mod label;
mod layer;
mod needs;
mod page;
mod policy;
mod repository;

use std::sync::Arc;

use bytes::Bytes;
use model::arn::Scope;
use model::error::ServiceError;
use wire::ecr::{self as api, Input};
use wire::json_rpc::{Call, Output, Reply};

use crate::oci::name::RepositoryName;
use crate::registry::Registry;
use crate::registry::catalog::Repository;
use crate::registry::token::{self, Claims, TokenKey};

/// Who asks, as the gateway has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrCaller {
    /// The account and region of the signature.
    pub scope: Scope,
    /// Who it is, as the gateway finds them again; tokens carry it.
    pub bearer: String,
}

/// The service. Cloning gives another handle.
#[derive(Clone)]
pub struct Ecr {
    registry: Arc<Registry>,
    key: TokenKey,
}

impl Ecr {
    /// ECR's API for this registry; `key` seals its authorization tokens.
    #[must_use]
    pub fn new(registry: Arc<Registry>, key: TokenKey) -> Self {
        Self { registry, key }
    }

    /// Reads the input of the operation that `target` (the header `X-Amz-Target`) names.
    ///
    /// # Errors
    /// What `wire::json_rpc::error_reply` writes for `wire::ecr::SERVICE`.
    pub fn input(target: &str, body: &[u8]) -> Result<Input, ServiceError> {
        let operation = api::route(target).ok_or_else(|| {
            ServiceError::UnknownOperation("The operation is not known to Amazon ECR.".to_owned())
        })?;
        let not_served = || {
            let message = format!("Amazon ECR's operation {} is not served by Dormouse.", operation.name());
            ServiceError::NotServed(message)
        };
        Input::accept(operation, body).ok_or_else(not_served)?.map_err(api::refused)
    }

    /// Whether calls of this operation are one of the many that moving one image takes.
    #[must_use]
    pub fn is_work(operation: &str) -> bool {
        const WORK: [&str; 5] = [
            "BatchCheckLayerAvailability",
            "CompleteLayerUpload",
            "GetDownloadUrlForLayer",
            "InitiateLayerUpload",
            "UploadLayerPart",
        ];
        WORK.contains(&operation)
    }

    /// Carries an operation out.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn perform(&self, caller: &EcrCaller, input: Input) -> Result<Reply, ServiceError> {
        let scope = &caller.scope;
        match input {
            Input::BatchCheckLayerAvailability(input) => written(&input, &self.check_layers(scope, &input)?),
            Input::BatchDeleteImage(input) => written(&input, &self.delete_images(scope, &input).await?),
            Input::BatchGetImage(input) => written(&input, &self.get_images(scope, &input).await?),
            Input::CompleteLayerUpload(input) => written(&input, &self.complete_upload(scope, &input).await?),
            Input::CreateRepository(input) => written(&input, &self.create_repository(scope, &input).await?),
            Input::DeleteRepository(input) => written(&input, &self.delete_repository(scope, &input).await?),
            Input::DeleteRepositoryPolicy(input) => {
                written(&input, &self.delete_policy(scope, &input).await?)
            }
            Input::DescribeImages(input) => written(&input, &self.describe_images(scope, &input)?),
            Input::DescribeRegistry(input) => written(&input, &describe_registry(scope)),
            Input::DescribeRepositories(input) => {
                written(&input, &self.describe_repositories(scope, &input)?)
            }
            Input::GetAuthorizationToken(input) => written(&input, &self.authorization_token(caller)),
            Input::GetDownloadUrlForLayer(input) => written(&input, &self.download_url(caller, &input)?),
            Input::GetRepositoryPolicy(input) => written(&input, &self.get_policy(scope, &input)?),
            Input::InitiateLayerUpload(input) => written(&input, &self.begin_upload(scope, &input).await?),
            Input::ListImages(input) => written(&input, &self.list_images(scope, &input)?),
            Input::ListTagsForResource(input) => written(&input, &self.list_labels(scope, &input)?),
            Input::PutImage(input) => written(&input, &self.put_image(scope, &input).await?),
            Input::PutImageTagMutability(input) => {
                written(&input, &self.put_mutability(scope, &input).await?)
            }
            Input::SetRepositoryPolicy(input) => written(&input, &self.set_policy(scope, &input).await?),
            Input::TagResource(input) => written(&input, &self.label(scope, &input).await?),
            Input::UntagResource(input) => written(&input, &self.unlabel(scope, &input).await?),
            Input::UploadLayerPart(input) => written(&input, &self.upload_part(scope, &input).await?),
        }
    }

    /// One token, whatever `registryIds` (deprecated) names: the address is the same for all.
    fn authorization_token(&self, caller: &EcrCaller) -> api::GetAuthorizationTokenResponse {
        let expires = self.registry.catalog().now().after(token::VALID);
        let (scope, bearer) = (caller.scope.clone(), caller.bearer.clone());
        let claims = Claims { scope, bearer, path: String::new(), expires };
        let data = api::AuthorizationData {
            authorization_token: Some(self.key.authorization(&claims)),
            expires_at: Some(expires),
            proxy_endpoint: Some(self.registry.address().endpoint(&caller.scope)),
        };
        api::GetAuthorizationTokenResponse { authorization_data: Some(vec![data]) }
    }

    /// The repository that an input names. Those of other accounts are not seen from here.
    fn repository(
        &self,
        scope: &Scope,
        registry_id: Option<&str>,
        name: Option<&str>,
    ) -> Result<Arc<Repository>, ServiceError> {
        let (name, registry_id) = (name.unwrap_or_default(), registry_id.unwrap_or(scope.account.as_str()));
        let found = RepositoryName::parse(name).ok().filter(|_| registry_id == scope.account.as_str());
        let found = found.and_then(|name| self.registry.catalog().find(scope, &name));
        found.ok_or_else(|| error::no_repository(name, registry_id))
    }
}

fn describe_registry(scope: &Scope) -> api::DescribeRegistryResponse {
    api::DescribeRegistryResponse {
        registry_id: Some(scope.account.to_string()),
        replication_configuration: Some(api::ReplicationConfiguration { rules: Some(Vec::new()) }),
    }
}

fn written<C: Call>(_: &C, output: &C::Output) -> Result<Reply, ServiceError> {
    Ok(output.reply(C::RPC))
}

/// A manifest as the API gives it: text.
fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
