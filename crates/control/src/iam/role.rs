//! Roles: made and changed, with who may take them on.
//!
//! A role's trust policy was read before it is kept. Sessions are `sts`'s, and those of services `service`'s.

use std::sync::Arc;

use model::iam::{Grants, Role};
use model::id::AccountId;

use super::grants::{check_bare, size_of};
use super::meant::Nobody;
use super::{Iam, IamError, Inner, Kept, New};
use crate::policy::{Document, Kind};

/// AWS's own quota for trust policies.
const TRUST_CHARS_MAX: usize = 2_048;
/// Lengths of sessions that can be allowed.
const SESSION_S: std::ops::RangeInclusive<u32> = 3_600..=43_200;

/// A role to be made.
#[derive(Debug, Clone, Default)]
pub struct NewRole {
    /// Name and so on.
    pub new: New,
    /// Who may take it on.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session; an hour where nothing is said.
    pub session_s_max: Option<u32>,
}

impl Iam {
    /// Makes a role.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `LimitExceeded`, `MalformedPolicyDocument`, `NoSuchEntity` for a boundary, `Validation`.
    pub async fn create_role(&self, account: AccountId, role: NewRole) -> Result<Arc<Role>, IamError> {
        let NewRole { mut new, trust, description, session_s_max } = role;
        let trust = self.checked_trust(&trust)?;
        let grants = Grants { boundary: new.boundary.take(), ..Grants::default() };
        let role = Role {
            entity: self.0.entity(account, Role::WORDS.id_prefix, new),
            grants,
            trust,
            description,
            session_s_max: checked_span(session_s_max.unwrap_or(*SESSION_S.start()))?,
        };
        self.create(role, Inner::check_boundary).await
    }

    /// Changes what a role is for, or how long its sessions may be.
    ///
    /// # Errors
    /// `NoSuchEntity`, `Validation`.
    pub async fn update_role(
        &self,
        account: AccountId,
        name: &str,
        description: Option<String>,
        session_s_max: Option<u32>,
    ) -> Result<Arc<Role>, IamError> {
        let session_s_max = session_s_max.map(checked_span).transpose()?;
        self.change(account, name, move |_, role: &mut Role| {
            if let Some(description) = description {
                role.description = Some(description);
            }
            role.session_s_max = session_s_max.unwrap_or(role.session_s_max);
            Ok(Arc::new(role.clone()))
        })
        .await
    }

    /// Changes who may take a role on.
    ///
    /// # Errors
    /// `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
    pub async fn update_trust(&self, account: AccountId, name: &str, trust: String) -> Result<(), IamError> {
        let trust = self.checked_trust(&trust)?;
        self.change(account, name, move |_, role: &mut Role| {
            role.trust = trust;
            Ok(())
        })
        .await
    }

    /// A trust policy that may be kept, as it is kept.
    fn checked_trust(&self, trust: &str) -> Result<String, IamError> {
        Document::parse(trust, Kind::Trust)?;
        if size_of(trust) > TRUST_CHARS_MAX {
            let message = format!("Cannot exceed quota for ACLSizePerRole: {TRUST_CHARS_MAX}");
            return Err(IamError::LimitExceeded(message));
        }
        self.meaning_of_trust(trust).map_err(|Nobody(name)| {
            let message = format!("Invalid principal in policy: \"AWS\":\"{name}\"");
            IamError::MalformedPolicyDocument(message)
        })
    }

    /// Removes a role that has nothing any more. Its sessions end at once.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub async fn delete_role(&self, account: AccountId, name: &str) -> Result<(), IamError> {
        self.delete(account, name, |_, role: &Role| check_bare(role)).await
    }

    /// The role with exactly this ARN.
    #[must_use]
    pub fn role_of_arn(&self, arn: &str) -> Option<Arc<Role>> {
        self.role_named_as(arn).filter(|role| role.arn() == arn)
    }

    /// The role with the account and the name of an ARN, whatever the path in it.
    pub(super) fn role_named_as(&self, arn: &str) -> Option<Arc<Role>> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "iam", "", account, resource] = parts.as_slice() else { return None };
        let account = AccountId::parse(account).ok()?;
        self.get::<Role>(account, resource.rsplit('/').next()?).ok()
    }
}

fn checked_span(seconds: u32) -> Result<u32, IamError> {
    if SESSION_S.contains(&seconds) {
        return Ok(seconds);
    }
    let (least, most) = SESSION_S.into_inner();
    let bound = if seconds < least {
        format!("greater than or equal to {least}")
    } else {
        format!("less than or equal to {most}")
    };
    Err(IamError::Validation(format!(
        "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member \
         must have value {bound}"
    )))
}
