//! What is different about an environment that was started before anybody needed it: its init may take long and is
//! nobody's, it does not end for want of work, and the pool is told how it fares, so that a successor takes its place.
//!
//! The marks are read without the environment's lock, by the pool, which may not take that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::fault::Fault;
use model::limits;

use super::Environment;
use crate::provision;
use crate::telemetry::events::InitType;

impl Environment {
    /// Whether it was started as one of those that are kept ready.
    pub(crate) fn is_provisioned(&self) -> bool {
        self.init_type == InitType::ProvisionedConcurrency
    }

    /// Whether it is one of those that are kept ready, and not on its way out.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_provisioned() && !self.is_leaving.load(Ordering::SeqCst)
    }

    /// Whether its init before any invocation went well.
    pub(crate) fn has_initialised(&self) -> bool {
        self.has_initialised.load(Ordering::SeqCst)
    }

    /// How long its init may take.
    pub(super) fn init_max(&self) -> Duration {
        if self.is_provisioned() {
            limits::PROVISIONED_INIT_MAX.max(self.function.timeout())
        } else {
            limits::INIT_MAX
        }
    }

    /// Its init went well.
    pub(super) fn note_provisioned(&self) {
        self.has_initialised.store(true, Ordering::SeqCst);
        if let Some(pool) = self.pool.upgrade() {
            pool.provisioned_one();
        }
    }

    /// Its init failed, or it failed while it rested; to start another at once would fail as soon.
    pub(super) fn note_not_provisioned(&self, fault: &Fault) {
        if self.is_kept()
            && let Some(pool) = self.pool.upgrade()
        {
            pool.not_provisioned(provision::reason_of(fault));
        }
    }

    /// Its sandbox does not work.
    pub(super) fn note_broken(self: &Arc<Self>) {
        if !self.has_initialised() {
            self.note_not_provisioned(&Fault::Stopped);
        }
        self.leave();
    }

    /// From now on it does not count as one that is kept, and its successor can be started.
    pub(super) fn leave(&self) {
        if self.is_provisioned()
            && !self.is_leaving.swap(true, Ordering::SeqCst)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.provision_changes();
        }
    }
}
