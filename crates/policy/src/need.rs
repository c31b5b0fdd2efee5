//! A right that something needs: of a caller for an operation, of a sender for a delivery.
//!
//! Services say it, in one place for both, so that what is asked about a resource is the same whichever way it is come to;
//! whoever knows the caller or the sender decides.

use std::sync::Arc;

use super::{Context, Document};

/// One right.
#[derive(Debug, Clone)]
pub struct Need {
    /// `sqs:SendMessage`.
    pub action: String,
    /// The ARN as the service writes it, however it was named; or `*` where the action has none.
    pub resource: String,
    /// The resource's own policy, if it has one.
    pub policy: Option<Arc<Document>>,
    /// Further condition keys, such as the resource's tags.
    pub facts: Context,
}

impl Need {
    /// A right of which nothing else is known.
    #[must_use]
    pub fn of(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), policy: None, facts: Context::new() }
    }

    /// The right to hand a role over to a service.
    #[must_use]
    pub fn to_pass(role: &str, service: &str) -> Self {
        let mut need = Self::of("iam:PassRole", role);
        need.facts.set("iam:PassedToService", format!("{service}.amazonaws.com"));
        need
    }
}
