//! What each operation is done to, and what is known of it besides: the ground on which a caller's right is decided.
//!
//! Complete by the compiler. Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS
//! Identity and Access Management".

use policy::Context;
use wire::iam::{Input, Tag};

/// The one thing that an operation is about, by its name or ARN; none for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    User(Option<&'a str>),
    Group(Option<&'a str>),
    Role(Option<&'a str>),
    Policy(Option<&'a str>),
    /// Whose policies are tried.
    Simulation(Option<&'a str>),
}

macro_rules! targets {
    ($input:expr; $($bound:ident => $target:expr, for [$($operation:ident)*];)*) => {
        match $input {
            $($(Input::$operation($bound) => $target,)*)*
        }
    };
}

/// What an operation is done to.
pub(super) fn target(input: &Input) -> Target<'_> {
    targets! { input;
        it => Target::User(it.user_name.as_deref()), for [
            CreateUser GetUser UpdateUser DeleteUser TagUser UntagUser ListUserTags CreateAccessKey UpdateAccessKey
            DeleteAccessKey ListAccessKeys AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies PutUserPolicy
            GetUserPolicy DeleteUserPolicy ListUserPolicies PutUserPermissionsBoundary
            DeleteUserPermissionsBoundary ListGroupsForUser
        ];
        _it => Target::User(None), for [ListUsers GetAccessKeyLastUsed];
        it => Target::Group(it.group_name.as_deref()), for [
            CreateGroup GetGroup UpdateGroup DeleteGroup AddUserToGroup RemoveUserFromGroup AttachGroupPolicy
            DetachGroupPolicy ListAttachedGroupPolicies PutGroupPolicy GetGroupPolicy DeleteGroupPolicy
            ListGroupPolicies
        ];
        _it => Target::Group(None), for [ListGroups];
        it => Target::Role(it.role_name.as_deref()), for [
            CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole TagRole UntagRole
            ListRoleTags AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies PutRolePolicy GetRolePolicy
            DeleteRolePolicy ListRolePolicies PutRolePermissionsBoundary DeleteRolePermissionsBoundary
            ListInstanceProfilesForRole
        ];
        _it => Target::Role(None), for [ListRoles];
        it => Target::Policy(it.policy_name.as_deref()), for [CreatePolicy];
        it => Target::Policy(it.policy_arn.as_deref()), for [
            GetPolicy DeletePolicy CreatePolicyVersion GetPolicyVersion ListPolicyVersions DeletePolicyVersion
            SetDefaultPolicyVersion ListEntitiesForPolicy TagPolicy UntagPolicy ListPolicyTags
        ];
        _it => Target::Policy(None), for [ListPolicies];
        it => Target::Simulation(it.policy_source_arn.as_deref()), for [SimulatePrincipalPolicy];
        _it => Target::Simulation(None), for [SimulateCustomPolicy];
    }
}

/// The path of what an operation makes; none for one that makes nothing.
pub(super) fn new_path(input: &Input) -> Option<&str> {
    let path = match input {
        Input::CreateUser(it) => &it.path,
        Input::CreateGroup(it) => &it.path,
        Input::CreateRole(it) => &it.path,
        Input::CreatePolicy(it) => &it.path,
        _ => return None,
    };
    Some(path.as_deref().unwrap_or("/"))
}

/// The operation to which somebody needs the right besides who makes something with tags.
///
/// Source: IAM User Guide, "Tags for AWS Identity and Access Management resources".
pub(super) fn tagging(input: &Input) -> Option<&'static str> {
    let (tags, operation) = match input {
        Input::CreateUser(it) => (&it.tags, "TagUser"),
        Input::CreateRole(it) => (&it.tags, "TagRole"),
        Input::CreatePolicy(it) => (&it.tags, "TagPolicy"),
        _ => return None,
    };
    tags.as_ref().filter(|tags| !tags.is_empty()).map(|_| operation)
}

/// Whether an operation means the caller where it names no user.
pub(super) fn is_of_one_user(input: &Input) -> bool {
    matches!(
        input,
        Input::GetUser(_)
            | Input::CreateAccessKey(_)
            | Input::UpdateAccessKey(_)
            | Input::DeleteAccessKey(_)
            | Input::ListAccessKeys(_)
    )
}

/// Whether the boundary of a user or role decides on who may do this to it.
pub(super) fn is_by_boundary(input: &Input) -> bool {
    matches!(
        input,
        Input::AttachUserPolicy(_)
            | Input::DetachUserPolicy(_)
            | Input::PutUserPolicy(_)
            | Input::DeleteUserPolicy(_)
            | Input::DeleteUserPermissionsBoundary(_)
            | Input::AttachRolePolicy(_)
            | Input::DetachRolePolicy(_)
            | Input::PutRolePolicy(_)
            | Input::DeleteRolePolicy(_)
            | Input::DeleteRolePermissionsBoundary(_)
    )
}

/// The ARN that something would have after an operation that gives it another name or path.
pub(super) fn renamed(input: &Input, arn: &str) -> Option<String> {
    let (path, name) = match input {
        Input::UpdateUser(it) => (it.new_path.as_deref(), it.new_user_name.as_deref()),
        Input::UpdateGroup(it) => (it.new_path.as_deref(), it.new_group_name.as_deref()),
        _ => return None,
    };
    let (kind, place) = arn.split_once('/')?;
    let (old_path, old_name) = match place.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name),
        None => ("/".to_owned(), place),
    };
    Some(format!("{kind}{}{}", path.unwrap_or(&old_path), name.unwrap_or(old_name)))
}

/// The condition keys that its members give.
pub(super) fn tell(context: &mut Context, input: &Input) {
    match input {
        Input::AttachUserPolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::DetachUserPolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::AttachGroupPolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::DetachGroupPolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::AttachRolePolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::DetachRolePolicy(it) => context.set_some("iam:PolicyARN", it.policy_arn.as_deref()),
        Input::PutUserPermissionsBoundary(it) => boundary(context, it.permissions_boundary.as_deref()),
        Input::PutRolePermissionsBoundary(it) => boundary(context, it.permissions_boundary.as_deref()),
        Input::CreateUser(it) => {
            boundary(context, it.permissions_boundary.as_deref());
            tags(context, it.tags.as_deref());
        }
        Input::CreateRole(it) => {
            boundary(context, it.permissions_boundary.as_deref());
            tags(context, it.tags.as_deref());
        }
        Input::CreatePolicy(it) => tags(context, it.tags.as_deref()),
        Input::TagUser(it) => tags(context, it.tags.as_deref()),
        Input::TagRole(it) => tags(context, it.tags.as_deref()),
        Input::TagPolicy(it) => tags(context, it.tags.as_deref()),
        Input::UntagUser(it) => context.set_all("aws:TagKeys", it.tag_keys.clone().unwrap_or_default()),
        Input::UntagRole(it) => context.set_all("aws:TagKeys", it.tag_keys.clone().unwrap_or_default()),
        Input::UntagPolicy(it) => context.set_all("aws:TagKeys", it.tag_keys.clone().unwrap_or_default()),
        _ => {}
    }
}

fn boundary(context: &mut Context, arn: Option<&str>) {
    context.set_some("iam:PermissionsBoundary", arn);
}

fn tags(context: &mut Context, tags: Option<&[Tag]>) {
    let tags = tags.into_iter().flatten();
    context.set_request_tags(tags.map(|tag| {
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        (text(&tag.key), text(&tag.value))
    }));
}
