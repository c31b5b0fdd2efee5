//! Which schedules have changed since whoever keeps time last asked.
//!
//! Names only, each once, so it is bounded by what schedules there are; what has changed is read again by whoever asks.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use model::schedule::ScheduleKey;
use tokio::sync::Notify;

/// See the module.
#[derive(Default)]
pub(crate) struct Changes {
    keys: Mutex<BTreeSet<ScheduleKey>>,
    told: Notify,
}

impl Changes {
    /// This one has.
    pub(crate) fn tell(&self, arn: String) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.into());
        self.told.notify_one();
    }

    /// All that have; as soon as there are any.
    pub(crate) async fn next(&self) -> Vec<ScheduleKey> {
        loop {
            let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
            if !keys.is_empty() {
                return keys.into_iter().collect();
            }
            self.told.notified().await;
        }
    }
}
