//! Roles: who may take them on, and what Lambda may do with them.
//!
//! A role's trust policy was read before it is kept. Sessions are `sts`'s.

use std::sync::Arc;

use model::error::ServiceError;
use model::iam::{Grants, Role};
use model::id::AccountId;

use super::grants::{check_bare, size_of};
use super::meant::Nobody;
use super::standing::SessionOf;
use super::{Iam, IamError, Inner, Kept, New};
use crate::identity::Standing;
use crate::policy::{Actor, Context, Document, Kind, Request, Verdict};

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
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "iam", "", account, resource] = parts.as_slice() else { return None };
        let account = AccountId::parse(account).ok()?;
        let role = self.get::<Role>(account, resource.rsplit('/').next()?).ok()?;
        (role.arn() == arn).then_some(role)
    }

    /// Refuses a function's role that is there and does not let Lambda take it on, and one of another partition, which
    /// never is. A role that is not there gives the function nothing but its own logs.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn check_execution_role(&self, arn: &str) -> Result<(), ServiceError> {
        if arn.starts_with("arn:aws:") && self.role_of_arn(arn).is_none_or(|role| trusts_lambda(&role)) {
            return Ok(());
        }
        let message = "The role defined for the function cannot be assumed by Lambda.";
        Err(ServiceError::InvalidParameterValue(message.to_owned()))
    }

    /// The unique id of the role that a function takes on; none if there is no such role, or it does not let Lambda take
    /// it on any more.
    pub(crate) fn execution_role_id(&self, arn: &str) -> Option<String> {
        let role = self.role_of_arn(arn)?;
        if !trusts_lambda(&role) {
            tracing::warn!(role = arn, "Lambda was unable to assume the role; its function has no rights");
            return None;
        }
        Some(role.entity.id.clone())
    }

    /// Who a service is that takes on a role of `account`; nobody if there is no such role, or it does not let the
    /// service take it on.
    pub(crate) fn service_session(
        &self,
        role_arn: &str,
        account: AccountId,
        service: &str,
        context: &Context,
    ) -> Option<Standing> {
        let role = self.role_of_arn(role_arn).filter(|role| role.entity.account == account)?;
        let name = service.split('.').next().unwrap_or_default().to_owned();
        let session = SessionOf { name, ..SessionOf::default() };
        trusts(&role, service, context).then(|| self.0.session(&role, &session))
    }
}

fn trusts_lambda(role: &Role) -> bool {
    trusts(role, "lambda.amazonaws.com", &Context::new())
}

/// Whether a role lets a service take it on.
fn trusts(role: &Role, service: &str, context: &Context) -> bool {
    let (action, resource) = ("sts:AssumeRole", &role.arn());
    let request = Request { action, resource, actor: Some(Actor::Service(&[service])), context };
    let trust = Document::parse(&role.trust, Kind::Trust).map(|trust| trust.says(&request));
    matches!(trust, Ok(Verdict::Allowed(_)))
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
