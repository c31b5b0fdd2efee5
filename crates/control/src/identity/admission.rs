//! Whether a service may deliver something on behalf of what it serves: with a role, as far as that role may; without,
//! where the target's policy lets the service in.
//!
//! Source: EventBridge User Guide, "Using resource-based policies" and "Using identity-based policies"; Lambda Developer
//! Guide, "Permissions for destinations".

use model::delivery::Sender;
use model::id::AccountId;

use super::{Access, Identity};
use crate::policy::{Actor, Admission, Context, Document, Request, Verdict, decide};

impl Admission for Identity {
    fn admits(&self, sender: &Sender, action: &str, resource: &str, policy: Option<&Document>) -> bool {
        if self.access() == Access::Open {
            return true;
        }
        let mut context = Context::new();
        context.set("aws:SourceArn", sender.source.as_str());
        context.set("aws:SourceAccount", sender.scope.account.as_str());
        context.set("aws:RequestedRegion", sender.scope.region.as_str());
        let owner = resource.split(':').nth(4).and_then(|account| AccountId::parse(account).ok());
        if let Some(owner) = owner {
            context.set("aws:ResourceAccount", owner.as_str());
        }
        match &sender.role {
            Some(role) => self.admits_role(sender, role, (action, resource, policy), owner, context),
            None => {
                context.set("aws:PrincipalIsAWSService", "true");
                context.set("aws:PrincipalServiceName", sender.service.as_str());
                let actor = Some(Actor::Service(&sender.service));
                let request = Request { action, resource, actor, context: &context };
                policy.is_some_and(|policy| matches!(policy.says(&request), Verdict::Allowed(_)))
            }
        }
    }
}

impl Identity {
    fn admits_role(
        &self,
        sender: &Sender,
        role: &str,
        (action, resource, policy): (&str, &str, Option<&Document>),
        owner: Option<AccountId>,
        mut context: Context,
    ) -> bool {
        let account = sender.scope.account;
        let Some(standing) = self.iam().service_session(role, account, &sender.service, &context) else {
            return false;
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
        let request = Request { action, resource, actor, context: &context };
        decide(&request, &standing.held, policy, owner == Some(account)).is_allowed()
    }
}
