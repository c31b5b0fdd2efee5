//! Operations on roles.
//!
//! Sessions of roles are the Security Token Service's; there are no instance profiles here, so lists of them are empty.

use control::iam::{IamError, New, NewRole};
use model::iam::Role;
use wire::iam::{self as api, Input};
use wire::query::Reply;

use super::{Doing, page, shapes, strange, tags, text};

/// Carries out an operation.
pub(super) async fn answer(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreateRole(it) => {
            let new = New {
                name: text(it.role_name),
                path: it.path,
                boundary: it.permissions_boundary,
                tags: tags(it.tags)?,
            };
            let role = NewRole {
                new,
                trust: text(it.assume_role_policy_document),
                description: it.description,
                session_s_max: seconds(it.max_session_duration),
            };
            let role = Some(shapes::role(iam, &*iam.create_role(account, role).await?, true));
            doing.reply::<api::CreateRoleRequest>(api::CreateRoleResponse { role })
        }
        Input::GetRole(it) => {
            let role = Some(shapes::role(iam, &*iam.get::<Role>(account, &text(it.role_name))?, true));
            doing.reply::<api::GetRoleRequest>(api::GetRoleResponse { role })
        }
        Input::UpdateRole(it) => {
            let span = seconds(it.max_session_duration);
            iam.update_role(account, &text(it.role_name), it.description, span).await?;
            doing.reply::<api::UpdateRoleRequest>(api::UpdateRoleResponse {})
        }
        Input::UpdateRoleDescription(it) => {
            let role = iam.update_role(account, &text(it.role_name), it.description, None).await?;
            let role = Some(shapes::role(iam, &role, true));
            doing.reply::<api::UpdateRoleDescriptionRequest>(api::UpdateRoleDescriptionResponse { role })
        }
        Input::UpdateAssumeRolePolicy(it) => {
            iam.update_trust(account, &text(it.role_name), text(it.policy_document)).await?;
            doing.done::<api::UpdateAssumeRolePolicyRequest>()
        }
        Input::DeleteRole(it) => {
            iam.delete_role(account, &text(it.role_name)).await?;
            doing.done::<api::DeleteRoleRequest>()
        }
        Input::ListRoles(it) => {
            let found = iam.list::<Role>(account, &page(it.marker, it.max_items, it.path_prefix))?;
            doing.reply::<api::ListRolesRequest>(api::ListRolesResponse {
                roles: Some(found.items.iter().map(|role| shapes::role(iam, role, false)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        other => labels(doing, other).await,
    }
}

async fn labels(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::ListInstanceProfilesForRole(it) => {
            iam.get::<Role>(account, &text(it.role_name))?;
            doing.reply::<api::ListInstanceProfilesForRoleRequest>(api::ListInstanceProfilesForRoleResponse {
                instance_profiles: Some(Vec::new()),
                is_truncated: Some(false),
                marker: None,
            })
        }
        Input::TagRole(it) => {
            iam.tag::<Role>(account, &text(it.role_name), tags(it.tags)?).await?;
            doing.done::<api::TagRoleRequest>()
        }
        Input::UntagRole(it) => {
            iam.untag::<Role>(account, &text(it.role_name), it.tag_keys.unwrap_or_default()).await?;
            doing.done::<api::UntagRoleRequest>()
        }
        Input::ListRoleTags(it) => {
            let found =
                iam.tags::<Role>(account, &text(it.role_name), &page(it.marker, it.max_items, None))?;
            doing.reply::<api::ListRoleTagsRequest>(api::ListRoleTagsResponse {
                tags: Some(found.items.into_iter().map(|(key, value)| shapes::tag(key, value)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::PutRolePermissionsBoundary(it) => {
            iam.set_boundary::<Role>(account, &text(it.role_name), it.permissions_boundary).await?;
            doing.done::<api::PutRolePermissionsBoundaryRequest>()
        }
        Input::DeleteRolePermissionsBoundary(it) => {
            iam.set_boundary::<Role>(account, &text(it.role_name), None).await?;
            doing.done::<api::DeleteRolePermissionsBoundaryRequest>()
        }
        other => grants(doing, other).await,
    }
}

async fn grants(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::AttachRolePolicy(it) => {
            iam.attach::<Role>(account, &text(it.role_name), &text(it.policy_arn)).await?;
            doing.done::<api::AttachRolePolicyRequest>()
        }
        Input::DetachRolePolicy(it) => {
            iam.detach::<Role>(account, &text(it.role_name), &text(it.policy_arn)).await?;
            doing.done::<api::DetachRolePolicyRequest>()
        }
        Input::ListAttachedRolePolicies(it) => {
            let page = page(it.marker, it.max_items, it.path_prefix);
            let found = iam.attached::<Role>(account, &text(it.role_name), &page)?;
            doing.reply::<api::ListAttachedRolePoliciesRequest>(api::ListAttachedRolePoliciesResponse {
                attached_policies: Some(found.items.into_iter().map(shapes::attached).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::PutRolePolicy(it) => {
            let (name, policy) = (text(it.role_name), text(it.policy_name));
            iam.put_inline::<Role>(account, &name, &policy, text(it.policy_document)).await?;
            doing.done::<api::PutRolePolicyRequest>()
        }
        Input::GetRolePolicy(it) => {
            let (name, policy) = (text(it.role_name), text(it.policy_name));
            let document = iam.inline::<Role>(account, &name, &policy)?;
            doing.reply::<api::GetRolePolicyRequest>(api::GetRolePolicyResponse {
                role_name: Some(name),
                policy_name: Some(policy),
                policy_document: Some(shapes::document(&document)),
            })
        }
        Input::DeleteRolePolicy(it) => {
            iam.delete_inline::<Role>(account, &text(it.role_name), &text(it.policy_name)).await?;
            doing.done::<api::DeleteRolePolicyRequest>()
        }
        Input::ListRolePolicies(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.inline_names::<Role>(account, &text(it.role_name), &page)?;
            doing.reply::<api::ListRolePoliciesRequest>(api::ListRolePoliciesResponse {
                policy_names: Some(found.items),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        _ => Err(strange(doing)),
    }
}

/// A span that the checks have found in bounds.
fn seconds(span: Option<i32>) -> Option<u32> {
    span.map(|span| u32::try_from(span).unwrap_or(0))
}
