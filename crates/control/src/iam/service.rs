//! Services that act: what policies know of one that acts on behalf of what it serves, and the roles that it takes on
//! for that.
//!
//! A role's trust policy says who may take it on and for what: a service is asked about with the same condition keys
//! whichever it is, and Lambda with those of the function. Roles are made and changed in [`super::role`].
//!
//! Source: IAM User Guide, "AWS global condition context keys", "The confused deputy problem"; EventBridge Scheduler User
//! Guide, "Cross-service confused deputy prevention".

use std::sync::Arc;

use model::arn::FunctionId;
use model::delivery::Sender;
use model::error::ServiceError;
use model::function::Function;
use model::iam::Role;
use model::id::AccountId;
use model::time::Timestamp;

use super::standing::SessionOf;
use super::{Iam, Kept};
use crate::identity::Standing;
use crate::policy::{Actor, Context, Document, Kind, Request, Verdict};

impl Iam {
    /// Refuses a function's role that is there and does not let Lambda take it on for the function, and one of another
    /// partition, which never is, or with another path than the role of that name has: names are unique in an account
    /// whatever their path. A role that is not there gives the function nothing but its own logs.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn check_execution_role(&self, function: &FunctionId, arn: &str) -> Result<(), ServiceError> {
        let trusts = |role: Arc<Role>| self.trusts(&role, &Sender::lambda(function, None));
        let is_fit = match self.role_of_arn(arn) {
            Some(role) => trusts(role),
            None => self.role_named_as(arn).is_none(),
        };
        if arn.starts_with("arn:aws:") && is_fit {
            return Ok(());
        }
        let message = "The role defined for the function cannot be assumed by Lambda.";
        Err(ServiceError::InvalidParameterValue(message.to_owned()))
    }

    /// The unique id of the role that a function takes on; none if there is no such role, or it does not let Lambda take
    /// it on any more.
    pub(crate) fn execution_role_id(&self, function: &Function) -> Option<String> {
        let arn = &function.settings.role;
        let role = self.role_of_arn(arn)?;
        if !self.trusts(&role, &Sender::lambda(&function.id, None)) {
            tracing::warn!(role = arn, "Lambda was unable to assume the role; its function has no rights");
            return None;
        }
        Some(role.entity.id.clone())
    }

    /// Who a service is that takes on a role of the account that it acts for; nobody if there is no such role, or it does
    /// not let the service take it on.
    pub(crate) fn service_session(&self, role_arn: &str, sender: &Sender) -> Option<Standing> {
        let is_own = |role: &Arc<Role>| role.entity.account == sender.scope.account;
        let role = self.role_of_arn(role_arn).filter(is_own)?;
        let name = sender.service.split('.').next().unwrap_or_default().to_owned();
        let session = SessionOf { name, ..SessionOf::default() };
        self.trusts(&role, sender).then(|| self.0.session(&role, &session))
    }

    /// Whether a role lets a service take it on.
    fn trusts(&self, role: &Role, sender: &Sender) -> bool {
        let mut context = facts_of(sender, Some(role.entity.account), self.0.clock.now());
        let names = tell_service(sender, &mut context);
        context.set_resource_tags(&role.entity.tags);
        context.add_tags("iam:ResourceTag", &role.entity.tags);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (action, resource) = ("sts:AssumeRole", &role.arn());
        let request = Request { action, resource, actor: Some(Actor::Service(&names)), context: &context };
        let trust = Document::parse(&role.trust, Kind::Trust).map(|trust| trust.says(&request));
        matches!(trust, Ok(Verdict::Allowed(_)))
    }
}

/// What is known of what a service or its role does on behalf of something, to what is this account's.
pub(crate) fn facts_of(sender: &Sender, owner: Option<AccountId>, now: Timestamp) -> Context {
    let mut context = Context::new();
    tell_call(now, &mut context);
    context.set("aws:SourceArn", source(sender));
    context.set("aws:SourceAccount", sender.scope.account.as_str());
    context.set("aws:RequestedRegion", sender.scope.region.as_str());
    context.set("aws:ViaAWSService", "false");
    context.set_some("aws:ResourceAccount", owner.as_ref().map(AccountId::as_str));
    context
}

/// What is known besides where the service does it as itself; gives the names that it has.
pub(crate) fn tell_service(sender: &Sender, context: &mut Context) -> Vec<String> {
    let names = names(sender);
    context.set("aws:PrincipalIsAWSService", "true");
    context.set("aws:PrincipalServiceName", sender.service.as_str());
    context.set_all("aws:PrincipalServiceNamesList", names.clone());
    names
}

/// What is known of every call that is made here and not by a client.
pub(crate) fn tell_call(now: Timestamp, context: &mut Context) {
    context.set("aws:SecureTransport", "true");
    let seconds = (now.as_millis() / 1_000).to_string();
    context.set("aws:CurrentTime", seconds.as_str());
    context.set("aws:EpochTime", seconds);
}

/// The ARN that policies know the sender by. Schedules go by that of their group.
fn source(sender: &Sender) -> String {
    let arn = sender.source.as_str();
    let schedule =
        (sender.service == "scheduler.amazonaws.com").then(|| arn.split_once(":schedule/")).flatten();
    let group = schedule.and_then(|(scope, rest)| Some((scope, rest.split_once('/')?.0)));
    group.map_or_else(|| arn.to_owned(), |(scope, group)| format!("{scope}:schedule-group/{group}"))
}

/// All names of a service as policies may call it. CloudWatch Logs has one for each region besides.
fn names(sender: &Sender) -> Vec<String> {
    let mut names = vec![sender.service.clone()];
    if sender.service == "logs.amazonaws.com" {
        names.push(format!("logs.{}.amazonaws.com", sender.scope.region));
    }
    names
}
