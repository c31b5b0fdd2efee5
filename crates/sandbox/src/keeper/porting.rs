//! How the keeper's loop passes requests for trees to the porters, and tells the server what became of them.
//!
//! All decisions are the porters' own; a keeper without a porter refuses.

use super::porter::{Order, Outcome};
use super::supervisor::{End, Supervisor};
use crate::message::FromKeeper;

impl Supervisor<'_> {
    /// Has a tree unpacked or removed.
    pub(super) fn order(&mut self, request: u32, order: Order) -> Result<(), End> {
        let outcome = match &mut self.host.porters {
            Some(porters) => porters.accept(request, order),
            None => Some((request, Err("the keeper was started without a porter".into()))),
        };
        outcome.map_or(Ok(()), |outcome| self.tell(outcome))
    }

    /// Nobody waits for a request any more.
    pub(super) fn give_up(&mut self, request: u32) {
        if let Some(porters) = &mut self.host.porters {
            porters.cancel(request);
        }
    }

    /// A porter has ended.
    pub(super) fn on_porters(&mut self) -> Result<(), End> {
        let Some(porters) = &mut self.host.porters else { return Ok(()) };
        porters.settle()?.into_iter().try_for_each(|outcome| self.tell(outcome))
    }

    fn tell(&mut self, (request, result): Outcome) -> Result<(), End> {
        let message = match result {
            Ok(report) => FromKeeper::Ported { request, report },
            Err(reason) => FromKeeper::NotPorted { request, reason },
        };
        self.send(&message, Vec::new())
    }
}
