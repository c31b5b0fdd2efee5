//! Records and a queue that go wrong when a test says so: a write fails, or takes long.
//!
//! A write that fails changes nothing, as the ports promise. Of records, writes are counted, and it is known what is
//! stored; of the queue, only what is put into it fails.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::id::MessageId;
use model::port::Pending;
use model::queue::{
    Counts, Enqueued, NewMessage, Queue, QueueError, QueueName, Receipt, Receive, Received, Settle, Settled,
    Trace,
};
use model::time::Timestamp;
use store::records::{Key, Record, RecordError, Records, Revision, Write};
use tokio::sync::Notify;

/// Records that are written some time after the request that they tell of.
const IN_THE_BACKGROUND: &str = "iam-last-use";

/// What is to go wrong.
#[derive(Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    struck: Notify,
    /// Whether the next write is held up, what holds it, and that it has come there.
    holds: AtomicBool,
    gate: tokio::sync::Mutex<()>,
    arrived: Notify,
}

#[derive(Default)]
struct Plan {
    /// How many writes go well before one fails, if one is to fail.
    good: Option<usize>,
    writes: usize,
    kinds: BTreeSet<&'static str>,
}

impl Faults {
    /// After so many more good writes, one fails.
    pub fn arm(&self, good: usize) {
        self.plan().good = Some(good);
    }

    /// Lets everything go well again; says whether a write has failed.
    pub fn disarm(&self) -> bool {
        self.plan().good.take().is_none()
    }

    /// Waits until a write has failed.
    pub async fn struck(&self) {
        loop {
            let next = self.struck.notified();
            if self.plan().good.is_none() {
                return;
            }
            next.await;
        }
    }

    /// Holds the next write up for as long as the answer is kept.
    pub async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let held = self.gate.lock().await;
        self.holds.store(true, Ordering::Release);
        held
    }

    /// Waits until a write is held up; says whether one has come.
    pub async fn arrived(&self) -> bool {
        let arrived = tokio::time::timeout(Duration::from_secs(2), self.arrived.notified()).await;
        self.holds.store(false, Ordering::Release);
        arrived.is_ok()
    }

    /// How many writes there have been.
    pub fn writes(&self) -> usize {
        self.plan().writes
    }

    /// Whether this write is to fail.
    fn strikes(&self, writes: &[Write]) -> bool {
        // Nobody waits for these, so no request fails with them.
        if writes.iter().all(|write| write.key.kind == IN_THE_BACKGROUND) {
            return false;
        }
        let mut plan = self.plan();
        plan.writes += 1;
        plan.kinds.extend(writes.iter().map(|write| write.key.kind));
        let Some(good) = plan.good else { return false };
        plan.good = good.checked_sub(1);
        if plan.good.is_none() {
            self.struck.notify_waiters();
        }
        plan.good.is_none()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("not poisoned")
    }
}

/// See the module's description.
pub struct Faulty {
    pub records: Arc<dyn Records>,
    pub faults: Arc<Faults>,
}

impl Faulty {
    /// All records of the kinds that were written so far.
    pub async fn stored(&self) -> Vec<Record> {
        let kinds = self.faults.plan().kinds.clone();
        let mut stored = Vec::new();
        for kind in kinds {
            stored.extend(self.records.list(kind).await.expect("readable records"));
        }
        stored
    }
}

impl Records for Faulty {
    fn list(&self, kind: &'static str) -> Pending<'_, Result<Vec<Record>, RecordError>> {
        self.records.list(kind)
    }

    fn page<'a>(
        &'a self,
        kind: &'static str,
        after: Option<&'a Key>,
        count_max: usize,
    ) -> Pending<'a, Result<Vec<Record>, RecordError>> {
        self.records.page(kind, after, count_max)
    }

    fn commit(&self, writes: Vec<Write>) -> Pending<'_, Result<Vec<Revision>, RecordError>> {
        Box::pin(async move {
            if self.faults.holds.swap(false, Ordering::AcqRel) {
                self.faults.arrived.notify_one();
                drop(self.faults.gate.lock().await);
            }
            if self.faults.strikes(&writes) {
                let source = Arc::new(std::io::Error::other("the disk fails"));
                return Err(RecordError::Io { operation: "write", path: "records".into(), source });
            }
            self.records.commit(writes).await
        })
    }

    fn by_hand(&self, key: &Key) -> String {
        self.records.by_hand(key)
    }
}

/// See the module's description.
pub struct FaultyQueue {
    pub queue: Arc<dyn Queue>,
    /// Whether nothing can be put into it.
    pub fails: AtomicBool,
}

impl Queue for FaultyQueue {
    fn enqueue<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<NewMessage>,
    ) -> Pending<'a, Result<Vec<Enqueued>, QueueError>> {
        if self.fails.load(Ordering::Acquire) {
            return Box::pin(async { Err(QueueError::Disk("the disk fails".to_owned())) });
        }
        self.queue.enqueue(queue, messages)
    }

    fn receive<'a>(
        &'a self,
        queue: &'a QueueName,
        wanted: Receive,
    ) -> Pending<'a, Result<Vec<Received>, QueueError>> {
        self.queue.receive(queue, wanted)
    }

    fn settle<'a>(
        &'a self,
        queue: &'a QueueName,
        messages: Vec<(Receipt, Settle)>,
    ) -> Pending<'a, Result<Vec<Settled>, QueueError>> {
        self.queue.settle(queue, messages)
    }

    fn purge<'a>(
        &'a self,
        queue: &'a QueueName,
        sent_before: Option<Timestamp>,
    ) -> Pending<'a, Result<u64, QueueError>> {
        self.queue.purge(queue, sent_before)
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Pending<'a, Result<Counts, QueueError>> {
        self.queue.counts(queue)
    }

    fn queues<'a>(&'a self, prefix: &'a str) -> Pending<'a, Result<Vec<(QueueName, u64)>, QueueError>> {
        self.queue.queues(prefix)
    }

    fn trace(&self, id: MessageId) -> Pending<'_, Result<Option<Trace>, QueueError>> {
        self.queue.trace(id)
    }
}
