//! Policies of resources, read once: the warm path compares, it does not parse.
//!
//! A text is known by its revision, which is given out once; so nothing here ever gets out of date. Bounded: when there
//! are too many, those that are still asked for are read again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::id::RevisionId;

use crate::policy::{Document, Kind};

/// Documents kept. Each has at most 20 KB of text, and few accounts have this many policies in use.
const DOCUMENTS_MAX: usize = 4_096;

/// See the module's description.
#[derive(Default)]
pub(crate) struct Documents(RwLock<HashMap<RevisionId, Arc<Document>>>);

impl Documents {
    /// The document of a text. One that cannot be read, which was checked before it was kept, allows nothing.
    pub(crate) fn read(&self, revision: RevisionId, text: &str) -> Arc<Document> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&revision) {
            return Arc::clone(known);
        }
        let document = Document::parse(text, Kind::Resource).unwrap_or_else(|error| {
            tracing::error!(%revision, %error, "a stored policy cannot be read; it grants nothing");
            Document::of_nothing()
        });
        let document = Arc::new(document);
        let mut documents = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= DOCUMENTS_MAX {
            documents.clear();
        }
        documents.insert(revision, Arc::clone(&document));
        document
    }
}
