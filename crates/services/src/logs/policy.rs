//! Resource policies: which services may write to an account's groups. Kept with the account and region, and shown as written.
//!
//! Nothing asks them: what writes here (functions, rules of the account itself) is let in without one. A policy of one group
//! (`resourceArn`) is refused. Sources: API Reference, `PutResourcePolicy`, `DescribeResourcePolicies`,
//! `DeleteResourcePolicy`; CloudWatch Logs User Guide, "CloudWatch Logs quotas".

use model::arn::Scope;
use model::error::ServiceError;
use model::log::LogPolicy;
use policy::{Document, Kind};
use wire::logs::{self as api, errors};

use super::Logs;
use super::error::{invalid, not_served, of_records, too_many};
use super::group::{page_size, read_token, token};

/// Policies of an account in one region.
const POLICIES_MAX: usize = 10;
/// Longest name.
const NAME_CHARS_MAX: usize = 255;

impl Logs {
    pub(super) async fn put_policy(
        &self,
        scope: &Scope,
        input: &api::PutResourcePolicyRequest,
    ) -> Result<api::PutResourcePolicyResponse, ServiceError> {
        of_account(input.resource_arn.as_ref(), input.expected_revision_id.as_ref())?;
        let name = name(input.policy_name.as_deref())?;
        let document = input.policy_document.as_deref().ok_or_else(|| missing("policyDocument"))?;
        Document::parse(document, Kind::Resource)
            .map_err(|error| invalid(format!("The policy document is not valid. {error}")))?;
        let _turn = self.changing.lock().await;
        let there = self.policies.get(scope, name);
        if there.is_none() && self.policies.count(scope) >= POLICIES_MAX {
            return Err(too_many());
        }
        let wanted = LogPolicy {
            scope: scope.clone(),
            name: name.to_owned(),
            document: document.to_owned(),
            updated: self.clock.now(),
        };
        let kept = self.policies.put(wanted, there.map(|there| there.stored)).await.map_err(of_records)?;
        Ok(api::PutResourcePolicyResponse {
            resource_policy: Some(shown(&kept)),
            ..api::PutResourcePolicyResponse::default()
        })
    }

    pub(super) fn describe_policies(
        &self,
        scope: &Scope,
        input: &api::DescribeResourcePoliciesRequest,
    ) -> Result<api::DescribeResourcePoliciesResponse, ServiceError> {
        of_account(input.resource_arn.as_ref(), None)?;
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        let is_of_account = input.policy_scope.as_ref().is_none_or(|scope| scope.as_ref() == "ACCOUNT");
        let (page, more) =
            self.policies.page(scope, after.as_deref(), page_size(input.limit), |_| is_of_account);
        Ok(api::DescribeResourcePoliciesResponse {
            next_token: page.last().filter(|_| more).map(|last| token(&last.name)),
            resource_policies: Some(page.iter().map(|policy| shown(policy)).collect()),
        })
    }

    pub(super) async fn delete_policy(
        &self,
        scope: &Scope,
        input: &api::DeleteResourcePolicyRequest,
    ) -> Result<(), ServiceError> {
        of_account(input.resource_arn.as_ref(), input.expected_revision_id.as_ref())?;
        let name = name(input.policy_name.as_deref())?;
        let _turn = self.changing.lock().await;
        let there = self.policies.get(scope, name).ok_or_else(|| {
            let message = format!("Policy with name [{name}] does not exist");
            errors::RESOURCE_NOT_FOUND_EXCEPTION.error(message)
        })?;
        self.policies.remove(scope, name, there.stored).await.map_err(of_records)
    }
}

/// Refuses what is said of a policy of one group.
fn of_account(resource: Option<&String>, revision: Option<&String>) -> Result<(), ServiceError> {
    match (resource, revision) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(not_served("The member resourceArn (a policy of one log group)")),
        (None, Some(_)) => {
            Err(invalid("expectedRevisionId is for policies of one log group, with resourceArn."))
        }
    }
}

fn name(given: Option<&str>) -> Result<&str, ServiceError> {
    let name = given.filter(|name| !name.is_empty()).ok_or_else(|| missing("policyName"))?;
    match name.chars().count() <= NAME_CHARS_MAX {
        true => Ok(name),
        false => Err(invalid(format!("policyName must have at most {NAME_CHARS_MAX} characters."))),
    }
}

fn missing(member: &str) -> ServiceError {
    invalid(format!("{member} is required."))
}

fn shown(policy: &LogPolicy) -> api::ResourcePolicy {
    api::ResourcePolicy {
        policy_name: Some(policy.name.clone()),
        policy_document: Some(policy.document.clone()),
        last_updated_time: Some(policy.updated.as_millis()),
        policy_scope: Some("ACCOUNT".into()),
        ..api::ResourcePolicy::default()
    }
}
