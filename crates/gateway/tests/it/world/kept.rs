//! Stand where a server writes its audit log and performs deliveries.
//!
//! They keep what they get, for tests to look at, and perform nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use model::delivery::{Deliveries, Delivery, Undelivered};
use model::port::{AuditSink, Pending};
use model::queue::QueueError;

/// The lines of the audit log.
#[derive(Default)]
pub struct Audited(Mutex<Vec<String>>);

impl Audited {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl AuditSink for Audited {
    fn keep(&self, line: String) {
        self.0.lock().expect("nobody panicked").push(line);
    }
}

/// Stands where deliveries are performed: remembers them.
#[derive(Default)]
pub struct Delivered {
    pub taken: Mutex<Vec<Delivery>>,
    /// Whether whoever hands over waits for ever.
    pub is_held: AtomicBool,
    /// Whether the next that is handed over is refused, as when the server stops.
    pub refuses_once: AtomicBool,
}

impl Deliveries for Delivered {
    fn hand_over(&self, deliveries: Vec<Delivery>) -> Pending<'_, Result<(), QueueError>> {
        if self.is_held.load(Ordering::Acquire) {
            return Box::pin(std::future::pending());
        }
        if self.refuses_once.swap(false, Ordering::AcqRel) {
            return Box::pin(std::future::ready(Err(QueueError::Closed)));
        }
        self.taken.lock().expect("nobody panicked").extend(deliveries);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Functions take what is offered, but for those called `closed`; other targets take nothing at once.
    fn offer<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        let to = delivery.to.to_string();
        let is_open = to.contains(":function:") && !to.ends_with(":function:closed");
        let refused = || Undelivered::not_permitted(&delivery.from, &delivery.to);
        Box::pin(std::future::ready(if is_open { Ok(()) } else { Err(refused()) }))
    }
}
