//! Who a caller is to policies, and which policies it holds.
//!
//! Made when a call needs it; the documents in it are shared. A function's role that names no existing role may write
//! the function's own logs and nothing else.

use std::sync::Arc;

use crate::policy::{Context, Document, Held, Kind};

use super::{Caller, Principal};

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// As denials name it: a root's, user's or session's ARN.
    pub arn: String,
    /// The role of a session.
    pub role_arn: Option<String>,
    /// Condition keys about it: `aws:username`, `aws:userid`, `aws:PrincipalTag/…`.
    pub facts: Context,
    /// Its policies.
    pub held: Held,
}

impl Caller {
    /// Who the caller is to policies.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.principal {
            Principal::Root | Principal::Anyone => {
                let mut facts = Context::new();
                facts.set("aws:userid", self.account.as_str());
                facts.set("aws:PrincipalType", "Account");
                let arn = format!("arn:aws:iam::{}:root", self.account);
                Standing { arn, role_arn: None, facts, held: Held::everything() }
            }
            Principal::Role { arn } => of_missing_role(arn),
        }
    }
}

/// A session of a role that does not exist, named as `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`.
fn of_missing_role(arn: &str) -> Standing {
    let mut facts = Context::new();
    facts.set("aws:PrincipalType", "AssumedRole");
    let function = arn.rsplit('/').next().unwrap_or_default();
    let identity = own_logs(function).into_iter().map(Arc::new).collect();
    let held = Held { identity, boundary: None, session: None };
    Standing { arn: arn.to_owned(), role_arn: None, facts, held }
}

/// What a function without an existing role may do. Nothing if the name could be more than a name.
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
        let caller =
            Caller { account: AccountId::DEFAULT, principal: Principal::Role { arn: arn.to_owned() } };
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
