//! Users, groups, roles and policies as answers write them.
//!
//! Documents are percent-encoded there, as clients expect. Lists leave labels and boundaries out, as AWS does.

use std::collections::BTreeMap;

use control::iam::{Described, Iam, Kept as _, VersionOf};
use model::iam::{AccessKey, Group, LastUse, Role, User};
use wire::iam as api;

pub(super) fn user(user: &User, whole: bool) -> api::User {
    let entity = &user.entity;
    api::User {
        path: Some(entity.path.clone()),
        user_name: Some(entity.name.clone()),
        user_id: Some(entity.id.clone()),
        arn: Some(user.arn()),
        create_date: Some(entity.created),
        password_last_used: None,
        permissions_boundary: boundary(user.grants.boundary.as_ref().filter(|_| whole)),
        tags: whole.then(|| tags(&entity.tags)).flatten(),
    }
}

pub(super) fn group(group: &Group) -> api::Group {
    let entity = &group.entity;
    api::Group {
        path: Some(entity.path.clone()),
        group_name: Some(entity.name.clone()),
        group_id: Some(entity.id.clone()),
        arn: Some(group.arn()),
        create_date: Some(entity.created),
    }
}

pub(super) fn role(iam: &Iam, role: &Role, whole: bool) -> api::Role {
    let entity = &role.entity;
    api::Role {
        path: Some(entity.path.clone()),
        role_name: Some(entity.name.clone()),
        role_id: Some(entity.id.clone()),
        arn: Some(role.arn()),
        create_date: Some(entity.created),
        assume_role_policy_document: Some(document(&iam.shown(&role.trust))),
        description: role.description.clone(),
        max_session_duration: i32::try_from(role.session_s_max).ok(),
        permissions_boundary: boundary(role.grants.boundary.as_ref().filter(|_| whole)),
        tags: whole.then(|| tags(&entity.tags)).flatten(),
        role_last_used: whole.then(|| last_used(iam.last_use(&entity.id))),
        source_role_template: None,
    }
}

fn last_used(last: Option<LastUse>) -> api::RoleLastUsed {
    let (last_used_date, region) = last.map(|last| (last.time, last.region)).unzip();
    api::RoleLastUsed { last_used_date, region }
}

pub(super) fn policy(described: &Described, whole: bool) -> api::Policy {
    let Described { policy, arn, attachments, bounds } = described;
    api::Policy {
        policy_name: Some(policy.entity.name.clone()),
        policy_id: Some(policy.entity.id.clone()),
        arn: Some(arn.clone()),
        path: Some(policy.entity.path.clone()),
        default_version_id: Some(format!("v{}", policy.default_version)),
        attachment_count: i32::try_from(*attachments).ok(),
        permissions_boundary_usage_count: i32::try_from(*bounds).ok(),
        is_attachable: Some(true),
        description: policy.description.clone().filter(|_| whole),
        create_date: Some(policy.entity.created),
        update_date: Some(policy.updated),
        tags: whole.then(|| tags(&policy.entity.tags)).flatten(),
    }
}

pub(super) fn version(version: &VersionOf, whole: bool) -> api::PolicyVersion {
    api::PolicyVersion {
        document: whole.then(|| document(&version.version.document)),
        version_id: Some(format!("v{}", version.number)),
        is_default_version: Some(version.is_default),
        create_date: Some(version.version.created),
    }
}

pub(super) fn status(key: &AccessKey) -> Option<api::StatusType> {
    Some(if key.is_active { api::StatusType::Active } else { api::StatusType::Inactive })
}

pub(super) fn tags(tags: &BTreeMap<String, String>) -> Option<Vec<api::Tag>> {
    let one = |(key, value): (&String, &String)| tag(key.clone(), value.clone());
    (!tags.is_empty()).then(|| tags.iter().map(one).collect())
}

pub(super) fn tag(key: String, value: String) -> api::Tag {
    api::Tag { key: Some(key), value: Some(value) }
}

pub(super) fn attached((name, arn): (String, String)) -> api::AttachedPolicy {
    api::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn) }
}

pub(super) fn document(text: &str) -> String {
    wire::percent::encode(text)
}

fn boundary(arn: Option<&String>) -> Option<api::AttachedPermissionsBoundary> {
    Some(api::AttachedPermissionsBoundary {
        permissions_boundary_type: Some(api::PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy),
        permissions_boundary_arn: Some(arn?.clone()),
    })
}
