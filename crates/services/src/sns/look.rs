//! A look at a message with the filters of a topic's subscribers: which of them want it.
//!
//! What filters compare is read once in each look, and kept no longer: a body takes many times its size so. Large messages are
//! looked at apart from the thread that everybody shares, in the line of their topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use aside::{BrokeOff, Turn};
use model::error::ServiceError;
use serde_json::Value;

use super::Sns;
use super::message::Message;
use super::route::{Route, Subscriber};

/// From this size on filters may take a tenth of a second over a message.
const LARGE_BYTES: usize = 8 * 1024;

/// See the module.
struct Look<'m> {
    message: &'m Message,
    /// The bodies as filters compare them, by their place in the message's texts.
    bodies: BTreeMap<&'m str, Option<Value>>,
    attributes: Option<Value>,
}

impl Look<'_> {
    fn wants(&mut self, subscriber: &Subscriber) -> bool {
        let Some(filter) = &subscriber.filter else { return true };
        let message = self.message;
        if !filter.is_on_body {
            return filter.pattern.matches(self.attributes.get_or_insert_with(|| message.compared()));
        }
        let Some((protocol, text)) = message.text_for(&subscriber.subscription.protocol) else {
            return false;
        };
        let read = || serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        self.bodies
            .entry(protocol)
            .or_insert_with(read)
            .as_ref()
            .is_some_and(|body| filter.pattern.matches(body))
    }
}

/// Those of the subscribers who want a message, from the first one on for a turn; and the one that comes next.
fn wanting(message: &Message, subscribers: &[Subscriber], first: usize, turn: Turn) -> (Vec<usize>, usize) {
    let mut look = Look { message, bodies: BTreeMap::new(), attributes: None };
    let mut wanting = Vec::new();
    for (number, subscriber) in subscribers.iter().enumerate().skip(first) {
        if look.wants(subscriber) {
            wanting.push(number);
        }
        if turn.is_over() {
            return (wanting, number + 1);
        }
    }
    (wanting, subscribers.len())
}

impl Sns {
    /// Those of a topic's subscribers who want a message, from the first one on for a turn; and the one that comes next.
    pub(super) async fn look(
        &self,
        route: &Arc<Route>,
        message: &Arc<Message>,
        first: usize,
    ) -> Result<(Vec<usize>, usize), ServiceError> {
        if message.bytes() < LARGE_BYTES || route.subscribers.iter().all(|one| one.filter.is_none()) {
            return Ok(wanting(message, &route.subscribers, first, Turn::among_all()));
        }
        let (route, message) = (Arc::clone(route), Arc::clone(message));
        let whose = route.topic.id.arn();
        let look = move || wanting(&message, &route.subscribers, first, Turn::aside());
        self.aside
            .run(&whose, look)
            .await
            .map_err(|BrokeOff| ServiceError::Internal("The message could not be matched.".to_owned()))
    }
}
