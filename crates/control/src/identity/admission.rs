//! Whether a service may deliver something on behalf of what it serves: with a role, as far as that role may; without,
//! where the target's policy lets the service in.
//!
//! Source: EventBridge User Guide, "Using resource-based policies" and "Using identity-based policies"; Lambda Developer
//! Guide, "Permissions for destinations"; CloudWatch Logs User Guide, "Subscription filters with AWS Lambda".

use model::delivery::Sender;
use model::id::AccountId;

use super::{Access, Identity};
use crate::iam::service::{facts_of, tell_service};
use crate::policy::{Actor, Admission, Context, Decision, Need, Request, Source, Verdict, decide};

impl Admission for Identity {
    fn admits(&self, sender: &Sender, need: &Need) -> bool {
        self.decision(sender, need).is_allowed()
    }

    fn denies(&self, sender: &Sender, need: &Need) -> bool {
        matches!(self.decision(sender, need), Decision::ExplicitDeny(_))
    }

    fn meant(&self, policy: &str) -> String {
        self.iam().meaning(policy)
    }

    fn shown(&self, policy: &str) -> String {
        self.iam().shown(policy)
    }
}

impl Identity {
    fn decision(&self, sender: &Sender, need: &Need) -> Decision {
        if self.access() == Access::Open {
            return Decision::Allowed;
        }
        let (action, resource) = (need.action.as_str(), need.resource.as_str());
        let owner = resource.split(':').nth(4).and_then(|account| AccountId::parse(account).ok());
        let mut context = need.facts.clone();
        context.extend(&facts_of(sender, owner, self.clock.now()));
        if let Some(role) = &sender.role {
            return self.of_role(sender, role, need, owner, context);
        }
        let names = tell_service(sender, &mut context);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let request = Request { action, resource, actor: Some(Actor::Service(&names)), context: &context };
        match need.policy.as_ref().map(|policy| policy.says(&request)) {
            Some(Verdict::Allowed(_)) => Decision::Allowed,
            Some(Verdict::Denied) => Decision::ExplicitDeny(Source::Resource),
            Some(Verdict::Silent) | None => Decision::ImplicitDeny(Source::Resource),
        }
    }

    fn of_role(
        &self,
        sender: &Sender,
        role: &str,
        need: &Need,
        owner: Option<AccountId>,
        mut context: Context,
    ) -> Decision {
        let account = sender.scope.account;
        let Some(standing) = self.iam().service_session(role, sender) else {
            return Decision::ImplicitDeny(Source::Identity);
        };
        context.extend(&standing.facts);
        context.set("aws:PrincipalAccount", account.as_str());
        context.set("aws:PrincipalArn", role);
        context.set("aws:PrincipalIsAWSService", "false");
        let actor = Some(Actor::Principal {
            account: account.as_str(),
            arn: &standing.arn,
            role_arn: Some(role),
            id: standing.id(),
        });
        let (action, resource) = (need.action.as_str(), need.resource.as_str());
        let request = Request { action, resource, actor, context: &context };
        decide(&request, &standing.held, need.policy.as_deref(), owner == Some(account))
    }
}
