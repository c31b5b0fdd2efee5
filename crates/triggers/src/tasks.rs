//! Tasks that can be waited for, all together.
//!
//! A task counts from its start until it has ended, in whatever way.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// See the module.
#[derive(Default)]
pub(crate) struct Tasks(watch::Sender<usize>);

/// One that runs.
struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.send_modify(|count| *count += 1);
        let running = Running(self.0.clone());
        tokio::spawn(async move {
            let _running = running;
            task.await;
        })
    }

    /// Waits until none runs.
    pub(crate) async fn ended(&self) {
        // An error would mean that nobody counts any more.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}
