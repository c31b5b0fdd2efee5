//! Who a caller is to policies, and which policies it holds.
//!
//! Made when a call needs it; the documents in it are shared. A function that has taken on no role may write
//! its own logs and nothing else.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::iam::id::base32;
use crate::policy::{Context, Document, Held, Kind};

use super::{Caller, Principal};

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// As denials name it: a root's, user's or session's ARN.
    pub arn: String,
    /// The role of a session.
    pub role_arn: Option<String>,
    /// Condition keys about it: `aws:username`, `aws:userid`, `aws:PrincipalTag/…`.
    pub facts: Context,
    /// Its policies.
    pub held: Held,
    /// Whether its credentials are temporary ones.
    pub temporary: bool,
}

impl Standing {
    /// The unique id of the user, or of the session's role.
    #[must_use]
    pub fn id(&self) -> &str {
        let user_id = self.facts.single("aws:userid").unwrap_or_default();
        user_id.split_once(':').map_or(user_id, |(role, _)| role)
    }
}

impl Caller {
    /// The id by which messages name whoever sent them: an account's number, a user's id, or a session of a role.
    #[must_use]
    pub fn sender_id(&self) -> String {
        self.standing().facts.single("aws:userid").unwrap_or_default().to_owned()
    }

    /// Whether it is the owner of its account.
    #[must_use]
    pub fn is_root(&self) -> bool {
        matches!(self.principal, Principal::Root | Principal::RootSession | Principal::Anyone)
    }

    /// Whether it has credentials of its own that end, as `GetSessionToken` gives them: they do not reach as far as its
    /// key, so that whoever gets hold of them cannot make them last.
    #[must_use]
    pub fn has_session_token(&self) -> bool {
        match &self.principal {
            Principal::RootSession => true,
            Principal::User(standing) => standing.temporary,
            Principal::Root | Principal::AssumedRole(_) | Principal::Role { .. } | Principal::Anyone => false,
        }
    }

    /// Whether it is a function whose role was missing, or did not trust Lambda.
    #[must_use]
    pub fn has_taken_on_no_role(&self) -> bool {
        matches!(self.principal, Principal::Role { .. })
    }

    /// Who the caller is to policies.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        match &self.principal {
            Principal::Root | Principal::RootSession | Principal::Anyone => {
                let temporary = self.principal == Principal::RootSession;
                let mut facts = Context::new();
                facts.set("aws:userid", self.account.as_str());
                facts.set("aws:PrincipalType", "Account");
                let arn = format!("arn:aws:iam::{}:root", self.account);
                let held = Held::everything();
                Arc::new(Standing { arn, role_arn: None, facts, held, temporary })
            }
            Principal::User(standing) | Principal::AssumedRole(standing) => Arc::clone(standing),
            Principal::Role { arn, function } => Arc::new(of_missing_role(arn, function)),
        }
    }
}

/// A session of a role that was not taken on, named as `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`.
fn of_missing_role(arn: &str, function_arn: &str) -> Standing {
    let mut facts = Context::new();
    facts.set("lambda:SourceFunctionArn", function_arn);
    facts.set("aws:PrincipalType", "AssumedRole");
    let function = arn.rsplit('/').next().unwrap_or_default();
    let identity = own_logs(function).into_iter().map(Arc::new).collect();
    let held = Held { identity, boundary: None, session: None };
    // Nothing stands behind it that had an id.
    let bits = Sha256::digest(arn.as_bytes())
        .iter()
        .take(16)
        .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    facts.set("aws:userid", format!("AROA{}:{function}", base32(bits, 17)));
    Standing { arn: arn.to_owned(), role_arn: None, facts, held, temporary: true }
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`, with the role's own account and without its path.
pub(super) fn session_arn(role_arn: &str, function: &str) -> String {
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    let role = role_arn.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{account}:assumed-role/{role}/{function}")
}

/// What a function without a role may do. Nothing if the name could be more than a name.
fn own_logs(function: &str) -> Option<Document> {
    let is_name = function.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let text = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/{function}:*"}}}}"#
    );
    is_name.then(|| Document::parse(&text, Kind::Identity).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::AccountId;

    #[test]
    fn a_role_that_does_not_exist_writes_its_own_logs_only() {
        let arn = "arn:aws:sts::000000000000:assumed-role/ghost/resize";
        let function = "arn:aws:lambda:us-east-1:000000000000:function:resize".to_owned();
        let principal = Principal::Role { arn: arn.to_owned(), function };
        let caller = Caller::lasting(AccountId::DEFAULT, principal);
        let may = |action: &str, resource: &str| caller.authorize(action, resource).is_ok();
        let group = |function: &str| {
            format!("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/{function}:log-stream:x")
        };
        assert!(may("logs:PutLogEvents", &group("resize")));
        assert!(!may("logs:PutLogEvents", &group("other")));
        assert!(!may("logs:GetLogEvents", &group("resize")));
        assert!(!may("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:resize"));
    }
}
