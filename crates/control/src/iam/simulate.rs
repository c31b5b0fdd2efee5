//! What policies would say, asked without doing anything.
//!
//! Source: IAM API reference, `SimulatePrincipalPolicy`, `SimulateCustomPolicy`.

use std::sync::Arc;

use model::iam::{Group, User};
use model::id::AccountId;

use super::standing::SessionOf;
use super::{Iam, IamError};
use crate::policy::{Actor, Context, Decision, Document, Held, Kind, Request, decide};

/// Most answers of one simulation.
const ANSWERS_MAX: usize = 10_000;

/// What is to be tried.
#[derive(Debug, Clone, Default)]
pub struct Simulation {
    /// Whose policies; without it, only those that are sent along.
    pub source: Option<String>,
    /// Policies besides.
    pub policies: Vec<String>,
    /// Boundaries in the place of the source's.
    pub boundary: Option<String>,
    /// What would be done.
    pub actions: Vec<String>,
    /// To what; `*` where nothing is said.
    pub resources: Vec<String>,
    /// The policy of every one of these resources.
    pub resource_policy: Option<String>,
    /// Who would do it, if that is not the source.
    pub caller: Option<String>,
    /// What would be known.
    pub context: Context,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// What would be done.
    pub action: String,
    /// To what.
    pub resource: String,
    /// What would become of it.
    pub decision: Decision,
}

impl Iam {
    /// Tries every action on every resource.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn simulate(&self, account: AccountId, asked: Simulation) -> Result<Vec<Simulated>, IamError> {
        let read = |text: &String, kind| {
            Document::parse(text, kind)
                .map_err(|error| IamError::InvalidInput(error.to_string()))
                .map(Arc::new)
        };
        let (arn, mut held, mut context) = match &asked.source {
            Some(source) => self.source(account, source)?,
            None => (format!("arn:aws:iam::{account}:root"), Held::default(), Context::new()),
        };
        for text in &asked.policies {
            held.identity.push(read(text, Kind::Identity)?);
        }
        if let Some(text) = &asked.boundary {
            held.boundary = Some(read(text, Kind::Identity)?);
        }
        let policy = asked.resource_policy.as_ref().map(|text| read(text, Kind::Resource)).transpose()?;
        let arn = asked.caller.unwrap_or(arn);
        let resources = if asked.resources.is_empty() { vec!["*".to_owned()] } else { asked.resources };
        if asked.actions.len().saturating_mul(resources.len()) > ANSWERS_MAX {
            let message = format!("A simulation has at most {ANSWERS_MAX} answers.");
            return Err(IamError::InvalidInput(message));
        }
        context.extend(&asked.context);
        let actor = Actor::Principal { account: account.as_str(), arn: &arn, role_arn: None };
        let mut answers = Vec::new();
        for action in &asked.actions {
            for resource in &resources {
                let request = Request { action, resource, actor: Some(actor), context: &context };
                let decision = decide(&request, &held, policy.as_deref(), true);
                answers.push(Simulated { action: action.clone(), resource: resource.clone(), decision });
            }
        }
        Ok(answers)
    }

    /// The policies of a user, group or role by its ARN.
    fn source(&self, account: AccountId, arn: &str) -> Result<(String, Held, Context), IamError> {
        let missing = || IamError::NoSuchEntity(format!("The entity {arn} cannot be found."));
        let name = arn.rsplit('/').next().unwrap_or_default();
        let standing = match arn.split(':').nth(5).and_then(|resource| resource.split('/').next()) {
            Some("user") => {
                let user = self.get::<User>(account, name).map_err(|_| missing())?;
                self.0.user(&user, false)
            }
            Some("role") => {
                let role = self.role_of_arn(arn).filter(|role| role.entity.account == account);
                let mut standing = self.0.session(&*role.ok_or_else(missing)?, &SessionOf::default());
                standing.arn = arn.to_owned();
                standing
            }
            Some("group") => {
                let group = self.get::<Group>(account, name).map_err(|_| missing())?;
                let held = self.0.held(account, std::iter::once(&group.grants), None, None);
                return Ok((arn.to_owned(), held, Context::new()));
            }
            _ => {
                let message =
                    format!("Invalid Entity Arn: {arn} does not clearly define entity type and name.");
                return Err(IamError::InvalidInput(message));
            }
        };
        if standing.arn != arn {
            return Err(missing());
        }
        Ok((standing.arn, standing.held, standing.facts))
    }
}
