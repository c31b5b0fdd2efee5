//! Operations on managed policies and their versions.
//!
//! A policy is named by its ARN. The built-in ones can be read and attached, and not changed.

use control::iam::{IamError, New, PolicyFilter, PolicyUsers};
use model::iam::Policy;
use wire::iam::{self as api, Input};
use wire::query::Reply;

use super::{Doing, page, shapes, strange, tags, text};

/// Carries out an operation.
pub(super) async fn answer(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreatePolicy(it) => {
            let new = New { name: text(it.policy_name), path: it.path, boundary: None, tags: tags(it.tags)? };
            let made = iam.create_policy(account, new, it.description, text(it.policy_document)).await?;
            let policy = Some(shapes::policy(&made, true));
            doing.reply::<api::CreatePolicyRequest>(api::CreatePolicyResponse { policy })
        }
        Input::GetPolicy(it) => {
            let policy = Some(shapes::policy(&iam.policy(account, &text(it.policy_arn))?, true));
            doing.reply::<api::GetPolicyRequest>(api::GetPolicyResponse { policy })
        }
        Input::DeletePolicy(it) => {
            iam.delete_policy(account, &text(it.policy_arn)).await?;
            doing.done::<api::DeletePolicyRequest>()
        }
        Input::ListPolicies(it) => {
            let filter = PolicyFilter {
                without_own: it.scope == Some(api::PolicyScopeType::Aws),
                without_built_in: it.scope == Some(api::PolicyScopeType::Local),
                only_attached: it.only_attached.unwrap_or(false),
                as_boundary: usage(it.policy_usage_filter.as_ref()),
            };
            let found = iam.policies(account, filter, &page(it.marker, it.max_items, it.path_prefix))?;
            doing.reply::<api::ListPoliciesRequest>(api::ListPoliciesResponse {
                policies: Some(found.items.iter().map(|policy| shapes::policy(policy, false)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::TagPolicy(it) => {
            iam.tag::<Policy>(account, &iam.own_name(account, &text(it.policy_arn))?, tags(it.tags)?).await?;
            doing.done::<api::TagPolicyRequest>()
        }
        Input::UntagPolicy(it) => {
            iam.untag::<Policy>(
                account,
                &iam.own_name(account, &text(it.policy_arn))?,
                it.tag_keys.unwrap_or_default(),
            )
            .await?;
            doing.done::<api::UntagPolicyRequest>()
        }
        Input::ListPolicyTags(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.policy_tags(account, &text(it.policy_arn), &page)?;
            doing.reply::<api::ListPolicyTagsRequest>(api::ListPolicyTagsResponse {
                tags: Some(found.items.into_iter().map(|(key, value)| shapes::tag(key, value)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        other => versions(doing, other).await,
    }
}

async fn versions(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreatePolicyVersion(it) => {
            let (arn, as_default) = (text(it.policy_arn), it.set_as_default.unwrap_or(false));
            let made = iam.create_policy_version(account, &arn, text(it.policy_document), as_default).await?;
            let policy_version = Some(shapes::version(&made, false));
            doing
                .reply::<api::CreatePolicyVersionRequest>(api::CreatePolicyVersionResponse { policy_version })
        }
        Input::GetPolicyVersion(it) => {
            let found = iam.policy_version(account, &text(it.policy_arn), &text(it.version_id))?;
            let policy_version = Some(shapes::version(&found, true));
            doing.reply::<api::GetPolicyVersionRequest>(api::GetPolicyVersionResponse { policy_version })
        }
        Input::ListPolicyVersions(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.policy_versions(account, &text(it.policy_arn), &page)?;
            doing.reply::<api::ListPolicyVersionsRequest>(api::ListPolicyVersionsResponse {
                versions: Some(found.items.iter().map(|version| shapes::version(version, false)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::DeletePolicyVersion(it) => {
            iam.delete_policy_version(account, &text(it.policy_arn), &text(it.version_id)).await?;
            doing.done::<api::DeletePolicyVersionRequest>()
        }
        Input::SetDefaultPolicyVersion(it) => {
            iam.set_default_policy_version(account, &text(it.policy_arn), &text(it.version_id)).await?;
            doing.done::<api::SetDefaultPolicyVersionRequest>()
        }
        Input::ListEntitiesForPolicy(it) => entities(doing, it),
        _ => Err(strange(doing)),
    }
}

fn entities(doing: &Doing<'_>, it: api::ListEntitiesForPolicyRequest) -> Result<Reply, IamError> {
    let filter = it.entity_filter;
    let wanted = |user: &PolicyUsers| match (&filter, user) {
        (None, _)
        | (Some(api::EntityType::User), PolicyUsers::User(_))
        | (Some(api::EntityType::Group), PolicyUsers::Group(_))
        | (Some(api::EntityType::Role), PolicyUsers::Role(_)) => true,
        (Some(_), _) => false,
    };
    let (arn, as_boundary) = (text(it.policy_arn), usage(it.policy_usage_filter.as_ref()));
    let page = page(it.marker, it.max_items, it.path_prefix);
    let found = doing.iam.entities_for_policy(doing.account, &arn, as_boundary, wanted, &page)?;
    let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    for entity in found.items {
        let id = |entity: &model::iam::Entity| (Some(entity.name.clone()), Some(entity.id.clone()));
        match entity {
            PolicyUsers::User(user) => {
                let (user_name, user_id) = id(&user.entity);
                users.push(api::PolicyUser { user_name, user_id });
            }
            PolicyUsers::Group(group) => {
                let (group_name, group_id) = id(&group.entity);
                groups.push(api::PolicyGroup { group_name, group_id });
            }
            PolicyUsers::Role(role) => {
                let (role_name, role_id) = id(&role.entity);
                roles.push(api::PolicyRole { role_name, role_id });
            }
        }
    }
    doing.reply::<api::ListEntitiesForPolicyRequest>(api::ListEntitiesForPolicyResponse {
        policy_groups: Some(groups),
        policy_users: Some(users),
        policy_roles: Some(roles),
        is_truncated: Some(found.next.is_some()),
        marker: found.next,
    })
}

/// Whether boundaries are meant, or permissions; none for both.
fn usage(filter: Option<&api::PolicyUsageType>) -> Option<bool> {
    filter.map(|filter| *filter == api::PolicyUsageType::PermissionsBoundary)
}
