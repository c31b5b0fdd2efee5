//! Operations on users and their access keys.
//!
//! Where an operation names no user, the caller is meant.

use control::iam::{IamError, Kept as _, New};
use model::error::ServiceError;
use model::iam::User;
use policy::Need;
use wire::iam::{self as api, Input};
use wire::query::Reply;

use super::{Doing, page, refused, shapes, strange, tags, tell_tags, text};

/// Carries out an operation.
pub(super) async fn answer(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreateUser(it) => {
            let new = New {
                name: text(it.user_name),
                path: it.path,
                boundary: it.permissions_boundary,
                tags: tags(it.tags)?,
            };
            let user = iam.create_user(account, new).await?;
            let user = Some(shapes::user(&user, true));
            doing.reply::<api::CreateUserRequest>(api::CreateUserResponse { user })
        }
        Input::GetUser(api::GetUserRequest { user_name: None }) if doing.asked.who.caller.owns(account) => {
            doing.reply::<api::GetUserRequest>(api::GetUserResponse { user: Some(owner(doing)) })
        }
        Input::GetUser(it) => {
            let user = iam.get::<User>(account, &doing.user(it.user_name)?)?;
            let user = Some(shapes::user(&user, true));
            doing.reply::<api::GetUserRequest>(api::GetUserResponse { user })
        }
        Input::UpdateUser(it) => {
            iam.update_user(account, &text(it.user_name), it.new_user_name, it.new_path).await?;
            doing.done::<api::UpdateUserRequest>()
        }
        Input::DeleteUser(it) => {
            iam.delete_user(account, &text(it.user_name)).await?;
            doing.done::<api::DeleteUserRequest>()
        }
        Input::ListUsers(it) => {
            let found = iam.list::<User>(account, &page(it.marker, it.max_items, it.path_prefix))?;
            doing.reply::<api::ListUsersRequest>(api::ListUsersResponse {
                users: Some(found.items.iter().map(|user| shapes::user(user, false)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::ListGroupsForUser(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.groups_of(account, &text(it.user_name), &page)?;
            doing.reply::<api::ListGroupsForUserRequest>(api::ListGroupsForUserResponse {
                groups: Some(found.items.iter().map(|group| shapes::group(group)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        other => keys(doing, other).await,
    }
}

async fn keys(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::CreateAccessKey(it) => {
            let name = doing.user(it.user_name)?;
            let key = iam.create_access_key(account, &name).await?;
            let access_key = Some(api::AccessKey {
                user_name: Some(name),
                status: shapes::status(&key),
                secret_access_key: Some(key.secret.expose().to_owned()),
                create_date: Some(key.created),
                access_key_id: Some(key.id),
            });
            doing.reply::<api::CreateAccessKeyRequest>(api::CreateAccessKeyResponse { access_key })
        }
        Input::UpdateAccessKey(it) => {
            let is_active = match it.status {
                Some(api::StatusType::Active) => true,
                Some(api::StatusType::Inactive) => false,
                _ => return Err(IamError::InvalidInput("A key is made Active or Inactive.".to_owned())),
            };
            let (name, key) = (doing.user(it.user_name)?, text(it.access_key_id));
            iam.update_access_key(account, &name, &key, is_active).await?;
            doing.done::<api::UpdateAccessKeyRequest>()
        }
        Input::DeleteAccessKey(it) => {
            let name = doing.user(it.user_name)?;
            iam.delete_access_key(account, &name, &text(it.access_key_id)).await?;
            doing.done::<api::DeleteAccessKeyRequest>()
        }
        Input::ListAccessKeys(it) => {
            // A user has two keys at the most: there is one page.
            let user = iam.get::<User>(account, &doing.user(it.user_name)?)?;
            let key = |key: &model::iam::AccessKey| api::AccessKeyMetadata {
                user_name: Some(user.entity.name.clone()),
                access_key_id: Some(key.id.clone()),
                status: shapes::status(key),
                create_date: Some(key.created),
            };
            doing.reply::<api::ListAccessKeysRequest>(api::ListAccessKeysResponse {
                access_key_metadata: Some(user.keys.iter().map(key).collect()),
                is_truncated: Some(false),
                marker: None,
            })
        }
        other => labels(doing, other).await,
    }
}

/// When a key of the account was last used. Whether somebody else has such a key is not told.
pub(super) fn last_used(
    doing: &Doing<'_>,
    input: api::GetAccessKeyLastUsedRequest,
) -> Result<Reply, ServiceError> {
    let key = text(input.access_key_id);
    let user = doing.iam.user_of_key(&key).filter(|user| user.entity.account == doing.account);
    let caller = &doing.asked.who.caller;
    let Some(user) = user else {
        return Err(ServiceError::AccessDenied(format!(
            "User: {} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key {key}",
            caller.standing().arn
        )));
    };
    let mut need = Need::of("iam:GetAccessKeyLastUsed", user.arn());
    tell_tags(&mut need.facts, &user.entity.tags);
    doing.asked.may(&[need])?;
    let last = doing.iam.last_use(&key);
    let never = || Some("N/A".to_owned());
    let shown = api::AccessKeyLastUsed {
        last_used_date: last.as_ref().map(|last| last.time),
        service_name: last.as_ref().map_or_else(never, |last| Some(last.service.clone())),
        region: last.map_or_else(never, |last| Some(last.region)),
    };
    let response = api::GetAccessKeyLastUsedResponse {
        user_name: Some(user.entity.name.clone()),
        access_key_last_used: Some(shown),
    };
    doing.reply::<api::GetAccessKeyLastUsedRequest>(response).map_err(refused)
}

async fn labels(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::TagUser(it) => {
            iam.tag::<User>(account, &text(it.user_name), tags(it.tags)?).await?;
            doing.done::<api::TagUserRequest>()
        }
        Input::UntagUser(it) => {
            iam.untag::<User>(account, &text(it.user_name), it.tag_keys.unwrap_or_default()).await?;
            doing.done::<api::UntagUserRequest>()
        }
        Input::ListUserTags(it) => {
            let found =
                iam.tags::<User>(account, &text(it.user_name), &page(it.marker, it.max_items, None))?;
            doing.reply::<api::ListUserTagsRequest>(api::ListUserTagsResponse {
                tags: Some(found.items.into_iter().map(|(key, value)| shapes::tag(key, value)).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::PutUserPermissionsBoundary(it) => {
            iam.set_boundary::<User>(account, &text(it.user_name), it.permissions_boundary).await?;
            doing.done::<api::PutUserPermissionsBoundaryRequest>()
        }
        Input::DeleteUserPermissionsBoundary(it) => {
            iam.set_boundary::<User>(account, &text(it.user_name), None).await?;
            doing.done::<api::DeleteUserPermissionsBoundaryRequest>()
        }
        other => grants(doing, other).await,
    }
}

async fn grants(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    let Doing { iam, account, .. } = *doing;
    match input {
        Input::AttachUserPolicy(it) => {
            iam.attach::<User>(account, &text(it.user_name), &text(it.policy_arn)).await?;
            doing.done::<api::AttachUserPolicyRequest>()
        }
        Input::DetachUserPolicy(it) => {
            iam.detach::<User>(account, &text(it.user_name), &text(it.policy_arn)).await?;
            doing.done::<api::DetachUserPolicyRequest>()
        }
        Input::ListAttachedUserPolicies(it) => {
            let page = page(it.marker, it.max_items, it.path_prefix);
            let found = iam.attached::<User>(account, &text(it.user_name), &page)?;
            doing.reply::<api::ListAttachedUserPoliciesRequest>(api::ListAttachedUserPoliciesResponse {
                attached_policies: Some(found.items.into_iter().map(shapes::attached).collect()),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        Input::PutUserPolicy(it) => {
            let (name, policy) = (text(it.user_name), text(it.policy_name));
            iam.put_inline::<User>(account, &name, &policy, text(it.policy_document)).await?;
            doing.done::<api::PutUserPolicyRequest>()
        }
        Input::GetUserPolicy(it) => {
            let (name, policy) = (text(it.user_name), text(it.policy_name));
            let document = iam.inline::<User>(account, &name, &policy)?;
            doing.reply::<api::GetUserPolicyRequest>(api::GetUserPolicyResponse {
                user_name: Some(name),
                policy_name: Some(policy),
                policy_document: Some(shapes::document(&document)),
            })
        }
        Input::DeleteUserPolicy(it) => {
            iam.delete_inline::<User>(account, &text(it.user_name), &text(it.policy_name)).await?;
            doing.done::<api::DeleteUserPolicyRequest>()
        }
        Input::ListUserPolicies(it) => {
            let page = page(it.marker, it.max_items, None);
            let found = iam.inline_names::<User>(account, &text(it.user_name), &page)?;
            doing.reply::<api::ListUserPoliciesRequest>(api::ListUserPoliciesResponse {
                policy_names: Some(found.items),
                is_truncated: Some(found.next.is_some()),
                marker: found.next,
            })
        }
        _ => Err(strange(doing)),
    }
}

/// The owner of the account, which is no user.
fn owner(doing: &Doing<'_>) -> api::User {
    let account = doing.account;
    api::User {
        path: Some("/".to_owned()),
        user_name: Some("root".to_owned()),
        user_id: Some(account.to_string()),
        arn: Some(format!("arn:aws:iam::{account}:root")),
        create_date: Some(model::time::Timestamp::default()),
        ..api::User::default()
    }
}
