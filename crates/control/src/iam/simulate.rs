//! What policies would say, asked without doing anything: the decision, the statements that made it, and what would have
//! to be known besides.
//!
//! Source: IAM API reference, `SimulatePrincipalPolicy`, `SimulateCustomPolicy`.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::iam::{Grants, Group, Role, User};
use model::id::AccountId;

use super::standing::SessionOf;
use super::{Iam, IamError, Inner, Kept as _};
use crate::policy::{
    Actor, Context, Decision, Document, Held, Kind, Position, Request, Verdict, decide, statement_spans,
};

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
    /// The statements that decide it: those that deny it, or else those that allow it.
    pub matched: Vec<Matched>,
    /// Condition keys of the policies of which nothing was said.
    pub missing: Arc<Vec<String>>,
    /// Whether the boundary allows it, where there is one.
    pub is_within_boundary: Option<bool>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The policy's name, or its place among those that were sent along.
    pub policy: String,
    /// Whether it is the resource's policy.
    pub is_resource_policy: bool,
    /// Where the statement begins and ends in its text.
    pub span: Option<(Position, Position)>,
}

/// A policy with its name and text.
struct Named {
    name: String,
    text: String,
    document: Arc<Document>,
    is_resource_policy: bool,
}

/// Who is tried.
struct Subject {
    arn: String,
    facts: Context,
    policies: Vec<Named>,
    boundary: Option<Named>,
}

impl Iam {
    /// Tries every action on every resource.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`.
    pub fn simulate(&self, account: AccountId, asked: Simulation) -> Result<Vec<Simulated>, IamError> {
        check_actions(&asked.actions)?;
        let mut subject = match &asked.source {
            Some(source) => self.subject(account, source)?,
            None => Subject {
                arn: format!("arn:aws:iam::{account}:root"),
                facts: Context::new(),
                policies: Vec::new(),
                boundary: None,
            },
        };
        for (index, text) in asked.policies.into_iter().enumerate() {
            let name = format!("PolicyInputList.{}", index + 1);
            subject.policies.push(Named::read(name, text, Kind::Identity)?);
        }
        if let Some(text) = asked.boundary {
            let name = "PermissionsBoundaryPolicyInputList.1".to_owned();
            subject.boundary = Some(Named::read(name, text, Kind::Identity)?);
        }
        let policy = asked.resource_policy.map(|text| {
            Named::read("ResourcePolicy".to_owned(), self.meaning(&text), Kind::Resource)
                .map(|policy| Named { text, ..policy })
        });
        let policy = policy.transpose()?;
        let resources = if asked.resources.is_empty() { vec!["*".to_owned()] } else { asked.resources };
        if asked.actions.len().saturating_mul(resources.len()) > ANSWERS_MAX {
            let message = format!("A simulation has at most {ANSWERS_MAX} answers.");
            return Err(IamError::InvalidInput(message));
        }
        subject.facts.extend(&asked.context);
        let arn = asked.caller.unwrap_or_else(|| subject.arn.clone());
        let id = self.0.id_of(&arn).unwrap_or_default();
        let actor = Actor::Principal { account: account.as_str(), arn: &arn, role_arn: None, id: &id };
        let missing = Arc::new(subject.missing(policy.as_ref()));
        let mut answers = Vec::new();
        for action in &asked.actions {
            for resource in &resources {
                let request = Request { action, resource, actor: Some(actor), context: &subject.facts };
                answers.push(subject.answer(&request, policy.as_ref(), &missing));
            }
        }
        Ok(answers)
    }

    /// A user, group or role by its ARN, with its policies.
    fn subject(&self, account: AccountId, arn: &str) -> Result<Subject, IamError> {
        let missing = || IamError::NoSuchEntity(format!("The entity {arn} cannot be found."));
        let name = arn.rsplit('/').next().unwrap_or_default();
        let kind = arn.split(':').nth(5).and_then(|resource| resource.split('/').next());
        let (is_it, facts, grants) = match kind {
            Some("user") => {
                let user = self.get::<User>(account, name).map_err(|_| missing())?;
                let groups = self.0.groups_of(&user);
                let grants = groups.iter().map(|group| group.grants.clone()).chain([user.grants.clone()]);
                (user.arn() == arn, self.0.user(&user, false).facts, grants.collect::<Vec<_>>())
            }
            Some("role") => {
                let role = self.get::<Role>(account, name).map_err(|_| missing())?;
                let facts = self.0.session(&role, &SessionOf::default()).facts;
                (role.arn() == arn, facts, vec![role.grants.clone()])
            }
            Some("group") => {
                let group = self.get::<Group>(account, name).map_err(|_| missing())?;
                (group.arn() == arn, Context::new(), vec![group.grants.clone()])
            }
            _ => {
                let message =
                    format!("Invalid Entity Arn: {arn} does not clearly define entity type and name.");
                return Err(IamError::InvalidInput(message));
            }
        };
        if !is_it {
            return Err(missing());
        }
        let mut policies = Vec::new();
        for grants in &grants {
            self.0.named(account, grants, &mut policies)?;
        }
        // Groups have none, and a user's own grants stand last.
        let boundary = grants.last().and_then(|grants| grants.boundary.as_deref());
        let boundary = boundary.and_then(|arn| self.0.managed_text(account, arn));
        let boundary = boundary.map(|(name, text)| Named::read(name, text, Kind::Identity)).transpose()?;
        Ok(Subject { arn: arn.to_owned(), facts, policies, boundary })
    }
}

impl Inner {
    /// The policies of somebody, with their names.
    fn named(&self, account: AccountId, grants: &Grants, into: &mut Vec<Named>) -> Result<(), IamError> {
        for (name, text) in &grants.inline {
            into.push(Named::read(name.clone(), text.clone(), Kind::Identity)?);
        }
        for arn in &grants.attached {
            if let Some((name, text)) = self.managed_text(account, arn) {
                into.push(Named::read(name, text, Kind::Identity)?);
            }
        }
        Ok(())
    }

    fn managed_text(&self, account: AccountId, arn: &str) -> Option<(String, String)> {
        let policy = self.policy(account, arn)?;
        Some((policy.entity.name.clone(), policy.document().to_owned()))
    }
}

/// Names of actions are whole: a pattern would be answered as if an action were called so.
fn check_actions(actions: &[String]) -> Result<(), IamError> {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
    };
    let is_action = |text: &str| {
        text.split_once(':').is_some_and(|(service, operation)| is_word(service) && is_word(operation))
    };
    match actions.iter().find(|text| !is_action(text)) {
        None => Ok(()),
        Some(text) => Err(IamError::InvalidInput(format!(
            "Invalid action name {text:?}: it has to be the service prefix, a colon and the name of one operation, \
             without wildcards."
        ))),
    }
}

impl Named {
    fn read(name: String, text: String, kind: Kind) -> Result<Self, IamError> {
        let document =
            Document::parse(&text, kind).map_err(|error| IamError::InvalidInput(error.to_string()))?;
        Ok(Self { name, text, document: Arc::new(document), is_resource_policy: kind == Kind::Resource })
    }

    /// The statements that say what is wanted.
    fn matched(&self, request: &Request<'_>, wanted: fn(Verdict) -> bool) -> Vec<Matched> {
        let numbers = self.document.deciding(request, wanted);
        if numbers.is_empty() {
            return Vec::new();
        }
        let spans = statement_spans(&self.text);
        let matched = |number: usize| Matched {
            policy: self.name.clone(),
            is_resource_policy: self.is_resource_policy,
            span: spans.get(number).copied(),
        };
        numbers.into_iter().map(matched).collect()
    }
}

impl Subject {
    fn answer(&self, request: &Request<'_>, policy: Option<&Named>, missing: &Arc<Vec<String>>) -> Simulated {
        let held = Held {
            identity: self.policies.iter().map(|named| Arc::clone(&named.document)).collect(),
            boundary: self.boundary.as_ref().map(|named| Arc::clone(&named.document)),
            session: None,
        };
        let decision = decide(request, &held, policy.map(|named| &*named.document), true);
        let wanted: Option<fn(Verdict) -> bool> = match decision {
            Decision::Allowed => Some(|verdict| matches!(verdict, Verdict::Allowed(_))),
            Decision::ExplicitDeny(_) => Some(|verdict| verdict == Verdict::Denied),
            Decision::ImplicitDeny(_) => None,
        };
        let boundary = self.boundary.as_ref().filter(|_| matches!(decision, Decision::ExplicitDeny(_)));
        let all = self.policies.iter().chain(boundary).chain(policy);
        let is_allowed = |named: &Named| matches!(named.document.says(request), Verdict::Allowed(_));
        Simulated {
            action: request.action.to_owned(),
            resource: request.resource.to_owned(),
            decision,
            matched: wanted.map_or_else(Vec::new, |wanted| {
                all.flat_map(|named| named.matched(request, wanted)).collect()
            }),
            missing: Arc::clone(missing),
            is_within_boundary: self.boundary.as_ref().map(is_allowed),
        }
    }

    /// The condition keys and variables of all policies of which nothing is known.
    fn missing(&self, policy: Option<&Named>) -> Vec<String> {
        let mut keys = BTreeMap::new();
        for named in self.policies.iter().chain(&self.boundary).chain(policy) {
            for key in named.document.keys() {
                keys.entry(key.to_ascii_lowercase()).or_insert_with(|| key.to_owned());
            }
        }
        keys.into_values().filter(|key| !self.facts.knows(key)).collect()
    }
}
