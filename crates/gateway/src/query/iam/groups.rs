//! Operations on groups.
//!
//! Who is in a group stands with the users; `control` knows both.

use control::iam::{IamError, New};
use model::iam::Group;
use wire::iam::{self as api, Input};
use wire::query::Reply;

use super::{Doing, page, shapes, strange, text};

/// Carries out an operation.
pub(super) async fn answer(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreateGroup(it) => {
            let new = New { name: text(it.group_name), path: it.path, ..New::default() };
            let group = iam.create_group(account, new).await?;
            let group = Some(shapes::group(&group));
            doing.reply::<api::CreateGroupRequest>(api::CreateGroupResponse { group })
        }
        Input::GetGroup(it) => {
            let name = text(it.group_name);
            let group = iam.get::<Group>(account, &name)?;
            let found = iam.members(account, &name, &page(it.marker, it.max_items, None))?;
            doing.reply::<api::GetGroupRequest>(api::GetGroupResponse {
                group: Some(shapes::group(&group)),
                users: Some(found.items.iter().map(|user| shapes::user(user, false)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::UpdateGroup(it) => {
            iam.update_group(account, &text(it.group_name), it.new_group_name, it.new_path).await?;
            doing.done::<api::UpdateGroupRequest>()
        }
        Input::DeleteGroup(it) => {
            iam.delete_group(account, &text(it.group_name)).await?;
            doing.done::<api::DeleteGroupRequest>()
        }
        Input::ListGroups(it) => {
            let found = iam.list::<Group>(account, &page(it.marker, it.max_items, it.path_prefix))?;
            doing.reply::<api::ListGroupsRequest>(api::ListGroupsResponse {
                groups: Some(found.items.iter().map(|group| shapes::group(group)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::AddUserToGroup(it) => {
            iam.add_to_group(account, &text(it.group_name), &text(it.user_name)).await?;
            doing.done::<api::AddUserToGroupRequest>()
        }
        Input::RemoveUserFromGroup(it) => {
            iam.remove_from_group(account, &text(it.group_name), &text(it.user_name)).await?;
            doing.done::<api::RemoveUserFromGroupRequest>()
        }
        other => grants(doing, other).await,
    }
}

async fn grants(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::AttachGroupPolicy(it) => {
            iam.attach::<Group>(account, &text(it.group_name), &text(it.policy_arn)).await?;
            doing.done::<api::AttachGroupPolicyRequest>()
        }
        Input::DetachGroupPolicy(it) => {
            iam.detach::<Group>(account, &text(it.group_name), &text(it.policy_arn)).await?;
            doing.done::<api::DetachGroupPolicyRequest>()
        }
        Input::ListAttachedGroupPolicies(it) => {
            let page = page(it.marker, it.max_items, it.path_prefix);
            let found = iam.attached::<Group>(account, &text(it.group_name), &page)?;
            doing.reply::<api::ListAttachedGroupPoliciesRequest>(api::ListAttachedGroupPoliciesResponse {
                attached_policies: Some(found.items.into_iter().map(shapes::attached).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::PutGroupPolicy(it) => {
            let (name, policy) = (text(it.group_name), text(it.policy_name));
            iam.put_inline::<Group>(account, &name, &policy, text(it.policy_document)).await?;
            doing.done::<api::PutGroupPolicyRequest>()
        }
        Input::GetGroupPolicy(it) => {
            let (name, policy) = (text(it.group_name), text(it.policy_name));
            let document = iam.inline::<Group>(account, &name, &policy)?;
            doing.reply::<api::GetGroupPolicyRequest>(api::GetGroupPolicyResponse {
                group_name: Some(name),
                policy_name: Some(policy),
                policy_document: Some(shapes::document(&document)),
            })
        }
        Input::DeleteGroupPolicy(it) => {
            iam.delete_inline::<Group>(account, &text(it.group_name), &text(it.policy_name)).await?;
            doing.done::<api::DeleteGroupPolicyRequest>()
        }
        Input::ListGroupPolicies(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.inline_names::<Group>(account, &text(it.group_name), &page)?;
            doing.reply::<api::ListGroupPoliciesRequest>(api::ListGroupPoliciesResponse {
                policy_names: Some(found.items),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        _ => Err(strange(doing)),
    }
}
