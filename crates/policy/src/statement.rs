//! Documents and statements as they were read, and what one document says of a request.
//!
//! Pure. A statement that fits in part says nothing, and a denial is above all that is allowed.

use super::condition::Condition;
use super::decide::Request;
use super::pattern::{ArnPattern, Pattern, Reading};
use super::principal::{Match, Principals};

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

/// One statement of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Listed<Principals>>,
    pub(crate) actions: Listed<Vec<Pattern>>,
    /// None in policies that speak of nothing but what they stand with.
    pub(crate) resources: Option<Listed<Vec<ArnPattern>>>,
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allow.
    Allow,
    /// Deny.
    Deny,
}

/// `Action` or `NotAction`, and so on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Listed<T> {
    Only(T),
    AllBut(T),
}

/// What policies say of a request, each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing that fits.
    Silent,
    /// It is allowed; in a policy that names principals, to those who match this well.
    Allowed(Match),
    /// It is denied, whatever else is allowed.
    Denied,
}

impl Document {
    /// Allows or denies everything.
    pub(crate) fn of_everything(effect: Effect) -> Self {
        let reading = Reading { wildcards: true, variables: false };
        Self {
            statements: vec![Statement {
                sid: None,
                effect,
                principals: None,
                actions: Listed::Only(vec![Pattern::parse("*", reading)]),
                resources: None,
                conditions: Vec::new(),
            }],
        }
    }

    /// Allows nothing.
    pub fn of_nothing() -> Self {
        Self { statements: Vec::new() }
    }

    /// The statements in their order.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The numbers of the statements that say of a request what is wanted.
    pub fn deciding(&self, request: &Request<'_>, wanted: fn(Verdict) -> bool) -> Vec<usize> {
        let says = self.statements.iter().map(|statement| statement.says(request));
        says.enumerate().filter(|(_, verdict)| wanted(*verdict)).map(|(number, _)| number).collect()
    }

    /// The condition keys of which it speaks, and its variables.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        for statement in &self.statements {
            let resources = match &statement.resources {
                Some(Listed::Only(resources) | Listed::AllBut(resources)) => resources.as_slice(),
                None => &[],
            };
            resources.iter().for_each(|resource| keys.extend(resource.variables()));
            statement.conditions.iter().for_each(|condition| condition.keys(&mut keys));
        }
        keys
    }

    /// What the document says of a request: a denial above all, then the best match that is allowed.
    #[must_use]
    pub fn says(&self, request: &Request<'_>) -> Verdict {
        let verdicts = self.statements.iter().map(|statement| statement.says(request));
        verdicts.max().unwrap_or(Verdict::Silent)
    }
}

impl Statement {
    /// Its id.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Whether it allows something to everybody, on no condition that says who.
    #[must_use]
    pub fn is_public(&self) -> bool {
        let everybody = match &self.principals {
            Some(Listed::Only(principals)) => principals.has_everybody(),
            Some(Listed::AllBut(_)) => true,
            None => false,
        };
        self.effect == Effect::Allow && everybody && !self.conditions.iter().any(Condition::narrows)
    }

    fn says(&self, request: &Request<'_>) -> Verdict {
        let Request { action, resource, actor, context } = *request;
        let about_action = self
            .actions
            .fits(|patterns| patterns.iter().any(|pattern| pattern.matches(action, context, true)));
        let about_resource = self.resources.as_ref().is_none_or(|resources| {
            resources.fits(|patterns| patterns.iter().any(|pattern| pattern.matches(resource, context)))
        });
        if !about_action || !about_resource {
            return Verdict::Silent;
        }
        let matched = match (&self.principals, actor) {
            (None, _) => Some(Match::Direct),
            (Some(_), None) => None,
            (Some(Listed::Only(principals)), Some(actor)) => principals.find(actor),
            (Some(Listed::AllBut(principals)), Some(actor)) => match principals.find(actor) {
                None => Some(Match::Direct),
                Some(_) => None,
            },
        };
        match matched {
            Some(matched)
                if self.conditions.iter().all(|condition| condition.holds(context, self.effect)) =>
            {
                match self.effect {
                    Effect::Allow => Verdict::Allowed(matched),
                    Effect::Deny => Verdict::Denied,
                }
            }
            _ => Verdict::Silent,
        }
    }
}

impl<T> Listed<T> {
    fn fits(&self, is_listed: impl FnOnce(&T) -> bool) -> bool {
        match self {
            Self::Only(listed) => is_listed(listed),
            Self::AllBut(listed) => !is_listed(listed),
        }
    }
}
