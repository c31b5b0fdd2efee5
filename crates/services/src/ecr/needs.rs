//! What each operation needs the caller's leave for. The same rights are needed under `/v2/`: see `registry::needs`.
//!
//! The table is complete by the compiler: an operation that is not in it does not build. Source: Service Authorization
//! Reference, "Actions, resources, and condition keys for Amazon Elastic Container Registry".

use model::arn::Scope;
use model::error::ServiceError;
use model::id::AccountId;
use policy::Need;
use wire::ecr::{Input, Tag};

use super::label::Named;
use super::{Ecr, EcrCaller};
use crate::registry::EVERY;

/// What an operation is done to.
enum Target<'a> {
    /// The action knows no resource.
    Everything,
    /// Repositories of a registry, the caller's own if none is named.
    Repositories(Option<&'a str>, Vec<&'a str>),
}

/// Operations that name one repository stand together.
macro_rules! one_repository {
    ($input:expr; $($operation:ident)*; $($rest:tt)*) => {
        match $input {
            $(Input::$operation(input) => {
                let name = input.repository_name.as_deref().unwrap_or_default();
                Target::Repositories(input.registry_id.as_deref(), vec![name])
            })*
            $($rest)*
        }
    };
}

impl Ecr {
    /// The rights that an operation needs.
    ///
    /// # Errors
    /// Where a repository is named by what is no ARN of one.
    pub fn needs(
        &self,
        caller: &EcrCaller,
        operation: &str,
        input: &Input,
    ) -> Result<Vec<Need>, ServiceError> {
        let action = format!("ecr:{operation}");
        let (registry_id, names) = match target(input)? {
            Target::Everything => return Ok(vec![Need::of(action, "*")]),
            Target::Repositories(registry_id, names) => (registry_id, names),
        };
        let account = registry_id.and_then(|id| AccountId::parse(id).ok()).unwrap_or(caller.scope.account);
        let scope = Scope { account, region: caller.scope.region.clone() };
        let mut needs: Vec<Need> =
            names.iter().map(|name| self.registry.need(&scope, &action, name)).collect();
        for need in &mut needs {
            need.facts.set_request_tags(given(input));
            if let Input::UntagResource(input) = input {
                need.facts.set_tag_keys(input.tag_keys.clone().unwrap_or_default());
            }
        }
        if matches!(input, Input::CreateRepository(_)) && given(input).next().is_some() {
            let tag = |need: &Need| Need { action: "ecr:TagResource".to_owned(), ..need.clone() };
            needs.extend(needs.first().map(tag));
        }
        Ok(needs)
    }
}

fn target(input: &Input) -> Result<Target<'_>, ServiceError> {
    let of_arn = |arn| Named::parse(arn).map(|it| Target::Repositories(Some(it.account), vec![it.name]));
    Ok(one_repository! { input;
        BatchCheckLayerAvailability BatchDeleteImage BatchGetImage CompleteLayerUpload DeleteRepository
        DeleteRepositoryPolicy DescribeImages GetDownloadUrlForLayer GetRepositoryPolicy InitiateLayerUpload ListImages
        PutImage PutImageTagMutability SetRepositoryPolicy UploadLayerPart;
        // A repository is made in the caller's own registry, whatever is named.
        Input::CreateRepository(input) => {
            Target::Repositories(None, vec![input.repository_name.as_deref().unwrap_or_default()])
        }
        Input::DescribeRepositories(input) => {
            let names = input.repository_names.iter().flatten().map(String::as_str);
            let mut names: Vec<&str> = names.collect();
            if names.is_empty() {
                names.push(EVERY);
            }
            Target::Repositories(input.registry_id.as_deref(), names)
        }
        Input::DescribeRegistry(_) | Input::GetAuthorizationToken(_) => Target::Everything,
        Input::ListTagsForResource(input) => of_arn(input.resource_arn.as_deref())?,
        Input::TagResource(input) => of_arn(input.resource_arn.as_deref())?,
        Input::UntagResource(input) => of_arn(input.resource_arn.as_deref())?,
    })
}

/// The tags that a request gives.
fn given(input: &Input) -> impl Iterator<Item = (String, String)> {
    let tags = match input {
        Input::CreateRepository(input) => input.tags.as_deref(),
        Input::TagResource(input) => input.tags.as_deref(),
        _ => None,
    };
    let pair = |tag: &Tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
    tags.unwrap_or_default().iter().map(pair)
}
