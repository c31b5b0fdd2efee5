//! Deliveries: messages on their way to functions, queues, topics, buses, log groups and endpoints.
//!
//! Each line of deliveries is a durable queue of its own, so a target that is slow or away holds up nobody else's.
//! Invariants: what was handed over is on the disk; a delivery leaves its line only when its target or its dead-letter
//! queue has it, or when neither ever will, which is said in the log.

mod line;
mod stored;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::delivery::{Address, Deliveries, Delivery, ENDPOINTS, Target, Undelivered};
use model::id::MessageId;
use model::port::{Entropy, Pending};
use model::queue::{CONTENT_BYTES_MAX, NewMessage, Purpose, Queue, QueueError, QueueName};

use self::line::DeliveryLine;
use self::stored::encode;
use crate::lines::Lines;

/// Hands deliveries over to their targets. Clones share everything.
#[derive(Clone)]
pub struct Delivering(Arc<Inner>);

struct Inner {
    lines: Lines,
    entropy: Arc<dyn Entropy>,
    /// By service. Set once: targets may hand deliveries over themselves, so they are made later than this.
    targets: OnceLock<HashMap<&'static str, Arc<dyn Target>>>,
}

impl Delivering {
    /// Takes deliveries from now on, and tries none before [`Delivering::start`].
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, entropy: Arc<dyn Entropy>) -> Self {
        Self(Arc::new(Inner { lines: Lines::new(queue), entropy, targets: OnceLock::new() }))
    }

    /// Begins, with the deliveries that have waited since before the server started.
    ///
    /// # Errors
    /// [`QueueError`] if the queue cannot be read.
    pub async fn start(&self, targets: Vec<Arc<dyn Target>>) -> Result<(), QueueError> {
        let targets = targets.into_iter().map(|target| (target.service(), target)).collect();
        if self.0.targets.set(targets).is_err() {
            tracing::error!("deliveries were started twice; the first targets stay");
        }
        for queue in self.0.lines.left(Purpose::Delivery).await? {
            self.serve(queue);
        }
        Ok(())
    }

    /// Tries no more. What is being tried is let end by whoever takes it.
    pub fn stop(&self) {
        self.0.lines.stop();
    }

    fn serve(&self, queue: QueueName) {
        if self.0.targets.get().is_some() {
            self.0.lines.serve(queue, |queue| DeliveryLine::new(self.clone(), queue));
        }
    }

    async fn keep(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        let mut lines: HashMap<QueueName, Vec<NewMessage>> = HashMap::new();
        for delivery in &deliveries {
            let message = self.message(delivery);
            if message.content.len() > CONTENT_BYTES_MAX {
                // No target and no dead-letter queue takes as much; what goes to others is none the worse.
                tracing::warn!(?delivery, "larger than anything that can be delivered; it is given up");
                continue;
            }
            lines.entry(queue_of(delivery)?).or_default().push(message);
        }
        let mut kept = tokio::task::JoinSet::new();
        for (name, messages) in lines {
            let owner = self.clone();
            // Side by side, so that all of them share one sync.
            kept.spawn(async move {
                owner.0.lines.queue().enqueue(&name, messages).await?;
                owner.serve(name);
                Ok::<(), QueueError>(())
            });
        }
        let mut outcome = Ok(());
        while let Some(one) = kept.join_next().await {
            let one = one.unwrap_or_else(|error| Err(QueueError::Disk(error.to_string())));
            outcome = outcome.and(one);
        }
        outcome
    }

    fn message(&self, delivery: &Delivery) -> NewMessage {
        let mut random = [0; 16];
        self.0.entropy.fill(&mut random);
        NewMessage {
            id: MessageId::from_random(random),
            content: encode(delivery),
            delay: Duration::ZERO,
            group: delivery.extras.group.clone(),
            deduplication: delivery.extras.once.clone(),
            traceable: false,
        }
    }

    async fn take(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let service = match &delivery.to {
            Address::Resource(arn) => arn.service(),
            Address::Endpoint(_) => ENDPOINTS,
        };
        match self.0.targets.get().and_then(|targets| targets.get(service)) {
            Some(target) => target.take(delivery).await,
            None => Err(Undelivered::Never {
                code: "INVALID_PARAMETER",
                message: format!("Targets of the service {service:?} are not served by Dormouse."),
            }),
        }
    }
}

impl Deliveries for Delivering {
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>> {
        // In a task of its own: a caller who hangs up must not leave deliveries on the disk that nobody looks for.
        let owner = self.clone();
        let kept = tokio::spawn(async move { owner.keep(deliveries).await });
        Box::pin(async move { kept.await.unwrap_or_else(|error| Err(QueueError::Disk(error.to_string()))) })
    }

    fn offer<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(self.take(delivery))
    }
}

fn queue_of(delivery: &Delivery) -> Result<QueueName, QueueError> {
    Purpose::Delivery
        .queue(&delivery.from.scope, &delivery.line)
        .map_err(|error| QueueError::TooLarge(format!("no line of deliveries can have this name: {error}")))
}
