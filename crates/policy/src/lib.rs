//! The policy language of IAM: documents read from JSON, and what they say of a request.
//!
//! Pure: it knows neither who holds a policy nor how a request came in. A document is read once, completely or not at
//! all, and only compared afterwards. Nothing that is not understood is passed over: an unknown element, operator or
//! form makes the whole document malformed.
//! Source: IAM User Guide, "IAM JSON policy reference" and "Policy evaluation logic".

mod admission;
mod condition;
mod context;
mod date;
mod decide;
pub mod json;
pub mod labelled;
mod need;
mod parse;
mod pattern;
mod principal;
mod span;
mod statement;

pub use admission::Admission;
pub use context::Context;
pub use decide::{Decision, Held, Request, Source, decide};
pub use need::Need;
pub use principal::{Actor, Match};
pub use principal::{is_id, rename};
pub use span::Position;
pub use span::statements as statement_spans;
pub use statement::{Document, Effect, Statement, Verdict};

/// Where a policy stands, which decides what it has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With a user, group, role or session: names no principal.
    Identity,
    /// With a resource: names principals.
    Resource,
    /// With a role: who may take it on. Names principals and no resource.
    Trust,
    /// With a repository of container images: names principals and no resource.
    Repository,
}

/// Why a text is no policy, in IAM's words (`MalformedPolicyDocument`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    fn because(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn syntax() -> Self {
        Self::because("Syntax errors in policy.")
    }

    fn condition_type(name: &str) -> Self {
        Self(format!("Invalid Condition type : {}.", name.chars().take(100).collect::<String>()))
    }
}

#[cfg(test)]
mod tests;
