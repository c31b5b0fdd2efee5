//! What `/_dormouse/metrics` says of the parts behind the gateway. It names no function and no queue, because the page
//! needs no signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::Engine;
use gateway::Gauge;
use model::queue::{Purpose, Queue};

/// How often what waits is added up. Whoever reads the page costs the queue nothing.
const ADDED_UP_EVERY: Duration = Duration::from_secs(5);

/// How many messages wait or are out, by what for; a few seconds old. Clones share it.
#[derive(Clone)]
pub(crate) struct Backlog {
    queue: Arc<dyn Queue>,
    held: Arc<[AtomicU64; Purpose::ALL.len()]>,
}

impl Backlog {
    pub(crate) fn of(queue: Arc<dyn Queue>) -> Self {
        Self { queue, held: Arc::default() }
    }

    /// Adds up, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            for (purpose, held) in Purpose::ALL.into_iter().zip(self.held.iter()) {
                match self.queue.queues(&purpose.prefix()).await {
                    Ok(queues) => held.store(queues.iter().map(|(_, held)| held).sum(), Ordering::Relaxed),
                    Err(error) => tracing::warn!(%error, "what waits was not added up"),
                }
            }
            tokio::time::sleep(ADDED_UP_EVERY).await;
        }
    }

    fn gauges(&self) -> impl Iterator<Item = Gauge> {
        Purpose::ALL.into_iter().zip(self.held.iter()).map(|(purpose, held)| Gauge {
            name: "dormouse_queued_messages",
            help: "Messages that wait or are being worked on, by what for.",
            label: Some(("purpose", purpose.as_str())),
            value: count(held.load(Ordering::Relaxed)),
        })
    }
}

/// All of them; those of one name stand together.
pub(crate) fn all(engine: &Engine, backlog: &Backlog) -> Vec<Gauge> {
    let census = engine.census();
    let environments = |state, held: usize| Gauge {
        name: "dormouse_environments",
        help: "Execution environments by what they do.",
        label: Some(("state", state)),
        value: count(held as u64),
    };
    let mut all = vec![
        environments("idle", census.idle),
        environments("busy", census.live.saturating_sub(census.idle)),
        Gauge {
            name: "dormouse_invocations_running",
            help: "Invocations running now.",
            label: None,
            value: count(engine.running() as u64),
        },
    ];
    all.extend(backlog.gauges());
    all
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(held: u64) -> f64 {
    held as f64
}
