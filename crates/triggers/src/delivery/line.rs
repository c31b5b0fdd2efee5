//! One line of deliveries: attempts, pauses, and the end.
//!
//! Deliveries of one group are tried in their order, because the queue hands them out so; all others side by side.

use std::sync::Arc;
use std::time::Duration;

use model::dead_letter::{Exhausted, letter};
use model::delivery::{Delivery, Undelivered};
use model::port::Pending;
use model::queue::{QueueName, Received, Settle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Delivering;
use super::stored::{decode, decode_retries, encode_retries};
use crate::lines::Line;

/// Deliveries of one line that are tried at once.
const PLACES: usize = 32;
/// The pause before the first further attempt; each later one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a delivery in a form that this version cannot read stays away.
const UNREADABLE_AFTER: Duration = Duration::from_secs(3_600);

/// See the module.
pub(super) struct DeliveryLine {
    owner: Delivering,
    queue: QueueName,
    places: Arc<Semaphore>,
}

impl DeliveryLine {
    pub(super) fn new(owner: Delivering, queue: QueueName) -> Self {
        Self { owner, queue, places: Arc::new(Semaphore::new(PLACES)) }
    }

    /// Makes one attempt; what is to become of the delivery.
    async fn attempt(&self, message: &Received) -> Settle {
        let Some(delivery) = decode(&message.content) else {
            tracing::error!(queue = %self.queue, id = %message.id, "a delivery has a form that is not known here");
            return Settle::Return { after: UNREADABLE_AFTER, note: None };
        };
        let retries = decode_retries(message.note.as_ref());
        let refused = match self.owner.take(&delivery).await {
            Ok(()) => return Settle::Done { outcome: None },
            Err(refused) => refused,
        };
        tracing::debug!(?delivery, retries, error = %refused, "not delivered");
        match next(&delivery, &refused, retries, message.age) {
            Next::Again(after) => Settle::Return { after, note: Some(encode_retries(retries + 1)) },
            Next::Over(exhausted) => self.give_up(&delivery, &refused, retries, exhausted).await,
        }
    }

    /// Hands a delivery that has failed for good to its dead-letter queue.
    async fn give_up(
        &self,
        delivery: &Delivery,
        refused: &Undelivered,
        retries: u32,
        exhausted: Option<Exhausted>,
    ) -> Settle {
        let Some(letter) = letter(delivery, refused, retries, exhausted) else {
            tracing::warn!(?delivery, error = %refused, "given up; it has no dead-letter queue");
            return Settle::Done { outcome: None };
        };
        match self.owner.take(&letter).await {
            Ok(()) => Settle::Done { outcome: None },
            Err(error @ Undelivered::Never { .. }) => {
                tracing::error!(?delivery, reason = %refused, %error, "given up; its dead-letter queue refuses it");
                Settle::Done { outcome: None }
            }
            Err(Undelivered::NotNow { message }) => {
                tracing::warn!(?delivery, message, "the dead-letter queue cannot take it now");
                Settle::Return { after: PAUSE_MAX, note: Some(encode_retries(retries)) }
            }
        }
    }
}

impl Line for DeliveryLine {
    fn places(&self) -> Pending<'_, OwnedSemaphorePermit> {
        Box::pin(async {
            let mut places = Arc::clone(&self.places).acquire_owned().await.expect("never closed");
            while let Ok(more) = Arc::clone(&self.places).try_acquire_owned() {
                places.merge(more);
            }
            places
        })
    }

    fn run(self: Arc<Self>, message: Received, place: OwnedSemaphorePermit) -> Pending<'static, ()> {
        Box::pin(async move {
            let settle = self.attempt(&message).await;
            self.owner.0.lines.settle(&self.queue, &message, settle).await;
            drop(place);
        })
    }
}

/// What follows from an attempt that failed.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Again(Duration),
    /// With what has run out, if anything.
    Over(Option<Exhausted>),
}

fn next(delivery: &Delivery, refused: &Undelivered, retries: u32, age: Duration) -> Next {
    if let Undelivered::Never { .. } = refused {
        return Next::Over(None);
    }
    if retries >= delivery.retry.retries_max {
        return Next::Over(Some(Exhausted::Retries));
    }
    let own = usize::try_from(retries).ok().and_then(|retries| delivery.extras.pauses.get(retries).copied());
    let pause = own.unwrap_or_else(|| PAUSE_MIN.saturating_mul(1 << retries.min(16)).min(PAUSE_MAX));
    match age + pause >= delivery.retry.age_max {
        true => Next::Over(Some(Exhausted::Age)),
        false => Next::Again(pause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::stored::tests::delivery;
    use model::delivery::Retry;

    #[test]
    fn what_may_work_later_is_tried_until_its_retries_or_its_time_are_over() {
        let age_max = Duration::from_secs(3_600);
        let mut delivery = Delivery { retry: Retry { retries_max: 3, age_max }, ..delivery() };
        delivery.extras.pauses.clear();
        let away = Undelivered::NotNow { message: "away".to_owned() };
        let seconds = Duration::from_secs;
        assert_eq!(next(&delivery, &away, 0, seconds(0)), Next::Again(seconds(1)));
        assert_eq!(next(&delivery, &away, 2, seconds(9)), Next::Again(seconds(4)));
        assert_eq!(next(&delivery, &away, 3, seconds(9)), Next::Over(Some(Exhausted::Retries)));
        assert_eq!(next(&delivery, &away, 1, seconds(3_598)), Next::Over(Some(Exhausted::Age)));
        assert_eq!(next(&delivery, &Undelivered::not_found("x"), 0, seconds(0)), Next::Over(None));
        let mut patient = Delivery { retry: Retry::BUS, ..delivery };
        assert_eq!(next(&patient, &away, 100, seconds(9)), Next::Again(PAUSE_MAX));
        patient.extras.pauses = vec![seconds(0), seconds(7)];
        assert_eq!(next(&patient, &away, 0, seconds(9)), Next::Again(seconds(0)));
        assert_eq!(next(&patient, &away, 1, seconds(9)), Next::Again(seconds(7)));
        assert_eq!(next(&patient, &away, 2, seconds(9)), Next::Again(seconds(4)));
    }
}
