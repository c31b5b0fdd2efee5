//! Who publishes to a FIFO topic has it for itself until the message is handed over: what others publish meanwhile would
//! overtake it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::topic::TopicId;
use tokio::sync::OwnedMutexGuard;

/// The FIFO topics that somebody publishes to.
#[derive(Default)]
pub(super) struct Publishing(Mutex<HashMap<TopicId, Arc<tokio::sync::Mutex<()>>>>);

impl Publishing {
    /// Waits for those who came earlier; nobody waits at a standard topic.
    pub(super) async fn alone(&self, topic: &TopicId) -> Option<OwnedMutexGuard<()>> {
        if !topic.is_fifo() {
            return None;
        }
        let lock = {
            let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            topics.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(topics.entry(topic.clone()).or_default())
        };
        Some(lock.lock_owned().await)
    }
}

#[cfg(test)]
mod tests {
    use model::arn::Scope;
    use model::id::{AccountId, Region};

    use super::*;

    fn topic(name: &str) -> TopicId {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        TopicId { scope, name: name.to_owned() }
    }

    #[tokio::test]
    async fn who_publishes_to_a_fifo_topic_is_alone_and_leaves_nothing_behind() {
        let publishing = Arc::new(Publishing::default());
        assert!(publishing.alone(&topic("standard")).await.is_none());
        let first = publishing.alone(&topic("a.fifo")).await;
        let other = publishing.alone(&topic("b.fifo")).await;
        let (waiting, order) = (Arc::clone(&publishing), Arc::new(Mutex::new(Vec::new())));
        let later = [1, 2].map(|number| {
            let (waiting, order) = (Arc::clone(&waiting), Arc::clone(&order));
            tokio::spawn(async move {
                let _alone = waiting.alone(&topic("a.fifo")).await;
                order.lock().expect("not poisoned").push(number);
            })
        });
        tokio::task::yield_now().await;
        order.lock().expect("not poisoned").push(0);
        drop((first, other));
        for later in later {
            later.await.expect("a task");
        }
        assert_eq!(*order.lock().expect("not poisoned"), [0, 1, 2]);
        drop(publishing.alone(&topic("c.fifo")).await);
        assert_eq!(publishing.0.lock().expect("not poisoned").len(), 1);
    }
}
