//! What happens after a change has been answered: its code is made ready and its state settles.
//!
//! Preparation is idempotent and names the build that it is for: done twice, or for a function that has been
//! changed or deleted since, it changes nothing. So it can be started after each change and again for everything
//! unsettled, at start and on a timer; whoever finds it under way leaves it alone.

use std::sync::{Arc, PoisonError};

use model::error::ServiceError;
use model::function::{Code, Function, State, UpdateStatus};
use model::id::RevisionId;
use model::name::Version;
use model::port::Artifacts;

use super::images::{Fetched, is_runnable};
use super::live::{Live, Published};
use super::{Functions, is_resolved};

/// Marks a build as being prepared.
struct Turn<'a> {
    functions: &'a Functions,
    build: RevisionId,
}

impl Functions {
    /// Starts the preparation of a change that was just made durable.
    pub(super) fn prepare_soon(&self, function: &Arc<Function>) {
        let (functions, function) = (self.clone(), Arc::clone(function));
        // Bounded by the number of functions, since an unsettled one takes no further change.
        tokio::spawn(async move { functions.prepare(&function).await });
    }

    /// Prepares every change that has not settled. Images may take long to fetch, so nobody waits for them.
    pub(super) async fn reconcile(&self) {
        for function in self.0.registry.unsettled() {
            match &function.code {
                Code::Zip(_) => self.prepare(&function).await,
                Code::Image(_) => self.prepare_soon(&function),
            }
        }
    }

    async fn prepare(&self, function: &Arc<Function>) {
        let Some(_turn) = self.turn(function.build) else { return };
        // What was fetched is held until the function refers to it.
        let (prepared, fetched) = match self.make_ready(function).await {
            Ok((code, fetched)) => (Ok(code), fetched),
            Err(error) => (Err(error), None),
        };
        let Some(claim) = self.0.registry.claim_in_turn(&function.id).await else { return };
        if claim.live.current.build != function.build {
            return;
        }
        let mut settled = Function::clone(&claim.live.current);
        settled.revision = self.new_revision();
        settled.build = settled.revision;
        match &prepared {
            Ok(code) => {
                settled.code = code.clone();
                (settled.state, settled.last_update) = (State::Active, UpdateStatus::Successful);
            }
            Err(error) => {
                fail(&mut settled, &error.to_string());
                if let (false, Some(serving)) = (is_runnable(&settled.code), &claim.live.serving) {
                    // A reference without an image behind it would outlive a restart, and what runs would not.
                    settled.code = serving.code.clone();
                }
            }
        }
        let versions = settle_versions(&claim.live, &settled, prepared.as_ref().err());
        let serving = |current: &Arc<Function>, before| match prepared {
            Ok(_) => Some(Arc::clone(current)),
            Err(_) => before,
        };
        // The environments of the previous snapshot are out of date, if there was one.
        let is_update = claim.live.serving.is_some();
        match self.write(claim, settled, versions, serving).await {
            Ok(_) if is_update => self.0.parts.invoke.retire(&function.id, Some(Version::Latest)),
            Ok(_) => {}
            Err(_) => tracing::warn!(
                function = %function.id.arn(),
                "a change is in force but its state could not be stored; maintenance tries again"
            ),
        }
        // A version that was published together with the change can run from now on.
        self.tell_provisioned(&function.id);
        drop(fetched);
        self.retain_images();
    }

    /// Puts everything in its place that an environment of the function needs; gives its code, resolved.
    async fn make_ready(&self, function: &Function) -> Result<(Code, Option<Fetched>), ServiceError> {
        match &function.code {
            Code::Zip(zip) => {
                let packages = &*self.0.parts.packages;
                Artifacts::code_dir(packages, *zip).await?;
                for layer in &function.settings.layers {
                    Artifacts::code_dir(packages, layer.zip).await?;
                }
                Ok((function.code.clone(), None))
            }
            Code::Image(image) if is_resolved(image) => {
                self.0.images.prepare(image).await?;
                Ok((function.code.clone(), None))
            }
            Code::Image(image) => {
                let (scope, architecture) = (&function.id.scope, function.settings.architecture);
                let fetched = self.0.images.fetch(scope, &image.uri, architecture).await?;
                Ok((Code::Image(fetched.image.clone()), Some(fetched)))
            }
        }
    }

    fn turn(&self, build: RevisionId) -> Option<Turn<'_>> {
        let mut preparing = self.0.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        preparing.insert(build).then_some(Turn { functions: self, build })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut preparing = self.functions.0.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        preparing.remove(&self.build);
    }
}

/// The versions that were published together with the change: what became of it became of them. No other version is
/// ever pending.
fn settle_versions(live: &Live, settled: &Function, failure: Option<&ServiceError>) -> Vec<Function> {
    let pending = live.published.iter().filter(|published| published.function.state == State::Pending);
    let settle = |published: &Published| {
        let mut version = Function::clone(&published.function);
        match failure {
            None => (version.state, version.code) = (State::Active, settled.code.clone()),
            Some(error) => fail(&mut version, &error.to_string()),
        }
        version
    };
    pending.map(settle).collect()
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
