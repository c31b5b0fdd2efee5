//! The keeper as the engine's host, watched for its death.
//!
//! Without its keeper a server can make no sandbox, and cannot fork another one: privileges and the single thread
//! are long gone. It must end, so that whatever supervises it starts it again. The death shows when the next
//! sandbox is wanted, which is when it begins to matter; every environment has ended with the keeper.

use std::sync::Arc;

use engine::{Cell, Host};
use model::port::Pending;
use sandbox::{Keeper, SandboxError, SandboxSpec};
use tokio::sync::Notify;

/// See the module's description. Clones watch the same keeper.
#[derive(Clone)]
pub(crate) struct WatchedKeeper {
    keeper: Keeper,
    missed: Arc<Notify>,
}

impl WatchedKeeper {
    pub(crate) fn new(keeper: Keeper) -> Self {
        Self { keeper, missed: Arc::default() }
    }

    /// The keeper itself.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Resolves when a sandbox was wanted and the keeper was not there.
    pub(crate) async fn missed(&self) {
        self.missed.notified().await;
    }
}

impl Host for WatchedKeeper {
    fn create(&self, spec: SandboxSpec) -> Pending<'_, Result<Box<dyn Cell>, SandboxError>> {
        Box::pin(async move {
            let made = Host::create(&self.keeper, spec).await;
            if matches!(made, Err(SandboxError::KeeperGone)) {
                // Kept for whoever begins to wait later.
                self.missed.notify_one();
            }
            made
        })
    }

    fn freezes_cheaply(&self) -> bool {
        Host::freezes_cheaply(&self.keeper)
    }
}
