//! One subscription: who subscribed to what, and the task that delivers to it. Each has a task of its own, so that
//! a slow one keeps nobody waiting; dropping a subscription ends its task and closes its connection.
//!
//! An attempt that finds nobody is repeated for as long as the subscription lasts, since a frozen sandbox and a
//! listener that comes late look alike; what piles up meanwhile is bounded by `queue`. A subscriber that answers
//! with errors is alive and gets a limited number of tries.
//! Source: AWS Lambda Developer Guide, "Specifying a destination protocol" (retries with backoff).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::port::Clock;
use tokio::task::JoinHandle;

use super::outlet::{Outlet, Parcel, SendError};
use super::queue::{Batch, Queue};
use super::request::Request;
use super::schema::Schema;
use super::{Dial, Source};

/// The pause after the first failure; it doubles up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LAST: Duration = Duration::from_secs(5);
/// After so many answers with an error, a batch is given up.
const REFUSALS_MAX: u32 = 5;

/// A subscription in force.
pub(super) struct Subscriber {
    pub name: String,
    pub schema: Schema,
    pub types: Vec<Source>,
    pub queue: Arc<Queue>,
    /// Delivers until the subscription is dropped.
    _task: Task,
}

impl Subscriber {
    pub(super) fn start(name: &str, request: Request, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Self {
        let tells_drops = request.types.contains(&Source::Platform);
        let queue = Arc::new(Queue::new(request.buffering, tells_drops, clock));
        let outlet = Outlet::new(request.destination, dial);
        let task = Task::spawn(run(name.to_owned(), Arc::clone(&queue), outlet));
        Self { name: name.to_owned(), schema: request.schema, types: request.types, queue, _task: task }
    }
}

async fn run(name: String, queue: Arc<Queue>, mut outlet: Outlet) {
    loop {
        let batch = queue.next().await;
        if !deliver(&name, &queue, &mut outlet, &batch).await {
            queue.lose(&batch);
        }
        queue.settle(&batch);
    }
}

/// Tries until the batch has arrived, or has been refused too often.
async fn deliver(name: &str, queue: &Queue, outlet: &mut Outlet, batch: &Batch) -> bool {
    let mut parcel = Parcel::new(&batch.events);
    let mut pause = PAUSE_FIRST;
    let mut refusals = 0;
    loop {
        let Err(error) = outlet.send(&mut parcel).await else { return true };
        tracing::debug!(
            extension = name,
            error = &error as &dyn std::error::Error,
            "telemetry did not arrive"
        );
        refusals += u32::from(matches!(error, SendError::Refused(_)));
        if refusals == REFUSALS_MAX || matches!(error, SendError::Request(_)) {
            return false;
        }
        queue.pause(pause).await;
        pause = (pause * 2).min(PAUSE_LAST);
    }
}

/// A task that ends when it is dropped.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
