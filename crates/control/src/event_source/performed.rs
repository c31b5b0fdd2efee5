//! What pollers ask of mappings: which are to be performed, with which version, and whether the function's role may read
//! the source.
//!
//! Asked for each batch, so a change of alias, role or policy holds for the next one.

use std::sync::Arc;

use model::delivery::Sender;
use model::error::ServiceError;
use model::event::Directory;
use model::event_source::{EventSourceMapping, Mappings};
use model::function::Function;
use model::port::Pending;

use crate::function::Functions;
use crate::policy::{Admission, Need};

/// See the module.
pub struct PerformedMappings {
    /// The functions, beside which the mappings lie.
    pub functions: Functions,
    /// What roles may do.
    pub admission: Arc<dyn Admission>,
}

impl Mappings for PerformedMappings {
    fn enabled(&self) -> (Vec<Arc<EventSourceMapping>>, u64) {
        let mappings = self.functions.mappings();
        // Counted first: a change in between is seen again.
        let seen = *mappings.changes.borrow();
        let enabled = mappings.table.gather(|mapping| mapping.enabled.then(|| Arc::new(mapping.clone())));
        (enabled, seen)
    }

    fn changed(&self, since: u64) -> Pending<'_, ()> {
        let mut changes = self.functions.mappings().changes.subscribe();
        Box::pin(async move {
            // Ends with the server at the latest.
            let _ = changes.wait_for(|count| *count > since).await;
        })
    }

    fn resolve(&self, mapping: &EventSourceMapping, action: &str) -> Result<Arc<Function>, ServiceError> {
        let function = Directory::resolve(&self.functions, &mapping.function, mapping.qualifier.as_ref())?;
        let role = &function.settings.role;
        let sender = Sender::lambda(&mapping.function, Some(role.clone()));
        if self.admission.admits(&sender, &Need::of(action, mapping.source.arn.as_str())) {
            return Ok(function);
        }
        let message = format!(
            "The function's role {role} is not there or may not do {action} on {}.",
            mapping.source.arn
        );
        Err(ServiceError::AccessDenied(message))
    }
}
