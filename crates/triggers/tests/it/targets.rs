//! Targets of deliveries.
//!
//! One that invokes functions, and one that takes down what it is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::delivery::{Delivery, Target, Undelivered};
use model::event::{Event, Events};
use model::id::RequestId;
use model::port::{Entropy, Pending};

use crate::stand_in::{Counting, function};

/// Functions, as `control` has them, but without any policy.
pub struct Forwarding {
    pub events: Arc<dyn Events>,
    pub ids: Arc<Counting>,
}

impl Target for Forwarding {
    fn service(&self) -> &'static str {
        "lambda"
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        let mut random = [0; 16];
        self.ids.fill(&mut random);
        let arn = delivery.to.to_string();
        let event = Event {
            request: RequestId::from_random(random),
            function: function(arn.rsplit(':').next().unwrap()),
            qualifier: None,
            payload: delivery.body.clone(),
            client_context: None,
            trace: delivery.extras.trace.clone(),
            tenant: None,
        };
        Box::pin(async move { self.events.accept(event).await.map_err(|_| Undelivered::not_found("it")) })
    }
}

/// Queues. What is sent to `away-N` is refused N times first, to `late-N` only what is `1`, to `gone` always; `slow` takes
/// a second.
#[derive(Default)]
pub struct Taking {
    pub taken: Mutex<Vec<Delivery>>,
    tried: Mutex<HashMap<(String, Vec<u8>), u32>>,
}

impl Taking {
    /// Waits until this many were taken.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Vec<Delivery> {
        let begun = Instant::now();
        loop {
            let taken = self.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken;
            }
            assert!(begun.elapsed() < patience, "{} of {count} were taken", taken.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn answer(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let arn = delivery.to.to_string();
        let name = arn.rsplit(':').next().unwrap();
        let (what, times) =
            name.split_once('-').map_or((name, 0), |(what, times)| (what, times.parse().unwrap()));
        let tried = {
            let mut tried = self.tried.lock().unwrap();
            let tried = tried.entry((arn.clone(), delivery.body.to_vec())).or_default();
            *tried += 1;
            *tried
        };
        match what {
            "gone" => return Err(Undelivered::not_found(&delivery.to)),
            "away" if tried <= times => return Err(Undelivered::NotNow { message: "away".to_owned() }),
            "late" if tried <= times && &delivery.body[..] == b"1" => {
                return Err(Undelivered::NotNow { message: "away".to_owned() });
            }
            "slow" => tokio::time::sleep(Duration::from_secs(1)).await,
            _ => {}
        }
        self.taken.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

impl Target for Taking {
    fn service(&self) -> &'static str {
        "sqs"
    }

    fn take<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Undelivered>> {
        Box::pin(self.answer(delivery))
    }
}
