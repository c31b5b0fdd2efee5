//! Event source mappings performed: pollers that receive from a queue and run a function with what they get.
//!
//! Each mapping that is enabled has one poller, which is a task; a change of the mapping ends it after the batches that it
//! runs, and another begins. Pollers live in the server, so a function that sleeps costs nothing and wakes with a message.
//! Other kinds of sources than SQS are not performed: their mappings are kept as they are.
//! Source: Lambda Developer Guide, "Using Lambda with Amazon SQS".

mod batch;
mod poller;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use aside::Aside;
use model::arn::ResourceArn;
use model::event::Directory;
use model::event_source::{EventSourceMapping, MappingId, Mappings};
use model::port::{Entropy, Invoke};
use model::queue::Queue;
use model::sqs::Sources;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::poller::Poller;
use crate::pace::Pace;
use crate::tasks::Tasks;

/// What this part is made of.
pub struct SourceParts {
    /// The mappings.
    pub mappings: Arc<dyn Mappings>,
    /// Says whether functions may go round in circles.
    pub directory: Arc<dyn Directory>,
    /// Finds queues.
    pub sources: Arc<dyn Sources>,
    /// Holds their messages.
    pub queue: Arc<dyn Queue>,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// For ids of requests.
    pub entropy: Arc<dyn Entropy>,
    /// Where filters look at large messages.
    pub aside: Aside,
    /// Batches of one mapping that run at once, at most.
    pub share: usize,
}

/// Performs mappings. Clones share everything.
#[derive(Clone)]
pub struct EventSources(Arc<Inner>);

struct Inner {
    parts: SourceParts,
    stopping: watch::Sender<bool>,
    /// Pollers, and batches that run.
    tasks: Tasks,
}

impl Inner {
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn stopped(&self) {
        // An error would mean that the sender is gone, which is ours.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// A poller at work.
struct Running {
    mapping: Arc<EventSourceMapping>,
    ends: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The pollers that there are.
#[derive(Default)]
struct Pollers {
    running: HashMap<MappingId, Running>,
    /// Of pollers that are there and of batches that still run: a mapping that changes has no more places for it.
    paces: HashMap<MappingId, Weak<Pace>>,
}

impl Pollers {
    /// The pace of a mapping, with as many places as it may have now.
    fn pace(&mut self, mapping: &EventSourceMapping, share: usize) -> Arc<Pace> {
        let most = mapping.settings.concurrency_max.and_then(|most| usize::try_from(most).ok());
        let most = most.map_or(share, |most| most.min(share));
        let known = self.paces.get(&mapping.id).and_then(Weak::upgrade);
        let pace = known.unwrap_or_else(|| Arc::new(Pace::new(most)));
        pace.allow(most);
        self.paces.insert(mapping.id.clone(), Arc::downgrade(&pace));
        pace
    }
}

impl EventSources {
    /// Performs nothing yet.
    #[must_use]
    pub fn new(parts: SourceParts) -> Self {
        Self(Arc::new(Inner { parts, stopping: watch::Sender::new(false), tasks: Tasks::default() }))
    }

    /// Receives no more. Batches that run are let end by whoever runs them.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Waits, once it is stopped, until all that was received is settled: done, or given back untouched by those whose
    /// function could not run any more.
    pub async fn settled(&self) {
        self.0.tasks.ended().await;
    }

    /// Performs all mappings as they are, and as they become, until it is stopped.
    pub async fn run(self) {
        let mut pollers = Pollers::default();
        loop {
            let (enabled, seen) = self.0.parts.mappings.enabled();
            self.follow(&mut pollers, enabled);
            tokio::select! {
                () = self.0.parts.mappings.changed(seen) => {}
                () = self.0.stopped() => break,
            }
        }
        pollers.running.into_values().for_each(|poller| _ = poller.ends.send_replace(true));
    }

    /// Ends the pollers of mappings that have changed or gone, and begins those that are missing.
    fn follow(&self, pollers: &mut Pollers, enabled: Vec<Arc<EventSourceMapping>>) {
        let wanted: HashMap<_, _> = enabled.iter().map(|mapping| (&mapping.id, mapping)).collect();
        pollers.running.retain(|id, poller| {
            let stays = wanted.get(id).is_some_and(|mapping| **mapping == poller.mapping);
            if !stays {
                poller.ends.send_replace(true);
            }
            stays && !poller.task.is_finished()
        });
        pollers.paces.retain(|_, pace| pace.strong_count() > 0);
        for mapping in enabled {
            if pollers.running.contains_key(&mapping.id) || !mapping.source.kind.is_sqs() {
                continue;
            }
            let Ok(arn) = ResourceArn::parse(&mapping.source.arn) else { continue };
            let ends = watch::Sender::new(false);
            let pace = pollers.pace(&mapping, self.0.parts.share);
            let poller = Poller::new(Arc::clone(&self.0), Arc::clone(&mapping), arn, pace);
            let task = self.0.tasks.spawn(Arc::new(poller).run(ends.subscribe()));
            pollers.running.insert(mapping.id.clone(), Running { mapping, ends, task });
        }
    }
}
