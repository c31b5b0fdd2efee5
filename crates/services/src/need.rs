//! What an operation needs the caller's leave for.
//!
//! The services say it; whoever calls them decides.

use std::sync::Arc;

use policy::Document;

/// One right that an operation needs.
#[derive(Debug, Clone)]
pub struct Need {
    /// `sqs:SendMessage`.
    pub action: String,
    /// The ARN, or `*` where the action has none.
    pub resource: String,
    /// The resource's own policy, if it has one.
    pub policy: Option<Arc<Document>>,
    /// Further condition keys, such as the resource's tags.
    pub facts: Vec<(String, String)>,
}

impl Need {
    /// A right of which nothing else is known.
    #[must_use]
    pub fn of(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), policy: None, facts: Vec::new() }
    }
}
