//! What is asked for a session, and whether it is given. Making and reading the credentials is `identity`'s.
//!
//! A role is taken on by whom its trust policy means; within the account that can be enough, from another the caller's
//! own policies have to allow it too. The owner of an account takes on no role. Who stands behind a session stays the same
//! through all that begin from it.
//!
//! Source: STS API reference, `AssumeRole`, `GetSessionToken`; IAM User Guide, "Session policies".

use std::collections::BTreeMap;
use std::sync::Arc;

use model::iam::Role;

use super::standing::SessionOf;
use super::{Iam, IamError, Kept, check_tags, id};
use crate::identity::Caller;
use crate::policy::{Context, Document, Kind, Request, Verdict, decide};

const SPAN_S_MIN: u32 = 900;
/// Of a session that begins another one.
const CHAINED_S_MAX: u32 = 3_600;
const TOKEN_S_MAX: u32 = 129_600;
const TOKEN_S_DEFAULT: u32 = 43_200;
const POLICY_ARNS_MAX: usize = 10;
const POLICY_CHARS_MAX: usize = 2_048;
/// What a token carries at most, policies and labels together.
const PACKED_BYTES_MAX: usize = 4_096;

/// `AssumeRole`.
#[derive(Debug, Clone, Default)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// What the session is called.
    pub session_name: String,
    /// How long it lasts; an hour where nothing is said.
    pub duration_s: Option<u32>,
    /// What it is bounded by.
    pub policy: Option<String>,
    /// Managed policies that it is bounded by.
    pub policy_arns: Vec<String>,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// What the role's owner told the caller.
    pub external_id: Option<String>,
    /// Who stands behind it.
    pub source_identity: Option<String>,
    /// What is known of the call.
    pub context: Context,
}

/// A session that may begin.
pub(crate) struct Granted {
    pub role: Arc<Role>,
    pub session: SessionOf,
    pub duration_s: u32,
    /// How much of what a token may carry it carries.
    pub packed_percent: u32,
}

impl Iam {
    /// Whether a session may begin. Whoever need not be asked (`is_open`) gets it for any role that is there.
    pub(crate) fn grant(
        &self,
        caller: &Caller,
        asked: AssumeRole,
        is_open: bool,
    ) -> Result<Granted, IamError> {
        self.granted(caller, asked, is_open).map_err(|error| match error {
            // The Security Token Service has no errors of its own for these.
            IamError::NoSuchEntity(message)
            | IamError::InvalidInput(message)
            | IamError::LimitExceeded(message) => IamError::Validation(message),
            other => other,
        })
    }

    fn granted(&self, caller: &Caller, mut asked: AssumeRole, is_open: bool) -> Result<Granted, IamError> {
        let packed = check_shape(&asked)?;
        if !is_open && caller.is_root() {
            return Err(IamError::AccessDenied("Roles may not be assumed by root accounts.".to_owned()));
        }
        let behind = caller.standing().facts.single("aws:SourceIdentity").map(str::to_owned);
        let is_same = behind.is_none() || asked.source_identity.is_none() || asked.source_identity == behind;
        asked.source_identity = asked.source_identity.or(behind);
        let role = self.role_of_arn(&asked.role_arn);
        let trusted = role.filter(|role| is_open || is_same && trusts(role, caller, &asked));
        let role = trusted.ok_or_else(|| {
            IamError::AccessDenied(format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                caller.standing().arn,
                asked.role_arn
            ))
        })?;
        for arn in &asked.policy_arns {
            self.0.attachable(role.entity.account, arn)?;
        }
        let duration_s = asked.duration_s.unwrap_or(CHAINED_S_MAX);
        if caller.standing().temporary && duration_s > CHAINED_S_MAX {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
                    .to_owned(),
            ));
        }
        if duration_s > role.session_s_max {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
            ));
        }
        check_least(duration_s)?;
        let session = SessionOf {
            name: asked.session_name,
            policy: asked.policy,
            policy_arns: asked.policy_arns,
            tags: asked.tags,
            source_identity: asked.source_identity,
        };
        let packed_percent = u32::try_from(packed * 100 / PACKED_BYTES_MAX).unwrap_or(100);
        Ok(Granted { role, session, duration_s, packed_percent })
    }
}

/// How long the credentials last that somebody gets for itself.
pub(crate) fn token_span(caller: &Caller, duration_s: Option<u32>) -> Result<u32, IamError> {
    if caller.standing().temporary {
        let message = "Cannot call GetSessionToken with session credentials";
        return Err(IamError::AccessDenied(message.to_owned()));
    }
    let most = if caller.is_root() { CHAINED_S_MAX } else { TOKEN_S_MAX };
    let duration_s = duration_s.unwrap_or(TOKEN_S_DEFAULT.min(most));
    check_least(duration_s)?;
    if duration_s > TOKEN_S_MAX {
        return Err(IamError::Validation(constraint(duration_s, "less than or equal to", TOKEN_S_MAX)));
    }
    Ok(duration_s.min(most))
}

fn check_least(duration_s: u32) -> Result<(), IamError> {
    if duration_s < SPAN_S_MIN {
        return Err(IamError::Validation(constraint(duration_s, "greater than or equal to", SPAN_S_MIN)));
    }
    Ok(())
}

fn constraint(value: u32, relation: &str, bound: u32) -> String {
    format!(
        "1 validation error detected: Value '{value}' at 'durationSeconds' failed to satisfy constraint: Member must \
         have value {relation} {bound}"
    )
}

/// What can be said without knowing the role; gives the bytes that the token has to carry.
fn check_shape(asked: &AssumeRole) -> Result<usize, IamError> {
    id::check_word(&asked.session_name, "roleSessionName", 64)?;
    if asked.session_name.len() < 2 {
        return Err(IamError::Validation(
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must have \
             length greater than or equal to 2"
                .to_owned(),
        ));
    }
    if let Some(source) = &asked.source_identity {
        id::check_word(source, "sourceIdentity", 64)?;
    }
    check_tags(&asked.tags)?;
    if asked.policy_arns.len() > POLICY_ARNS_MAX {
        let message = format!("A session has at most {POLICY_ARNS_MAX} managed policies.");
        return Err(IamError::Validation(message));
    }
    if let Some(policy) = &asked.policy {
        Document::parse(policy, Kind::Identity)?;
        if policy.chars().count() > POLICY_CHARS_MAX {
            let message = format!("A session's policy has at most {POLICY_CHARS_MAX} characters.");
            return Err(IamError::PackedPolicyTooLarge(message));
        }
    }
    let policies = asked.policy.iter().chain(&asked.policy_arns).map(String::len).sum::<usize>();
    let tags = asked.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let packed = policies + tags;
    if packed > PACKED_BYTES_MAX {
        let percent = packed * 100 / PACKED_BYTES_MAX;
        let message = format!("Serialized token too large for session: {percent}% of what is allowed.");
        return Err(IamError::PackedPolicyTooLarge(message));
    }
    Ok(packed)
}

/// Whether a role's trust and the caller's own policies let it be taken on.
fn trusts(role: &Role, caller: &Caller, asked: &AssumeRole) -> bool {
    let Ok(trust) = Document::parse(&role.trust, Kind::Trust) else { return false };
    let standing = caller.standing();
    let mut context = asked.context.clone();
    caller.tell(&standing, &mut context);
    context.set("aws:ResourceAccount", role.entity.account.as_str());
    context.set_resource_tags(&role.entity.tags);
    context.add_tags("iam:ResourceTag", &role.entity.tags);
    context.set("sts:RoleSessionName", asked.session_name.as_str());
    context.set_some("sts:ExternalId", asked.external_id.as_deref());
    context.set_some("sts:SourceIdentity", asked.source_identity.as_deref());
    context.set_request_tags(&asked.tags);
    let actor = caller.actor(&standing);
    let arn = role.arn();
    let may = |action| {
        let request = Request { action, resource: &arn, actor: Some(actor), context: &context };
        // Unlike other resources, a role is never open to its own account unless it says so.
        let is_own = role.entity.account == caller.account;
        matches!(trust.says(&request), Verdict::Allowed(_))
            && decide(&request, &standing.held, Some(&trust), is_own).is_allowed()
    };
    may("sts:AssumeRole")
        && (asked.tags.is_empty() || may("sts:TagSession"))
        && (asked.source_identity.is_none() || may("sts:SetSourceIdentity"))
}
