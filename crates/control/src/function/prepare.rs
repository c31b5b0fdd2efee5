//! What happens after a change has been answered: its code is made ready and its state settles.
//!
//! Preparation is idempotent and names the revision that it is for: done twice, or for a function that has been
//! changed or deleted since, it changes nothing. So it can be started after each change and again for everything
//! unsettled, at start and on a timer.

use std::sync::Arc;

use model::function::{Function, State, UpdateStatus};
use model::port::Artifacts;

use super::Functions;
use super::registry::Live;

impl Functions {
    /// Starts the preparation of a change that was just made durable.
    pub(super) fn prepare_soon(&self, function: &Arc<Function>) {
        let (functions, function) = (self.clone(), Arc::clone(function));
        // Bounded by the number of functions, since an unsettled one takes no further change.
        tokio::spawn(async move { functions.prepare(&function).await });
    }

    /// Prepares every change that has not settled, one after the other.
    pub(super) async fn reconcile(&self) {
        for function in self.0.registry.unsettled() {
            self.prepare(&function).await;
        }
    }

    async fn prepare(&self, function: &Arc<Function>) {
        let prepared = Artifacts::code_dir(&*self.0.parts.packages, function.code).await;
        let Some(claim) = self.0.registry.claim_in_turn(&function.id).await else { return };
        if claim.live.current.revision != function.revision {
            return;
        }
        let mut settled = Function::clone(&claim.live.current);
        settled.revision = self.new_revision();
        match &prepared {
            Ok(_) => (settled.state, settled.last_update) = (State::Active, UpdateStatus::Successful),
            Err(error) => fail(&mut settled, &error.to_string()),
        }
        let serving = |live: &Live| match prepared {
            Ok(_) => Some(Arc::clone(&live.current)),
            Err(_) => live.serving.clone(),
        };
        // The environments of the previous snapshot are out of date, if there was one.
        let is_update = claim.live.serving.is_some();
        match self.write(claim, settled, serving).await {
            Ok(_) if is_update => self.0.parts.invoke.retire(&function.id),
            Ok(_) => {}
            Err(_) => tracing::warn!(
                function = %function.id.arn(),
                "a change is in force but its state could not be stored; maintenance tries again"
            ),
        }
    }
}

/// Notes a failure where the owner looks for it: in the state of a function that never ran, else in its update.
fn fail(function: &mut Function, reason: &str) {
    let reason = reason.to_owned();
    if function.state == State::Pending {
        function.state = State::Failed { reason };
    } else {
        function.last_update = UpdateStatus::Failed { reason };
    }
}
