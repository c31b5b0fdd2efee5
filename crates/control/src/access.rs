//! Whether a caller may do something: its own policies and the resource's, taken together.
//!
//! Knows no operation: which action on which resource a call needs, and what is known of the call besides, is said by
//! whoever takes it. The owner of an account may do everything in it at no cost; in other accounts, only what their
//! policies let it.

use model::error::ServiceError;
use model::id::AccountId;

use crate::identity::{Caller, Standing};
use crate::policy::{Actor, Context, Decision, Document, Held, Request, decide};

/// What a caller wants to do.
#[derive(Debug)]
pub struct Asking<'a> {
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The ARN, or `*` where the action has none.
    pub resource: &'a str,
    /// Whose the resource is, where its ARN does not say it.
    pub owner: Option<AccountId>,
    /// The resource's own policy, if it has one.
    pub policy: Option<&'a Document>,
    /// What is known besides.
    pub context: Context,
}

impl Caller {
    /// Whether the caller is the owner of this account, and so may do everything in it.
    #[must_use]
    pub fn owns(&self, account: AccountId) -> bool {
        self.account == account && self.is_root()
    }

    /// Whether the caller may do `action` to `resource`, an ARN or `*`, of which nothing else is known.
    ///
    /// # Errors
    /// As [`Caller::may`].
    #[cfg(test)]
    pub(crate) fn authorize(
        &self,
        action: &str,
        resource: impl std::fmt::Display,
    ) -> Result<(), ServiceError> {
        let resource = resource.to_string();
        self.may(Asking { action, resource: &resource, owner: None, policy: None, context: Context::new() })
    }

    /// Whether the caller may do something.
    ///
    /// # Errors
    /// `AccessDenied` in AWS's wording.
    pub fn may(&self, asking: Asking<'_>) -> Result<(), ServiceError> {
        let owner = asking.owner.or_else(|| account_of(asking.resource)).unwrap_or(self.account);
        if self.owns(owner) {
            return Ok(());
        }
        let standing = self.standing();
        let decision = self.decision(&standing, owner, &asking);
        match decision.denial(&standing.arn, asking.action, asking.resource) {
            None => Ok(()),
            Some(denial) => Err(ServiceError::AccessDenied(denial)),
        }
    }

    /// Whether the caller may do something to what has another name, under which nothing denies it.
    ///
    /// # Errors
    /// `AccessDenied` in AWS's wording.
    pub fn may_unless_denied_as(&self, asking: Asking<'_>, other: Asking<'_>) -> Result<(), ServiceError> {
        let owner = other.owner.or_else(|| account_of(other.resource)).unwrap_or(self.account);
        if self.owns(owner) {
            return Ok(());
        }
        let standing = self.standing();
        let decision = self.decision(&standing, owner, &other);
        let denial = decision.denial(&standing.arn, other.action, other.resource);
        match denial.filter(|_| matches!(decision, Decision::ExplicitDeny(_))) {
            None => self.may(asking),
            Some(denial) => Err(ServiceError::AccessDenied(denial)),
        }
    }

    /// What is known of the caller, whatever it asks for.
    pub(crate) fn tell(&self, standing: &Standing, context: &mut Context) {
        context.extend(&standing.facts);
        context.set("aws:PrincipalAccount", self.account.as_str());
        let called = standing.role_arn.as_deref().unwrap_or(&standing.arn);
        // A role that is missing is nobody's: such a function is itself.
        let itself =
            standing.facts.single("lambda:SourceFunctionArn").filter(|_| self.has_taken_on_no_role());
        context.set("aws:PrincipalArn", itself.unwrap_or(called));
        // No service calls on behalf of anybody here: those act by themselves.
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:ViaAWSService", "false");
    }

    /// The caller as principals of policies mean it.
    pub(crate) fn actor<'a>(&'a self, standing: &'a Standing) -> Actor<'a> {
        // Whose role is missing is called as a session of a role of that name would be, and must not pass for it.
        let arn = if self.has_taken_on_no_role() { "" } else { &standing.arn };
        Actor::Principal {
            account: self.account.as_str(),
            arn,
            role_arn: standing.role_arn.as_deref(),
            id: standing.id(),
        }
    }

    fn decision(&self, standing: &Standing, owner: AccountId, asking: &Asking<'_>) -> Decision {
        let Asking { action, resource, policy, context, .. } = asking;
        let mut context = context.clone();
        self.tell(standing, &mut context);
        context.set("aws:ResourceAccount", owner.as_str());
        let actor = Some(self.actor(standing));
        let request = Request { action, resource, actor, context: &context };
        decide(&request, &standing.held, *policy, owner == self.account)
    }
}

/// Whether the resource's own policy lets in somebody who has not said who it is.
#[must_use]
pub fn anybody_may(asking: &Asking<'_>) -> bool {
    let Asking { action, resource, policy, context, .. } = asking;
    let request = Request { action, resource, actor: Some(Actor::Anonymous), context };
    decide(&request, &Held::default(), *policy, true).is_allowed()
}

/// The account that an ARN names.
fn account_of(resource: &str) -> Option<AccountId> {
    let account = resource.strip_prefix("arn:")?.split(':').nth(3)?;
    AccountId::parse(account).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Principal;
    use crate::policy::Kind;

    const OWN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
    const OTHER: &str = "arn:aws:lambda:us-east-1:210987654321:function:f";

    fn root() -> Caller {
        Caller::lasting(AccountId::DEFAULT, Principal::Root)
    }

    #[test]
    fn an_owner_may_do_everything_at_home_and_elsewhere_what_it_is_granted() {
        assert_eq!(root().authorize("lambda:GetFunction", OWN), Ok(()));
        assert_eq!(root().authorize("lambda:ListFunctions", "*"), Ok(()));
        let denied = root().authorize("lambda:GetFunction", OTHER).expect_err("another account's");
        let expect = format!(
            "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetFunction on resource: \
             {OTHER} because no resource-based policy allows the lambda:GetFunction action"
        );
        assert_eq!(denied, ServiceError::AccessDenied(expect));
        let policy = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"lambda:Get*","Resource":"*"}}"#;
        let policy = Document::parse(policy, Kind::Resource).expect("a policy");
        let ask = |action| {
            let (policy, context) = (Some(&policy), Context::new());
            root().may(Asking { action, resource: OTHER, owner: None, policy, context })
        };
        assert_eq!(ask("lambda:GetFunction"), Ok(()));
        assert!(ask("lambda:DeleteFunction").is_err());
    }
}
