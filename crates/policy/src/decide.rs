//! What all policies that concern a request say together.
//!
//! An explicit denial anywhere wins. Within one account it is enough that the resource or the identity allows it;
//! across accounts both have to. A boundary and a session's policies allow nothing by themselves: they take away.
//! Source: IAM User Guide, "Policy evaluation logic"; "Permissions boundaries"; the words of denials are AWS's.

use std::sync::Arc;

use super::Context;
use super::principal::{Actor, Match};
use super::statement::{Document, Effect, Verdict};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The ARN, or `*` where there is none.
    pub resource: &'a str,
    /// Who asks; without one, statements that name principals mean nobody.
    pub actor: Option<Actor<'a>>,
    /// What is known besides.
    pub context: &'a Context,
}

/// The policies that go with a caller, wherever it goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Held {
    /// Those of a user and its groups, or of a role.
    pub identity: Vec<Arc<Document>>,
    /// The most that the identity may be allowed, if that is bounded.
    pub boundary: Option<Arc<Document>>,
    /// The most that the session may be allowed, if that was bounded when it began.
    pub session: Option<Vec<Arc<Document>>>,
}

/// The kind of policy that made a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Of the caller.
    Identity,
    /// Of the resource.
    Resource,
    /// The boundary.
    Boundary,
    /// Of the session.
    Session,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// A statement denies it.
    ExplicitDeny(Source),
    /// A policy that had to allow it does not.
    ImplicitDeny(Source),
}

impl Held {
    /// The policies of an account's owner: everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::of_one(Document::of_everything(Effect::Allow))
    }

    /// The policies of somebody who may nothing, whoever else lets it in.
    #[must_use]
    pub fn nothing() -> Self {
        Self::of_one(Document::of_everything(Effect::Deny))
    }

    fn of_one(identity: Document) -> Self {
        Self { identity: vec![Arc::new(identity)], boundary: None, session: None }
    }
}

impl Source {
    /// As AWS names it in a denial.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        }
    }
}

impl Decision {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }

    /// What the caller is told. Nothing if it is allowed.
    #[must_use]
    pub fn denial(self, who: &str, action: &str, resource: &str) -> Option<String> {
        let because = match self {
            Self::Allowed => return None,
            Self::ExplicitDeny(source @ Source::Identity) => {
                format!("with an explicit deny in an {}", source.name())
            }
            Self::ExplicitDeny(source) => format!("with an explicit deny in a {}", source.name()),
            Self::ImplicitDeny(source) => format!("because no {} allows the {action} action", source.name()),
        };
        Some(format!("User: {who} is not authorized to perform: {action} on resource: {resource} {because}"))
    }
}

/// Decides on a request of a caller who holds these policies, to a resource with this policy, if it has one, in the
/// caller's own account or another.
#[must_use]
pub fn decide(
    request: &Request<'_>,
    held: &Held,
    resource_policy: Option<&Document>,
    is_own_account: bool,
) -> Decision {
    let identity = strongest(&held.identity, request);
    let boundary = held.boundary.as_ref().map(|boundary| boundary.says(request));
    let session = held.session.as_ref().map(|session| strongest(session, request));
    let resource = resource_policy.map_or(Verdict::Silent, |policy| policy.says(request));
    let denied = [
        (Some(identity), Source::Identity),
        (Some(resource), Source::Resource),
        (boundary, Source::Boundary),
        (session, Source::Session),
    ];
    if let Some((_, source)) = denied.iter().find(|(verdict, _)| *verdict == Some(Verdict::Denied)) {
        return Decision::ExplicitDeny(*source);
    }
    let granted = match resource {
        Verdict::Allowed(matched) => Some(matched),
        Verdict::Silent | Verdict::Denied => None,
    };
    if is_own_account && granted == Some(Match::Direct) {
        return Decision::Allowed;
    }
    let limits = [(boundary, Source::Boundary), (session, Source::Session)];
    if let Some((_, source)) = limits.iter().find(|(verdict, _)| *verdict == Some(Verdict::Silent)) {
        return Decision::ImplicitDeny(*source);
    }
    let is_allowed = matches!(identity, Verdict::Allowed(_));
    match (is_own_account, is_allowed, granted) {
        (true, true, _) | (true, false, Some(Match::Role)) | (false, true, Some(_)) => Decision::Allowed,
        (_, false, _) => Decision::ImplicitDeny(Source::Identity),
        (false, true, None) => Decision::ImplicitDeny(Source::Resource),
    }
}

fn strongest(documents: &[Arc<Document>], request: &Request<'_>) -> Verdict {
    documents.iter().map(|document| document.says(request)).max().unwrap_or(Verdict::Silent)
}
